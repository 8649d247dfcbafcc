import type { Token } from '../token/token.ts'

/** What a request does. A POST or PUT is `create` where its target does not exist yet. */
export type OperationKind = 'read' | 'list' | 'create' | 'update' | 'delete' | 'patch'

/** A request as HTTP brings it: not yet known whether it may, or whether it creates. */
export interface Demand {
  readonly id: string
  readonly kind: OperationKind
  /** Below `/v1/`. */
  readonly path: string
  readonly data: Readonly<Record<string, unknown>>
  readonly tokenId: string | undefined
  /** Seconds from `X-Vault-Wrap-TTL`; 0: the answer is not to be wrapped. */
  readonly wrapTtl: number
}

/** One request to a backend. */
export interface Operation {
  /** Vault's `request_id`. */
  readonly id: string
  readonly kind: OperationKind
  /** Path below the mount. */
  readonly path: string
  /** Path below `/v1/`, mount included: what policies speak of. */
  readonly fullPath: string
  readonly data: Readonly<Record<string, unknown>>
  /** Absent at a login. */
  readonly token: Token | undefined
  /** Whether the token is root or its policies grant `sudo` on this path. */
  readonly sudo: boolean
  /** What the request gave as its token, valid or not. */
  readonly tokenId: string | undefined
  /** Seconds from `X-Vault-Wrap-TTL`; 0: the answer is not to be wrapped. */
  readonly wrapTtl: number
}

/** What a login proves, and the token it asks for. */
export interface Grant {
  /** Stands after the name of the mount; empty: that stands alone. */
  readonly displayName: string
  readonly metadata: Readonly<Record<string, string>>
  /** Name of the identity within the mount; equal names are one entity. */
  readonly alias: string
  readonly params: TokenParams
}

/** Settings of the tokens that a role issues; times in seconds, 0 means not set. */
export interface TokenParams {
  readonly policies: readonly string[]
  readonly ttl: number
  readonly maxTtl: number
  readonly explicitMaxTtl: number
  readonly period: number
  readonly numUses: number
  readonly noDefaultPolicy: boolean
  readonly type: 'default' | 'service' | 'batch'
  /** Older names, such as `ttl`, under which the role was written: it shows them again. */
  readonly oldNames: readonly string[]
}

/** The `auth` block of an answer. */
export type AuthBlock = Readonly<Record<string, unknown>>

/** A successful answer; `undefined` in its place is 204 to a write and 404 to a read. */
export interface Reply {
  /** 200 unless told otherwise. */
  readonly status?: number
  readonly data?: Readonly<Record<string, unknown>>
  readonly auth?: AuthBlock
  readonly warnings?: readonly string[]
  /** A login that succeeded: the core turns it into a token. */
  readonly grant?: Grant
  /** In place of the answer, which waits behind this token. */
  readonly wrapInfo?: WrapInfo
  /** Id of the request that first got this answer, where it is not the one at hand. */
  readonly requestId?: string
}

/** The `wrap_info` of an answer. */
export interface WrapInfo {
  readonly token: string
  readonly accessor: string
  /** Seconds. */
  readonly ttl: number
  readonly creation_time: string
  readonly creation_path: string
  /** Accessor of the token, or of the secret_id, that is inside. */
  readonly wrapped_accessor?: string
}

/**
 * A secrets engine, an auth method, or Vault's own `sys` and `auth/token`: something mounted at a path.
 *
 * To add one, implement this and name it in the catalogue of `vault.ts`.
 */
export interface Backend {
  /** @throws VaultFailure for every answer that is an error */
  handle(operation: Operation): Promise<Reply | undefined>
  /** Whether the target of a write exists; `undefined` where the path makes no difference of it. */
  exists(operation: Operation): boolean | undefined
  /** Whether the path needs no token. */
  isLogin(path: string): boolean
  /** Whether the path needs `sudo` beside the capability. */
  isRootPath(path: string): boolean
  /** Settings of today's role for a token it issued earlier, at renewal. */
  paramsOf?(token: Token): TokenParams
}

/** What the outside gives to every part: time and chance. */
export interface World {
  /** Unix milliseconds. */
  readonly clock: () => number
  readonly randomBytes: (size: number) => Uint8Array
}

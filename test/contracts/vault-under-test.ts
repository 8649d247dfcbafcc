import { expect } from 'vitest'
import type { Wire, WireAnswer } from './wire.ts'

/** A Vault, initialised and unsealed, as the contract sees it. */
export interface VaultUnderTest {
  readonly wire: Wire
  readonly rootToken: string
  /** An API server that this Vault can reach. */
  readonly kubernetes: KubernetesOfVault
  /** Another Vault, not initialised. */
  uninitialized(): Promise<{ readonly wire: Wire; close(): Promise<void> }>
  /** What time it is for the server, in Unix milliseconds. */
  now(): number
  /** Lets this much time pass for the server. */
  pass(ms: number): Promise<void>
  close(): Promise<void>
}

/** What kubernetes auth needs; ServiceAccounts `web` and `other` exist in `namespace`. */
export interface KubernetesOfVault {
  readonly host: string
  readonly caPem: string
  /** Token of a ServiceAccount that may create TokenReviews. */
  readonly reviewerToken: string
  readonly namespace: string
  /** `iss` of its tokens, and the key that they are signed with. */
  readonly issuer: string
  readonly publicPem: string
  /** A token of a ServiceAccount of the namespace. */
  token(serviceAccount: 'web' | 'other', audiences: readonly string[]): Promise<string>
}

/** Error text of a denial by policy. */
export const DENIED = '1 error occurred:\n\t* permission denied\n\n'

let counter = 0

/** A name that no other test uses, also not in an earlier run against the same server. */
export function unique(prefix: string): string {
  counter += 1
  return `${prefix}-${Date.now().toString(36)}${process.pid.toString(36)}${counter}`
}

/** Base64 of a text. */
export function b64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** Speaks to a Vault under test; paths are without `/v1/`. */
export class VaultClient {
  readonly world: VaultUnderTest

  constructor(world: VaultUnderTest) {
    this.world = world
  }

  /** One request with the root token, or with another, or with none (`null`). */
  call(
    method: string,
    path: string,
    body?: unknown,
    token: string | null = this.world.rootToken,
  ): Promise<WireAnswer> {
    return this.world.wire(method, `/v1/${path}`, { token: token ?? undefined, body })
  }

  /** A request that must succeed; gives the answer's `data`. */
  async data(
    method: string,
    path: string,
    body?: unknown,
    token?: string,
  ): Promise<WireAnswer['body']> {
    const answer = await this.call(method, path, body, token)
    expect(answer).toMatchObject({ status: 200 })
    return answer.body.data
  }

  /** Expects a status and, where given, the one error text. */
  async refused(
    request: readonly [method: string, path: string, body?: unknown, token?: string | null],
    status: number,
    error?: string,
  ): Promise<void> {
    const answer = await this.call(...request)
    const body = error === undefined ? { errors: [] } : { errors: [error] }
    expect({ status: answer.status, body: answer.body }).toEqual({ status, body })
  }

  /** A request that must succeed without content. */
  async done(method: string, path: string, body?: unknown, token?: string): Promise<void> {
    const answer = await this.call(method, path, body, token)
    expect({ status: answer.status, body: answer.body }).toEqual({ status: 204, body: '' })
  }

  /** A mount of its own for Transit. */
  async transit(): Promise<string> {
    const mount = unique('transit')
    await this.done('POST', `sys/mounts/${mount}`, { type: 'transit' })
    return mount
  }

  /** A token with exactly this policy. */
  async tokenWith(policy: string, settings: object = {}): Promise<string> {
    const name = unique('policy')
    await this.done('PUT', `sys/policies/acl/${name}`, { policy })
    const answer = await this.call('POST', 'auth/token/create', {
      policies: [name],
      no_default_policy: true,
      ttl: '10m',
      ...settings,
    })
    expect(answer).toMatchObject({ status: 200 })
    return answer.body.auth.client_token
  }

  /** A child of the root token. */
  async token(settings: object): Promise<string> {
    const answer = await this.call('POST', 'auth/token/create', settings)
    expect(answer).toMatchObject({ status: 200 })
    return answer.body.auth.client_token
  }
}

/** Gives the client once the server is open. */
export type ClientSource = () => VaultClient

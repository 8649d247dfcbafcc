/** Servers as calls see them, and the errors that their failures stand for. */
import {
  isSecretManagerError,
  SecretManagerError,
  type ErrorCode,
  type ErrorFacts,
} from '../errors.ts'
import { aborted } from '../lib/abort.ts'
import { TransportFailure, type Runtime, type Transport } from '../runtime.ts'
import type { BackendName } from '../telemetry.ts'

/** A server as calls see it. */
export interface Backend {
  readonly name: BackendName
  readonly runtime: Runtime
  readonly transport: Transport
  /** Without a trailing slash. */
  readonly url: string
  /** `host:port` of other servers that may be redirected to with the credentials. */
  readonly redirectHosts: readonly string[]
}

/** `causeClass` of an answer above the transport's limit: asked again, it would be as large. */
export const TOO_LARGE = 'ANSWER_TOO_LARGE'

/** The error of an answer that the backend's protocol does not know. */
export function badResponse(
  { name, url }: Pick<Backend, 'name' | 'url'>,
  status: number,
  what: string,
  facts: ErrorFacts = {},
): SecretManagerError {
  const message = `the answer of ${name} at ${url} (${status}) ${what}`
  return new SecretManagerError(FAILURES[name].broken, message, { status, ...facts })
}

/** `causeClass` of an answer of a port that speaks TLS alone: asked again, it would say the same. */
export const NEEDS_TLS = 'PLAIN_HTTP_TO_TLS'

/** Go's own answer to HTTP at such a port, word for word; no server's API is asked by then. */
const GO_WANTS_TLS = 'Client sent an HTTP request to an HTTPS server.'

/** The error of an answer that is no JSON but tells that the port speaks TLS; `undefined` for any other. */
export function plainHttpError(
  backend: Backend,
  status: number,
  body: Uint8Array,
): SecretManagerError | undefined {
  if (status !== 400 || body.byteLength > 2 * GO_WANTS_TLS.length) return undefined
  if (new TextDecoder().decode(body).trim() !== GO_WANTS_TLS) return undefined
  return badResponse(backend, status, 'says that this port speaks HTTPS alone', {
    hint: `use https: ${backend.url.replace(/^http:/, 'https:')}`,
    causeClass: NEEDS_TLS,
  })
}

/** The error that a failed exchange stands for; what is none of ours is a bug, and thrown. */
export function toError(backend: Backend, caught: unknown): SecretManagerError {
  if (isSecretManagerError(caught)) return caught
  if (!(caught instanceof TransportFailure)) throw caught
  const { kind, message, causeClass, tls } = caught
  if (kind === 'aborted') return aborted()
  const outcome = OUTCOMES[kind]
  if (tls || !outcome) return tlsError(backend, caught)
  const code = FAILURES[backend.name][outcome]
  return new SecretManagerError(code, `${backend.name} at ${backend.url}: ${message}`, {
    causeClass: kind === 'too-large' ? TOO_LARGE : causeClass,
  })
}

function tlsError(
  { name, url }: Backend,
  { tls, causeClass }: TransportFailure,
): SecretManagerError {
  const { code = 'SM_TLS_FAILED', detail = 'the TLS handshake failed', hint } = tls ?? {}
  return new SecretManagerError(code, `${name} at ${url}: ${detail}`, {
    hint,
    causeClass,
  })
}

/** What there is a code for each backend for. */
const OUTCOMES = {
  unreachable: 'unreachable',
  timeout: 'timeout',
  broken: 'broken',
  'too-large': 'broken',
  tls: undefined,
} as const

/** Codes by backend, each beginning like its others. */
const FAILURES = {
  vault: {
    unreachable: 'SM_VAULT_UNREACHABLE',
    timeout: 'SM_VAULT_TIMEOUT',
    broken: 'SM_VAULT_BAD_RESPONSE',
  },
  kubernetes: {
    unreachable: 'SM_K8S_UNREACHABLE',
    timeout: 'SM_K8S_TIMEOUT',
    broken: 'SM_K8S_BAD_RESPONSE',
  },
  google: {
    unreachable: 'SM_GOOGLE_UNREACHABLE',
    timeout: 'SM_GOOGLE_UNREACHABLE',
    broken: 'SM_GOOGLE_BAD_RESPONSE',
  },
} as const satisfies Readonly<
  Record<BackendName, Readonly<Record<'unreachable' | 'timeout' | 'broken', ErrorCode>>>
>

/** Failures of the server itself; every other one is an answer, which only one that is well can give. */
export const OUTAGES: ReadonlySet<string> = new Set([
  'SM_VAULT_UNINITIALIZED',
  ...['FAILED', 'UNTRUSTED', 'EXPIRED', 'NAME_MISMATCH'].map((what) => `SM_TLS_${what}`),
  ...['UNREACHABLE', 'TIMEOUT', 'BAD_RESPONSE', '5XX', 'RATE_LIMITED', 'SEALED', 'STANDBY'].flatMap(
    (what) => [`SM_VAULT_${what}`, `SM_K8S_${what}`, `SM_GOOGLE_${what}`],
  ),
])

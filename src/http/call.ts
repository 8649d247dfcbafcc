/**
 * One call to a backend: attempts within the caller's allowance, one redirect at most, and every
 * failure told as a SecretManagerError of the backend.
 */
import { isSecretManagerError, SecretManagerError, withFacts, type ErrorCode } from '../errors.ts'
import { aborted } from '../lib/abort.ts'
import { retryAfterMs } from '../lib/backoff.ts'
import { TransportFailure, type HttpResponse, type Runtime, type Transport } from '../runtime.ts'
import { publishRetry } from '../telemetry.ts'
import type { Allowance, BackendName } from './budget.ts'

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

/** What to ask. */
export interface CallRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** Path below the backend's URL, with a leading slash; its names were checked against the allow-list. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body?: unknown
  /** Must not be repeated when its outcome is unknown. */
  readonly once?: boolean
}

/** An answer whose body was JSON, or empty (`undefined`). */
export interface Answer {
  readonly status: number
  readonly headers: HttpResponse['headers']
  readonly json: unknown
  /** Monotonic time when the attempt began. */
  readonly sentAt: number
}

/**
 * Calls a backend, and again while that can help and the allowance permits.
 *
 * @param interpret - turns an answer into a result, or throws the error that it stands for
 * @throws {@link SecretManagerError} the last attempt's, with the number of attempts and the time spent
 */
export async function call<T>(
  backend: Backend,
  allowance: Allowance,
  request: CallRequest,
  interpret: (answer: Answer) => T,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return interpret(await exchange(backend, allowance, request, attempt))
    } catch (caught) {
      const error = toError(backend, caught)
      const again =
        mayRetry(error, request, attempt) &&
        (await anotherAttempt(backend, allowance, error, attempt))
      if (!again) throw withFacts(error, { attempts: attempt, elapsedMs: allowance.elapsedMs() })
    }
  }
}

function anotherAttempt(
  { name: backend }: Backend,
  allowance: Allowance,
  error: SecretManagerError,
  attempt: number,
): Promise<boolean> {
  return allowance.retry(backend, attempt, error.retryAfterMs, (waitMs) =>
    publishRetry(error, { backend, attempt, elapsedMs: allowance.elapsedMs(), waitMs }),
  )
}

/** Attempts after which a failure is believed that more patience seldom mends. */
const BELIEVED_AFTER: Partial<Record<ErrorCode, number>> = {
  SM_VAULT_BAD_RESPONSE: 2,
  SM_K8S_BAD_RESPONSE: 2,
  SM_CT_TOO_NEW: 3,
  // The same change meets the same conflict: only who reads the object again can do better.
  SM_K8S_CONFLICT: 1,
}

function mayRetry(error: SecretManagerError, request: CallRequest, attempt: number): boolean {
  if (!error.retryable || request.once === true) return false
  return attempt < (BELIEVED_AFTER[error.code] ?? Infinity)
}

async function exchange(
  backend: Backend,
  allowance: Allowance,
  request: CallRequest,
  attempt: number,
): Promise<Answer> {
  const url = backend.url + request.path
  const sentAt = backend.runtime.now()
  const first = await send(backend, allowance, request, url, attempt)
  if (!isRedirect(first)) return { ...parse(backend, first), sentAt }
  const target = redirectTarget(backend, url, first)
  const second = await send(backend, allowance, request, target, attempt)
  if (isRedirect(second)) throw refused(backend, 'redirected twice')
  return { ...parse(backend, second), sentAt }
}

function isRedirect({ status, headers }: HttpResponse): boolean {
  return status >= 300 && status < 400 && headers['location'] !== undefined
}

function send(
  { transport }: Backend,
  allowance: Allowance,
  { method, headers, body, once }: CallRequest,
  url: string,
  attempt: number,
): Promise<HttpResponse> {
  const json = body === undefined ? {} : { 'content-type': 'application/json', ...headers }
  return transport.send({
    method,
    url,
    headers: { accept: 'application/json', ...headers, ...json },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: allowance.signal,
    once,
    ...allowance.attempt(attempt),
  })
}

/**
 * Where a standby sends us: only to this host or one that was named, and never from https to http,
 * because token and JWT go along.
 */
function redirectTarget(backend: Backend, from: string, { status, headers }: HttpResponse): string {
  const location = headers['location'] ?? ''
  if (!URL.canParse(location, from)) throw refused(backend, 'redirected to nowhere')
  // The others let a client turn a POST into a GET without its body (RFC 9110 §15.4).
  if (status !== 307 && status !== 308) throw refused(backend, `redirected by a ${status}`)
  const target = new URL(location, from)
  const origin = new URL(from)
  const allowed = target.host === origin.host || backend.redirectHosts.includes(hostPort(target))
  if (!allowed)
    throw refused(backend, `redirected to the host ${hostPort(target)}, which is not allowed`)
  if (target.protocol !== origin.protocol)
    throw refused(backend, `redirected to ${target.protocol.slice(0, -1)}`)
  return target.href
}

function hostPort({ hostname, port, protocol }: URL): string {
  return `${hostname}:${port || (protocol === 'https:' ? 443 : 80)}`
}

function refused({ name, url }: Backend, what: string): SecretManagerError {
  return new SecretManagerError(
    'SM_REDIRECT_REFUSED',
    `${name} at ${url} ${what}: nothing was sent there`,
  )
}

function parse(backend: Backend, { status, headers, body }: HttpResponse): Omit<Answer, 'sentAt'> {
  if (body.byteLength === 0) return { status, headers, json: undefined }
  if (status < 400 && !isJson(headers['content-type'])) {
    throw badResponse(backend, status, 'does not call itself JSON')
  }
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
    return { status, headers, json }
  } catch {
    // The parser's message quotes the body. A proxy's error page is judged by its status.
    if (status >= 400) return { status, headers, json: undefined }
    throw badResponse(backend, status, 'is not JSON')
  }
}

/** Both servers always say so; a login page of a gateway does not. */
function isJson(contentType: string | undefined): boolean {
  return contentType === undefined || /^\s*application\/(?:[\w.-]+\+)?json\b/i.test(contentType)
}

/** The error of an answer that the backend's protocol does not know. */
export function badResponse(
  { name, url }: Backend,
  status: number,
  what: string,
): SecretManagerError {
  const code = name === 'vault' ? 'SM_VAULT_BAD_RESPONSE' : 'SM_K8S_BAD_RESPONSE'
  return new SecretManagerError(code, `the answer of ${name} at ${url} (${status}) ${what}`, {
    status,
  })
}

/** The wait that an answer asks for, in milliseconds. */
export function waitAskedFor({ runtime }: Backend, { headers }: Answer): number | undefined {
  return retryAfterMs(headers['retry-after'], runtime.wallClock())
}

function toError(backend: Backend, caught: unknown): SecretManagerError {
  if (isSecretManagerError(caught)) return caught
  if (!(caught instanceof TransportFailure)) throw caught
  const { kind, message, causeClass, tls } = caught
  if (kind === 'aborted') return aborted()
  if (tls) return tlsError(backend, caught)
  return new SecretManagerError(
    FAILURES[kind][backend.name],
    `${backend.name} at ${backend.url}: ${message}`,
    { causeClass },
  )
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

const FAILURES: Readonly<
  Record<TransportFailure['kind'], Readonly<Record<BackendName, ErrorCode>>>
> = {
  unreachable: { vault: 'SM_VAULT_UNREACHABLE', kubernetes: 'SM_K8S_UNREACHABLE' },
  timeout: { vault: 'SM_VAULT_TIMEOUT', kubernetes: 'SM_K8S_TIMEOUT' },
  broken: { vault: 'SM_VAULT_BAD_RESPONSE', kubernetes: 'SM_K8S_BAD_RESPONSE' },
  'too-large': { vault: 'SM_VAULT_BAD_RESPONSE', kubernetes: 'SM_K8S_BAD_RESPONSE' },
  tls: { vault: 'SM_TLS_FAILED', kubernetes: 'SM_TLS_FAILED' },
  aborted: { vault: 'SM_ABORTED', kubernetes: 'SM_ABORTED' },
}

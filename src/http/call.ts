/**
 * One call to a backend: attempts within the caller's allowance, one redirect at most, and every
 * failure told as a SecretManagerError of the backend.
 */
import { SecretManagerError, withFacts, type ErrorCode } from '../errors.ts'
import { retryAfterMs } from '../lib/backoff.ts'
import type { HttpResponse } from '../runtime.ts'
import { eventError, publish, type BackendName, type RequestEvent } from '../telemetry.ts'
import type { Allowance } from './allowance.ts'
import {
  badResponse,
  NEEDS_TLS,
  OUTAGES,
  plainHttpError,
  toError,
  TOO_LARGE,
  type Backend,
} from './backend.ts'

export { badResponse, type Backend } from './backend.ts'

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
  await allowance.enter(backend.name)
  for (let attempt = 1; ; attempt += 1) {
    try {
      const result = interpret(await exchange(backend, allowance, request, attempt))
      allowance.worked(backend.name)
      return result
    } catch (caught) {
      const error = toError(backend, caught)
      learn(backend, allowance, error)
      const again =
        mayRetry(error, request, attempt) &&
        (await anotherAttempt(backend.name, allowance, error, attempt))
      if (!again) throw withFacts(error, { attempts: attempt, elapsedMs: allowance.elapsedMs() })
    }
  }
}

function learn({ name }: Backend, allowance: Allowance, error: SecretManagerError): void {
  if (error.causeClass === TOO_LARGE) return
  if (OUTAGES.has(error.code)) allowance.failed(name, error)
  else if (error.status !== undefined) allowance.worked(name)
}

/** Waits for one more attempt, and tells of it; `false` where there is no time. */
export function anotherAttempt(
  backend: BackendName,
  allowance: Allowance,
  error: SecretManagerError,
  attempt: number,
): Promise<boolean> {
  return allowance.retry(backend, attempt, error.retryAfterMs, (waitMs) =>
    publish('retry', () => ({
      ...eventError(error),
      backend,
      attempt,
      elapsedMs: allowance.elapsedMs(),
      waitMs,
    })),
  )
}

/** Attempts after which a failure is believed that more patience seldom mends. */
const BELIEVED_AFTER: Partial<Record<ErrorCode, number>> = {
  SM_VAULT_BAD_RESPONSE: 2,
  SM_K8S_BAD_RESPONSE: 2,
  SM_CT_TOO_NEW: 3,
  SM_VAULT_STALE_REPLICA: 4,
  // The same change meets the same conflict: only who reads the object again can do better.
  SM_K8S_CONFLICT: 1,
}

function mayRetry(error: SecretManagerError, request: CallRequest, attempt: number): boolean {
  if (!error.retryable || request.once === true || isLasting(error)) return false
  // The active node does not lag behind itself.
  if (error.code === 'SM_VAULT_STALE_REPLICA' && 'x-vault-inconsistent' in request.headers)
    return false
  return attempt < (BELIEVED_AFTER[error.code] ?? Infinity)
}

function isLasting({ causeClass }: SecretManagerError): boolean {
  return causeClass === TOO_LARGE || causeClass === NEEDS_TLS
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
  { name: backend, runtime, transport }: Backend,
  allowance: Allowance,
  { method, headers, body, once }: CallRequest,
  url: string,
  attempt: number,
): Promise<HttpResponse> {
  const json = body === undefined ? {} : { 'content-type': 'application/json', ...headers }
  const startedAt = runtime.now()
  const ended = (answer: Pick<RequestEvent, 'status'>): void =>
    publish('request', () => {
      const durationMs = runtime.now() - startedAt
      return { backend, method, attempt, durationMs, ...answer }
    })
  const response = transport.send({
    method,
    url,
    headers: { accept: 'application/json', ...headers, ...json },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: allowance.signal,
    once,
    ...allowance.attempt(attempt),
  })
  response.then(
    ({ status }) => ended({ status }),
    () => ended({}),
  )
  return response
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
    const needsTls = plainHttpError(backend, status, body)
    if (needsTls) throw needsTls
    // The parser's message quotes the body. A proxy's error page is judged by its status.
    if (status >= 400) return { status, headers, json: undefined }
    throw badResponse(backend, status, 'is not JSON')
  }
}

/** Both servers always say so; a login page of a gateway does not. */
function isJson(contentType: string | undefined): boolean {
  if (contentType === undefined) return true
  // Not by the flag i: the first one of a process loads Unicode's tables.
  return /^\s*application\/(?:[\w.-]+\+)?json\b/.test(contentType.toLowerCase())
}

/** The wait that an answer asks for, in milliseconds. */
export function waitAskedFor({ runtime }: Backend, { headers }: Answer): number | undefined {
  return retryAfterMs(headers['retry-after'], runtime.wallClock())
}

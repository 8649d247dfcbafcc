/**
 * What Vault's error answers stand for.
 *
 * The server's text is not trusted: it may quote what was sent. It is only searched for sentences
 * that are known, and every word of an error here is our own.
 *
 * @see https://developer.hashicorp.com/vault/api-docs#http-status-codes
 */
import { SecretManagerError, type ErrorCode, type ErrorFacts } from '../errors.ts'
import { waitAskedFor, type Answer, type Backend } from '../http/call.ts'
import type { VaultRequest } from './client.ts'

/** Turns an answer that is neither 200 nor 204 into the error it stands for. */
export function vaultError(
  backend: Backend,
  { path, refused }: VaultRequest,
  answer: Answer,
  reply: Readonly<Record<string, unknown>> | undefined,
  correlationId: string,
): SecretManagerError {
  const { status } = answer
  const text = errorText(reply)
  const facts = { status, requestId: correlationId, retryAfterMs: waitAskedFor(backend, answer) }
  const sentence = KNOWN.find((known) => text.includes(known)) ?? ''
  if (refused && (status === 400 || status === 403)) {
    return refused({ sentence, facts, skewMs: skewMs(backend, answer) })
  }
  const code = codeOf(status, text, path)
  const what = `vault at ${backend.url} ${REASONS[code] ?? 'refused'} ${path} (${status})`
  const message = sentence === '' ? what : `${what}: ${sentence}`
  return new SecretManagerError(code, message, { ...hintFor(code, path, text), ...facts })
}

/** The `Date` of an answer has seconds; half of one is the best guess. See RFC 9110 §6.6.1 */
function skewMs({ runtime }: Backend, { headers }: Answer): number | undefined {
  const date = Date.parse(headers['date'] ?? '')
  return Number.isNaN(date) ? undefined : runtime.wallClock() - (date + 500)
}

/** What one failed item of a Transit batch stands for: told as the refusal of a request of its own. */
export function transitItemError(
  { url }: Backend,
  path: string,
  text: string,
  requestId: string | undefined,
): SecretManagerError {
  const code = TRANSIT.find(([sentence]) => text.includes(sentence))?.[1] ?? 'SM_VAULT_REJECTED'
  const status = 400
  return new SecretManagerError(code, `vault at ${url} refused ${path} (${status})`, {
    status,
    requestId,
  })
}

const REASONS: Partial<Record<ErrorCode, string>> = {
  SM_VAULT_DENIED: 'denied',
  SM_VAULT_SEALED: 'is sealed and cannot serve',
  SM_VAULT_UNINITIALIZED: 'is not initialised and cannot serve',
  SM_VAULT_STANDBY: 'is a standby and did not serve',
  SM_VAULT_5XX: 'failed to serve',
  SM_VAULT_RATE_LIMITED: 'limits the rate of',
  SM_VAULT_STALE_REPLICA: 'has not caught up for',
  SM_VAULT_NOT_FOUND: 'knows nothing at',
  SM_KEY_NOT_FOUND: 'has no key for',
}

function codeOf(status: number, text: string, path: string): ErrorCode {
  // Transit has no word for it; where nothing is mounted there is one.
  if (status === 404 && text === '' && /\/keys\/[^/]+$/.test(path)) return 'SM_KEY_NOT_FOUND'
  const transit = TRANSIT.find(([sentence]) => text.includes(sentence))
  if (status === 400 && transit) return transit[1]
  // Vault says so itself; a gateway without a healthy server answers 503, too.
  if (status === 503 && !text.includes('sealed')) return 'SM_VAULT_5XX'
  return BY_STATUS[status] ?? (status >= 500 ? 'SM_VAULT_5XX' : 'SM_VAULT_REJECTED')
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  403: 'SM_VAULT_DENIED',
  404: 'SM_VAULT_NOT_FOUND',
  412: 'SM_VAULT_STALE_REPLICA',
  429: 'SM_VAULT_RATE_LIMITED',
  472: 'SM_VAULT_STANDBY',
  473: 'SM_VAULT_STANDBY',
  501: 'SM_VAULT_UNINITIALIZED',
  503: 'SM_VAULT_SEALED',
}

/** Sentences of the Transit engine, the more exact ones first. */
const TRANSIT: readonly (readonly [string, ErrorCode])[] = [
  ['disallowed by policy (too old)', 'SM_CT_TOO_OLD'],
  ['version is too new', 'SM_CT_TOO_NEW'],
  ['message authentication failed', 'SM_CT_AUTH_FAILED'],
  ["missing 'context'", 'SM_CT_AUTH_FAILED'],
  ['invalid ciphertext', 'SM_CT_FORMAT'],
  ['encryption key not found', 'SM_KEY_NOT_FOUND'],
]

function hintFor(code: ErrorCode, path: string, text: string): ErrorFacts {
  if (code === 'SM_VAULT_DENIED') return { hint: deniedHint(path) }
  if (code === 'SM_VAULT_NOT_FOUND' && text.includes('namespace not found')) {
    return { hint: 'vault.namespace (VAULT_NAMESPACE) names a namespace that does not exist there' }
  }
  return {}
}

/** A policy grants the path as Vault names it: show the very stanza. */
function deniedHint(path: string): string {
  const capability =
    path.includes('/keys/') && !/\/(?:rotate|config|trim)$/.test(path) ? 'read' : 'update'
  return `grant it in a policy of the role: path "${path}" { capabilities = ["${capability}"] }`
}

/** Sentences that say more than the status does; they hold no data. The first that fits counts. */
const KNOWN = [
  'service account name not authorized',
  'namespace not authorized',
  'invalid audience (aud) claim',
  'invalid role name',
  'missing jwt',
  'token is expired',
  'no handler for route',
  'namespace not found',
  'claim "iss" is invalid',
  // auth/jwt
  'no audiences bound to the role',
  'invalid subject (sub) claim',
  'invalid issuer (iss) claim',
  'token not yet valid',
  'token issued in the future',
  'no known key successfully validated the token signature',
  'failed to verify id token signature',
  'error configuring token validator',
  'does not match any associated bound claim values',
  'error validating claims',
  'not found in token',
  'oidc role_type is not allowed',
  'could not load configuration',
  'could not be found',
  // auth/approle
  'invalid role or secret ID',
  'missing secret_id',
  'CIDR restrictions on the secret ID',
  'CIDR restrictions on the role',
  // auth/gcp
  'JWT is expired',
  'JWT must expire in',
  'JWTs expire within',
  "JWT claim 'aud' must end in",
  'is not authorized for role',
  'is not in bound service accounts',
  'not in bound projects',
  'instance missing bound label',
  'instance not in bound zones',
  'instance not in bound regions',
  'instance is not part of instance groups',
  'expected JWT to have claims with GCE metadata',
  'unable to get public key',
  // transit: changes of a key
  'no existing key named',
  'invalid key name',
  'cannot set min decryption version',
  'cannot set min encryption version',
  'cannot set min encryption/decryption values',
  'min decryption version should not be less then min available version',
  'min encryption version should not be less than min available version',
  'minimum available version cannot be decremented',
  'minimum available version cannot be set when minimum encryption version is not set',
  'minimum available version cannot be greater than minmum encryption version',
  'minimum available version cannot be greater than minimum decryption version',
  'minimum available version should be positive',
  // sys/init
  'is already initialized',
  // sys/wrapping
  'wrapping token is not valid or does not exist',
  'connection refused',
  'i/o timeout',
]

/** The texts of an error answer, joined; for searching only. */
function errorText(reply: Readonly<Record<string, unknown>> | undefined): string {
  const errors = reply?.['errors']
  return Array.isArray(errors) ? errors.filter((text) => typeof text === 'string').join('\n') : ''
}

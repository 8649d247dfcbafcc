/**
 * Every failure that SecretManager can name: one class, one table.
 *
 * The table gives each code its component, its exit code for the command line, whether trying again
 * can help, and the hint for the person who reads it. Messages say what failed and where; hints say
 * what to do next. Neither ever holds a value, a token, a body, or another library's words about data.
 */

/** The part of the system that failed. */
export type ErrorComponent =
  | 'config'
  | 'vault'
  | 'kubernetes'
  | 'auth'
  | 'ciphertext'
  | 'payload'
  | 'tls'
  | 'file'
  | 'client'

/** One row of the table. Exit codes: 1 internal, 2 usage, 3 denied, 4 not found, 5 unreachable, 6 data, 7 conflict. */
export type ErrorRow = readonly [
  component: ErrorComponent,
  exitCode: 1 | 2 | 3 | 4 | 5 | 6 | 7,
  retryable: boolean,
  hint: string,
]

/** Every code with its row. Exit codes and the error reference are generated from this table. */
// oxfmt-ignore
export const ERRORS = {
  SM_CONFIG_INVALID: ['config', 2, false, 'correct the named settings'],
  SM_SCHEMA_INVALID: ['payload', 6, false, 'compare the schema with the entries of the dictionary'],
  SM_TIMEOUT: ['client', 5, true, 'give the call more time, or look at what the last attempt met'],
  SM_ABORTED: ['client', 1, false, 'the caller aborted the call'],
  SM_CLOSED: ['client', 1, false, 'this SecretManager is closed: create another'],
  SM_INTERNAL: ['client', 1, false, 'this is a bug in secretmanager: please report it with this message'],

  SM_VAULT_UNREACHABLE: ['vault', 5, true, 'check the address and that a network policy or firewall lets this host reach it'],
  SM_VAULT_TIMEOUT: ['vault', 5, true, 'Vault accepted the connection but did not answer in time: check its load and storage'],
  SM_VAULT_BAD_RESPONSE: ['vault', 5, true, 'what answered does not speak Vault: check the address and anything between here and there'],
  SM_VAULT_SEALED: ['vault', 5, true, 'unseal Vault: vault operator unseal'],
  SM_VAULT_UNINITIALIZED: ['vault', 5, false, 'initialise Vault: vault operator init'],
  SM_VAULT_STANDBY: ['vault', 5, true, 'this node is a standby that does not forward: use the address of the active node'],
  SM_VAULT_5XX: ['vault', 5, true, "look for this time and request id in Vault's log, and at any gateway before it"],
  SM_VAULT_RATE_LIMITED: ['vault', 5, true, 'a rate limit quota of Vault refused the request: vault read sys/quotas/rate-limit/NAME'],
  SM_VAULT_STALE_REPLICA: ['vault', 5, true, 'this replica has not caught up: ask the active node'],
  SM_VAULT_DENIED: ['vault', 3, false, 'grant the path in a policy of the role: vault policy read POLICY'],
  SM_VAULT_NOT_FOUND: ['vault', 4, false, 'nothing is mounted there: vault secrets list, vault auth list'],
  SM_VAULT_REJECTED: ['vault', 1, false, 'Vault refused the request as malformed'],
  SM_AUTH_DENIED: ['auth', 3, false, 'compare the role with the identity that logged in: vault read auth/MOUNT/role/ROLE'],
  SM_AUTH_BAD_LEASE: ['auth', 5, false, 'the login answered without a usable token: set token_ttl of the role'],
  SM_SECRET_ID_SPENT: ['auth', 3, false, 'issue a new secret_id: vault write -f auth/approle/role/ROLE/secret-id'],
  SM_UNWRAP_REFUSED: ['auth', 3, false, 'somebody else may have unwrapped it: treat what it wrapped as stolen, destroy it, and issue another'],
  SM_CLOCK_SKEW: ['auth', 3, false, 'synchronise the clocks of both hosts (NTP)'],
  SM_GOOGLE_CREDENTIALS: ['auth', 2, false, 'give Application Default Credentials: gcloud auth application-default login, GOOGLE_APPLICATION_CREDENTIALS, or workload identity'],
  SM_GOOGLE_UNREACHABLE: ['auth', 5, true, 'check that this host reaches Google: iamcredentials.googleapis.com, or the metadata server'],
  SM_GOOGLE_BAD_RESPONSE: ['auth', 5, true, 'what answered does not speak for Google: check the address and any proxy'],
  SM_GOOGLE_5XX: ['auth', 5, true, 'Google failed to serve: see status.cloud.google.com'],
  SM_GOOGLE_DENIED: ['auth', 3, false, 'grant roles/iam.serviceAccountTokenCreator on the service account'],
  SM_PACKAGE_MISSING: ['config', 2, false, 'install the named package'],
  SM_REDIRECT_REFUSED: ['vault', 5, false, 'use the address of the active node, or name the other host in vault.redirectHosts'],
  SM_KEY_NOT_FOUND: ['vault', 4, false, 'no such Transit key: vault list transit/keys; or make it: secretmanager provision'],

  SM_CT_TOO_OLD: ['ciphertext', 6, false, 'its key version is below min_decryption_version: secretmanager unretire opens it, rewrap brings it to the latest'],
  SM_CT_TOO_NEW: ['ciphertext', 6, true, 'its key version does not exist here: a lagging standby, or a ciphertext of another Vault'],
  SM_CT_AUTH_FAILED: ['ciphertext', 6, false, 'it was changed, or encrypted by another key or for another context'],
  SM_CT_FORMAT: ['ciphertext', 6, false, 'it is not a ciphertext of the expected format'],
  SM_BINDING_MISMATCH: ['ciphertext', 6, false, 'it was sealed for another mount, key or binding than the definition names: seal it again (secretmanager encrypt), or correct the definition'],
  SM_ROLLBACK_REFUSED: ['ciphertext', 6, false, 'somebody put back an older document: to go back, seal the old content under a new revision (secretmanager rollback); to accept it as it is, set allowRollback in the definition'],
  SM_PAYLOAD_INVALID: ['payload', 6, false, 'what was decrypted is not a JSON dictionary: write it again, or use readBytes'],
  SM_TOO_LARGE: ['payload', 6, false, 'a Secret holds 1 MiB, that is 786395 bytes of plaintext'],

  SM_K8S_UNREACHABLE: ['kubernetes', 5, true, 'check the address of the API server and that a network policy or firewall lets this host reach it'],
  SM_K8S_TIMEOUT: ['kubernetes', 5, true, 'the API server accepted the connection but did not answer in time'],
  SM_K8S_BAD_RESPONSE: ['kubernetes', 5, true, 'what answered does not speak the Kubernetes API: check the server address'],
  SM_K8S_5XX: ['kubernetes', 5, true, "look at the API server's log and its etcd"],
  SM_K8S_RATE_LIMITED: ['kubernetes', 5, true, 'API Priority and Fairness refused the request: the API server is overloaded'],
  SM_K8S_UNAUTHENTICATED: ['auth', 3, false, 'the API server does not accept this credential: is it expired, or for another cluster?'],
  SM_K8S_DENIED: ['kubernetes', 3, false, 'grant the verb on the resource with a Role and a RoleBinding'],
  SM_K8S_NOT_FOUND: ['kubernetes', 4, false, 'check the name and the namespace'],
  SM_K8S_CONFLICT: ['kubernetes', 7, true, 'somebody else changed the object: read it again'],
  SM_K8S_REJECTED: ['kubernetes', 1, false, 'the API server refused the request as invalid'],
  SM_KEY_MISSING: ['kubernetes', 4, false, 'check the data key: the object exists but has no such entry'],

  SM_TOKEN_FILE_MISSING: ['auth', 2, false, 'mount a projected ServiceAccount token with audience vault, or unset jwtFile to request one'],
  SM_TOKEN_FILE_INVALID: ['auth', 2, true, 'the file must hold one JWT: check the projected volume'],
  SM_TOKEN_EXPIRED: ['auth', 3, true, 'the kubelet did not refresh the projected token: check the clock of the node and the volume'],
  SM_TOKEN_AUDIENCE: ['auth', 2, false, 'a token for the API server could be replayed against it by whoever receives it: mount one with audience vault, or set vault.auth.audience to accept it'],

  SM_TLS_UNTRUSTED: ['tls', 5, false, 'set vault.caCert (or certificate-authority of the kubeconfig) to the CA that signed the certificate'],
  SM_TLS_EXPIRED: ['tls', 5, false, 'renew the certificate, or correct the clock of this host'],
  SM_TLS_NAME_MISMATCH: ['tls', 5, false, 'issue the certificate for this name or address, or set the server name that it was issued for'],
  SM_TLS_FAILED: ['tls', 5, false, 'check that the port speaks TLS 1.2 or later, and the client certificate if one is demanded'],

  SM_FILE_UNREADABLE: ['file', 2, false, 'check the path and its permissions'],
  SM_EXEC_FAILED: ['auth', 2, false, 'run the credential plugin of the kubeconfig by hand'],
} as const

/** The closed set of codes; switch on it. */
export type ErrorCode = keyof typeof ERRORS

/** What is known about a failure, beyond its code. */
export interface ErrorFacts {
  /** Overrides the hint of the table with a more exact next action. */
  readonly hint?: string | undefined
  /** HTTP status of the answer, if there was one. */
  readonly status?: number | undefined
  /** Joins Vault's audit log: the request_id of the answer, or the correlation id that was sent. */
  readonly requestId?: string | undefined
  readonly attempts?: number | undefined
  readonly elapsedMs?: number | undefined
  /** Name of the underlying failure's class or system code, such as ECONNREFUSED; never its message. */
  readonly causeClass?: string | undefined
  readonly cause?: SecretManagerError | undefined
  /** Wait that the server asked for, in milliseconds. */
  readonly retryAfterMs?: number | undefined
  /** What the message lists, in its order, each fit for a line of its own. */
  readonly problems?: readonly string[] | undefined
}

const BRAND = Symbol.for('secretmanager.error')

/**
 * The one error that SecretManager rejects with. Misuse of the API by the programmer is a `TypeError`.
 *
 * `message` is one lower-case sentence of what failed and where; `hint` is the next action.
 */
export class SecretManagerError extends Error {
  readonly code: ErrorCode
  readonly component: ErrorComponent
  readonly hint: string
  readonly retryable: boolean
  readonly exitCode: number
  declare readonly status: number | undefined
  declare readonly requestId: string | undefined
  readonly attempts: number
  declare readonly elapsedMs: number | undefined
  declare readonly causeClass: string | undefined
  /** Not part of the report: how long the server asked to be left alone. @internal */
  declare readonly retryAfterMs: number | undefined
  /** Not part of the report: what the message lists, for who prints it in lines. @internal */
  declare readonly problems: readonly string[] | undefined

  constructor(code: ErrorCode, message: string, facts: ErrorFacts = {}) {
    super(message, facts.cause && { cause: facts.cause })
    const [component, exitCode, retryable, hint]: ErrorRow = ERRORS[code]
    this.code = code
    this.component = component
    this.hint = facts.hint ?? hint
    this.retryable = retryable
    this.exitCode = exitCode
    this.attempts = facts.attempts ?? 1
    // A fact that is not known is no property: a console would print it as undefined.
    const { status, requestId, elapsedMs, causeClass, retryAfterMs, problems } = facts
    if (status !== undefined) this.status = status
    if (requestId !== undefined) this.requestId = requestId
    if (elapsedMs !== undefined) this.elapsedMs = elapsedMs
    if (causeClass !== undefined) this.causeClass = causeClass
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs
    hide(this, 'problems', problems)
  }

  /** What a log line needs, as plain data; absent facts are left out. */
  toJSON(): Record<string, string | number | boolean> {
    const { code, component, message, hint, retryable, attempts } = this
    const optional = {
      status: this.status,
      requestId: this.requestId,
      elapsedMs: this.elapsedMs,
      causeClass: this.causeClass,
    }
    const present = Object.entries(optional).filter(
      (entry): entry is [string, string | number] => entry[1] !== undefined,
    )
    return { code, component, message, hint, retryable, attempts, ...Object.fromEntries(present) }
  }
}

/** The message says it already: a console need not print it twice. */
function hide(error: SecretManagerError, fact: string, value: unknown): void {
  if (value !== undefined) Object.defineProperty(error, fact, { value })
}

// On the prototype, so that it is neither an own key nor printed twice.
Object.defineProperty(SecretManagerError.prototype, 'name', { value: 'SecretManagerError' })
Object.defineProperty(SecretManagerError.prototype, BRAND, { value: true })

/** Whether `value` is a {@link SecretManagerError}, also one of another copy of this package. */
export function isSecretManagerError(value: unknown): value is SecretManagerError {
  return typeof value === 'object' && value !== null && BRAND in value
}

/** The same failure with what its caller knows better: attempts, time, hint. */
export function withFacts(error: SecretManagerError, facts: ErrorFacts): SecretManagerError {
  return new SecretManagerError(error.code, error.message, { ...factsOf(error), ...facts })
}

/** The same failure, told from where it was met: `context: message`. */
export function inContext(error: SecretManagerError, context: string): SecretManagerError {
  return new SecretManagerError(error.code, `${context}: ${error.message}`, factsOf(error))
}

function factsOf(error: SecretManagerError): ErrorFacts {
  const { hint, status, requestId, attempts, elapsedMs, causeClass, retryAfterMs } = error
  const { problems } = error
  const cause = isSecretManagerError(error.cause) ? error.cause : undefined
  return { hint, status, requestId, attempts, elapsedMs, causeClass, retryAfterMs, problems, cause }
}

/** The system's code of an error, such as ENOENT; nothing else of a foreign error is ever shown. */
export function systemCode(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('code' in error)) return undefined
  return typeof error.code === 'string' && /^[A-Z0-9_]{1,64}$/.test(error.code)
    ? error.code
    : undefined
}

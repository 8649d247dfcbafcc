/**
 * Vault's HTTP API (OpenBao speaks the same): a request in, `data` or `auth` out, failures by name.
 *
 * @see https://developer.hashicorp.com/vault/api-docs
 */
import type { Settings } from '../config/schema.ts'
import { isSecretManagerError, SecretManagerError, type ErrorFacts } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { badResponse, call, type Answer, type Backend } from '../http/call.ts'
import { isRecord } from '../lib/record.ts'
import type { Runtime } from '../runtime.ts'
import { transitItemError, vaultError } from './errors.ts'

/** One operation of the API. */
export interface VaultRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Below `/v1/`, without a leading slash. Its names were checked against the allow-list. */
  readonly path: string
  readonly token?: string
  readonly body?: unknown
  /** Must not be repeated when its outcome is unknown. */
  readonly once?: boolean
  /** Tells a 400 or 403 better than the path alone could: a login knows role and identity. */
  readonly refused?: (refusal: Refusal) => SecretManagerError
  /** A batch: what its items came to may stand in the answer of a 400. */
  readonly isBatch?: boolean
}

/** A 400 or 403. */
export interface Refusal {
  /** What of Vault's text is known and holds no data; often nothing. */
  readonly sentence: string
  readonly facts: ErrorFacts
  /** How far this host's clock is ahead of Vault's, in milliseconds; `undefined` where Vault does not say. */
  readonly skewMs: number | undefined
}

/** An answer of the API: a JSON object, empty for 204. */
export type VaultReply = Readonly<Record<string, unknown>>

/** One Vault server. */
export class VaultClient {
  readonly #backend: Backend
  readonly #namespace: string | undefined
  /** State of the replication that the newest answer belongs to; only Vault Enterprise says it. */
  #index: string | undefined

  constructor(settings: Settings['vault'], runtime: Runtime) {
    const { url, redirectHosts, transport, namespace } = settings
    this.#backend = {
      name: 'vault',
      runtime,
      transport: runtime.transport(transport),
      url,
      redirectHosts,
    }
    this.#namespace = namespace
  }

  /** Opens a connection ahead of the first request. */
  connect(): void {
    this.#backend.transport.connect(this.#backend.url)
  }

  /**
   * Performs one operation.
   *
   * @throws {@link SecretManagerError} SM_VAULT_*, SM_TLS_*, SM_REDIRECT_REFUSED, and what {@link vaultError} names
   */
  async request(allowance: Allowance, request: VaultRequest): Promise<VaultReply> {
    return (await this.exchange(allowance, request)).reply
  }

  /** Like {@link request}, with the monotonic time when the answered attempt was sent: leases count from there. */
  exchange(
    allowance: Allowance,
    request: VaultRequest,
  ): Promise<{ reply: VaultReply; sentAt: number }> {
    return this.#call(allowance, request, {}).catch((error: unknown) => {
      if (!isSecretManagerError(error) || error.code !== 'SM_VAULT_STALE_REPLICA') throw error
      // The replica did not catch up while we waited: the active node need not.
      return this.#call(allowance, request, { 'x-vault-inconsistent': 'forward-active-node' })
    })
  }

  /** What one failed item of a Transit batch stands for. */
  itemError(path: string, text: string, requestId: string | undefined): SecretManagerError {
    return transitItemError(this.#backend, path, text, requestId)
  }

  close(): void {
    this.#backend.transport.close()
  }

  #call(
    allowance: Allowance,
    request: VaultRequest,
    more: Readonly<Record<string, string>>,
  ): Promise<{ reply: VaultReply; sentAt: number }> {
    // Vault's error answers carry no id. Where its audit log is told to keep this header, it joins the two.
    const correlationId = this.#backend.runtime.randomId()
    const { method, path, body, once = false } = request
    const headers = { ...this.#headers(request.token, correlationId), ...more }
    return call(
      this.#backend,
      allowance,
      { method, path: `/v1/${path}`, headers, body, once },
      (answer) => {
        this.#index = answer.headers['x-vault-index'] ?? this.#index
        const reply = interpret(this.#backend, request, answer, correlationId)
        return { reply, sentAt: answer.sentAt }
      },
    )
  }

  #headers(token: string | undefined, correlationId: string): Record<string, string> {
    return {
      'x-vault-request': 'true',
      'x-correlation-id': correlationId,
      ...(this.#namespace !== undefined && { 'x-vault-namespace': this.#namespace }),
      ...(token !== undefined && { 'x-vault-token': token }),
      // A replica that has not heard of the token yet then answers 412, and not that it is invalid.
      ...(token !== undefined && this.#index !== undefined && { 'x-vault-index': this.#index }),
    }
  }
}

function interpret(
  backend: Backend,
  request: VaultRequest,
  answer: Answer,
  correlationId: string,
): VaultReply {
  if (answer.status === 204) return {}
  const reply = isRecord(answer.json) ? answer.json : undefined
  if (request.isBatch === true && answer.status === 400 && hasResults(reply)) return reply
  if (answer.status !== 200) throw vaultError(backend, request, answer, reply, correlationId)
  // An empty 200 is no empty secret.
  if (!reply) throw badResponse(backend, answer.status, 'has no JSON object')
  return reply
}

/** @see https://developer.hashicorp.com/vault/api-docs/secret/transit#decrypt-data for `batch_results` */
function hasResults(reply: VaultReply | undefined): reply is VaultReply {
  return reply !== undefined && Array.isArray(recordField(reply, 'data')['batch_results'])
}

/**
 * A string field of an object of the reply.
 *
 * @throws {@link SecretManagerError} SM_VAULT_BAD_RESPONSE when it is not there
 */
export function stringField(
  reply: VaultReply,
  section: string,
  field: string,
  path: string,
): string {
  const value = recordField(reply, section)[field]
  if (typeof value === 'string' && value !== '') return value
  throw new SecretManagerError(
    'SM_VAULT_BAD_RESPONSE',
    `the answer to ${path} has no ${section}.${field}`,
  )
}

/** An object of the reply; an empty one where there is none. */
export function recordField(reply: VaultReply, section: string): VaultReply {
  const value = reply[section]
  return isRecord(value) ? value : {}
}

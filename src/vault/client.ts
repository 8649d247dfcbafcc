/**
 * Vault's HTTP API (OpenBao speaks the same): a request in, `data` or `auth` out, failures by name.
 *
 * @see https://developer.hashicorp.com/vault/api-docs
 */
import type { Settings } from '../config/schema.ts'
import { SecretManagerError, type ErrorFacts } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { badResponse, call, type Answer, type Backend } from '../http/call.ts'
import { isRecord } from '../lib/record.ts'
import type { Runtime } from '../runtime.ts'
import { vaultError } from './errors.ts'

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
  readonly refused?: (sentence: string, facts: ErrorFacts) => SecretManagerError
}

/** An answer of the API: a JSON object, empty for 204. */
export type VaultReply = Readonly<Record<string, unknown>>

/** One Vault server. */
export class VaultClient {
  readonly #backend: Backend
  readonly #namespace: string | undefined

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
    // Vault's error answers carry no id. Where its audit log is told to keep this header, it joins the two.
    const correlationId = this.#backend.runtime.randomId()
    const { method, path, body, once = false } = request
    const headers = this.#headers(request.token, correlationId)
    return call(
      this.#backend,
      allowance,
      { method, path: `/v1/${path}`, headers, body, once },
      (answer) => ({
        reply: interpret(this.#backend, request, answer, correlationId),
        sentAt: answer.sentAt,
      }),
    )
  }

  close(): void {
    this.#backend.transport.close()
  }

  #headers(token: string | undefined, correlationId: string): Record<string, string> {
    return {
      'x-vault-request': 'true',
      'x-correlation-id': correlationId,
      ...(this.#namespace !== undefined && { 'x-vault-namespace': this.#namespace }),
      ...(token !== undefined && { 'x-vault-token': token }),
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
  if (answer.status !== 200) throw vaultError(backend, request, answer, reply, correlationId)
  // An empty 200 is no empty secret.
  if (!reply) throw badResponse(backend, answer.status, 'has no JSON object')
  return reply
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

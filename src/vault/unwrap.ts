/**
 * A response-wrapped secret_id: what was delivered is a token that gives it once, so whoever finds it
 * used knows that somebody else has read it.
 *
 * @see https://developer.hashicorp.com/vault/docs/concepts/response-wrapping#response-wrapping-token-validation
 */
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { eventError, publish } from '../telemetry.ts'
import {
  recordField,
  stringField,
  type Refusal,
  type VaultClient,
  type VaultReply,
} from './client.ts'
import { sendOnce } from './once.ts'

/** A wrapping token, and what is said about it. */
export interface Wrapped {
  readonly token: string
  /** Names where it was read from. */
  readonly name: string
  /** Mount of the AppRole auth method that must have made it. */
  readonly mount: string
}

/**
 * Takes the secret_id out. Its token is sent once, and works once.
 *
 * @throws {@link SecretManagerError} SM_UNWRAP_REFUSED where Vault refuses, something else was wrapped, or
 * nobody knows what became of the request; SM_VAULT_* where the token was not used
 */
export async function unwrapSecretId(
  client: VaultClient,
  allowance: Allowance,
  wrapped: Wrapped,
): Promise<string> {
  // Asked for first: an answer shows that Vault is there, and a token that was put in place of the right
  // one is told from it by what made it.
  checkOrigin(await lookUp(client, allowance, wrapped), wrapped)
  const reply = await sendOnce(
    allowance,
    () => client.request(allowance, request('sys/wrapping/unwrap', wrapped, true)),
    (error) => unknownOutcome(wrapped, error),
  )
  return secretIdOf(reply, wrapped)
}

function lookUp(client: VaultClient, allowance: Allowance, wrapped: Wrapped): Promise<VaultReply> {
  return client.request(allowance, request('sys/wrapping/lookup', wrapped, false))
}

function request(
  path: string,
  wrapped: Wrapped,
  once: boolean,
): Parameters<VaultClient['request']>[1] {
  const refused = ({ sentence, facts }: Refusal): SecretManagerError => {
    const reason = sentence === '' ? '' : `: ${sentence}`
    const what = `vault refused ${path} (${facts.status ?? 0}) with the token of ${wrapped.name}${reason}`
    const hint =
      'unless it has simply expired, somebody else has unwrapped it: destroy the secret_id by its wrapped_accessor, and deliver a new one'
    return theft(what, { ...facts, hint })
  }
  return { method: 'POST', path, token: wrapped.token, once, refused }
}

/** Whoever stole the secret_id can wrap one of their own, but not make Vault say that the role made it. */
function checkOrigin(reply: VaultReply, { name, mount }: Wrapped): void {
  const path = recordField(reply, 'data')['creation_path']
  const parts = typeof path === 'string' ? path.split(`auth/${mount}/role/`) : []
  if (parts.length === 2 && parts[0] === '' && /^[^/]+\/secret-id$/.test(parts[1] ?? '')) return
  const by = path === 'sys/wrapping/wrap' ? ', but by sys/wrapping/wrap' : ''
  throw theft(`the token of ${name} was not made by auth/${mount}/role/ROLE/secret-id${by}`, {
    hint: 'unless vault.auth.mount is wrong, somebody has put it in place of the right one: destroy the secret_id that was delivered, and deliver a new one',
  })
}

function theft(
  message: string,
  facts: ConstructorParameters<typeof SecretManagerError>[2],
): SecretManagerError {
  const error = new SecretManagerError('SM_UNWRAP_REFUSED', message, facts)
  publish('security', () => ({ kind: 'unwrap-refused', ...eventError(error) }))
  return error
}

/** No theft, but the same end: its token may be used up. */
function unknownOutcome({ name }: Wrapped, error: SecretManagerError): SecretManagerError {
  const message = `it is not known whether the token of ${name} was used: ${error.message}`
  return new SecretManagerError('SM_UNWRAP_REFUSED', message, {
    cause: error,
    causeClass: error.causeClass,
    hint: 'it is never sent twice, as it works once: deliver a new one',
  })
}

function secretIdOf(reply: VaultReply, { name }: Wrapped): string {
  try {
    return stringField(reply, 'data', 'secret_id', 'sys/wrapping/unwrap')
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    // Not retryable: its token is used up.
    throw new SecretManagerError(
      'SM_UNWRAP_REFUSED',
      `what the token of ${name} wraps has no secret_id`,
      {
        cause: error,
        hint: 'wrap the answer of the role: vault write -wrap-ttl=5m -f auth/MOUNT/role/ROLE/secret-id',
      },
    )
  }
}

/** What a login is, and what all logins share: the request, and how its answer is read. */
import { isSecretManagerError, SecretManagerError, withFacts } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { isRecord } from '../lib/record.ts'
import {
  recordField,
  stringField,
  type VaultClient,
  type VaultReply,
  type VaultRequest,
} from './client.ts'
import { isHeaderSafe } from './given.ts'

/** A token to use. */
export interface VaultAuth {
  readonly token: string
  /** Monotonic time when the login was sent: its life is counted from there. */
  readonly sentAt: number
  /** `Infinity` where nobody knows: it is used until Vault refuses it. */
  readonly ttlMs: number
  /** `given`: somebody else's, so it is not revoked. */
  readonly type: 'service' | 'batch' | 'given'
  readonly renewable: boolean
}

/** Proves who we are. Called once per token; the caller bounds how often. */
export type Login = (client: VaultClient, allowance: Allowance) => Promise<VaultAuth>

/**
 * Sends a login, or the renewal of a token, and reads the token that it gives.
 *
 * @throws {@link SecretManagerError} SM_AUTH_BAD_LEASE, SM_AUTH_DENIED where a second factor is demanded,
 * SM_VAULT_*, and what `request.refused` makes of a 400 or 403
 */
export async function authenticate(
  client: VaultClient,
  allowance: Allowance,
  request: Omit<VaultRequest, 'method'>,
): Promise<VaultAuth> {
  const { reply, sentAt } = await client.exchange(allowance, { method: 'POST', ...request })
  try {
    return readAuth(reply, sentAt, request.path)
  } catch (error) {
    // As a call does: who must know whether anything was sent can tell by it.
    throw isSecretManagerError(error)
      ? withFacts(error, { elapsedMs: allowance.elapsedMs() })
      : error
  }
}

/**
 * Reads `auth` of a login's answer.
 *
 * @see https://developer.hashicorp.com/vault/docs/concepts/tokens#token-types
 */
function readAuth(reply: VaultReply, sentAt: number, path: string): VaultAuth {
  const auth = recordField(reply, 'auth')
  if (isRecord(auth['mfa_requirement'])) throw secondFactor(path)
  const token = stringField(reply, 'auth', 'client_token', path)
  if (!isHeaderSafe(token)) {
    throw new SecretManagerError(
      'SM_VAULT_BAD_RESPONSE',
      `the answer to ${path} has no usable token`,
    )
  }
  const seconds = auth['lease_duration']
  // 0 once meant "never expires" (CVE-2021-32923); here it means nothing.
  if (typeof seconds !== 'number' || !(seconds > 0) || !Number.isFinite(seconds)) {
    throw new SecretManagerError(
      'SM_AUTH_BAD_LEASE',
      `the answer to ${path} has no positive lease_duration`,
    )
  }
  const type = auth['token_type'] === 'batch' ? 'batch' : 'service'
  const renewable = type === 'service' && auth['renewable'] === true
  return { token, sentAt, ttlMs: seconds * 1000, type, renewable }
}

/** @see https://developer.hashicorp.com/vault/docs/auth/login-mfa for `mfa_requirement` */
function secondFactor(path: string): SecretManagerError {
  return new SecretManagerError('SM_AUTH_DENIED', `vault demands a second factor for ${path}`, {
    hint: 'a service has none: exempt this mount or role from login MFA, vault list identity/mfa/login-enforcement',
  })
}

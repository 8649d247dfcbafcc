/**
 * A new Vault: initialised once, its keys handed over once, and unsealed.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/system/init
 */
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import type { VaultReply, VaultRequest } from '../vault/client.ts'

/** What Vault says of its seal. */
export interface SealState {
  readonly isInitialized: boolean
  readonly isSealed: boolean
  /** `shamir`: people unseal it with their shares. Anything else does it by itself, such as `gcpckms`, `transit`, `static`. */
  readonly type: string
}

/** Whether people unseal it; else it has recovery shares, and opens by itself. */
export function isShamir({ type }: SealState): boolean {
  return type === 'shamir'
}

/** Asks for the state of the seal; anybody may. @throws {@link SecretManagerError} SM_VAULT_* */
export async function sealState(core: Core, signal?: AbortSignal): Promise<SealState> {
  const reply = await send(core, { method: 'GET', path: 'sys/seal-status' }, signal)
  const { type, initialized, sealed } = reply
  if (typeof type === 'string' && typeof initialized === 'boolean' && typeof sealed === 'boolean') {
    return { type, isInitialized: initialized, isSealed: sealed }
  }
  const message = 'the answer to sys/seal-status is not of the right form'
  throw new SecretManagerError('SM_VAULT_BAD_RESPONSE', message)
}

/** The refusal to initialise what is initialised. */
export function initialised({ settings }: Core): SecretManagerError {
  const message = `vault at ${settings.vault.url} is initialised already: nothing was changed`
  return new SecretManagerError('SM_VAULT_REJECTED', message, {
    hint: 'leave --init out, and log in with a token; where nobody has its keys, wipe its storage and begin again',
  })
}

/** Gives one share; the threshold of them unseals. @throws {@link SecretManagerError} SM_VAULT_REJECTED, SM_VAULT_* */
export async function giveShare(core: Core, share: string, signal: AbortSignal): Promise<void> {
  await send(core, { method: 'POST', path: 'sys/unseal', body: { key: share } }, signal)
}

const POLL_MS = 500

/**
 * Waits until Vault is unsealed and has an active node.
 *
 * @param waitMs - the longest wait, but for the last question under way
 * @throws {@link SecretManagerError} SM_VAULT_SEALED after that; SM_ABORTED, and what Vault refuses with
 */
export async function untilUnsealed(
  core: Core,
  runtime: Runtime,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const until = runtime.now() + waitMs
  for (;;) {
    const state = await stateNow(core, signal)
    if (state === 'active') return
    if (runtime.now() >= until) throw notServing(core, state, waitMs)
    await runtime.sleep(POLL_MS, signal)
  }
}

/**
 * Revokes the token that it is.
 *
 * @throws {@link SecretManagerError} SM_VAULT_DENIED where it is no token of this Vault; SM_VAULT_*
 */
export async function revoke(core: Core, token: string, signal: AbortSignal): Promise<void> {
  try {
    const path = 'auth/token/revoke-self'
    await send(core, { method: 'POST', path, token, body: {} }, signal)
  } catch (error) {
    // Asked again after a lost answer: that it is not known any more is what was wanted.
    const isGone = isSecretManagerError(error) && error.status === 403 && error.attempts > 1
    if (!isGone) throw error
  }
}

type Waiting = 'sealed' | 'inactive' | 'away'

/** Sealed, or away, is no failure here: that is what is waited for. */
async function stateNow(core: Core, signal: AbortSignal): Promise<Waiting | 'active'> {
  try {
    if ((await sealState(core, signal)).isSealed) return 'sealed'
    const leader = await send(core, { method: 'GET', path: 'sys/leader' }, signal)
    return isActive(leader, core.settings.vault.url) ? 'active' : 'inactive'
  } catch (error) {
    if (isSecretManagerError(error) && error.retryable) return 'away'
    throw error
  }
}

/** A node names itself as the leader before it serves as one. */
function isActive({ ha_enabled, is_self, leader_address }: VaultReply, url: string): boolean {
  if (ha_enabled !== true || is_self === true) return true
  return typeof leader_address === 'string' && leader_address !== '' && leader_address !== url
}

function notServing({ settings }: Core, state: Waiting, waitMs: number): SecretManagerError {
  const after = `after ${Math.round(waitMs / 1000)} s`
  const what = WAITED_FOR[state]
  const message = `vault at ${settings.vault.url} is initialised, its keys are written, and it ${what} ${after}`
  return new SecretManagerError('SM_VAULT_SEALED', message, {
    hint: "with shares: vault operator unseal; with a seal that opens by itself: Vault's log says why it does not. Then go on without --init",
  })
}

const WAITED_FOR: Readonly<Record<Waiting, string>> = {
  sealed: 'is still sealed',
  inactive: 'has no active node',
  away: 'does not answer',
}

function send(
  { calls, connections }: Core,
  request: VaultRequest,
  signal: AbortSignal | undefined,
): Promise<VaultReply> {
  return calls.run({ signal }, (allowance) => connections.vault.request(allowance, request))
}

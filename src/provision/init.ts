/**
 * A new Vault: initialised once, its shares handed over once, and unsealed.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/system/init
 */
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { isRecord } from '../lib/record.ts'
import type { Runtime } from '../runtime.ts'
import type { VaultReply, VaultRequest } from '../vault/client.ts'

/** What Vault says of its seal. */
export interface SealState {
  readonly isInitialized: boolean
  readonly isSealed: boolean
  /** `shamir`: people unseal it with their shares. Anything else does it by itself, such as `gcpckms`, `transit`, `static`. */
  readonly type: string
}

/** How the key is shared out. */
export interface Sharing {
  /** How many people get a share, and how many of them are needed. */
  readonly shares: number
  readonly threshold: number
  /** Public keys that the shares are encrypted with, one each, in base64; none: they are in clear. */
  readonly pgpKeys: readonly string[]
  /** The same for the root token. */
  readonly rootPgpKey: string | undefined
}

/**
 * What is handed over, once: in the form that `vault operator init -format=json` has, so that what reads that reads this.
 * With a seal that opens by itself the shares are recovery shares: they do not unseal, they allow a new root token.
 */
export interface InitKeys {
  readonly unseal_keys_b64: readonly string[]
  readonly unseal_keys_hex: readonly string[]
  readonly unseal_shares: number
  readonly unseal_threshold: number
  readonly recovery_keys_b64: readonly string[]
  readonly recovery_keys_hex: readonly string[]
  readonly recovery_keys_shares: number
  readonly recovery_keys_threshold: number
  readonly root_token: string
}

/** Asks for the state of the seal; anybody may. @throws {@link SecretManagerError} SM_VAULT_* */
export async function sealState(
  { calls, connections }: Core,
  signal: AbortSignal,
): Promise<SealState> {
  const reply = await calls.run({ signal }, (allowance) =>
    connections.vault.request(allowance, { method: 'GET', path: 'sys/seal-status' }),
  )
  const { type, initialized, sealed } = reply
  if (typeof type === 'string' && typeof initialized === 'boolean' && typeof sealed === 'boolean') {
    return { type, isInitialized: initialized, isSealed: sealed }
  }
  throw badAnswer('sys/seal-status')
}

/**
 * Initialises a Vault that is new. Sent once: a lost answer cannot be asked for again.
 *
 * @throws {@link SecretManagerError} SM_VAULT_REJECTED where it is initialised already or the sharing cannot be; SM_VAULT_*
 */
export async function initialise(
  core: Core,
  { type }: SealState,
  sharing: Sharing,
  signal: AbortSignal,
): Promise<InitKeys> {
  const isShamir = type === 'shamir'
  const { shares, threshold, pgpKeys, rootPgpKey } = sharing
  const kind = isShamir ? 'secret' : 'recovery'
  const pgp = isShamir ? 'pgp_keys' : 'recovery_pgp_keys'
  const body = {
    [`${kind}_shares`]: shares,
    [`${kind}_threshold`]: threshold,
    ...(pgpKeys.length > 0 && { [pgp]: pgpKeys }),
    ...(rootPgpKey !== undefined && { root_token_pgp_key: rootPgpKey }),
  }
  const reply = await send(core, { method: 'POST', path: 'sys/init', body, once: true }, signal)
  return keysIn(reply, isShamir, sharing)
}

/** Gives one share; the threshold of them unseals. @throws {@link SecretManagerError} SM_VAULT_REJECTED, SM_VAULT_* */
export async function giveShare(core: Core, share: string, signal: AbortSignal): Promise<void> {
  await send(core, { method: 'POST', path: 'sys/unseal', body: { key: share } }, signal)
}

const POLL_MS = 500

/**
 * Waits until Vault is unsealed and has an active node.
 *
 * @param waitMs - the longest wait
 * @throws {@link SecretManagerError} SM_VAULT_SEALED after that
 */
export async function untilUnsealed(
  core: Core,
  runtime: Runtime,
  waitMs: number,
  signal: AbortSignal,
): Promise<void> {
  const until = runtime.now() + waitMs
  for (;;) {
    if (await isActive(core, signal)) return
    if (runtime.now() >= until) throw stillSealed(waitMs)
    await runtime.sleep(POLL_MS, signal)
  }
}

/** Revokes the token that it is. @throws {@link SecretManagerError} SM_VAULT_* */
export async function revoke(core: Core, token: string, signal: AbortSignal): Promise<void> {
  await send(core, { method: 'POST', path: 'auth/token/revoke-self', token, body: {} }, signal)
}

/** Sealed is no failure here: that is what is waited for. */
async function isActive(core: Core, signal: AbortSignal): Promise<boolean> {
  try {
    if ((await sealState(core, signal)).isSealed) return false
    const reply = await send(core, { method: 'GET', path: 'sys/leader' }, signal)
    return reply['ha_enabled'] !== true || reply['leader_address'] !== ''
  } catch (error) {
    if (isSecretManagerError(error) && error.retryable) return false
    throw error
  }
}

function send(
  { calls, connections }: Core,
  request: VaultRequest,
  signal: AbortSignal,
): Promise<VaultReply> {
  return calls.run({ signal }, (allowance) => connections.vault.request(allowance, request))
}

function keysIn(reply: VaultReply, isShamir: boolean, { shares, threshold }: Sharing): InitKeys {
  const found = isRecord(reply) ? reply : {}
  const { root_token: token } = found
  const [hex, base64] = isShamir
    ? ['keys', 'keys_base64']
    : ['recovery_keys', 'recovery_keys_base64']
  const inHex = textsIn(found[hex])
  const inBase64 = textsIn(found[base64])
  if (typeof token !== 'string' || inBase64?.length !== shares || inHex?.length !== shares) {
    throw badAnswer('sys/init')
  }
  const [mine, none] = [
    { b64: inBase64, hex: inHex, shares, threshold },
    { b64: [], hex: [], shares: 0, threshold: 0 },
  ]
  const [unseal, recovery] = isShamir ? [mine, none] : [none, mine]
  return {
    unseal_keys_b64: unseal.b64,
    unseal_keys_hex: unseal.hex,
    unseal_shares: unseal.shares,
    unseal_threshold: unseal.threshold,
    recovery_keys_b64: recovery.b64,
    recovery_keys_hex: recovery.hex,
    recovery_keys_shares: recovery.shares,
    recovery_keys_threshold: recovery.threshold,
    root_token: token,
  }
}

function textsIn(value: unknown): readonly string[] | undefined {
  if (!Array.isArray(value)) return undefined
  const texts = value.filter((each) => typeof each === 'string')
  return texts.length === value.length ? texts : undefined
}

function badAnswer(path: string): SecretManagerError {
  const message = `the answer to ${path} is not of the right form`
  return new SecretManagerError('SM_VAULT_BAD_RESPONSE', message)
}

function stillSealed(waitMs: number): SecretManagerError {
  const message = `vault is initialised and still sealed after ${Math.round(waitMs / 1000)} s`
  return new SecretManagerError('SM_VAULT_SEALED', message, {
    hint: "with shares: vault operator unseal; with a seal that opens by itself: look at Vault's log",
  })
}

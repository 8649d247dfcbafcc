/** The one request that cannot be repeated: `sys/init`, and what is true after it failed. */
import { closeCore, createCore, type Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { textOf, textsOf } from '../lib/record.ts'
import type { Runtime } from '../runtime.ts'
import type { Refusal, VaultReply } from '../vault/client.ts'
import { initialised, isShamir, sealState, type SealState } from './init.ts'

/** How the key is shared out. */
export interface Sharing {
  /** How many people get a share, and how many of them are needed. */
  readonly shares: number
  readonly threshold: number
  /** Public keys that the shares are encrypted with, one each, binary in base64; none: they are in clear. */
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

/** Making keys, storing them and asking a KMS may take long, and an answer that nobody waited for is lost. */
const PATIENCE_MS = 120_000

/**
 * Initialises a Vault that is new. Sent once, and never given up before it is answered: the answer comes once.
 *
 * @throws {@link SecretManagerError} SM_VAULT_REJECTED where it is initialised already, where the answer was lost, and
 * where nobody can say; else nothing was changed: SM_VAULT_*, SM_TLS_*
 */
export async function initialise(
  core: Core,
  runtime: Runtime,
  state: SealState,
  sharing: Sharing,
): Promise<InitKeys> {
  const { timeoutMs } = core.settings.attempt
  const attempt = { ...core.settings.attempt, timeoutMs: Math.max(timeoutMs, PATIENCE_MS) }
  const patient = createCore({ ...core.settings, attempt }, runtime)
  try {
    return keysIn(await sendInit(patient, bodyOf(state, sharing)), state, sharing)
  } catch (error) {
    throw isSecretManagerError(error) ? await fateOf(core, runtime, error) : error
  } finally {
    await closeCore(patient)
  }
}

function bodyOf(state: SealState, { shares, threshold, pgpKeys, rootPgpKey }: Sharing): object {
  const [kind, pgp] = isShamir(state) ? ['secret', 'pgp_keys'] : ['recovery', 'recovery_pgp_keys']
  return {
    [`${kind}_shares`]: shares,
    [`${kind}_threshold`]: threshold,
    ...(pgpKeys.length > 0 && { [pgp]: pgpKeys }),
    ...(rootPgpKey !== undefined && { root_token_pgp_key: rootPgpKey }),
  }
}

function sendInit(core: Core, body: object): Promise<VaultReply> {
  const refused = ({ sentence, facts }: Refusal): SecretManagerError => {
    if (sentence.includes('already initialized')) return initialised(core)
    const message = `vault at ${core.settings.vault.url} refused sys/init (${facts.status})`
    return new SecretManagerError('SM_VAULT_REJECTED', message, {
      hint: "Vault's log says why",
      ...facts,
    })
  }
  const request = { method: 'POST', path: 'sys/init', body, once: true, refused } as const
  return core.calls.run({}, (allowance) => core.connections.vault.request(allowance, request))
}

/**
 * As it came: whatever there is of it is worth keeping.
 *
 * @throws {@link SecretManagerError} SM_VAULT_BAD_RESPONSE where it has neither a key nor a token
 */
function keysIn(reply: VaultReply, state: SealState, sharing: Sharing): InitKeys {
  const { shares, threshold } = sharing
  const lists = ['keys', 'keys_base64', 'recovery_keys', 'recovery_keys_base64'] as const
  const [hex, b64, recoveryHex, recoveryB64] = lists.map((name) => textsOf(reply[name]))
  const { root_token: token } = reply
  const all = [hex, b64, recoveryHex, recoveryB64].flatMap((list) => list ?? [])
  if (all.length === 0 && typeof token !== 'string') {
    throw new SecretManagerError('SM_VAULT_BAD_RESPONSE', 'the answer to sys/init has no keys')
  }
  const [own, recovery] = isShamir(state)
    ? [{ shares, threshold }, NONE]
    : [NONE, { shares, threshold }]
  return {
    unseal_keys_b64: b64 ?? [],
    unseal_keys_hex: hex ?? [],
    unseal_shares: own.shares,
    unseal_threshold: own.threshold,
    recovery_keys_b64: recoveryB64 ?? [],
    recovery_keys_hex: recoveryHex ?? [],
    recovery_keys_shares: recovery.shares,
    recovery_keys_threshold: recovery.threshold,
    root_token: textOf(token),
  }
}

const NONE = { shares: 0, threshold: 0 }

/** What a failed `sys/init` left behind is for Vault to say: also a refusal may come after the point of no return. */
async function fateOf(
  core: Core,
  runtime: Runtime,
  error: SecretManagerError,
): Promise<SecretManagerError> {
  if (isUnsent(error) || error.message === initialised(core).message) return error
  // 500 is Vault's own word for what it tried and could not; the others are a gateway's.
  const isDecided = error.status !== undefined && error.status <= 500
  const isInitialized = await isInitializedSoon(core, runtime, isDecided ? 0 : LATEST_MS)
  if (isInitialized === true) return lost(core, isDecided ? 'sys/init failed half-way' : undefined)
  // It was answered by Vault, which is not initialised: it was refused, and that is all.
  return isInitialized === false && isDecided ? error : unknown(core)
}

/** Whether the request never reached Vault. */
function isUnsent({ code, causeClass }: SecretManagerError): boolean {
  return code.startsWith('SM_TLS_') || code === 'SM_REDIRECT_REFUSED' || UNSENT.has(causeClass)
}

const UNSENT: ReadonlySet<string | undefined> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
])

const POLL_MS = 500
/** A Vault that lost its client goes on; for so long it is watched. */
const LATEST_MS = 10_000

async function isInitializedSoon(
  core: Core,
  runtime: Runtime,
  watchMs: number,
): Promise<boolean | undefined> {
  const until = runtime.now() + watchMs
  try {
    while (!(await sealState(core)).isInitialized) {
      if (runtime.now() >= until) return false
      await runtime.sleep(POLL_MS)
    }
    return true
  } catch (error) {
    if (isSecretManagerError(error)) return undefined
    throw error
  }
}

/** The end of a Vault whose keys nobody has. @param why - ends the message */
export function lost(
  { settings }: Core,
  why = 'the answer of sys/init was lost',
): SecretManagerError {
  const message = `vault at ${settings.vault.url} is initialised, and nobody has its keys: ${why}`
  return new SecretManagerError('SM_VAULT_REJECTED', message, {
    hint: 'nothing can be read from it or was ever in it: stop it, wipe its storage, start it, and begin again',
  })
}

function unknown({ settings }: Core): SecretManagerError {
  const message = `the answer of sys/init was lost, and whether vault at ${settings.vault.url} is initialised is not known`
  return new SecretManagerError('SM_VAULT_REJECTED', message, {
    hint: 'wait a minute and ask it: vault status. Initialized: nobody has its keys, so wipe its storage; either way, then begin again',
  })
}

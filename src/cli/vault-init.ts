/** `--init`: a new Vault, whose keys come once and go where they were told to go, and nowhere else. */
import type { Settings as CoreSettings } from '../config/settings.ts'
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { aborted, onAbort } from '../lib/abort.ts'
import { initialise, lost, type InitKeys } from '../provision/init-once.ts'
import {
  giveShare,
  initialised,
  isShamir,
  revoke,
  sealState,
  untilUnsealed,
  type SealState,
} from '../provision/init.ts'
import { initPlanOf, type InitPlan } from './init-plan.ts'
import { processInput, type Input } from './input.ts'
import { createKeyFile, type KeyFile } from './key-file.ts'
import type { Context } from './context.ts'
import type { FlagValues } from './settings.ts'

export { addInitFlags } from './init-plan.ts'

/**
 * Initialises Vault, writes its keys, and waits until it serves.
 *
 * @param provisions - whether something is set up afterwards; else it need not be unsealed yet
 * @returns the root token; `undefined` where it cannot be used now: it is encrypted, or people have yet to unseal
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID and SM_FILE_UNREADABLE before any call that changes anything;
 * SM_VAULT_REJECTED where Vault is initialised already or its keys are lost; SM_VAULT_SEALED; SM_VAULT_*, SM_TLS_*
 */
export async function initVault(
  values: FlagValues,
  core: Core,
  context: Context,
  provisions = true,
): Promise<string | undefined> {
  refuseNamespace(core)
  const plan = await initPlanOf(values, provisions, context.runtime)
  const state = await sealState(core, context.interrupt)
  if (state.isInitialized) throw initialised(core)
  const keys = await handOver(core, plan, state, context)
  tell(plan, state, keys, context)
  const isServing = await unseal(core, plan, state, keys, context)
  const isUsable = isServing && plan.sharing.rootPgpKey === undefined && keys.root_token !== ''
  return isUsable ? keys.root_token : undefined
}

/**
 * Revokes the root token: with `--revoke-root`, or where a person says so. To be called when all else is done.
 *
 * @param rootToken - what {@link initVault} gave
 * @throws {@link SecretManagerError} SM_VAULT_*, SM_ABORTED
 */
export async function retireRoot(
  rootToken: string | undefined,
  values: FlagValues,
  core: Core,
  { output, interrupt, input = processInput(process) }: Context,
): Promise<void> {
  if (rootToken === undefined) return
  if (values['revokeRoot'] !== true) {
    const isAgreed = input.isTerminal && (await input.confirm(QUESTION, 'no', interrupt))
    if (!isAgreed) return output.notes.line(STILL_VALID)
  }
  await revoke(core, rootToken, interrupt)
  output.notes.line('the root token is revoked')
}

const QUESTION = 'revoke the root token? another can be made with the shares'
/** Said where the root token is left. */
export const STILL_VALID =
  'the root token is valid and never expires: when you need it no more, vault token revoke -self'

/** The same settings, logged in with this token. */
export function withToken(settings: CoreSettings, value: string): CoreSettings {
  const auth = { method: 'token', token: { kind: 'value', value } } as const
  return { ...settings, vault: { ...settings.vault, auth } }
}

function refuseNamespace({ settings: { vault } }: Core): void {
  if (vault.namespace === undefined) return
  throw new SecretManagerError(
    'SM_CONFIG_INVALID',
    'a new Vault has no namespaces: it is initialised as a whole',
    { hint: 'leave out --vault-namespace (VAULT_NAMESPACE, BAO_NAMESPACE)' },
  )
}

/** From here to the end of the write nobody may interrupt: what is lost on the way is lost. */
async function handOver(
  core: Core,
  { keys: path, sharing }: InitPlan,
  state: SealState,
  context: Context,
): Promise<InitKeys> {
  const { runtime, output, interrupt } = context
  const file = path === '-' ? undefined : await createKeyFile(path, noticeOf(core), sizeOf(sharing))
  if (interrupt.aborted) {
    await file?.discard()
    throw aborted()
  }
  const forget = onAbort(interrupt, () => output.notes.line(NOT_NOW))
  try {
    const keys = await initialise(core, runtime, state, sharing).catch(async (error: unknown) => {
      await file?.discard()
      throw error
    })
    const text = `${JSON.stringify(keys, undefined, 2)}\n`
    if (file) await writeSomewhere(core, file, text, context)
    else output.data.bytes(Buffer.from(text))
    return keys
  } finally {
    forget()
  }
}

const NOT_NOW = 'waiting for the answer of sys/init, which comes once; a second interrupt loses it'

function noticeOf({ settings }: Core): string {
  return `Vault at ${settings.vault.url} was about to be asked to initialise itself, and its keys were to be written here.
Where you read this, they were not. Ask it: vault status. If it is initialised, nobody has its keys:
wipe its storage. In any case then remove this file, and begin again.
`
}

/** More than the keys will need, and whole blocks of a disk. */
function sizeOf({ shares, pgpKeys }: InitPlan['sharing']): number {
  return 16_384 + shares * (pgpKeys.length > 0 ? 16_384 : 512)
}

/** The keys exist only here: where their file fails after all, a person may name another. */
async function writeSomewhere(
  core: Core,
  file: KeyFile,
  text: string,
  context: Context,
): Promise<void> {
  const { output, interrupt, input = processInput(process) } = context
  try {
    await file.write(text)
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    if (!input.isTerminal || interrupt.aborted) throw lost(core, error.message)
    output.notes.line(`${error.message}; Vault is initialised, and its keys are in no file yet`)
    await writeSomewhere(core, await anotherFile(input, context), text, context)
    // What it says is not true any more.
    await file.discard()
  } finally {
    await file.close()
  }
}

async function anotherFile(input: Input, { output, interrupt }: Context): Promise<KeyFile> {
  for (;;) {
    const path = await input.line('another file for them', '', interrupt)
    try {
      if (path !== '') return await createKeyFile(path, '', 0)
    } catch (error) {
      if (!isSecretManagerError(error)) throw error
      output.notes.line(error.message)
    }
  }
}

function tell(
  { keys, sharing: { threshold, pgpKeys } }: InitPlan,
  state: SealState,
  { unseal_keys_b64, recovery_keys_b64, root_token: token }: InitKeys,
  { output: { notes } }: Context,
): void {
  const [kind, { length: count }] = isShamir(state)
    ? ['shares', unseal_keys_b64]
    : ['recovery shares', recovery_keys_b64]
  const where = keys === '-' ? 'on stdout' : `in ${JSON.stringify(keys)}`
  const what = token === '' ? kind : `${kind} and the root token`
  notes.line(`initialised (seal: ${state.type}): ${count} ${what} are ${where}`)
  const form = pgpKeys.length > 0 ? 'encrypted' : 'in clear: give them to different people'
  notes.line(`${threshold} of the ${kind} are needed; they are ${form}`)
}

/** @returns whether it is unsealed and active */
async function unseal(
  core: Core,
  { unseals, unsealWaitMs, sharing: { threshold }, goesOn }: InitPlan,
  state: SealState,
  { unseal_keys_b64: shares }: InitKeys,
  { runtime, output: { notes }, interrupt }: Context,
): Promise<boolean> {
  const byPeople = isShamir(state) && !unseals
  if (byPeople) notes.line(`sealed: vault operator unseal, with ${threshold} of the shares`)
  if (byPeople && !goesOn) return false
  if (byPeople) notes.line(`waiting for that, ${Math.round(unsealWaitMs / 1000)} s at most`)
  if (isShamir(state) && unseals) {
    for (const share of shares.slice(0, threshold)) await giveShare(core, share, interrupt)
  }
  await untilUnsealed(core, runtime, unsealWaitMs, interrupt)
  notes.line('unsealed and active')
  return true
}

/** What a rotation may do, asked before anything is changed: at once, and with what would have to be granted. */
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError, withFacts } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { capabilities } from '../vault/capabilities.ts'
import type { KeyName } from './site.ts'

/** A request of Vault that is needed. */
export interface Need {
  /** Below `/v1/`. */
  readonly path: string
  readonly capability: 'read' | 'update'
  /** What may be set, where that is pinned; in HCL. */
  readonly parameters?: string | undefined
}

/** What a command needs of a key. */
export type Purpose = 'rewrap' | 'rotate' | 'compat' | 'minima' | 'trim'

/** The requests that `purpose` is made of. */
export function needsOf(
  { mount, transitKey }: KeyName,
  purposes: readonly Purpose[],
): readonly Need[] {
  const key = `${mount}/keys/${transitKey}`
  const needs: Readonly<Record<Purpose, readonly Need[]>> = {
    rewrap: [{ path: `${mount}/rewrap/${transitKey}`, capability: 'update' }],
    rotate: [{ path: `${key}/rotate`, capability: 'update' }],
    compat: [
      { path: `${mount}/decrypt/${transitKey}`, capability: 'update' },
      { path: `${mount}/encrypt/${transitKey}`, capability: 'update' },
    ],
    minima: [{ path: `${key}/config`, capability: 'update', parameters: MINIMA }],
    trim: [{ path: `${key}/trim`, capability: 'update' }],
  }
  return [{ path: key, capability: 'read' }, ...purposes.flatMap((each) => needs[each])]
}

/** Who may set anything may make the key exportable. */
const MINIMA = '{ "min_decryption_version" = [], "min_encryption_version" = [] }'

/** A rule of a policy that grants a need. */
export function stanzaOf({ path, capability, parameters }: Need): string {
  const pinned = parameters === undefined ? '' : `, allowed_parameters = ${parameters}`
  return `path "${path}" { capabilities = ["${capability}"]${pinned} }`
}

/**
 * Asks whether the token may do all of it.
 *
 * @returns `false` where it may not ask that, either: nothing is known before it is tried
 * @throws {@link SecretManagerError} SM_VAULT_DENIED with the rules that are missing; SM_VAULT_*, SM_AUTH_*
 */
export async function refuseMissingRights(
  { connections }: Core,
  allowance: Allowance,
  needs: readonly Need[],
): Promise<boolean> {
  const paths = needs.map(({ path }) => path)
  const { vault, session } = connections
  const granted = await capabilities(vault, session, allowance, paths).catch((error: unknown) => {
    if (isSecretManagerError(error) && error.code === 'SM_VAULT_DENIED') return undefined
    throw error
  })
  const missing = needs.filter(({ path, capability }) => {
    const has = granted?.get(path)
    return has !== undefined && !has.has(capability) && !has.has('root')
  })
  // Who raises minima has no --compat.
  const isRetiring = needs.some(({ parameters }) => parameters !== undefined)
  if (missing.length > 0) throw denied(missing, isRetiring)
  return granted !== undefined
}

/** What was denied to the login of a service is seldom meant for it: there is a rotator for that. */
export function orAsRotator({ settings }: Core, error: unknown): unknown {
  const { auth } = settings.vault
  if (!isSecretManagerError(error) || error.code !== 'SM_VAULT_DENIED') return error
  if (auth.method !== 'kubernetes' && auth.method !== 'jwt') return error
  if (auth.role.endsWith('-rotator')) return error
  const rotator = `${auth.role.replace(/-writer$/, '')}-rotator`
  // A token from a file is of whom it was made for, whatever is asked for.
  const identity =
    auth.jwtFile === undefined
      ? `--service-account ${rotator}`
      : `--jwt-file FILE, with a token of ServiceAccount ${rotator}`
  return withFacts(error, {
    hint: `log in as the rotator: --role ${rotator} ${identity}; or, if role "${auth.role}" is to do this, ${error.hint}`,
  })
}

function denied(missing: readonly Need[], isRetiring: boolean): SecretManagerError {
  const problems = missing.map(stanzaOf)
  const asksRewrap = !isRetiring && missing.some(({ path }) => path.includes('/rewrap/'))
  const message = `nothing was changed: the policies of this login do not have ${problems.join('; ')}`
  return new SecretManagerError('SM_VAULT_DENIED', message, {
    hint: `add that to its policy: vault policy write; ${asksRewrap ? COMPAT : ASK}`,
    problems,
  })
}

const ASK = 'or log in as who has it: --auth-method token'
const COMPAT =
  'or, with the policy of the Python original (encrypt, decrypt, rotate), let it see plaintext: --compat'

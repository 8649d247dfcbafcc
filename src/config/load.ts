/** Puts configuration and definitions together: flags over environment over file. */
import { proxyFromEnvironment } from '../lib/proxy-environment.ts'
import type { Runtime } from '../runtime.ts'
import { withHiddenCredentials } from './credentials.ts'
import { checkDefinition } from './definition.ts'
import {
  configFromEnv,
  configGaps,
  definitionGaps,
  isOriginalConfig,
  lookupIn,
  skipVerifyProblems,
  type Layer,
  type Lookup,
} from './env.ts'
import { readDataFile } from './file.ts'
import { merge, valueAt, type Shapes } from './merge.ts'
import { chooseLogin, ofMethod } from './method.ts'
import { checkConfig } from './schema.ts'
import {
  asNativeConfig,
  asNativeDefinition,
  isSecretCfg,
  isSecretDef,
  SECRET_CFG_KEYS,
  SECRET_DEF_KEYS,
} from './secretcfg.ts'
import type {
  LoadConfigOptions,
  SecretCfg,
  SecretDef,
  SecretDefinition,
  SecretManagerConfig,
} from './types.ts'
import { readVaultUrl } from './url.ts'

/**
 * Merges flags over environment over file, and checks the result. Reads that one file and nothing else.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every problem, its path and who said it;
 *   SM_FILE_UNREADABLE
 */
export async function loadConfig(
  options: LoadConfigOptions,
  runtime: Runtime,
): Promise<SecretManagerConfig | SecretCfg> {
  return (await loadConfigAndOrigin(options, runtime)).config
}

/** A configuration and where it comes from. */
export interface LoadedConfig {
  readonly config: SecretManagerConfig | SecretCfg
  /**
   * Whether its file, or without one its environment, is that of the Python original. Where more is said than that
   * has keys for, `config` has the native shape all the same.
   */
  readonly isOriginal: boolean
}

/** Does what {@link loadConfig} does, and tells whose configuration it is. */
export async function loadConfigAndOrigin(
  options: LoadConfigOptions,
  runtime: Runtime,
): Promise<LoadedConfig> {
  const lookup = lookupIn(options.env, runtime)
  const flags = flagsLayer(options.flags)
  const base =
    options.file === undefined
      ? configWithoutFile(lookup, flags)
      : await readDataFile('configuration', options.file, runtime)
  const env = configFromEnv(lookup)
  const { method, above, isReplaced } = chooseLogin({ base, env, flags, lookup })
  const gaps = new Map([...ofMethod(configGaps(lookup), method), ...proxyGap(base, above, lookup)])
  const shapes = isReplaced ? REPLACED_LOGIN : CONFIG
  const config = merge(shapes, { base, above, gaps, problems: skipVerifyProblems(lookup) })
  const isOriginal = isSecretCfg(base) || (options.file === undefined && isOriginalConfig(lookup))
  return { config: withHiddenCredentials(config), isOriginal }
}

/**
 * The same for one definition, by the original's variables and by flags named as its native keys.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE
 */
export async function loadDefinition(
  options: LoadConfigOptions,
  runtime: Runtime,
): Promise<SecretDefinition | SecretDef> {
  const lookup = lookupIn(options.env, runtime)
  const above = flagsLayer(options.flags)
  const base =
    options.file === undefined
      ? definitionWithoutFile(lookup, above)
      : await readDataFile('definition', options.file, runtime)
  return merge(DEFINITION, { base, above, gaps: definitionGaps(lookup), problems: [] })
}

const CONFIG: Shapes<SecretManagerConfig, SecretCfg> = {
  what: 'configuration',
  isOld: isSecretCfg,
  oldKeys: SECRET_CFG_KEYS,
  check: checkConfig,
  isValid: (input): input is SecretManagerConfig | SecretCfg =>
    checkConfig(input).output !== undefined,
  asNative: (valid) => ('SOURCE' in valid ? asNativeConfig(valid) : valid),
}

/** A role then belongs to the new login, and must not become that of the old shape. */
const REPLACED_LOGIN: typeof CONFIG = {
  ...CONFIG,
  oldKeys: new Map([...SECRET_CFG_KEYS].filter(([path]) => path !== 'vault.auth.role')),
}

const DEFINITION: Shapes<SecretDefinition, SecretDef> = {
  what: 'definition',
  isOld: isSecretDef,
  oldKeys: SECRET_DEF_KEYS,
  check: checkDefinition,
  isValid: (input): input is SecretDefinition | SecretDef =>
    checkDefinition(input).output !== undefined,
  asNative: (valid) => ('secret_name' in valid ? asNativeDefinition(valid) : valid),
}

/** The original's jobs know no file; what their variables mean is the old shape, audience included. */
function configWithoutFile(lookup: Lookup, flags: Layer): unknown {
  const method = flags.get('vault.auth.method')?.value ?? 'kubernetes'
  return isOriginalConfig(lookup) && method === 'kubernetes' ? { SOURCE: 'KUBEVAULT' } : {}
}

function definitionWithoutFile(lookup: Lookup, above: Layer): unknown {
  const isOriginal = lookup('SECRET_NAME') !== undefined && !above.has('secretName')
  return isOriginal ? { read_type: 'SECRET' } : {}
}

function flagsLayer(flags: Readonly<Record<string, unknown>> = {}): Layer {
  const said = Object.entries(flags).filter(([, value]) => value !== undefined)
  return new Map(said.map(([path, value]) => [path, { value, from: 'flags' }]))
}

/** `HTTPS_PROXY` is meant for everything that runs here, so a proxy of our own wins over it. */
function proxyGap(base: unknown, above: Layer, lookup: Lookup): Layer {
  const written = valueAt(base, ['vault', 'url']) ?? valueAt(base, ['vault_url'])
  const url = readVaultUrl(above.get('vault.url')?.value ?? written)
  const found = 'value' in url ? proxyFromEnvironment(url.value, lookup) : undefined
  return new Map(
    found && !above.has('vault.proxy')
      ? [['vault.proxy', { value: found.proxy, from: found.from }]]
      : [],
  )
}

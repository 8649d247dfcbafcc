/**
 * The one place that translates the Python original's names: `secretcfg.json` and `secretdef.json`
 * of `dekeyrej-secretmanager` 1.1.5 mean here what they mean there.
 */
import { closest } from '../lib/closest.ts'
import { isDataKey, isDnsSubdomain, isTransitKey } from '../lib/names.ts'
import type { Pem } from '../runtime.ts'
import { readCaPath } from './ca-cert.ts'
import {
  check,
  group,
  leaf,
  optional,
  type Checked,
  type OutputOf,
  type Reading,
  type Rule,
  type StrangerRule,
} from './check.ts'
import {
  DEFAULT_CACHE,
  DEFAULT_CLUSTER,
  DEFAULT_LIMITS,
  filePath,
  namespace,
  oneOf,
  role,
  serviceAccount,
  text,
} from './rules.ts'
import type { CacheSettings, Definition, Settings } from './settings.ts'
import type { SecretCfg, SecretDef, SecretDefinition, SecretManagerConfig } from './types.ts'
import { isPlainHttpAbroad, readVaultUrl } from './url.ts'

/** Audience that the original requests its tokens for: the API server's own. */
const AUDIENCE = 'https://kubernetes.default.svc'

/** The original asks the servers in every read; what Vault's absence must not break is ours. */
const CACHE: CacheSettings = { ...DEFAULT_CACHE, refreshAfterMs: 0 }

/** The native path of each setting that the original has a key for. */
export const SECRET_CFG_KEYS: ReadonlyMap<string, keyof SecretCfg> = new Map([
  ['vault.url', 'vault_url'],
  ['vault.caCert', 'ca_cert'],
  ['vault.auth.role', 'role'],
  ['kubernetes.kubeconfig', 'kube_config'],
  ['kubernetes.namespace', 'namespace'],
  ['kubernetes.serviceAccount', 'service_account'],
])

/** The native name of each part of a definition that the original has a key for. */
export const SECRET_DEF_KEYS: ReadonlyMap<string, keyof SecretDef> = new Map([
  ['secretName', 'secret_name'],
  ['namespace', 'namespace'],
  ['readType', 'read_type'],
  ['readKey', 'read_key'],
  ['transitKey', 'transit_key'],
])

/** Whether `input` is meant as the original's configuration. */
export function isSecretCfg(input: unknown): boolean {
  return has(input, 'SOURCE') || has(input, 'vault_url')
}

/** Whether `input` is meant as the original's definition. */
export function isSecretDef(input: unknown): boolean {
  return ['secret_name', 'read_key', 'read_type', 'transit_key'].some((key) => has(input, key))
}

/** Checks and translates the original's configuration. */
export function checkSecretCfg(input: unknown): Checked<Settings> {
  const { output, problems } = check(SECRET_CFG, input)
  return output === undefined ? { output, problems } : { output: settingsOf(output), problems: [] }
}

/** Checks and translates the original's definition. */
export function checkSecretDef(input: unknown): Checked<Definition> {
  const { output, problems } = check(SECRET_DEF, input)
  return output === undefined
    ? { output, problems }
    : { output: definitionOf(output), problems: [] }
}

/** What a checked configuration of the original says, in the native shape; it can then say more. */
export function asNativeConfig(cfg: SecretCfg): SecretManagerConfig {
  return {
    vault: {
      url: cfg.vault_url,
      caCert: isSystemTrust(cfg.ca_cert) || cfg.ca_cert === false ? true : cfg.ca_cert,
      auth: { method: 'kubernetes', role: cfg.role, audience: AUDIENCE },
    },
    kubernetes: {
      kubeconfig: cfg.kube_config ?? undefined,
      namespace: cfg.namespace,
      serviceAccount: cfg.service_account,
    },
    cache: { refreshAfter: CACHE.refreshAfterMs },
  }
}

/** What a checked definition of the original says, in the native shape. */
export function asNativeDefinition(def: SecretDef): SecretDefinition {
  const { secret_name, namespace: within, read_type, read_key, transit_key } = def
  return {
    secretName: secret_name,
    namespace: within,
    readType: read_type,
    readKey: read_key,
    transitKey: transit_key,
    format: 'raw',
  }
}

const SECRET_CFG = group<SecretCfg>()(
  {
    SOURCE: leaf(readSource),
    kube_config: optional(orNull(filePath)),
    service_account: serviceAccount,
    namespace,
    vault_url: leaf(readSecureUrl),
    role,
    ca_cert: optional(leaf<boolean | string, Pem | undefined>(readOldCaCert)),
  },
  { stranger: strangerTo('vault', 'kubernetes', 'source', 'cache') },
)

const READ_KEY =
  'must be a data key of the object (the original reads the whole object for null only with SOURCE KUBERNETES, and a ciphertext is one entry)'

const SECRET_DEF = group<SecretDef>()(
  {
    secret_name: text('must be the name of a Secret or ConfigMap', isDnsSubdomain),
    namespace,
    read_type: oneOf('must be SECRET or CONFIG_MAP', ['SECRET', 'CONFIG_MAP']),
    read_key: text(READ_KEY, isDataKey),
    transit_key: text('must be the name of a Transit key', isTransitKey),
  },
  { stranger: strangerTo('secretName', 'readKey', 'format', 'binding', 'allowRollback') },
)

/**
 * The original ignores keys that it does not know, and files with some are in use: so they pass,
 * except what looks like a known key misspelt, and the native shape's own keys, since whoever wrote
 * those believes that they count.
 */
function strangerTo(...native: readonly string[]): StrangerRule {
  return (key, known) => {
    if (native.includes(key)) return 'belongs to the native shape: write all of it so, or none'
    const meant = closest(key, known)
    return meant === undefined ? undefined : `is not a known setting: did you mean ${meant}?`
  }
}

function orNull<Input, Output>(rule: Rule<Input, Output>): Rule<Input | null, Output | null> {
  return {
    read: (value, path, problems) => (value === null ? null : rule.read(value, path, problems)),
  }
}

function readSource(value: unknown): Reading<'KUBEVAULT'> {
  if (value === 'KUBEVAULT') return { value }
  const isOther = value === 'FILE' || value === 'ENVIRONMENT' || value === 'KUBERNETES'
  const other = 'a source of the original that this version does not read yet'
  return { says: isOther ? `must be KUBEVAULT: ${value} is ${other}` : 'must be KUBEVAULT' }
}

function readSecureUrl(value: unknown): Reading<string> {
  const reading = readVaultUrl(value)
  if ('says' in reading || !isPlainHttpAbroad(reading.value)) return reading
  return {
    says: 'must begin with https:// (plain http only to this host, or with vault.allowInsecureHttp of the native shape)',
  }
}

/** Environment variables and ConfigMaps made texts of booleans; the original takes "True" for true. */
function readOldCaCert(value: unknown): Reading<Pem | undefined> {
  if (isSystemTrust(value)) return { value: undefined }
  const says = 'must be true or the path of a PEM file'
  if (value === false || value === 'False' || value === 'false') {
    return { says: `${says}: certificates are always verified` }
  }
  return typeof value === 'string' ? readCaPath(value) : { says }
}

const isSystemTrust = (value: unknown): boolean =>
  value === undefined || value === null || value === true || value === 'True' || value === 'true'

function settingsOf(cfg: OutputOf<typeof SECRET_CFG>): Settings {
  const { startupWaitMs, ...attempt } = DEFAULT_LIMITS
  return {
    attempt,
    startupWaitMs,
    cluster: DEFAULT_CLUSTER,
    vault: {
      url: cfg.vault_url,
      namespace: undefined,
      transport: { ca: cfg.ca_cert },
      transitMount: 'transit',
      auth: {
        method: 'kubernetes',
        role: cfg.role,
        mount: 'kubernetes',
        audience: AUDIENCE,
        jwtFile: undefined,
      },
      redirectHosts: [],
    },
    kubernetes: {
      kubeconfig: cfg.kube_config ?? undefined,
      context: undefined,
      namespace: cfg.namespace,
      serviceAccount: cfg.service_account,
      mountedAt: undefined,
    },
    cache: CACHE,
    legacy: true,
  }
}

function definitionOf(def: OutputOf<typeof SECRET_DEF>): Definition {
  return {
    ...asNativeDefinition(def),
    namespace: def.namespace,
    readType: def.read_type,
    format: 'raw',
    // Nothing is bound in this format: it is what a native definition has that says raw alone.
    binding: 'strict',
    allowRollback: false,
    schema: undefined,
  }
}

function has(input: unknown, key: string): boolean {
  return typeof input === 'object' && input !== null && Object.hasOwn(input, key)
}

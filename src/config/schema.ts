/**
 * Reads a configuration, in the native shape or in the Python original's, into {@link Settings}.
 *
 * The schema is held against the interfaces of `types.ts`; a key, a type or a variant that one has
 * and the other has not does not compile.
 */
import { auth } from './auth.ts'
import { caCert } from './ca-cert.ts'
import {
  becoming,
  check,
  group,
  guarded,
  leaf,
  listOf,
  optional,
  withDefault,
  type Checked,
  type OutputOf,
} from './check.ts'
import { invalid, type Problem } from './problems.ts'
import {
  DEFAULT_CACHE,
  DEFAULT_CLUSTER,
  DEFAULT_LIMITS,
  duration,
  filePath,
  hostName,
  MONTH_MS,
  mountPath,
  namespace,
  oneOf,
  serviceAccount,
  text,
  trueOrFalse,
} from './rules.ts'
import { checkSecretCfg, isSecretCfg } from './secretcfg.ts'
import type { CacheSettings, Settings } from './settings.ts'
import type {
  CacheConfig,
  KubernetesConfig,
  SecretManagerConfig,
  StartupConfig,
  VaultConfig,
} from './types.ts'
import { isPlainHttpAbroad, readHostPort, readProxyUrl, readVaultUrl } from './url.ts'

export type { Settings } from './settings.ts'

/**
 * Reads a configuration of either shape.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every problem, its path, and no value
 */
export function parseConfig(input: unknown): Settings {
  const { output, problems } = checkConfig(input)
  if (output === undefined) throw invalid('configuration', problems)
  return output
}

/** The same without throwing, for who knows where each setting came from. */
export function checkConfig(input: unknown): Checked<Settings> {
  return guarded(() => (isSecretCfg(input) ? checkSecretCfg(input) : checkNative(input)))
}

function checkNative(input: unknown): Checked<Settings> {
  const { output, problems } = check(CONFIG, input)
  return output === undefined ? { output, problems } : { output: settingsOf(output), problems: [] }
}

const VAULT = group<VaultConfig>()(
  {
    url: leaf(readVaultUrl),
    namespace: optional(mountPath('a Vault namespace')),
    caCert: optional(caCert),
    clientCert: optional(filePath),
    clientKey: optional(filePath),
    serverName: optional(hostName),
    proxy: optional(leaf(readProxyUrl)),
    transitMount: withDefault(mountPath('the mount path of the Transit engine'), 'transit'),
    auth,
    redirectHosts: withDefault(listOf('must be a list of host:port', leaf(readHostPort)), []),
    allowInsecureHttp: withDefault(trueOrFalse, false),
  },
  { agree: vaultDisagreements },
)

type Compared = Pick<VaultConfig, 'url' | 'allowInsecureHttp' | 'clientCert' | 'clientKey'>

function vaultDisagreements(vault: Partial<Compared>): Problem[] {
  const { url, allowInsecureHttp, clientCert, clientKey } = vault
  const isLeftOut = (key: keyof Compared): boolean =>
    Object.hasOwn(vault, key) && vault[key] === undefined
  const problems: Problem[] = []
  if (url !== undefined && allowInsecureHttp === false && isPlainHttpAbroad(url)) {
    const says =
      'must begin with https:// (plain http only to this host, or with vault.allowInsecureHttp)'
    problems.push({ path: 'url', says })
  }
  if (clientCert !== undefined && isLeftOut('clientKey')) {
    problems.push({ path: 'clientCert', says: 'needs vault.clientKey beside it' })
  }
  if (clientKey !== undefined && isLeftOut('clientCert')) {
    problems.push({ path: 'clientKey', says: 'needs vault.clientCert beside it' })
  }
  return problems
}

const STARTUP = group<StartupConfig>()({
  wait: withDefault(duration(0, MONTH_MS), DEFAULT_LIMITS.startupWaitMs),
})

const CACHE = becoming(
  group<CacheConfig>()(
    {
      refreshAfter: optional(duration(0)),
      keepAtMost: withDefault(duration(0, MONTH_MS), DEFAULT_CACHE.keepAtMostMs),
      onDenied: withDefault(
        oneOf('must be keepStale or drop', ['keepStale', 'drop']),
        DEFAULT_CACHE.onDenied,
      ),
    },
    { agree: cacheDisagreements },
  ),
  cacheSettings,
)

interface Cache {
  readonly refreshAfter: number | undefined
  readonly keepAtMost: number
  readonly onDenied: CacheSettings['onDenied']
}

function cacheDisagreements({ refreshAfter, keepAtMost }: Partial<Cache>): Problem[] {
  if (refreshAfter === undefined || keepAtMost === undefined || refreshAfter <= keepAtMost) {
    return []
  }
  return [{ path: 'refreshAfter', says: 'must not be longer than cache.keepAtMost' }]
}

function cacheSettings({ refreshAfter, keepAtMost, onDenied }: Cache): CacheSettings {
  // Who only says that values go early means no refresh after that.
  const refreshAfterMs = refreshAfter ?? Math.min(DEFAULT_CACHE.refreshAfterMs, keepAtMost)
  return { refreshAfterMs, keepAtMostMs: keepAtMost, onDenied }
}

const KUBERNETES = group<KubernetesConfig>()({
  kubeconfig: optional(filePath),
  context: optional(text('must be the name of a context', (name) => name !== '')),
  namespace: optional(namespace),
  serviceAccount: optional(serviceAccount),
  mountedAt: optional(filePath),
})

const CONFIG = group<SecretManagerConfig>()({
  source: optional(oneOf('must be "kubevault": no other source is in this version', ['kubevault'])),
  cluster: withDefault(
    text('must be a name of at most 253 characters', (name) => name !== '' && name.length <= 253),
    DEFAULT_CLUSTER,
  ),
  timeout: withDefault(duration(1), DEFAULT_LIMITS.timeoutMs),
  startup: withDefault(STARTUP, { wait: DEFAULT_LIMITS.startupWaitMs }),
  vault: VAULT,
  kubernetes: withDefault(KUBERNETES, {
    kubeconfig: undefined,
    context: undefined,
    namespace: undefined,
    serviceAccount: undefined,
    mountedAt: undefined,
  }),
  cache: withDefault(CACHE, DEFAULT_CACHE),
})

function settingsOf(config: OutputOf<typeof CONFIG>): Settings {
  const { cluster, timeout, startup, vault, kubernetes, cache } = config
  const { url, namespace: vaultNamespace, transitMount, redirectHosts } = vault
  return {
    attempt: { connectTimeoutMs: connectTimeoutMs(timeout), timeoutMs: timeout },
    startupWaitMs: startup.wait,
    cluster,
    vault: {
      url,
      namespace: vaultNamespace,
      transport: transportOf(vault),
      transitMount,
      auth: vault.auth,
      redirectHosts,
    },
    kubernetes,
    cache,
    legacy: false,
  }
}

/** 2 of the default 5 seconds; in proportion for who waits longer because the way is long. */
function connectTimeoutMs(timeoutMs: number): number {
  return Math.min(timeoutMs, Math.max(DEFAULT_LIMITS.connectTimeoutMs, timeoutMs * 0.4))
}

function transportOf(vault: OutputOf<typeof VAULT>): Settings['vault']['transport'] {
  return {
    ca: vault.caCert,
    clientCert:
      vault.clientCert === undefined ? undefined : { kind: 'file', path: vault.clientCert },
    clientKey: vault.clientKey === undefined ? undefined : { kind: 'file', path: vault.clientKey },
    serverName: vault.serverName,
    proxy: vault.proxy,
  }
}

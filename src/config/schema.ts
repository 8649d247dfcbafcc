/**
 * Reads a configuration, in the native shape or in the Python original's, into {@link Settings}.
 *
 * The schema is held against the interfaces of `types.ts`; a key, a type or a variant that one has
 * and the other has not does not compile.
 */
import * as v from 'valibot'
import { caCert } from './ca-cert.ts'
import { check, guarded, type Checked } from './check.ts'
import { invalid } from './problems.ts'
import {
  duration,
  filePath,
  hostName,
  mountPath,
  namespace,
  oneOf,
  pinned,
  role,
  rule,
  serviceAccount,
  text,
  visibleText,
  type Rule,
} from './rules.ts'
import { checkSecretCfg, isSecretCfg } from './secretcfg.ts'
import type { Settings } from './settings.ts'
import type {
  KubernetesAuth,
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

const AN_OBJECT = 'must be an object'

const AUTH = pinned<KubernetesAuth>()(
  v.object(
    {
      method: oneOf('must be "kubernetes": no other method is in this version', ['kubernetes']),
      role,
      mount: v.optional(mountPath('the mount path of the auth method'), 'kubernetes'),
      audience: v.optional(visibleText, 'vault'),
      jwtFile: v.optional(filePath),
    },
    AN_OBJECT,
  ),
)

const REDIRECT_HOSTS: Rule<readonly string[]> = v.array(
  rule<string, string>(readHostPort),
  'must be a list of host:port',
)

const VAULT_FIELDS = pinned<VaultConfig>()(
  v.object(
    {
      url: rule<string, string>(readVaultUrl),
      namespace: v.optional(mountPath('a Vault namespace')),
      caCert: v.optional(caCert),
      clientCert: v.optional(filePath),
      clientKey: v.optional(filePath),
      serverName: v.optional(hostName),
      proxy: v.optional(rule<string, string>(readProxyUrl)),
      transitMount: v.optional(mountPath('the mount path of the Transit engine'), 'transit'),
      auth: AUTH,
      redirectHosts: v.optional(REDIRECT_HOSTS, []),
      allowInsecureHttp: v.optional(v.boolean('must be true or false'), false),
    },
    AN_OBJECT,
  ),
)

// Each of these runs as soon as the settings it compares are sound, whatever else is wrong.
const VAULT = v.pipe(
  VAULT_FIELDS,
  v.forward(
    v.partialCheck(
      [['url'], ['allowInsecureHttp']],
      ({ url, allowInsecureHttp }) => allowInsecureHttp || !isPlainHttpAbroad(url),
      'must begin with https:// (plain http only to this host, or with vault.allowInsecureHttp)',
    ),
    ['url'],
  ),
  v.forward(
    v.partialCheck(
      [['clientCert'], ['clientKey']],
      ({ clientCert, clientKey }) => clientCert === undefined || clientKey !== undefined,
      'needs vault.clientKey beside it',
    ),
    ['clientCert'],
  ),
  v.forward(
    v.partialCheck(
      [['clientCert'], ['clientKey']],
      ({ clientCert, clientKey }) => clientKey === undefined || clientCert !== undefined,
      'needs vault.clientCert beside it',
    ),
    ['clientKey'],
  ),
)

const KUBERNETES = pinned<KubernetesConfig>()(
  v.object(
    {
      kubeconfig: v.optional(filePath),
      context: v.optional(text('must be the name of a context', (name) => name !== '')),
      namespace: v.optional(namespace),
      serviceAccount: v.optional(serviceAccount),
      mountedAt: v.optional(filePath),
    },
    AN_OBJECT,
  ),
)

const STARTUP = pinned<StartupConfig>()(
  v.object({ wait: v.optional(duration(0), 30_000) }, AN_OBJECT),
)

const CONFIG = pinned<SecretManagerConfig>()(
  v.object(
    {
      source: v.optional(
        oneOf('must be "kubevault": no other source is in this version', ['kubevault']),
      ),
      timeout: v.optional(duration(1), 5000),
      startup: v.optional(STARTUP, {}),
      vault: VAULT,
      kubernetes: v.optional(KUBERNETES, {}),
    },
    AN_OBJECT,
  ),
)

function settingsOf(config: v.InferOutput<typeof CONFIG>): Settings {
  const { timeout, startup, vault, kubernetes } = config
  return {
    attempt: { connectTimeoutMs: connectTimeoutMs(timeout), timeoutMs: timeout },
    startupWaitMs: startup.wait,
    vault: {
      url: vault.url,
      namespace: vault.namespace,
      transport: transportOf(vault),
      transitMount: vault.transitMount,
      auth: { ...vault.auth, jwtFile: vault.auth.jwtFile },
      redirectHosts: vault.redirectHosts,
    },
    kubernetes: {
      kubeconfig: kubernetes.kubeconfig,
      context: kubernetes.context,
      namespace: kubernetes.namespace,
      serviceAccount: kubernetes.serviceAccount,
      mountedAt: kubernetes.mountedAt,
    },
    legacy: false,
  }
}

/** 2 of the default 5 seconds; in proportion for who waits longer because the way is long. */
function connectTimeoutMs(timeoutMs: number): number {
  return Math.min(timeoutMs, Math.max(2000, timeoutMs * 0.4))
}

function transportOf(vault: v.InferOutput<typeof VAULT>): Settings['vault']['transport'] {
  return {
    ca: vault.caCert,
    clientCert:
      vault.clientCert === undefined ? undefined : { kind: 'file', path: vault.clientCert },
    clientKey: vault.clientKey === undefined ? undefined : { kind: 'file', path: vault.clientKey },
    serverName: vault.serverName,
    proxy: vault.proxy,
  }
}

/**
 * The environment as configuration: the names of Vault's and OpenBao's own clients, and those of the
 * Python original's jobs.
 *
 * @see https://developer.hashicorp.com/vault/docs/commands#configure-environment-variables
 */
import { withScheme } from '../lib/proxy-environment.ts'
import type { Runtime } from '../runtime.ts'
import type { Problem } from './problems.ts'

/** A value and who said it. */
export interface Said {
  readonly value: unknown
  readonly from: string
}

/** Settings by their path. */
export type Layer = ReadonlyMap<string, Said>

/** Gives an environment variable; an empty one counts as unset, as it does for Vault. */
export type Lookup = (name: string) => string | undefined

/** Reads variables from `env`, or from the process where there is none. */
export function lookupIn(
  env: Readonly<Record<string, string | undefined>> | undefined,
  runtime: Runtime,
): Lookup {
  return (name) => {
    if (env === undefined) return runtime.env(name) || undefined
    return (Object.hasOwn(env, name) ? env[name] : undefined) || undefined
  }
}

/** What the environment says about the configuration, over a file. */
export function configFromEnv(lookup: Lookup): Layer {
  return layerOf(VARIABLES, lookup)
}

/**
 * What the original's jobs call by everyday names. Pods have a `NAMESPACE` or a `ROLE` for other
 * reasons, and such a stray must not send a JWT elsewhere: so these only fill what nobody else says.
 */
export function configGaps(lookup: Lookup): Layer {
  return layerOf(ORIGINAL_VARIABLES, lookup)
}

/** The same for a definition. */
export function definitionGaps(lookup: Lookup): Layer {
  return layerOf(DEFINITION_VARIABLES, lookup)
}

/**
 * The auth method that the environment names. Sidecar injectors set it for programs of their own, so
 * it is not one of the variables that win over a file.
 */
export function methodFromEnv(lookup: Lookup): Said | undefined {
  return layerOf(METHOD, lookup).get('vault.auth.method')
}

/** Whether the environment is that of the original's jobs, which have no configuration file. */
export function isOriginalConfig(lookup: Lookup): boolean {
  const newer = [...both('ADDR'), ...both('AUTH_METHOD')]
  return lookup('VAULT_URL') !== undefined && newer.every((name) => lookup(name) === undefined)
}

/** Certificates are always verified, so a wish not to is an error and not ignored. */
export function skipVerifyProblems(lookup: Lookup): Problem[] {
  const path = both('SKIP_VERIFY').find((name) => lookup(name) !== undefined)
  const given = path && lookup(path)
  if (path === undefined || given === undefined || GO_FALSE.has(given)) return []
  if (!GO_TRUE.has(given)) return [{ path, says: 'must be true or false, as Go writes them' }]
  const says = 'must not be true: certificates are always verified, name your CA in VAULT_CACERT'
  return [{ path, says }]
}

const GO_TRUE: ReadonlySet<string> = new Set(['1', 't', 'T', 'TRUE', 'true', 'True'])
const GO_FALSE: ReadonlySet<string> = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False'])

/** OpenBao's client looks for its own name first. */
const both = (name: string): string[] => [`BAO_${name}`, `VAULT_${name}`]

interface Variable {
  readonly path: string
  readonly names: readonly string[]
  readonly read?: (text: string) => unknown
}

/** Of two rows for one path the first that is set wins. */
const VARIABLES: readonly Variable[] = [
  { path: 'vault.url', names: [...both('ADDR'), 'VAULT_URL'] },
  { path: 'vault.namespace', names: both('NAMESPACE') },
  { path: 'vault.caCert', names: both('CACERT') },
  { path: 'vault.caCert', names: both('CACERT_BYTES'), read: (pem) => ({ pem }) },
  { path: 'vault.caCert', names: both('CAPATH'), read: (directory) => ({ directory }) },
  { path: 'vault.clientCert', names: both('CLIENT_CERT') },
  { path: 'vault.clientKey', names: both('CLIENT_KEY') },
  { path: 'vault.serverName', names: both('TLS_SERVER_NAME') },
  { path: 'vault.proxy', names: both('PROXY_ADDR'), read: withScheme },
  { path: 'vault.proxy', names: both('HTTP_PROXY'), read: withScheme },
  { path: 'timeout', names: both('CLIENT_TIMEOUT'), read: seconds },
  { path: 'vault.auth.role', names: both('ROLE') },
  { path: 'vault.auth.roleId', names: both('ROLE_ID') },
  { path: 'vault.auth.roleIdFile', names: both('ROLE_ID_FILE') },
  { path: 'vault.auth.secretId', names: both('SECRET_ID') },
  { path: 'vault.auth.secretIdFile', names: both('SECRET_ID_FILE') },
  { path: 'vault.auth.token', names: both('TOKEN') },
  { path: 'vault.auth.tokenFile', names: both('TOKEN_FILE') },
  { path: 'vault.transitMount', names: both('TRANSIT_PATH') },
]

const METHOD: readonly Variable[] = [{ path: 'vault.auth.method', names: both('AUTH_METHOD') }]

const ORIGINAL_VARIABLES: readonly Variable[] = [
  { path: 'vault.caCert', names: ['CA_CERT'], read: trueOrPath },
  { path: 'vault.auth.role', names: ['ROLE'] },
  { path: 'kubernetes.serviceAccount', names: ['SERVICE_ACCOUNT'] },
  { path: 'kubernetes.namespace', names: ['NAMESPACE'] },
]

const DEFINITION_VARIABLES: readonly Variable[] = [
  { path: 'secretName', names: ['SECRET_NAME'] },
  { path: 'namespace', names: ['NAMESPACE'] },
  { path: 'readKey', names: ['SECRET_DATA_NAME'] },
  { path: 'transitKey', names: ['VAULT_TRANSIT_KEY_ID', 'TRANSIT_KEY'] },
]

function layerOf(variables: readonly Variable[], lookup: Lookup): Layer {
  const layer = new Map<string, Said>()
  for (const { path, names, read = asItIs } of variables) {
    const from = names.find((name) => lookup(name) !== undefined)
    const text = from && lookup(from)
    if (from && text && !layer.has(path)) layer.set(path, { value: read(text), from })
  }
  return layer
}

const asItIs = (text: string): unknown => text

/** Vault's client takes a bare number for seconds; everywhere else here it is milliseconds. */
function seconds(text: string): string {
  return /^\d+$/.test(text) ? `${text}s` : text
}

function trueOrPath(text: string): boolean | string {
  if (GO_TRUE.has(text)) return true
  return GO_FALSE.has(text) ? false : text
}

/** The flags that every command which reaches servers has, and what they say as settings. */
import { Option, type Command } from 'commander'

import { loadConfig, loadDefinition } from '../config/load.ts'
import type {
  SecretCfg,
  SecretDef,
  SecretDefinition,
  SecretManagerConfig,
} from '../config/types.ts'
import type { Runtime } from '../runtime.ts'

/** A flag and the setting it stands for. */
interface Flag {
  readonly flags: string
  readonly says: string
  readonly path: string
  readonly choices?: readonly string[]
}

const CONFIG_FLAGS: readonly Flag[] = [
  { flags: '--vault-url <url>', says: 'address of Vault or OpenBao', path: 'vault.url' },
  { flags: '--vault-namespace <name>', says: 'namespace in Vault', path: 'vault.namespace' },
  {
    flags: '--ca-cert <path>',
    says: 'CA that signed the certificate of Vault',
    path: 'vault.caCert',
  },
  { flags: '--role <name>', says: 'role of the auth mount', path: 'vault.auth.role' },
  {
    flags: '--auth-mount <path>',
    says: 'mount of the kubernetes auth method',
    path: 'vault.auth.mount',
  },
  {
    flags: '--audience <name>',
    says: 'audience of the ServiceAccount token',
    path: 'vault.auth.audience',
  },
  {
    flags: '--jwt-file <path>',
    says: 'projected ServiceAccount token',
    path: 'vault.auth.jwtFile',
  },
  {
    flags: '--transit-mount <path>',
    says: 'mount of the Transit engine',
    path: 'vault.transitMount',
  },
  {
    flags: '--kubeconfig <path>',
    says: 'kubeconfig, outside a pod',
    path: 'kubernetes.kubeconfig',
  },
  { flags: '--context <name>', says: 'context of the kubeconfig', path: 'kubernetes.context' },
  {
    flags: '--service-account <name>',
    says: 'ServiceAccount to ask a token for',
    path: 'kubernetes.serviceAccount',
  },
  {
    flags: '--mounted-at <path>',
    says: 'read the ciphertext from this volume',
    path: 'kubernetes.mountedAt',
  },
  {
    flags: '--wait <duration>',
    says: 'how long to wait for a server that is away',
    path: 'startup.wait',
  },
]

const DEFINITION_FLAGS: readonly Flag[] = [
  { flags: '-n, --namespace <name>', says: 'namespace of the object', path: 'namespace' },
  {
    flags: '--type <type>',
    says: 'kind of the object',
    path: 'readType',
    choices: ['SECRET', 'CONFIG_MAP'],
  },
  { flags: '--key <name>', says: 'entry of the object that holds the ciphertext', path: 'readKey' },
  { flags: '--transit-key <name>', says: 'Transit key', path: 'transitKey' },
]

/** Values of the flags, as commander gives them. */
export type FlagValues = Readonly<Record<string, unknown>>

/** Adds the flags that say where the servers are. */
export function addConfigFlags(command: Command): Command {
  command.option('--config <file>', 'configuration (secretcfg.json, or native in JSON or YAML)')
  return add(command, CONFIG_FLAGS)
}

/** Adds the flags that say where the dictionary is. */
export function addDefinitionFlags(command: Command): Command {
  command.option('--def <file>', 'definition (secretdef.json, or native in JSON or YAML)')
  return add(command, DEFINITION_FLAGS)
}

/** Flags over environment over the file of `--config`. */
export function configOf(
  values: FlagValues,
  runtime: Runtime,
): Promise<SecretManagerConfig | SecretCfg> {
  return loadConfig({ file: text(values['config']), flags: said(CONFIG_FLAGS, values) }, runtime)
}

/** Flags over environment over the file of `--def`. */
export function definitionOf(
  secretName: string | undefined,
  values: FlagValues,
  runtime: Runtime,
): Promise<SecretDefinition | SecretDef> {
  const file = text(values['def'])
  // A file says its format itself.
  const format = file === undefined ? { format: 'raw' } : {}
  const flags = { ...said(DEFINITION_FLAGS, values), secretName, ...format }
  return loadDefinition({ file, flags }, runtime)
}

function add(command: Command, flags: readonly Flag[]): Command {
  for (const { flags: names, says, choices } of flags) {
    const option = new Option(names, says)
    command.addOption(choices ? option.choices(choices) : option)
  }
  return command
}

function said(flags: readonly Flag[], values: FlagValues): Record<string, unknown> {
  return Object.fromEntries(
    flags.map(({ flags: names, path }) => [path, values[new Option(names).attributeName()]]),
  )
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

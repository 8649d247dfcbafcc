import { lstat, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { Option, type Command } from 'commander'

import { readVaultUrl } from '../../config/url.ts'
import { SecretManagerError, systemCode } from '../../errors.ts'
import { isDnsLabel } from '../../lib/names.ts'
import { word } from '../../lib/shell-word.ts'
import type { StarterAnswers } from '../../provision/starter.ts'
import { processInput, type Input } from '../input.ts'
import { paragraph, type Output } from '../output.ts'
import type { Context } from '../context.ts'
import type { FlagValues } from '../settings.ts'

/** Adds `secretmanager init`: the files that an app begins with. */
export function addInitCommand(program: Command, context: Context): void {
  program
    .command('init')
    .argument('[app]', 'name of the app')
    .description(
      'write configuration, definition and provision file of an app; asks what is left out',
    )
    .option('-n, --namespace <name>', 'namespace of the app (default: its name)')
    .option('--vault-url <url>', 'address of Vault or OpenBao')
    .option('--ca-cert <path>', 'CA that signed the certificate of Vault')
    .option('--cluster <name>', 'name that documents are bound to (default: default)')
    .option('--context <name>', 'context of the kubeconfig (default: its current one)')
    .addOption(
      new Option(
        '--auth-method <name>',
        'jwt: Vault has the public keys of the cluster; kubernetes: it asks the cluster (default: jwt)',
      ).choices(['jwt', 'kubernetes']),
    )
    .option('--dir <path>', 'where to write them', '.')
    .option('--force', 'write over files that are there')
    .addHelpText('after', MORE)
    .action((app: string | undefined, values: FlagValues) => init(app, values, context))
}

const MORE = `
None of the files holds a secret.

Examples:
  secretmanager init
  secretmanager init app -n prod --vault-url https://192.168.86.9:8200 \\
    --ca-cert ca.crt --dir deploy`

async function init(app: string | undefined, values: FlagValues, context: Context): Promise<void> {
  const answers = await answersOf(app, values, context)
  // Loaded on use: no other command writes YAML so early.
  const { starterFiles } = await import('../../provision/starter.ts')
  const directory = String(values['dir'])
  const files = starterFiles(answers)
  if (values['force'] !== true) await refuseExisting(files.map(({ name }) => join(directory, name)))
  await mkdir(directory, { recursive: true }).catch((error: unknown) => {
    throw unwritable(directory, error)
  })
  const { data } = context.output
  for (const { name, text: content } of files) {
    const path = join(directory, name)
    await writeFile(path, content).catch((error: unknown) => {
      throw unwritable(path, error)
    })
    data.line(path)
  }
  printNext(context.output, answers, directory)
}

async function answersOf(
  app: string | undefined,
  values: FlagValues,
  { input = processInput(process), interrupt }: Context,
): Promise<StarterAnswers> {
  const ask = asker(input, interrupt)
  const name = await ask('name of the app', app, '', 'NAME')
  refuse(isDnsLabel(name), 'NAME must be the name of a ServiceAccount: lower case, digits, "-"')
  const namespace = await ask('namespace', text(values['namespace']), name, '-n, --namespace')
  refuse(isDnsLabel(namespace), '--namespace must be the name of a namespace')
  const url = readVaultUrl(
    await ask('address of Vault', text(values['vaultUrl']), '', '--vault-url'),
  )
  if ('says' in url) {
    const hint = 'secretmanager init NAME --vault-url https://vault.example:8200'
    throw new SecretManagerError('SM_CONFIG_INVALID', `--vault-url ${url.says}`, { hint })
  }
  const caCert = await ask(
    'path of its CA, if your system does not trust it',
    text(values['caCert']),
    '',
  )
  const cluster = text(values['cluster']) ?? 'default'
  refuse(isDnsLabel(cluster), '--cluster must be lower case, digits, "-"')
  return {
    app: name,
    namespace,
    vaultUrl: url.value,
    caCert: caCert === '' ? undefined : caCert,
    cluster,
    context: text(values['context']),
    auth: values['authMethod'] === 'kubernetes' ? 'kubernetes' : 'jwt',
  }
}

type Ask = (
  question: string,
  said: string | undefined,
  unsaid: string,
  flag?: string,
) => Promise<string>

/** Asks what no flag says; where nobody can be asked, what it would be if nothing was said. */
function asker(input: Input, signal: AbortSignal): Ask {
  return async (question, said, unsaid, flag) => {
    if (said !== undefined) return said
    const answer = input.isTerminal ? await input.line(question, unsaid, signal) : unsaid
    if (answer !== '' || flag === undefined) return answer
    const message = `the ${question} is not said`
    const hint = `secretmanager init NAME --vault-url https://vault.example:8200; say ${flag}`
    throw new SecretManagerError('SM_CONFIG_INVALID', message, { hint })
  }
}

function printNext({ notes }: Output, { app }: StarterAnswers, directory: string): void {
  const [config, definition, provision] = [
    'secretmanager.yaml',
    `${app}.yaml`,
    'provision.yaml',
  ].map((name) => word(join(directory, name)))
  const files = `--def ${definition} --config ${config}`
  paragraph(notes, BY_WHOM, 0)
  for (const command of [
    `secretmanager provision ${provision} --config ${config} --dry-run`,
    `secretmanager provision ${provision} --config ${config}`,
    // The role of the configuration reads, and nobody but an administrator may make the Secret.
    `secretmanager encrypt ${files} --from ${app}.json --auth-method token`,
  ]) {
    paragraph(notes, command)
  }
  paragraph(notes, 'then, as the service:', 0)
  paragraph(notes, `secretmanager read ${files}`)
  paragraph(notes, `secretmanager doctor ${files}`)
}

const BY_WHOM =
  'next, with VAULT_TOKEN and a kubeconfig of somebody who may set up Vault and the cluster:'

function refuse(isRight: boolean, message: string): void {
  if (!isRight) throw new SecretManagerError('SM_CONFIG_INVALID', message)
}

/** Before the first is written: two new files beside an old one would be half of it. */
async function refuseExisting(paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    if (!(await isThere(path))) continue
    const message = `${JSON.stringify(path)} is there already; nothing was written`
    throw new SecretManagerError('SM_CONFIG_INVALID', message, {
      hint: 'name another --dir; or write over it: --force',
    })
  }
}

/** What cannot be looked at may be there. */
async function isThere(path: string): Promise<boolean> {
  try {
    await lstat(path)
    return true
  } catch (error) {
    const causeClass = systemCode(error)
    if (causeClass === 'ENOENT') return false
    const message = `${JSON.stringify(path)} cannot be looked at (${causeClass ?? 'unknown'}); nothing was written`
    throw new SecretManagerError('SM_FILE_UNREADABLE', message, {
      hint: 'name another --dir',
      causeClass,
    })
  }
}

function unwritable(path: string, error: unknown): SecretManagerError {
  const message = `${JSON.stringify(path)} cannot be written`
  return new SecretManagerError('SM_FILE_UNREADABLE', message, { causeClass: systemCode(error) })
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { InvalidArgumentError, type Command } from 'commander'

import type { ClientFiles, ServedStack } from '../../dev/serve-stack.ts'
import { isSecretManagerError, SecretManagerError, systemCode } from '../../errors.ts'
import { strong, type Output } from '../output.ts'
import type { Context } from '../context.ts'

interface DevOptions {
  readonly dir?: string
  readonly vaultPort: number
  readonly kubernetesPort: number
}

/** Adds `secretmanager dev`: a Vault and a Kubernetes in this process, until interrupted. */
export function addDevCommand(program: Command, context: Context): void {
  program
    .command('dev')
    .description('run a Vault and a Kubernetes for development, in memory, on loopback')
    .option(
      '--dir <path>',
      'where to write kubeconfig, CA and configuration (default: a temporary one)',
    )
    .option('--vault-port <port>', 'port of Vault; 0: any free one', port, 8200)
    .option('--kubernetes-port <port>', 'port of the API server; 0: any free one', port, 6443)
    .action((options: DevOptions) => dev(options, context))
}

async function dev(options: DevOptions, { output, interrupt }: Context): Promise<void> {
  // Loaded on use: no other command needs a server.
  const { serveStack, writeClientFiles, SAMPLE_NAME } = await import('../../dev/serve-stack.ts')
  const served = await serveStack(options).catch((error: unknown) => {
    throw isSecretManagerError(error) ? withPortFlags(error) : error
  })
  try {
    await inDirectory(options.dir, async (directory) => {
      const files = await written(directory, () => writeClientFiles(served, directory))
      explain(served, files, SAMPLE_NAME, output)
      await aborted(interrupt)
    })
  } finally {
    await served.close()
  }
}

/** The way out of a port that is taken, in the words of this command. */
function withPortFlags({ code, message, causeClass }: SecretManagerError): SecretManagerError {
  const hint =
    'end what listens there, or choose --vault-port and --kubernetes-port (0: any free one)'
  return new SecretManagerError(code, message, { hint, causeClass })
}

/** A directory of our own is gone afterwards: what is in it opens nothing any more. */
async function inDirectory(
  given: string | undefined,
  work: (directory: string) => Promise<void>,
): Promise<void> {
  if (given !== undefined) return work(given)
  const parent = tmpdir()
  const directory = await written(parent, () => mkdtemp(join(parent, 'secretmanager-dev-')))
  try {
    await work(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function written<T>(directory: string, write: () => Promise<T>): Promise<T> {
  try {
    return await write()
  } catch (error) {
    const causeClass = systemCode(error)
    if (causeClass === undefined) throw error
    throw new SecretManagerError(
      'SM_FILE_UNREADABLE',
      `the directory ${JSON.stringify(directory)} cannot be written`,
      { causeClass },
    )
  }
}

function explain(
  { vaultUrl, kubernetesUrl }: ServedStack,
  { ca, rootToken, unsealKey, kubeconfig, config, definition }: ClientFiles,
  sample: string,
  { notes }: Output,
): void {
  const lines = [
    `${strong(notes, 'vault')}       ${vaultUrl}`,
    `${strong(notes, 'kubernetes')}  ${kubernetesUrl}`,
    '',
    `The dictionary ${sample} is stored. Read it in another terminal:`,
    // In lines that fit and can be copied together; npx finds us however we were started.
    '  npx secretmanager read \\',
    `    --config ${config} \\`,
    `    --def ${definition}`,
    '',
    'For vault (or bao) and kubectl:',
    `  export VAULT_ADDR=${vaultUrl}`,
    `  export VAULT_CACERT=${ca}`,
    `  export VAULT_TOKEN=$(cat ${rootToken})`,
    `  export KUBECONFIG=${kubeconfig}`,
    '  # should you have sealed it:',
    `  vault operator unseal $(cat ${unsealKey})`,
    '',
    'Everything is in memory: ctrl-c ends it and forgets it.',
  ]
  for (const line of lines) notes.line(line)
}

function port(text: string): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number <= 65_535) return number
  throw new InvalidArgumentError('a port is a number from 0 (any free one) to 65535')
}

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}

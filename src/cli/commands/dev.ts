import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { InvalidArgumentError, type Command } from 'commander'

import { strong } from '../output.ts'
import type { Context } from '../program.ts'

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
    .option('--vault-port <port>', 'port of Vault', port, 8200)
    .option('--kubernetes-port <port>', 'port of the API server', port, 6443)
    .action((options: DevOptions) => dev(options, context))
}

async function dev(options: DevOptions, { runtime, output, interrupt }: Context): Promise<void> {
  // Loaded on use: no other command needs a server.
  const { serveStack, writeClientFiles, SAMPLE_NAME } = await import('../../dev/serve-stack.ts')
  const served = await serveStack(options)
  try {
    const directory = options.dir ?? join(tmpdir(), `secretmanager-dev-${runtime.randomId()}`)
    const files = await writeClientFiles(served, directory)
    output.note(`vault       ${strong(output, served.vaultUrl)}   root token in ${files.rootToken}`)
    output.note(
      `kubernetes  ${strong(output, served.kubernetesUrl)}   kubeconfig ${files.kubeconfig}`,
    )
    output.note(`ca          ${files.ca}`)
    output.note('')
    output.note(`The dictionary ${SAMPLE_NAME} is stored. In another terminal:`)
    output.note(`  secretmanager read --config ${files.config} --def ${files.definition}`)
    output.note('')
    output.note('everything is in memory: ctrl-c ends it and forgets it')
    await aborted(interrupt)
  } finally {
    await served.close()
  }
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

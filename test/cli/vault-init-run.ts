/** `provision --init` alone, as the command runs it, with what it prints recorded. */
import { Command, CommanderError } from 'commander'

import { Findings } from '../../src/cli/findings.ts'
import type { Input } from '../../src/cli/input.ts'
import { printError, type Output, type Sheet } from '../../src/cli/output.ts'
import { addInitFlags, initVault, retireRoot } from '../../src/cli/vault-init.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { closeCore, createCore } from '../../src/core.ts'
import { isSecretManagerError } from '../../src/errors.ts'
import type { Runtime } from '../../src/runtime.ts'

/** What a run left behind. */
export interface InitRan {
  readonly code: string
  readonly stdout: string
  readonly stderr: string
  readonly rootToken: string | undefined
}

/** How it is run; by default alone, and where nobody can be asked. */
export interface InitSituation {
  readonly url: string
  readonly runtime: Runtime
  readonly vault?: object
  readonly provisions?: boolean
  readonly input?: Input
  readonly interrupt?: AbortSignal
  readonly onNote?: (line: string) => void
}

/** Runs it; `code` is `ok`, or that of the error. */
export async function runInit(args: readonly string[], situation: InitSituation): Promise<InitRan> {
  const { provisions = false, runtime, input = nobody } = situation
  const [stdout, stderr]: [string[], string[]] = [[], []]
  const output: Output = { data: sheet(stdout), notes: sheet(stderr, situation.onNote) }
  const interrupt = situation.interrupt ?? new AbortController().signal
  let rootToken: string | undefined
  const command = addInitFlags(new Command('provision').exitOverride().option('--json'))
  command.option('--dry-run').configureOutput({ outputError: () => undefined })
  command.action(async (values: Record<string, unknown>) => {
    const vault = { url: situation.url, auth: { method: 'token' }, ...situation.vault }
    const core = createCore(parseConfig({ source: 'kubevault', vault }), runtime)
    const context = { runtime, output, interrupt, input }
    try {
      rootToken = await initVault(values, core, context, provisions)
      await retireRoot(rootToken, values, core, context)
    } finally {
      await closeCore(core)
    }
  })
  const code = await command.parseAsync([...args], { from: 'user' }).then(
    () => 'ok',
    (error: unknown) => codeOf(error, output),
  )
  return { code, stdout: stdout.join(''), stderr: stderr.join(''), rootToken }
}

function codeOf(error: unknown, output: Output): string {
  if (error instanceof CommanderError || error instanceof Findings) return error.message
  if (!isSecretManagerError(error)) throw error
  printError(output, error)
  output.notes.line(JSON.stringify(error))
  return error.code
}

function sheet(written: string[], onNote?: (line: string) => void): Sheet {
  return {
    line: (text) => {
      written.push(`${text}\n`)
      onNote?.(text)
    },
    bytes: (document) => void written.push(Buffer.from(document).toString()),
    isTerminal: false,
    hasColor: false,
    width: undefined,
  }
}

const nobody: Input = {
  isTerminal: false,
  bytes: () => Promise.resolve(Buffer.alloc(0)),
  hidden: () => Promise.resolve([]),
  line: (_question, unsaid) => Promise.resolve(unsaid),
  confirm: () => Promise.resolve(false),
}

/** The Python original as published, in a virtual environment of its own. */
import { spawn, spawnSync, type ChildProcessWithoutNullStreams } from 'node:child_process'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const VERSION = '1.1.5'
const PACKAGES = [
  `dekeyrej-secretmanager==${VERSION}`,
  'hvac==2.4.0',
  'kubernetes==37.0.2',
  'pyyaml',
  'python-dotenv',
]

/**
 * Whether the published package can be run; installs it on first use. For `describe.skipIf`.
 *
 * Without Python 3 or without its registry it says so and gives `false`, also with
 * `SM_REQUIRE_REAL=1`: neither is ours to provide.
 *
 * @throws when both are there, the package cannot be installed, and `SM_REQUIRE_REAL=1`
 */
export function originalPresent(): boolean {
  if (isInstalled()) return true
  if (spawnSync('python3', ['--version']).status !== 0) return absent('python3 is not installed')
  const problem = install()
  if (problem === undefined) return true
  const isOffline = /from versions: none|connection broken|timed out/i.test(problem)
  if (process.env['SM_REQUIRE_REAL'] === '1' && !isOffline) {
    throw new Error(`the Python original: ${problem}`)
  }
  return absent(problem)
}

/** Path of the Python that has the package, for benchmarks beside it. */
export function interpreter(): string {
  return join(directory(), 'bin', 'python3')
}

/** Runs one of the scripts beside this file. @throws with its stderr when it fails */
export async function runOriginal(
  script: 'create.py' | 'read.py',
  files: readonly string[],
  input = '',
): Promise<string> {
  const { code, stdout, stderr } = await ended(script, files, (child) => child.stdin.end(input))
  if (code === 0) return stdout
  throw new Error(`${script} ended with ${code}:\n${stderr}`)
}

/** What a script left behind. */
export interface Ended {
  /** `null` where a signal ended it. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/**
 * Rotates the key and encrypts anew as the original does, `recrypt.py`.
 *
 * @param meanwhile - done when it has read, before it writes
 * @throws what `meanwhile` rejects with
 */
export async function recryptOriginal(
  files: readonly string[],
  meanwhile: () => Promise<void>,
): Promise<Ended> {
  let done = Promise.resolve()
  const result = await ended('recrypt.py', files, (child) => {
    child.stdout.once('data', () => {
      done = meanwhile().finally(() => child.stdin.end())
    })
  })
  await done
  return result
}

function ended(
  script: string,
  files: readonly string[],
  feed: (child: ChildProcessWithoutNullStreams) => void,
): Promise<Ended> {
  const path = fileURLToPath(new URL(script, import.meta.url))
  const child = spawn(interpreter(), [path, ...files], { stdio: 'pipe' })
  const output: Buffer[] = []
  const errors: Buffer[] = []
  child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
  child.stderr.on('data', (chunk: Buffer) => errors.push(chunk))
  // One that ended early reads no more; its exit code says why.
  child.stdin.on('error', () => undefined)
  feed(child)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => {
      const [stdout, stderr] = [output, errors].map((each) => Buffer.concat(each).toString())
      resolve({ code, stdout: stdout ?? '', stderr: stderr ?? '' })
    })
  })
}

function isInstalled(): boolean {
  const check = `import secretmanager, hvac, kubernetes
from importlib.metadata import version
assert version('dekeyrej-secretmanager') == '${VERSION}'`
  return spawnSync(interpreter(), ['-c', check]).status === 0
}

/** Gives what went wrong, if anything did. */
function install(): string | undefined {
  const pip = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--retries=1']
  const steps = [
    ['python3', '-m', 'venv', directory()],
    [interpreter(), ...pip, ...PACKAGES],
  ]
  for (const [command = '', ...args] of steps) {
    const done = spawnSync(command, args, { encoding: 'utf8', timeout: 180_000 })
    if (done.status !== 0) {
      const said = done.error?.message ?? `${done.stdout}${done.stderr}`.trim().slice(-800)
      return `${args.slice(0, 3).join(' ')} failed: ${said}`
    }
  }
  return undefined
}

function absent(reason: string): false {
  process.stderr.write(`skipped: the Python original: ${reason}\n`)
  return false
}

function directory(): string {
  const cache = process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache')
  return join(cache, 'secretmanager', 'python')
}

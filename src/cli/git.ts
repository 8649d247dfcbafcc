/** Git as a child process: what a repository held at another commit, and where it keeps its own files. */
import { SecretManagerError, systemCode } from '../errors.ts'

/** How a run of git ended. */
interface GitRun {
  readonly code: number
  readonly stdout: string
}

/** A manifest may have more than a megabyte, in base64. */
const MOST_OUTPUT_BYTES = 1 << 28

const PATIENCE_MS = 60_000

/**
 * Finds a commit.
 *
 * @param ref - what a person calls it, such as `origin/main`
 * @returns its hash
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where there is none, or no git, or no repository
 */
export async function commitOf(directory: string, ref: string): Promise<string> {
  const args = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${ref}^{commit}`]
  const { code, stdout } = await git(directory, args)
  if (code === 0) return stdout.trim()
  const message = `git knows no commit ${JSON.stringify(ref)} in ${JSON.stringify(directory)}`
  throw new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'fetch it: a shallow clone has the last commit alone (actions/checkout: fetch-depth: 0)',
  })
}

/** Paths, relative to `directory`, of the files that have one of `texts` in them at `commit`. */
export async function filesWith(
  directory: string,
  commit: string,
  texts: readonly string[],
  path: string,
): Promise<readonly string[]> {
  const patterns = texts.flatMap((each) => ['-e', each])
  const args = ['grep', '--fixed-strings', '-l', '-z', ...patterns, commit, '--', path]
  const { code, stdout } = await git(directory, args)
  // 1: no file has any.
  if (code > 1) throw failed('grep', code)
  const names = stdout.split('\0').filter((name) => name !== '')
  return names.map((name) => name.slice(commit.length + 1))
}

/** The text of a file at `commit`. */
export async function fileAt(directory: string, commit: string, path: string): Promise<string> {
  const { code, stdout } = await git(directory, ['cat-file', 'blob', `${commit}:./${path}`])
  if (code === 0) return stdout
  throw failed('cat-file', code)
}

/** The directory that all work trees of the repository share; `undefined` outside of one. */
export async function gitDirectory(directory: string): Promise<string | undefined> {
  const args = ['rev-parse', '--path-format=absolute', '--git-common-dir']
  const { code, stdout } = await git(directory, args)
  return code === 0 ? stdout.trim() : undefined
}

async function git(directory: string, args: readonly string[]): Promise<GitRun> {
  const { execFile } = await import('node:child_process')
  const options = {
    timeout: PATIENCE_MS,
    killSignal: 'SIGKILL',
    maxBuffer: MOST_OUTPUT_BYTES,
    // A name with a star in it is a name.
    env: { ...process.env, GIT_LITERAL_PATHSPECS: '1', GIT_OPTIONAL_LOCKS: '0' },
  } as const
  return new Promise((resolve, reject) => {
    execFile('git', ['-C', directory, ...args], options, (error, stdout) => {
      if (error === null) return resolve({ code: 0, stdout })
      const { code } = error
      // What git writes to stderr names files and may quote them: it is not passed on.
      return typeof code === 'number' ? resolve({ code, stdout }) : reject(notRun(error))
    })
  })
}

function notRun(error: unknown): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', 'git cannot be run', {
    hint: 'install git, and run this inside of the repository',
    causeClass: systemCode(error),
  })
}

function failed(command: string, code: number): SecretManagerError {
  return new SecretManagerError(
    'SM_CONFIG_INVALID',
    `git ${command} failed with exit code ${code}`,
    {
      hint: 'run git status there: it says what is wrong',
    },
  )
}

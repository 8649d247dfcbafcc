/** The editor of whoever sits at the terminal. */
import { spawn, type ChildProcess } from 'node:child_process'

import { SecretManagerError } from '../errors.ts'
import { aborted } from '../lib/abort.ts'
import type { Runtime } from '../runtime.ts'
import type { PrivateFile } from './private-file.ts'

/** An editor that saves on SIGTERM has so long for it, in milliseconds. */
const LAST_WORDS_MS = 2000

/**
 * Opens `file` in `$VISUAL`, else `$EDITOR`, else vi, and waits for its end.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where it cannot be run, SM_ABORTED where it failed (as with `:cq`)
 * or `interrupt` came: it is ended then
 */
export async function openEditor(
  { path, directory }: PrivateFile,
  runtime: Runtime,
  interrupt: AbortSignal,
): Promise<void> {
  if (interrupt.aborted) throw aborted()
  const command = runtime.env('VISUAL') || runtime.env('EDITOR') || 'vi'
  const child = started(command, path, editorEnvironment(process.env, directory))
  let cancel = (): void => undefined
  const stop = (): void => {
    child.kill('SIGTERM')
    cancel = runtime.after(LAST_WORDS_MS, () => child.kill('SIGKILL'))
  }
  interrupt.addEventListener('abort', stop, { once: true })
  try {
    const code = await ended(child)
    if (interrupt.aborted) throw aborted()
    if (code !== 0) throw failed(code)
  } finally {
    interrupt.removeEventListener('abort', stop)
    cancel()
  }
}

/**
 * What an editor needs of the environment: no credential of ours, nor anything that looks like one. Temporary files go to the
 * private directory.
 */
export function editorEnvironment(
  env: NodeJS.ProcessEnv,
  directory: string,
): Record<string, string | undefined> {
  const kept = Object.entries(env).filter(([name]) => !CREDENTIAL.test(name))
  return { ...Object.fromEntries(kept), TMPDIR: directory, TMP: directory, TEMP: directory }
}

const CREDENTIAL = /^(?:VAULT|BAO)_|TOKEN|SECRET|PASSW|CREDENTIAL|PRIVATE_KEY|API_?KEY/i

/** Through a shell, as git does: the variable may hold arguments. The path is not part of what it reads. */
function started(
  command: string,
  path: string,
  env: Record<string, string | undefined>,
): ChildProcess {
  if (process.platform === 'win32') {
    return spawn(`${command} "${path}"`, { env, stdio: 'inherit', shell: true })
  }
  // In the place of the shell a signal reaches the editor itself.
  const exec = COMPOUND.test(command) ? '' : 'exec '
  return spawn('/bin/sh', ['-c', `${exec}${command} "$@"`, 'editor', path], {
    env,
    stdio: 'inherit',
  })
}

/** What a shell cannot put in its own place: lists, and variables before the command. */
const COMPOUND = /[;&|\n]|^\s*(?:\w+=|[!{(])/

/** The exit code; `undefined` where a signal ended it. */
function ended(child: ChildProcess): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    child.once('error', () => reject(failed(127)))
    child.once('exit', (code) => resolve(code ?? undefined))
  })
}

function failed(code: number | undefined): SecretManagerError {
  const hint = 'set VISUAL or EDITOR to an editor that works here'
  if (code === 126 || code === 127) {
    return new SecretManagerError('SM_CONFIG_INVALID', 'the editor cannot be run', { hint })
  }
  const how = code === undefined ? 'was ended by a signal' : `exited with ${code}`
  return new SecretManagerError('SM_ABORTED', `the editor ${how}; nothing was written`, {
    hint: `leave it without an error to have the text stored, or ${hint}`,
  })
}

import { statSync } from 'node:fs'
import { join } from 'node:path'
import { show } from './run.mjs'

/** Runs `npm ci` when what is installed is not what the lock file says; ends the process if it fails. */
export async function installIfNeeded(root) {
  // npm writes this file last, so an interrupted installation is done again.
  const installed = modified(join(root, 'node_modules/.package-lock.json'))
  if (installed >= modified(join(root, 'package-lock.json'))) return
  console.error('installing the development packages')
  const code = await show('npm', ['ci', '--ignore-scripts', '--no-progress'], { cwd: root })
  if (code !== 0) process.exit(code)
}

/** Time of the last change in milliseconds, 0 for what does not exist. */
export function modified(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
}

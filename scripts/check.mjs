/** The gate: everything but the tests, one line per step, ending at the first failure. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { checkApi } from './api.mjs'
import { run } from './run.mjs'

const root = join(import.meta.dirname, '..')
const tool = (name, ...args) => run(join(root, 'node_modules/.bin', name), args, { cwd: root })

const steps = {
  format: () => tool('oxfmt', '--check'),
  lint: () => tool('oxlint', '--deny-warnings'),
  types: () => tool('tsc', '-p', 'tsconfig.json'),
  examples: () => tool('tsc', '-p', 'examples/tsconfig.json'),
  'dead code': () => tool('knip'),
  build: () => run(process.execPath, ['scripts/build.mjs'], { cwd: root }),
  api: () => checkApi(root),
  package: checkPackage,
}

for (const [name, step] of Object.entries(steps)) {
  const started = performance.now()
  try {
    await step()
  } catch (error) {
    console.error(`${name} failed\n\n${error.message}`)
    process.exit(1)
  }
  console.log(`${name.padEnd(10)} ok  ${((performance.now() - started) / 1000).toFixed(1)} s`)
}
console.log('check ok')

/** Looks at the tarball that would be published. */
async function checkPackage() {
  const folder = mkdtempSync(join(tmpdir(), 'secretmanager-pack-'))
  try {
    const packed = await run(
      'npm',
      ['pack', '--json', '--ignore-scripts', '--pack-destination', folder],
      { cwd: root },
    )
    const [{ filename }] = JSON.parse(packed)
    const tarball = join(folder, filename)
    await tool('publint', tarball, '--strict')
    await tool('attw', tarball, '--profile', 'esm-only')
  } finally {
    rmSync(folder, { recursive: true })
  }
}

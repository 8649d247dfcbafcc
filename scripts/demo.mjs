/** `npm run demo`: installs and builds what is missing or old, then shows the whole story. */
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { installIfNeeded, modified } from './install.mjs'
import { show } from './run.mjs'

const root = join(import.meta.dirname, '..')

await installIfNeeded(root)
if (isOld()) await orExit(show(process.execPath, ['scripts/build.mjs'], { cwd: root }))
await orExit(show(process.execPath, [join(root, 'dist/cli.js'), 'demo', ...process.argv.slice(2)]))

/** The bill of materials is what a build writes last. */
function isOld() {
  const built = modified(join(root, 'dist/sbom.cdx.json'))
  const sources = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
  return [...sources, join(root, 'package-lock.json')].some((path) => modified(path) > built)
}

async function orExit(running) {
  const code = await running
  if (code !== 0) process.exit(code)
}

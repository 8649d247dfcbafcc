/** Builds dist/: bundles with source maps, types, and what must be said about bundled third-party code. */
import { chmodSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { bundle, ENTRIES } from './bundle.mjs'
import { run } from './run.mjs'
import { bundledPackages, licences, sbom } from './third-party.mjs'

const root = join(import.meta.dirname, '..')
process.chdir(root)

try {
  await build()
} catch (error) {
  console.error(`build: ${error.message}`)
  process.exitCode = 1
}

async function build() {
  const missing = Object.values(ENTRIES).filter((path) => !existsSync(path))
  if (missing.length > 0) throw new Error(`missing ${missing.join(', ')}`)
  const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
  const external = Object.keys(manifest.peerDependencies ?? {})

  rmSync('dist', { recursive: true, force: true })
  const outputs = await bundle({ root, outdir: 'dist', external })
  chmodSync('dist/cli.js', 0o755)
  await run('node_modules/.bin/tsc', ['-p', 'tsconfig.build.json'])

  const packages = bundledPackages(Object.values(outputs).flat())
  writeFileSync('dist/THIRD-PARTY-LICENSES.txt', licences(packages))
  writeFileSync('dist/sbom.cdx.json', `${JSON.stringify(sbom(manifest, packages), null, 2)}\n`)
}

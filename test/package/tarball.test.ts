/** What users get: the packed tarball, installed into an empty directory without a registry. */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { VERSION } from '../../src/cli/version.ts'

const root = join(import.meta.dirname, '../..')

let directory: string
/** The empty directory. */
let project: string
/** The package in it. */
let installed: string
let packed: { readonly filename: string; readonly size: number }

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'secretmanager-tarball-'))
  project = join(directory, 'project')
  installed = join(project, 'node_modules/secretmanager')
  await mkdir(project)
  // Builds first: the script `prepack`.
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', directory], root)
  const [first] = JSON.parse(stdout.slice(stdout.indexOf('['))) as [typeof packed]
  packed = first
  await writeFile(join(project, 'package.json'), '{"name":"app","private":true}')
  const quiet = ['--offline', '--no-audit', '--no-fund', '--cache', join(directory, 'cache')]
  await run('npm', ['install', `../${packed.filename}`, ...quiet])
}, 180_000)

afterAll(() => rm(directory, { recursive: true }))

describe('what arrives', () => {
  test('one package', async () => {
    const lock = await json(join(project, 'node_modules/.package-lock.json'))
    expect(Object.keys(lock['packages'] ?? {})).toEqual(['node_modules/secretmanager'])
  })

  test('at most 3 MB, unpacked', async () => {
    const entries = await readdir(installed, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile())
    const sizes = files.map(async (file) => (await stat(join(file.parentPath, file.name))).size)
    const total = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0)
    expect(total).toBeLessThanOrEqual(3_000_000)
  })

  test('nothing that runs on installation', async () => {
    const { scripts = {} } = await json(join(installed, 'package.json'))
    const hooks = ['preinstall', 'install', 'postinstall', 'prepare']
    expect(hooks.filter((name) => name in scripts)).toEqual([])
  })

  test('the licence, and those of what is bundled, as text and as a bill of materials', async () => {
    expect(await readFile(join(installed, 'LICENSE'), 'utf8')).toContain('MIT')
    const texts = await readFile(join(installed, 'dist/THIRD-PARTY-LICENSES.txt'), 'utf8')
    const { components = [] } = await json(join(installed, 'dist/sbom.cdx.json'))
    const bundled = Object.values(components) as { name: string; version: string }[]
    expect(bundled.map(({ name }) => name)).toEqual(await packagesInMaps())
    for (const { name, version } of bundled) expect(texts).toContain(`${name} ${version} (`)
  })
})

describe('what can be called', () => {
  const ISOLATED = isolation()

  test.skipIf(ISOLATED === undefined)(
    'npx secretmanager demo, with no network but loopback',
    async () => {
      const [command, ...args] = [...(ISOLATED ?? []), 'npx', '--no-install']
      const { stdout } = await run(command, [...args, 'secretmanager', 'demo'])
      expect(stdout).toMatch(/\ndemo ok\n$/)
    },
  )

  test('npx secretmanager demo', async () => {
    const { stdout, stderr } = await run('npx', ['--no-install', 'secretmanager', 'demo'])
    expect(stdout).toMatch(/\ndemo ok\n$/)
    expect(stderr).toBe('')
  })

  test('sm, its short name', async () => {
    const { stdout } = await run(join(project, 'node_modules/.bin/sm'), ['--version'])
    expect(stdout).toBe(`${VERSION}\n`)
  })

  test.each([
    ['import', 'module', "const main = await import('secretmanager')"],
    ['require', 'commonjs', "const main = require('secretmanager')"],
  ])('%s gives the library', async (_how, type, load) => {
    const code = `${load}; console.log(Object.keys(main).filter((name) => name !== 'default').sort().join(' '))`
    const { stdout } = await run(process.execPath, [`--input-type=${type}`, '-e', code])
    for (const name of ['SecretManager', 'SecretManagerError', 'loadConfig', 'names', 'reveal']) {
      expect(stdout.split(/\s/)).toContain(name)
    }
  })

  test('secretmanager/testing and the library understand each other', async () => {
    const code = `
      const { SecretManager, names } = await import('secretmanager')
      const { createTestStack } = await import('secretmanager/testing')
      const stack = await createTestStack({ secrets: { app: { redis_url: 'redis://test' } } })
      await using sm = new SecretManager(stack.config, { runtime: stack.runtime })
      console.log(names(await sm.readSecrets(stack.definition('app'))).join())`
    // Node 20 knows no "await using".
    const plain = code.replace('await using', 'const')
    const { stdout } = await run(process.execPath, ['--input-type=module', '-e', plain])
    expect(stdout).toBe('redis_url\n')
  })

  test.each(['nodenext', 'bundler'])(
    'types resolve for moduleResolution %s',
    async (resolution) => {
      const folder = join(project, resolution)
      await mkdir(folder)
      await writeFile(join(folder, 'package.json'), '{"type":"module"}')
      await writeFile(join(folder, 'app.ts'), CONSUMER)
      const compilerOptions = {
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
        target: 'es2022',
        lib: ['es2023', 'esnext.disposable'],
        module: resolution === 'nodenext' ? 'nodenext' : 'esnext',
        moduleResolution: resolution,
        types: ['node'],
        typeRoots: [join(root, 'node_modules/@types')],
      }
      await writeFile(
        join(folder, 'tsconfig.json'),
        JSON.stringify({ compilerOptions, files: ['app.ts'] }),
      )
      await run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', folder])
    },
  )
})

/** Errors that must be errors stand below `@ts-expect-error`: without types, they would be none. */
const CONSUMER = `
import { isSecretManagerError, names, SecretManager, type SecretDefinition } from 'secretmanager'
import { createTestStack } from 'secretmanager/testing'

const stack = await createTestStack({ secrets: { app: { redis_url: 'redis://test' } } })
const definition: SecretDefinition = stack.definition('app')
const sm = new SecretManager(stack.config, { runtime: stack.runtime })
const list: string[] = names(await sm.readSecrets(definition))
try {
  await sm.readSecrets('app', 'app', 'SECRET', 'secrets.json', 'app', { signal: AbortSignal.timeout(1) })
} catch (error) {
  if (isSecretManagerError(error) && error.code === 'SM_VAULT_SEALED') list.push(error.hint)
}
// @ts-expect-error no such setting
new SecretManager({ vault: { url: 'https://v', auth: { method: 'kubernetes' } } })
// @ts-expect-error no such kind
await sm.readSecrets('app', 'app', 'DEPLOYMENT', 'secrets.json', 'app')
`

/** The packages that the source maps name. */
async function packagesInMaps(): Promise<string[]> {
  const files = await readdir(join(installed, 'dist'), { recursive: true })
  const maps = files.filter((file) => file.endsWith('.js.map'))
  const texts = await Promise.all(maps.map((map) => readFile(join(installed, 'dist', map), 'utf8')))
  const paths = texts.flatMap((text) => (JSON.parse(text) as { sources: string[] }).sources)
  const packages = paths.flatMap(
    (path) => /node_modules\/((?:@[^/]+\/)?[^/]+)(?!.*node_modules)/.exec(path)?.[1] ?? [],
  )
  return [...new Set(packages)].toSorted()
}

/** What runs a program where loopback is all the network there is; absent where that is not allowed. */
function isolation(): string[] | undefined {
  const up = 'ip link set lo up && exec "$@"'
  const prefix = ['unshare', '--map-root-user', '--net', 'sh', '-c', up, 'sh']
  const [command = '', ...args] = prefix
  return spawnSync(command, [...args, 'true']).status === 0 ? prefix : undefined
}

async function json(path: string): Promise<Readonly<Record<string, object | undefined>>> {
  return JSON.parse(await readFile(path, 'utf8')) as Record<string, object>
}

/** @throws with the output where it does not exit with 0 */
function run(
  command: string,
  args: readonly string[],
  cwd: string = project,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  // npm passes its settings on to what it starts; those of the test run must not reach these.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !name.startsWith('npm_')),
  )
  return promisify(execFile)(command, args, { cwd, env, timeout: 120_000, maxBuffer: 1 << 24 })
}

/** The package as users get it: packed, then installed into an empty directory without a network. */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, readdir, lstat, readFile, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { programFile } from './process.ts'

const run = promisify(execFile)
const root = fileURLToPath(new URL('..', import.meta.url))

/** A directory with the package in its node_modules. */
export interface Installation {
  readonly directory: string
  /** Path of `ours.mjs`. All of `bench/programs` stand beside the package, as a service's own code does. */
  readonly program: string
  readonly bytes: number
  readonly packages: number
}

/** Packs what `npm publish` would, and installs it below `directory`. @throws what npm said */
export async function installPackage(directory: string): Promise<Installation> {
  const app = join(directory, 'app')
  await mkdir(app, { recursive: true })
  await writeFile(join(app, 'package.json'), JSON.stringify({ private: true, type: 'module' }))
  // The scripts of the package build it: their output is not npm's answer.
  await npm(root, ['pack', '--silent', '--pack-destination', directory])
  const tarball = (await readdir(directory)).find((name) => name.endsWith('.tgz'))
  if (tarball === undefined) throw new Error('npm pack made no tarball')
  const cache = ['--cache', join(directory, 'npm-cache')]
  const quiet = ['--offline', '--no-audit', '--no-fund', '--silent']
  await npm(app, ['install', join(directory, tarball), ...cache, ...quiet])
  for (const file of await readdir(programFile('')))
    await copyFile(programFile(file), join(app, file))
  const program = join(app, 'ours.mjs')
  return { directory: app, program, ...(await weigh(join(app, 'node_modules'))) }
}

/** Installs what is measured beside us, unless it is there; gives the path of `peer.mjs`. @throws what npm said */
export async function installPeers(): Promise<string> {
  const directory = join(root, 'bench', 'peers')
  const lock = await readFile(join(directory, 'package-lock.json'), 'utf8')
  const marker = join(directory, 'node_modules', '.installed')
  if (!existsSync(marker) || (await readFile(marker, 'utf8')) !== lock) {
    await npm(directory, ['ci', '--ignore-scripts', '--silent'])
    await writeFile(marker, lock)
  }
  return join(directory, 'peer.mjs')
}

async function weigh(modules: string): Promise<Pick<Installation, 'bytes' | 'packages'>> {
  const lock: unknown = JSON.parse(await readFile(join(modules, '.package-lock.json'), 'utf8'))
  const { packages } = lock as { packages: object }
  return { bytes: await sizeOf(modules), packages: Object.keys(packages).length }
}

/** What it takes on the disk, in bytes: whole blocks, as `du` counts. */
async function sizeOf(path: string): Promise<number> {
  const status = await lstat(path)
  const own = status.blocks * 512
  if (!status.isDirectory()) return own
  const entries = await readdir(path)
  const sizes = await Promise.all(entries.map((entry) => sizeOf(join(path, entry))))
  return sizes.reduce((sum, size) => sum + size, own)
}

async function npm(cwd: string, args: readonly string[]): Promise<void> {
  await run('npm', args, { cwd, maxBuffer: 1 << 26 }).catch((error: unknown) => {
    const output = error as { stderr?: string; stdout?: string; message?: string }
    const text = `${output.stdout ?? ''}${output.stderr ?? ''}`.trim() || output.message
    throw new Error(`npm ${args[0]}: ${text?.slice(-500)}`, { cause: error })
  })
}

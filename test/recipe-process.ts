/** Runs one recipe of examples/ as a process of its own, against a stack of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { onTestFinished } from 'vitest'

import { SAMPLE, serveStack, writeClientFiles } from '../src/dev/serve-stack.ts'
import type { ServedStack } from '../src/dev/serve-stack.ts'

const root = join(import.meta.dirname, '..')

export interface Recipe {
  /** Without its extension. */
  readonly program: string
  /** What SIGTERM ends it with. */
  readonly exitCode: number
}

/** Below the repository, where the frameworks are found. */
const built = join(root, '.cache/recipes')

/** Compiles the recipes, so that starting one does not take a compiler. */
export async function buildRecipes(recipes: readonly Recipe[]): Promise<void> {
  await build({
    absWorkingDir: root,
    entryPoints: [
      ...recipes.map(({ program }) => `${program}.ts`),
      'examples/nextjs/instrumentation.ts',
      ...['healthz', 'readyz', 'sign'].map((name) => `examples/nextjs/app/${name}/route.ts`),
    ],
    outbase: '.',
    outdir: built,
    outExtension: { '.js': '.mjs' },
    tsconfig: 'examples/tsconfig.json',
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    alias: { secretmanager: join(root, 'src/index.ts') },
    packages: 'external',
  })
}

/** A Vault and a Kubernetes that one recipe reads from. */
export interface RecipeWorld {
  readonly seal: () => Promise<void>
  readonly unseal: () => Promise<void>
  readonly start: (recipe: Recipe, env?: Readonly<Record<string, string>>) => Promise<Started>
}

/** A recipe that listens. */
export interface Started {
  /** `[status, body]` of a GET. */
  readonly get: (path: string) => Promise<readonly [number, unknown]>
  /** Everything that it printed, and answered to {@link get}. */
  readonly said: () => string
  readonly terminate: () => void
  /** Its exit code, or the signal that ended it. */
  readonly ended: Promise<number | string | null>
}

export async function recipeWorld(): Promise<RecipeWorld> {
  const served = await serveStack()
  const directory = await mkdtemp(join(tmpdir(), 'secretmanager-recipe-'))
  onTestFinished(async () => {
    await served.close()
    await rm(directory, { recursive: true })
  })
  const { ca, kubeconfig } = await writeClientFiles(served, directory)
  const servers = { VAULT_ADDR: served.vaultUrl, VAULT_CACERT: ca, KUBECONFIG: kubeconfig }
  return {
    ...sealOf(served),
    start: (recipe, env = {}) => start(recipe, { ...servers, VAULT_ROLE: 'demo', ...env }),
  }
}

function sealOf({ stack }: ServedStack): Pick<RecipeWorld, 'seal' | 'unseal'> {
  const { rootToken: token } = stack.servers
  return {
    seal: async () => {
      await stack.vaultWire('PUT', '/v1/sys/seal', { token, body: {} })
    },
    unseal: async () => {
      for (const key of stack.vault.unsealKeys)
        await stack.vaultWire('PUT', '/v1/sys/unseal', { body: { key } })
    },
  }
}

/** NestJS kills itself once it is closed, unless somebody else listens: so it ends as what is open ends. */
const LISTEN_TOO = `data:text/javascript,process.on('SIGTERM',()=>{})`

async function start(
  { program }: Recipe,
  settings: Readonly<Record<string, string>>,
): Promise<Started> {
  const child = spawn(process.execPath, ['--import', LISTEN_TOO, join(built, `${program}.mjs`)], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // No variable of whoever runs the tests.
    env: { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', ...settings },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const ended = new Promise<number | string | null>((resolve) => {
    child.once('close', (code, signal) => resolve(code ?? signal))
  })
  const said: string[] = []
  const port = await listening(child, said)
  return {
    get: async (path) => {
      // A connection that is kept is one that the server goes on answering.
      const headers = { connection: 'close' }
      const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
      const text = await response.text()
      said.push(text, JSON.stringify([...response.headers]))
      return [response.status, JSON.parse(text)]
    },
    said: () => said.join(''),
    terminate: () => void child.kill('SIGTERM'),
    ended,
  }
}

/** Each framework says in its own way where it listens. */
function listening(child: ChildProcess, said: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said.push(text)
        const [, port] = /(?:127\.0\.0\.1:|port: )(\d+)/.exec(said.join('')) ?? []
        if (port !== undefined) resolve(port)
      })
    }
    child.once('close', () => reject(new Error(`it ended before it listened: ${said.join('')}`)))
  })
}

/** What may be in no output: what was read, whole or encoded, and whatever opens something. */
export function leaksIn(text: string): string[] {
  const values = Object.values(SAMPLE).flatMap((value) => {
    const bytes = Buffer.from(value)
    return [value, encodeURIComponent(value)].concat(ENCODINGS.map((each) => bytes.toString(each)))
  })
  const tokens = [...text.matchAll(/\b(?:hv[bsr]\.[\w-]{8,}|eyJ[\w-]{8,}\.[\w-]+)/g)]
  return [...values.filter((value) => text.includes(value)), ...tokens.map(([token]) => token)]
}

const ENCODINGS = ['base64', 'base64url', 'hex'] as const

/** What only a process of its own can show: streams, signals, exit codes. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { putObject, encryptRaw } from '../../src/dev/operator.ts'
import { originalPlan } from '../../src/dev/plan.ts'
import { SAMPLE, serveStack, writeClientFiles } from '../../src/dev/serve-stack.ts'
import type { ClientFiles, ServedStack } from '../../src/dev/serve-stack.ts'

const root = join(import.meta.dirname, '../..')

let served: ServedStack
let directory: string
let files: ClientFiles

beforeAll(async () => {
  served = await serveStack()
  directory = await mkdtemp(join(tmpdir(), 'secretmanager-cli-'))
  files = await writeClientFiles(served, directory)
  await compile()
})

afterAll(async () => {
  await served.close()
  await rm(directory, { recursive: true })
})

describe('read', () => {
  test('names to stdout, the rest to stderr', async () => {
    expect(await ended(cli(['read', ...settings()]))).toEqual({
      code: 0,
      stdout: Object.keys(SAMPLE)
        .map((name) => `${name}\n`)
        .join(''),
      stderr: '3 entries; --reveal prints the values\n',
    })
  })

  test('a failure exits with the code of its error', async () => {
    const { code, stdout, stderr } = await ended(cli(['read', 'absent', ...settings()]))
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toMatch(/^error: .*\ncode: {2}SM_K8S_NOT_FOUND.*\ntry: {3}.*\n$/)
  })

  test('a reader that has enough ends it, without a word', async () => {
    const plan = originalPlan(served.stack.servers)
    const document = JSON.stringify({ large: 'x'.repeat(700_000) })
    const ciphertext = await encryptRaw(served.stack.vaultWire, plan, document)
    const data = { 'secrets.json': ciphertext }
    await putObject(served.stack.kubernetesWire, plan, { name: 'large', data })
    const child = cli(['read', 'large', ...settings(), '--json'])
    child.stdout?.once('data', () => child.stdout?.destroy())
    const { code, stderr } = await ended(child)
    expect({ code, stderr }).toEqual({ code: 141, stderr: '' })
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('%s ends a wait for a sealed Vault with %i', async (signal, code) => {
    const { stack } = served
    await stack.vaultWire('PUT', '/v1/sys/seal', { token: stack.servers.rootToken, body: {} })
    onTestFinished(async () => {
      for (const key of stack.vault.unsealKeys) {
        await stack.vaultWire('PUT', '/v1/sys/unseal', { body: { key } })
      }
    })
    const child = cli(['read', ...settings()])
    child.stderr?.once('data', () => child.kill(signal))
    const { stderr, ...rest } = await ended(child)
    expect(rest).toEqual({ code, stdout: '' })
    expect(stderr).toMatch(/^wait: {2}vault at .* is sealed/)
    expect(stderr).toMatch(/\ninterrupted\n$/)
  })
})

describe('dev', () => {
  test('a signal that comes twice, as below npm, lets it end as well', async () => {
    const child = cli(['dev', '--vault-port', '0', '--kubernetes-port', '0'])
    child.stderr?.once('data', () => [child.kill('SIGINT'), child.kill('SIGINT')])
    expect(await ended(child)).toMatchObject({ code: 0 })
    expect((await readdir(directory)).filter((name) => name.includes('-dev-'))).toEqual([])
  })

  test.each(['SIGINT', 'SIGTERM'] as const)('%s is how it ends: 0', async (signal) => {
    const child = cli(['dev', '--vault-port', '0', '--kubernetes-port', '0'])
    child.stderr?.once('data', () => child.kill(signal))
    const { code, stderr } = await ended(child)
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stderr).toContain('npx secretmanager read')
  })
})

/** One file: it starts in a tenth of the time that compiling at each start takes. */
async function compile(): Promise<void> {
  await build({
    entryPoints: [join(root, 'src/cli/main.ts')],
    outfile: join(directory, 'main.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // For the packages in it that are CommonJS.
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
    },
  })
}

function settings(): string[] {
  return ['--config', files.config, '--def', files.definition]
}

function cli(args: readonly string[]): ChildProcess {
  return spawn(process.execPath, [join(directory, 'main.mjs'), ...args], {
    cwd: directory,
    // No variable of whoever runs the tests, and no proxy of theirs.
    env: { PATH: process.env['PATH'], TMPDIR: directory },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function ended(
  child: ChildProcess,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => (texts[name] += text))
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve)
  })
  return { code, ...texts }
}

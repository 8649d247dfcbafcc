/** What only a process of its own can show: whatever ends an edit, no plaintext is left. */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import { encryptRaw, putObject, readEntry } from '../../src/dev/operator.ts'
import { originalPlan } from '../../src/dev/plan.ts'
import { serveStack, writeClientFiles } from '../../src/dev/serve-stack.ts'
import type { ClientFiles, ServedStack } from '../../src/dev/serve-stack.ts'
import { spellings } from './authoring-world.ts'

const CANARY = 'CANARY/plain "text"+ä'
/** What an editor does while it is open; not for ever, as a test that fails leaves it behind. */
const WAITS = 'setTimeout(() => process.exit(9), 30_000)'
const root = join(import.meta.dirname, '../..')

let served: ServedStack
let directory: string
let memory: string
let files: ClientFiles

beforeAll(async () => {
  served = await serveStack()
  directory = mkdtempSync(join(tmpdir(), 'secretmanager-edit-'))
  memory = mkdtempSync('/dev/shm/secretmanager-test-')
  files = await writeClientFiles(served, directory)
  await build({
    entryPoints: [join(root, 'src/cli/main.ts')],
    outfile: join(directory, 'main.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    banner: {
      js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
    },
  })
  const plan = originalPlan(served.stack.servers)
  const document = JSON.stringify({ redis_url: CANARY })
  const ciphertext = await encryptRaw(served.stack.vaultWire, plan, document)
  const data = { 'secrets.json': ciphertext }
  await putObject(served.stack.kubernetesWire, plan, { name: 'edited', data })
})

afterAll(async () => {
  await served.close()
  for (const each of [directory, memory]) rmSync(each, { recursive: true })
})

describe('a signal while the editor is open', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', null],
    ['SIGQUIT', null],
    ['SIGKILL', null],
  ] as const)('%s: nothing is left, nothing is written', async (signal, code) => {
    const before = await stored()
    const opened = join(directory, `opened-${signal}`)
    const child = edit(`fs.writeFileSync(path + '~', 'a backup'); fs.writeFileSync(path, '{}')
fs.writeFileSync('${opened}', String(process.pid)); ${WAITS}`)
    const ran = ended(child)
    const editor = await pidIn(opened)
    expect(readdirSync(memory)).toHaveLength(1)
    child.kill(signal)
    expect(await ran).toMatchObject({ code, stdout: '' })
    // After those that no process outlives it is a shell that waits for its end.
    await expect.poll(() => readdirSync(memory)).toEqual([])
    expect(await stored()).toBe(before)
    if (code === null) process.kill(editor)
  })

  test('one that comes again, while the editor does not end: nothing is left either', async () => {
    const opened = join(directory, 'opened-twice')
    const child = edit(`process.on('SIGTERM', () => 0)
fs.writeFileSync('${opened}', String(process.pid)); ${WAITS}`)
    const ran = ended(child)
    const editor = await pidIn(opened)
    child.kill('SIGTERM')
    const again = setInterval(() => void child.kill('SIGTERM'), 700)
    expect(await ran).toMatchObject({ code: 143 })
    clearInterval(again)
    expect(readdirSync(memory)).toEqual([])
    process.kill(editor, 'SIGKILL')
  })
})

test('I10: the editor gets no credential, and no plaintext in its arguments', async () => {
  const report = join(directory, 'report')
  const { code, stdout, stderr } = await ended(
    edit(`fs.writeFileSync('${report}', JSON.stringify([process.env, process.argv]))`),
    'close',
  )
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  expect(stderr).toBe('secrets.json of edited is unchanged; nothing was written\n')
  const seen = readFileSync(report, 'utf8')
  expect(seen).toContain('"LANG":"C"')
  expect(seen).not.toMatch(/VAULT_|hvs\./)
  for (const spelling of spellings(CANARY)) expect(seen).not.toContain(spelling)
})

/** The process that has written its id there, once it has. */
async function pidIn(path: string): Promise<number> {
  const text = (): string => (existsSync(path) ? readFileSync(path, 'utf8') : '')
  await expect.poll(text).toMatch(/^\d+$/)
  return Number(text())
}

function stored(): Promise<string> {
  const plan = originalPlan(served.stack.servers)
  return readEntry(served.stack.kubernetesWire, plan, 'edited', 'secrets.json')
}

/** Starts the command with an editor that runs `body`. */
function edit(body: string): ChildProcess {
  const path = join(directory, `${readdirSync(directory).length}.mjs`)
  writeFileSync(path, `import * as fs from 'node:fs'; const path = process.argv.at(-1)\n${body}`)
  const args = ['edit', 'edited', '--config', files.config, '--def', files.definition]
  const child = spawn(process.execPath, [join(directory, 'main.mjs'), ...args], {
    cwd: directory,
    env: {
      PATH: process.env['PATH'],
      LANG: 'C',
      VAULT_TOKEN: 'hvs.not-for-editors',
      TMPDIR: directory,
      XDG_RUNTIME_DIR: memory,
      EDITOR: `${process.execPath} ${path}`,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  return child
}

async function ended(
  child: ChildProcess,
  event: 'exit' | 'close' = 'exit',
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const texts = { stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => (texts[name] += text))
  }
  // An editor that outlives us still holds the streams: then there is no close.
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once(event, resolve)
  })
  return { code, ...texts }
}

/**
 * P5: more at once than a process can hold open. On a machine with time:
 * `SM_CROWD=500 npx vitest run --project unit test/process/crowd.test.ts`
 */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

import { jwtOf, loginAnswer, plaintextAnswer, secretObject } from '../faults/world.ts'
import { startFront, type Front } from './front.ts'
import { buildProgram, startProgram, type Program } from './program.ts'
import type { CrowdJob, CrowdLine } from './programs/crowd.ts'
import { kubeconfigOf } from './world.ts'

const COUNT = Number(process.env['SM_CROWD'] ?? (process.env['CI'] ? 500 : 70))
/** More than the process may open. */
const MOUNTED = Math.min(COUNT, 100)
const LENGTH = 700_000
const MAX_FILES = 64
/** Connections that the library opens per server. */
const MAX_SOCKETS = 16

test(`P5: ${COUNT} documents of ${LENGTH} bytes at once, with ${MAX_FILES} files: all are read over few connections`, async () => {
  const { vault, kubernetes, job } = await crowd()
  const program = startProgram<CrowdLine>(await buildProgram('crowd'), job, { maxFiles: MAX_FILES })
  const read = await program.until(isRead, 240_000)
  expect(read).toMatchObject({ good: COUNT, failed: {} })
  expect(vault.connections().peak).toBeLessThanOrEqual(MAX_SOCKETS)
  expect(kubernetes.connections().peak).toBeLessThanOrEqual(MAX_SOCKETS)
  // None is asked for twice, and what is too big for a batch is sent alone.
  expect(kubernetes.arrivals).toHaveLength(COUNT)
  expect(vault.arrivals).toHaveLength(1 + COUNT)
  await closedWell(program)
  if (process.env['SM_CROWD']) console.log(JSON.stringify(read))
}, 300_000)

test(`P5: ${MOUNTED} mounted documents at once, with ${MAX_FILES} files: all are read, a few at a time`, async () => {
  const { job, mount } = await crowd()
  const program = startProgram<CrowdLine>(
    await buildProgram('crowd'),
    { ...job, kubeconfig: undefined, mountedAt: mount(), count: MOUNTED },
    { maxFiles: MAX_FILES },
  )
  const read = await program.until(isRead, 240_000)
  expect(read).toMatchObject({ good: MOUNTED, failed: {} })
  await closedWell(program)
  if (process.env['SM_CROWD']) console.log(JSON.stringify(read))
}, 300_000)

interface Crowd {
  readonly vault: Front
  readonly kubernetes: Front
  readonly job: CrowdJob
  /** Gives a volume that has all of them. */
  readonly mount: () => string
}

/** Servers that have every answer ready, and hold one document for all: the process is what is measured. */
async function crowd(): Promise<Crowd> {
  const directory = mkdtempSync(join(tmpdir(), 'secretmanager-crowd-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const document = JSON.stringify({ text: 'x'.repeat(LENGTH) })
  const ciphertext = `vault:v1:${Buffer.from(document).toString('base64')}`
  const data = { 'secrets.json': Buffer.from(ciphertext).toString('base64') }
  const answers = {
    login: Buffer.from(JSON.stringify(loginAnswer())),
    decrypt: Buffer.from(JSON.stringify(plaintextAnswer(document))),
    object: Buffer.from(JSON.stringify(secretObject({ data }))),
  }
  const headers = { 'content-type': 'application/json' }
  const vault = await startFront(async ({ url }) => {
    return new Response(url.endsWith('/login') ? answers.login : answers.decrypt, { headers })
  })
  const kubernetes = await startFront(async () => new Response(answers.object, { headers }))
  onTestFinished(async () => {
    await Promise.all([vault.close(), kubernetes.close()])
  })
  const write = (name: string, text: string): string => {
    const file = join(directory, name)
    writeFileSync(file, text)
    return file
  }
  const definition = {
    ...{ secretName: 'app', namespace: 'prod', readKey: 'secrets.json', transitKey: 'app' },
    format: 'raw',
  } as const
  return {
    vault,
    kubernetes,
    job: {
      place: { vaultUrl: vault.url, role: 'app', jwtFile: write('jwt', jwtOf()) },
      kubeconfig: write('kubeconfig', kubeconfigOf(kubernetes.url, 'token')),
      mountedAt: undefined,
      ...{ definition, count: COUNT, length: LENGTH },
    },
    mount: () => {
      const stored = write('stored', ciphertext)
      for (let number = 0; number < MOUNTED; number += 1) {
        const folder = join(directory, 'mounted', `app-${number}`)
        mkdirSync(folder, { recursive: true })
        symlinkSync(stored, join(folder, 'secrets.json'))
      }
      return join(directory, 'mounted')
    },
  }
}

async function closedWell(program: Program<CrowdLine>): Promise<void> {
  const { files, before } = await program.until(isClosed, 60_000)
  // Node keeps one of its own, once it has had a socket.
  expect(files).toBeLessThanOrEqual(before + 1)
  expect(await program.end(60_000)).toEqual({ code: 0, signal: null })
  expect(program.stderr()).toBe('')
}

function isRead(line: CrowdLine): line is Extract<CrowdLine, { kind: 'read' }> {
  return line.kind === 'read'
}

function isClosed(line: CrowdLine): line is Extract<CrowdLine, { kind: 'closed' }> {
  return line.kind === 'closed'
}

/** Files of a person: whatever happens, the old bytes or the new ones are there. */
import { execFile } from 'node:child_process'
import {
  chmodSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { build } from 'esbuild'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { isManifestName } from '../../src/cli/manifest-files.ts'
import { replaceFile } from '../../src/cli/replaced-file.ts'
import { rejection } from '../faults/world.ts'

const OLD = Buffer.from('old: 1\n')
const NEW = Buffer.alloc(1 << 16, 'new: 2\n')

let programs: string
let directory: string
let path: string

beforeAll(async () => {
  programs = mkdtempSync(join(tmpdir(), 'secretmanager-replaced-'))
  await build({
    entryPoints: [join(import.meta.dirname, '../../src/cli/replaced-file.ts')],
    outfile: join(programs, 'replaced-file.mjs'),
    bundle: true,
    format: 'esm',
    platform: 'node',
    logLevel: 'silent',
  })
  writeFileSync(join(programs, 'faulty.mjs'), FAULTY)
})

afterAll(() => rmSync(programs, { recursive: true }))

beforeEach(() => {
  directory = mkdtempSync(join(programs, 'files-'))
  path = join(directory, 'app.yaml')
  writeFileSync(path, OLD, { mode: 0o644 })
})

/** Replaces a file where the step named ends in a kill, or in an error of the system. */
const FAULTY = `
import files from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'
import { replaceFile } from './replaced-file.mjs'

const [path, step, fault] = process.argv.slice(2)
const handle = await files.open(path)
const Handle = Object.getPrototypeOf(handle)
const expected = await handle.readFile()
await handle.close()
const strike = () => {
  if (fault === 'SIGKILL') process.kill(process.pid, fault)
  else throw Object.assign(new Error('a path, or worse'), { code: fault })
}
const half = async function (bytes) {
  await this.write(bytes.subarray(0, bytes.length / 2))
  strike()
}
if (step === 'open' || step === 'rename') files[step] = async () => strike()
else if (step === 'half a write') Handle.writeFile = half
else if (step === 'after rename') {
  const { rename } = files
  files.rename = async (...names) => {
    await rename(...names)
    Handle.sync = async () => strike()
  }
} else Handle[step] = async () => strike()
syncBuiltinESMExports()
try {
  await replaceFile(path, expected, Buffer.alloc(${1 << 16}, 'new: 2\\n'))
} catch ({ code, message, causeClass }) {
  console.log(JSON.stringify({ code, message, causeClass }))
}
`

interface Ended {
  readonly signal: string | null
  readonly stdout: string
}

function faulty(step: string, fault: string): Promise<Ended> {
  return new Promise((resolve) => {
    const args = [join(programs, 'faulty.mjs'), path, step, fault]
    execFile(process.execPath, args, (error, stdout) => {
      resolve({ signal: error?.signal ?? null, stdout })
    })
  })
}

/** As text: one by one, 65,536 bytes take longer than all the rest. */
function expectBytes(file: string, bytes: Buffer): void {
  expect(readFileSync(file, 'latin1')).toBe(bytes.toString('latin1'))
}

describe('D1, Q13: whatever ends it, the file has the old bytes or the new ones', () => {
  const BEFORE = ['open', 'half a write', 'writeFile', 'chmod', 'sync', 'readFile', 'rename']

  test.each(BEFORE)('killed at %s: the old ones', async (step) => {
    expect(await faulty(step, 'SIGKILL')).toMatchObject({ signal: 'SIGKILL' })
    expectBytes(path, OLD)
    const left = readdirSync(directory).filter((name) => name !== 'app.yaml')
    // What is left is nobody's input, and another run is not disturbed by it.
    expect(left.filter(isManifestName)).toEqual([])
    await replaceFile(path, OLD, NEW)
    expectBytes(path, NEW)
  })

  test.each([
    ['open', 'EACCES'],
    ['open', 'EROFS'],
    ['half a write', 'ENOSPC'],
    ['writeFile', 'EIO'],
    ['chmod', 'EPERM'],
    ['sync', 'EIO'],
    ['readFile', 'EIO'],
    ['rename', 'EXDEV'],
  ])('%s fails with %s: the old ones alone, and it is told', async (step, fault) => {
    const { stdout } = await faulty(step, fault)
    expect(JSON.parse(stdout)).toEqual({
      code: 'SM_FILE_UNREADABLE',
      message: `the file ${JSON.stringify(path)} cannot be replaced`,
      causeClass: fault,
    })
    expectBytes(path, OLD)
    expect(readdirSync(directory)).toEqual(['app.yaml'])
  })

  test.each([
    ['SIGKILL', ''],
    ['EIO', 'was replaced, and a loss of power may undo it'],
  ])('%s after the rename: the new ones', async (fault, told) => {
    const { stdout } = await faulty('after rename', fault)
    expect(stdout).toContain(told)
    expectBytes(path, NEW)
    expect(readdirSync(directory)).toEqual(['app.yaml'])
  })
})

describe('D2: what is replaced', () => {
  test.each([0o644, 0o600, 0o755, 0o444])('a file, with the mode that it has: %o', async (mode) => {
    chmodSync(path, mode)
    const umask = process.umask(0o077)
    await replaceFile(path, OLD, NEW).finally(() => process.umask(umask))
    expectBytes(path, NEW)
    expect(statSync(path).mode & 0o7777).toBe(mode)
    expect(readdirSync(directory)).toEqual(['app.yaml'])
  })

  test('no symbolic link, and not what it points to', async () => {
    const link = join(directory, 'link.yaml')
    symlinkSync(path, link)
    const error = await rejection(replaceFile(link, OLD, NEW))
    expect(error).toMatchObject({ code: 'SM_FILE_UNREADABLE', exitCode: 2 })
    expect(error.message).toContain('is a symbolic link')
    expect(lstatSync(link).isSymbolicLink()).toBe(true)
    expectBytes(path, OLD)
  })

  test.each([
    ['a directory', (at: string) => mkdirSync(at), 'is no regular file'],
    ['what is not there', () => undefined, 'cannot be replaced'],
  ])('not %s', async (_what, make, told) => {
    const other = join(directory, 'other.yaml')
    make(other)
    const error = await rejection(replaceFile(other, OLD, NEW))
    expect(error.code).toBe('SM_FILE_UNREADABLE')
    expect(error.message).toContain(told)
  })

  test('not what somebody wrote since it was read', async () => {
    writeFileSync(path, 'theirs')
    const error = await rejection(replaceFile(path, OLD, NEW))
    expect(error).toMatchObject({ code: 'SM_FILE_UNREADABLE' })
    expect(error.message).toContain('changed while it was worked on')
    expect(error.hint).toContain('run it again')
    expect(readFileSync(path, 'utf8')).toBe('theirs')
    expect(readdirSync(directory)).toEqual(['app.yaml'])
  })

  test('another name of the same file keeps the old bytes', async () => {
    const other = join(directory, 'other.yaml')
    linkSync(path, other)
    await replaceFile(path, OLD, NEW)
    expectBytes(other, OLD)
  })
})

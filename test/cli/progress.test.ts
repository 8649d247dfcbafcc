/** The line of progress: at a terminal alone, in one row, and never beside other output. */
import { beforeEach, describe, expect, test } from 'vitest'

import type { Sheet } from '../../src/cli/output.ts'
import { Progress } from '../../src/cli/progress.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'

let written: string
let runtime: FakeRuntime

beforeEach(() => {
  written = ''
  runtime = fakeRuntime()
})

function sheet(isTerminal: boolean, width?: number): Sheet {
  return {
    line: (text) => void (written += `${text}\n`),
    bytes: (bytes) => void (written += Buffer.from(bytes).toString()),
    isTerminal,
    hasColor: false,
    width,
  }
}

const CLEAR = '\r\u001B[K'

test('nothing where nobody looks', () => {
  const progress = new Progress(sheet(false), runtime)
  progress.begin('looking')
  progress.add(5, 5)
  progress.clear()
  expect(written).toBe('')
})

test('how much is done, and a bar where it is known how much is left', () => {
  const progress = new Progress(sheet(true, 80), runtime)
  progress.begin('looking')
  progress.add(1500, undefined)
  expect(written).toBe('\rlooking: 1,500\u001B[K')
})

test('a bar that ends full, also where most objects of a page are none of ours', async () => {
  const progress = new Progress(sheet(true, 80), runtime)
  progress.begin('rewrapping')
  progress.add(1, 300)
  expect(written).toContain('rewrapping [------------------------] 1, 300 to go')
  await runtime.advance(100)
  progress.add(1, 0)
  expect(written).toContain('rewrapping [########################] 2, 0 to go')
})

test('no more often than ten times a second', async () => {
  const progress = new Progress(sheet(true, 80), runtime)
  progress.begin('looking')
  for (let page = 0; page < 100; page += 1) progress.add(1, 100 - page)
  await runtime.advance(99)
  progress.add(1, 0)
  expect(written.split('\r')).toHaveLength(2)
})

test('in one row, however long the name of the site is', () => {
  const progress = new Progress(sheet(true, 60), runtime)
  progress.begin(`rewrapping files ${'deploy/'.repeat(20)}`)
  progress.add(10, 10)
  expect(written.length - '\r\u001B[K'.length).toBeLessThan(60)
  expect(written).toContain('… [')
})

describe('before anything else is printed it goes away', () => {
  test('notes', () => {
    const progress = new Progress(sheet(true, 80), runtime)
    const output = progress.over({ data: sheet(false), notes: sheet(true, 80) })
    progress.begin('looking')
    progress.add(1, 1)
    const shown = written
    output.notes.line('wait: vault is sealed')
    expect(written).toBe(`${shown}${CLEAR}wait: vault is sealed\n`)
    progress.clear()
    expect(written).toBe(`${shown}${CLEAR}wait: vault is sealed\n`)
  })

  test('data at the same terminal, and it comes back behind them', () => {
    const progress = new Progress(sheet(true, 80), runtime)
    const output = progress.over({ data: sheet(true, 80), notes: sheet(true, 80) })
    progress.begin('looking')
    progress.add(1, 1)
    const shown = written
    output.data.line('rewrapped')
    expect(written).toBe(`${shown}${CLEAR}rewrapped\n${shown}`)
    progress.clear()
    expect(written.endsWith(CLEAR)).toBe(true)
  })

  test('not before data that go elsewhere', () => {
    const progress = new Progress(sheet(true, 80), runtime)
    const output = progress.over({ data: sheet(false), notes: sheet(true, 80) })
    progress.begin('looking')
    progress.add(1, 1)
    output.data.line('rewrapped')
    expect(written).not.toContain(CLEAR)
  })
})

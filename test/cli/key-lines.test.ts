/** Lines of a long report go together, and none is lost, late or out of order. */
import { beforeEach, expect, test } from 'vitest'

import { gathered } from '../../src/cli/key-lines.ts'
import type { Output, Sheet } from '../../src/cli/output.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'

let written: string[]
let runtime: FakeRuntime

beforeEach(() => {
  written = []
  runtime = fakeRuntime()
})

function sheet(name: string, isTerminal: boolean): Sheet {
  return {
    line: (text) => void written.push(`${name} ${text}`),
    bytes: (bytes) => void written.push(`${name} ${Buffer.from(bytes).toString()}`),
    isTerminal,
    hasColor: false,
    width: undefined,
  }
}

function outputOf(isTerminal: boolean): Output {
  return { data: sheet('data', isTerminal), notes: sheet('notes', isTerminal) }
}

test('a terminal shows each at once', () => {
  const { output } = gathered(outputOf(true), runtime)
  output.data.line('a')
  output.data.line('b')
  expect(written).toEqual(['data a', 'data b'])
})

test('elsewhere they wait for others, and not long', async () => {
  const { output } = gathered(outputOf(false), runtime)
  output.data.line('a')
  output.data.line('b')
  expect(written).toEqual([])
  await runtime.advance(50)
  expect(written).toEqual(['data a\nb'])
  output.data.line('c')
  await runtime.advance(50)
  expect(written).toEqual(['data a\nb', 'data c'])
})

test('what is printed later comes later', () => {
  const { output, flush } = gathered(outputOf(false), runtime)
  output.data.line('a')
  output.notes.line('b')
  output.data.line('c')
  output.data.bytes(Buffer.from('d'))
  output.data.line('e')
  output.notes.bytes(Buffer.from('f'))
  output.data.line('g')
  flush()
  flush()
  expect(written).toEqual(['data a', 'notes b', 'data c', 'data d', 'data e', 'notes f', 'data g'])
})

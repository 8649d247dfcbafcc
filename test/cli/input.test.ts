import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'

import { processInput, type Input } from '../../src/cli/input.ts'

const CANARY = 'CANARY-typed'
const forever = new AbortController().signal

interface Desk {
  readonly input: Input
  readonly stdin: PassThrough
  /** What the person sees. */
  readonly shown: () => string
}

function desk(): Desk {
  const stdin = new PassThrough()
  const stderr = new PassThrough()
  const seen: string[] = []
  stderr.on('data', (chunk: Buffer) => seen.push(String(chunk)))
  const input = processInput({ stdin, stderr, pid: 0 } as never)
  return { input, stdin, shown: () => seen.join('') }
}

describe('a hidden question', () => {
  test('shows the questions, and nothing of what is typed', async () => {
    const { input, stdin, shown } = desk()
    const asked = input.hidden(['value: ', 'once more: '], forever)
    stdin.write(`${CANARY}x\u007F\r`)
    await expect.poll(shown).toContain('once more: ')
    stdin.write(`${CANARY}\r`)
    expect(await asked).toEqual([CANARY, CANARY])
    expect(shown()).toBe('value: \nonce more: \n')
  })

  test('both answers may come at once, as from a paste', async () => {
    const { input, stdin } = desk()
    const asked = input.hidden(['value: ', 'once more: '], forever)
    stdin.write('a\rb\r')
    expect(await asked).toEqual(['a', 'b'])
  })

  test('ctrl-d and an interruption end it with SM_ABORTED', async () => {
    const first = desk()
    const asked = first.input.hidden(['value: '], forever)
    first.stdin.write('\u0004')
    await expect(asked).rejects.toMatchObject({ code: 'SM_ABORTED' })
    const person = new AbortController()
    const again = desk().input.hidden(['value: '], person.signal)
    person.abort()
    await expect(again).rejects.toMatchObject({ code: 'SM_ABORTED' })
  })
})

describe('a question', () => {
  test.each([
    ['', true],
    ['y', true],
    ['Yes', true],
    ['n', false],
    ['what', false],
  ])('%j is %j', async (typed, answer) => {
    const { input, stdin, shown } = desk()
    const asked = input.confirm('edit it again?', 'yes', forever)
    stdin.write(`${typed}\r`)
    expect(await asked).toBe(answer)
    expect(shown()).toContain('edit it again? [Y/n] ')
  })
})

test('what cannot be taken back is not done for a bare return', async () => {
  const { input, stdin, shown } = desk()
  const asked = input.confirm('seal it?', 'no', forever)
  stdin.write('\r')
  expect(await asked).toBe(false)
  expect(shown()).toContain('seal it? [y/N] ')
})

describe('stdin', () => {
  test('is read to its end', async () => {
    const { input, stdin } = desk()
    const read = input.bytes(100, forever)
    stdin.write('a\n')
    stdin.end('b')
    expect(Buffer.from(await read).toString()).toBe('a\nb')
  })

  test('more than fits is SM_TOO_LARGE', async () => {
    const { input, stdin } = desk()
    const read = input.bytes(3, forever)
    stdin.end('abcd')
    await expect(read).rejects.toMatchObject({ code: 'SM_TOO_LARGE' })
  })

  test('a wait for it ends with SM_ABORTED', async () => {
    const { input } = desk()
    const person = new AbortController()
    const read = input.bytes(3, person.signal)
    person.abort()
    await expect(read).rejects.toMatchObject({ code: 'SM_ABORTED' })
  })
})

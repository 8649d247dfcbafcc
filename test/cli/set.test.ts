import { beforeAll, beforeEach, describe, expect, test } from 'vitest'

import type { Input } from '../../src/cli/input.ts'
import {
  BY_TOKEN,
  decorate,
  documentOf,
  given,
  intercepted,
  objectOf,
  operatorRuntime,
  runWith,
  spellings,
} from './authoring-world.ts'
import { cliWorld, type CliWorld, type Ran } from './world.ts'

const CANARY = 'CANARY/plain "text"+ä'
const DOCUMENT = '{"redis_url": "redis://r",\n "id": 12345678901234567890, "ratio": 1.10}\n'

let world: CliWorld

beforeAll(async () => {
  world = await cliWorld()
})

beforeEach(() => world.put('app', DOCUMENT))

const set = (input: Input, ...args: readonly string[]): Promise<Ran> =>
  runWith(input, ['set', 'app', ...BY_TOKEN, ...args], operatorRuntime(world))

const document = (): Promise<string> => documentOf(world, 'app')

describe('what is written', () => {
  test('one entry changes, the rest of the document stays byte for byte', async () => {
    expect(await set(given(`${CANARY}\n`), 'redis_url')).toEqual({
      code: 0,
      stdout: '',
      stderr: 'changed redis_url in secrets.json of app\n',
    })
    expect(await document()).toBe(DOCUMENT.replace('"redis://r"', JSON.stringify(CANARY)))
  })

  test('a new entry comes last', async () => {
    const { stderr } = await set(given('x'), 'new entry')
    expect(stderr).toBe('added new entry in secrets.json of app\n')
    expect(await document()).toBe(DOCUMENT.replace('}', ', "new entry": "x"}'))
  })

  test('a dot in a name is a dot', async () => {
    await set(given('x'), 'redis.url')
    expect(JSON.parse(await document())).toMatchObject({ 'redis.url': 'x' })
  })

  test.each(['7', ' [1.50, {"a": 98765432109876543210}]\n', '""', 'null'])(
    '--json %j is stored as it is spelled',
    async (json) => {
      expect(await set(given(json), 'ratio', '--json')).toMatchObject({ code: 0 })
      expect(await document()).toBe(DOCUMENT.replace('1.10', json.trim()))
    },
  )

  test('siblings, labels, annotations and type stay', async () => {
    await decorate(world, 'app')
    const before = await objectOf(world, 'app')
    expect(await set(given('x'), 'redis_url')).toMatchObject({ code: 0 })
    const after = await objectOf(world, 'app')
    expect(after).toMatchObject({
      type: 'kubernetes.io/tls',
      metadata: {
        labels: { team: 'a' },
        annotations: { 'example.com/note': 'kept' },
        uid: before.metadata['uid'],
      },
    })
    expect({ ...after.data, 'secrets.json': '' }).toEqual({ ...before.data, 'secrets.json': '' })
    expect(after.data['secrets.json']).not.toBe(before.data['secrets.json'])
  })
})

describe('where nothing is written', () => {
  test.each([
    ['redis_url', 'redis://r\n', []],
    ['redis_url', String.raw`"redis:\/\/r"`, ['--json']],
    ['ratio', '1.10', ['--json']],
  ])('%s has the value %j already', async (entry, value, flags) => {
    const before = await objectOf(world, 'app')
    expect(await set(given(value), entry, ...flags)).toEqual({
      code: 0,
      stdout: '',
      stderr: `${entry} in secrets.json of app has this value already; nothing was written\n`,
    })
    expect(await objectOf(world, 'app')).toEqual(before)
  })

  test('--dry-run says what would be', async () => {
    const before = await objectOf(world, 'app')
    const { stderr } = await set(given('x'), 'new', '--dry-run')
    expect(stderr).toBe('would have added new in secrets.json of app; nothing was written\n')
    expect(await objectOf(world, 'app')).toEqual(before)
  })

  test('a document that is no dictionary is left alone', async () => {
    await world.put('app', JSON.stringify([CANARY]))
    const { code, stderr } = await set(given('x'), 'a')
    expect(code).toBe(6)
    expect(stderr).toContain('the document is an array, not a dictionary')
    expect(stderr).not.toContain(CANARY)
  })

  test('what would be too large', async () => {
    const { code, stderr } = await set(given('x'.repeat(786_395)), 'a')
    expect(code).toBe(6)
    expect(stderr).toContain('SM_TOO_LARGE')
  })
})

describe('--create', () => {
  test.each([
    ['the object', 'absent', [], 'SM_K8S_NOT_FOUND'],
    ['the entry of the object', 'app', ['--key', 'absent.json'], 'SM_KEY_MISSING'],
  ])('without it %s must be there', async (_what, name, flags, code) => {
    const args = ['set', name, 'a', ...BY_TOKEN, ...flags]
    const ran = await runWith(given('x'), args, operatorRuntime(world))
    expect(ran.code).toBe(4)
    expect(ran.stderr).toContain(code)
    expect(ran.stderr).toContain('--create makes it')
  })

  test('makes object and dictionary', async () => {
    const args = ['set', 'fresh', 'a', ...BY_TOKEN, '--create']
    const ran = await runWith(given('x'), args, operatorRuntime(world))
    expect(ran).toMatchObject({ code: 0, stderr: 'added a in secrets.json of fresh\n' })
    expect(await documentOf(world, 'fresh')).toBe('{\n  "a": "x"\n}\n')
  })
})

describe('where the value comes from', () => {
  const PEM = '-----BEGIN KEY-----\nAAAA\n-----END KEY-----\n'

  test.each([
    ['one line without its end', 'x\n', [], 'x'],
    ['nor the one of Windows', 'x\r\n', [], 'x'],
    ['many lines as they are', PEM, [], PEM],
    ['one line with its end', 'x\n', ['--exact'], 'x\n'],
    ['spaces', ' x ', [], ' x '],
  ])('a pipe: %s', async (_what, piped, flags, value) => {
    for (const dash of [[], ['-'], ['--from', '-']]) {
      await world.put('app', DOCUMENT)
      expect(await set(given(piped), 'a', ...dash, ...flags)).toMatchObject({ code: 0 })
      expect(JSON.parse(await document())).toMatchObject({ a: value })
    }
  })

  test('--from a file', async () => {
    const runtime = operatorRuntime(world, { '/key.pem': PEM })
    const args = ['set', 'app', 'a', '--from', '/key.pem', ...BY_TOKEN]
    expect(await runWith(given('not this'), args, runtime)).toMatchObject({ code: 0 })
    expect(JSON.parse(await document())).toMatchObject({ a: PEM })
  })

  test('a person, who types it twice', async () => {
    expect(await set(given(undefined, 'x', 'x'), 'a')).toMatchObject({ code: 0 })
    expect(JSON.parse(await document())).toMatchObject({ a: 'x' })
  })

  test.each([
    [
      'a person who types two values',
      given(undefined, CANARY, 'y'),
      [],
      2,
      'the two values differ',
    ],
    ['an empty pipe', given(''), [], 2, 'the value is empty'],
    ['an empty line', given('\n'), [], 2, 'the value is empty'],
    ['a file that is not there', given(''), ['--from', '/none'], 2, '"/none" cannot be read'],
    ['a pipe and a file', given('x'), ['-', '--from', '/none'], 2, 'from two places'],
    ['bytes that are no text', given(Buffer.from([0xff, 0xfe])), [], 6, 'not text in UTF-8'],
    ['JSON that is none', given(`{"a": ${CANARY}}`), ['--json'], 6, 'not valid JSON at byte 6'],
  ])('%s: an error before any call', async (_what, input, args, code, says) => {
    const before = world.requests.length
    const ran = await set(input, 'a', ...args)
    expect(ran).toMatchObject({ code, stdout: '' })
    expect(ran.stderr).toContain(says)
    expect(world.requests).toHaveLength(before)
  })
})

describe('a value is never an argument', () => {
  test.each([
    ['KEY=VALUE', [`db_password=${CANARY}`]],
    ['one behind the name', ['db_password', CANARY]],
    ['one behind -', ['db_password', '-', CANARY]],
  ])('%s is refused with the reason, and not repeated', async (_what, args) => {
    const before = world.requests.length
    const { code, stdout, stderr } = await set(given('x'), ...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('a value is never an argument: it is in the list of processes')
    for (const spelling of spellings(CANARY)) expect(stderr).not.toContain(spelling)
    expect(world.requests).toHaveLength(before)
  })

  test.each(['', '-'])('an entry %j has no name', async (entry) => {
    expect(await set(given('x'), entry)).toMatchObject({ code: 2 })
  })
})

test('I10: a value is in no output, whatever comes of it', async () => {
  const outputs: string[] = []
  const keep = ({ stdout, stderr }: Ran): void => void outputs.push(stdout, stderr)
  keep(await set(given(CANARY), 'redis_url'))
  keep(await set(given(CANARY), 'redis_url'))
  keep(await set(given(CANARY), 'redis_url', '--json'))
  keep(await set(given(CANARY), 'redis_url', '--key', 'none'))
  await world.seal()
  keep(await set(given(CANARY), 'redis_url', '--wait', '0'))
  await world.unseal()
  expect(outputs.join('')).toMatch(/changed[^]*already[^]*JSON[^]*KEY_MISSING[^]*sealed/)
  for (const spelling of spellings(CANARY)) expect(outputs.join('')).not.toContain(spelling)
})

describe('others who write meanwhile', () => {
  test('K6, I1: of 200 concurrent writes none is lost that was said to be done', async () => {
    await world.put('app', '{}')
    const codes = new Map<string, number>()
    const writer = async (writerNumber: number): Promise<void> => {
      for (let turn = 0; turn < 25; turn++) {
        const entry = `w${writerNumber}_${turn}`
        const args = ['set', 'app', entry, ...BY_TOKEN]
        codes.set(entry, (await runWith(given(entry), args, operatorRuntime(world))).code)
      }
    }
    await Promise.all(Array.from({ length: 8 }, (_none, at) => writer(at)))
    const done = [...codes].filter(([, code]) => code === 0).map(([entry]) => entry)
    expect(new Set(codes.values())).toSatisfy((seen: Set<number>) =>
      [...seen].every((code) => code === 0 || code === 7),
    )
    expect(done.length).toBeGreaterThan(30)
    expect(Object.keys(JSON.parse(await document()) as object).toSorted()).toEqual(done.toSorted())
  })

  test('K6: after five races lost it gives up, with 7', async () => {
    let races = 0
    const racing = intercepted(operatorRuntime(world), (request) =>
      request.startsWith('PATCH ') ? world.put('app', `{"race": ${++races}}`) : undefined,
    )
    const { code, stderr } = await runWith(given('x'), ['set', 'app', 'a', ...BY_TOKEN], racing)
    expect({ code, races }).toEqual({ code: 7, races: 5 })
    expect(stderr).toContain('SM_K8S_CONFLICT, 5 attempts')
    expect(await document()).toBe('{"race": 5}')
  })
})

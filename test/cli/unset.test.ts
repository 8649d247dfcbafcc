import { beforeAll, beforeEach, describe, expect, test } from 'vitest'

import {
  BY_TOKEN,
  decorate,
  documentOf,
  given,
  objectOf,
  operatorRuntime,
  runWith,
  spellings,
} from './authoring-world.ts'
import { cliWorld, type CliWorld, type Ran } from './world.ts'

const CANARY = 'CANARY/plain "text"+ä'
const DOCUMENT = `{"redis_url": ${JSON.stringify(CANARY)},\n "id": 12345678901234567890, "ratio": 1.10}\n`

let world: CliWorld

beforeAll(async () => {
  world = await cliWorld()
})

beforeEach(() => world.put('app', DOCUMENT))

const unset = (...args: readonly string[]): Promise<Ran> =>
  runWith(given(''), ['unset', 'app', ...BY_TOKEN, ...args], operatorRuntime(world))

const document = (): Promise<string> => documentOf(world, 'app')

describe('what is written', () => {
  test.each([
    [['redis_url'], '{"id": 12345678901234567890, "ratio": 1.10}\n'],
    [['ratio', 'redis_url'], '{"id": 12345678901234567890}\n'],
    [['id', 'ratio', 'redis_url', 'id'], '{}\n'],
  ])('the document without %j, the rest byte for byte', async (entries, after) => {
    const { code, stdout, stderr } = await unset(...entries)
    const list = [...new Set(entries)].join(', ')
    expect({ code, stdout, stderr }).toEqual({
      code: 0,
      stdout: '',
      stderr: `took ${list} out of secrets.json of app\n`,
    })
    expect(await document()).toBe(after)
  })

  test('siblings, labels, annotations and type stay', async () => {
    await decorate(world, 'app')
    const before = await objectOf(world, 'app')
    expect(await unset('id')).toMatchObject({ code: 0 })
    const after = await objectOf(world, 'app')
    expect(after).toMatchObject({
      type: 'kubernetes.io/tls',
      metadata: { labels: { team: 'a' }, annotations: { 'example.com/note': 'kept' } },
    })
    expect({ ...after.data, 'secrets.json': '' }).toEqual({ ...before.data, 'secrets.json': '' })
  })
})

describe('a name that is not there', () => {
  test('exits with 4 and the names that are; nothing is written, no other entry either', async () => {
    const { code, stdout, stderr } = await unset('id', 'redis_ur', 'ratio')
    expect({ code, stdout }).toEqual({ code: 4, stdout: '' })
    expect(stderr).toContain('secrets.json of app has no entry redis_ur; nothing was written')
    expect(stderr).toContain('did you mean redis_url? it has redis_url, id, ratio\n')
    expect(await document()).toBe(DOCUMENT)
  })

  test('I10: its neighbours are named without their values, in one line each', async () => {
    await world.put('app', JSON.stringify({ 'a\nb': CANARY, [`\u202E${'x'.repeat(99)}`]: CANARY }))
    const { stderr } = await unset('absent')
    expect(stderr).toContain(String.raw`it has "a\nb", "\u202exxxx`)
    expect(stderr.split('\n')).toHaveLength(4)
    for (const spelling of spellings(CANARY)) expect(stderr).not.toContain(spelling)
  })

  test('--if-present lets it pass', async () => {
    const { code, stderr } = await unset('id', 'absent', '--if-present')
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'took id out of secrets.json of app\n' })
  })

  test('--if-present with no name that is there writes nothing', async () => {
    const before = await objectOf(world, 'app')
    const { code, stderr } = await unset('absent', '--if-present')
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'none of these is in secrets.json of app; nothing was written\n',
    })
    expect(await objectOf(world, 'app')).toEqual(before)
  })
})

test('--dry-run says what would be, and writes nothing', async () => {
  const before = await objectOf(world, 'app')
  const { stderr } = await unset('id', '--dry-run')
  expect(stderr).toBe('would have taken id out of secrets.json of app; nothing was written\n')
  expect(await objectOf(world, 'app')).toEqual(before)
})

test('an object that is not there is not made', async () => {
  const args = ['unset', 'absent', 'id', ...BY_TOKEN, '--if-present']
  const { code, stderr } = await runWith(given(''), args, operatorRuntime(world))
  expect(code).toBe(4)
  expect(stderr).toContain('SM_K8S_NOT_FOUND')
  expect(stderr).not.toContain('--create')
})

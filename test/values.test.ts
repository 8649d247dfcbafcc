import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { Console } from 'node:console'
import { stringify as queryString } from 'node:querystring'
import { PassThrough } from 'node:stream'
import { format, inspect } from 'node:util'
import { serialize } from 'node:v8'
import { buildSync } from 'esbuild'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { processError } from 'vitest/internal/browser'
import { parseDictionary } from '../src/lib/json.ts'
import { names, reveal, sealValues } from '../src/values.ts'

const CANARY = 'c4n4ry-5e57b1'
const seal = (json: string): Record<string, unknown> =>
  sealValues(parseDictionary(Buffer.from(json)))

/** Names that JavaScript or Node would take for a method or a prototype if they were not data. */
const SPECIAL_NAMES = [
  'toJSON',
  '__proto__',
  'then',
  'constructor',
  'hasOwnProperty',
  'toString',
  'valueOf',
  'inspect',
  'length',
  'nodejs.util.inspect.custom',
  'Symbol(nodejs.util.inspect.custom)',
]

const SUBJECTS: readonly (readonly [string, object])[] = [
  ['top level', seal(`{"a":"${CANARY}","b":"${CANARY}"}`)],
  ['nested object', seal(`{"db":{"a":"${CANARY}"}}`)['db'] as object],
  ['nested array', seal(`{"l":["${CANARY}",{"a":"${CANARY}"},["${CANARY}"]]}`)['l'] as object],
  ['array in an array', (seal(`{"l":[["${CANARY}"]]}`)['l'] as object[])[0] as object],
  ['everything at once', seal(`{"a":"${CANARY}","o":{"a":"${CANARY}"},"l":["${CANARY}"]}`)],
  ...SPECIAL_NAMES.map(
    (name) => [`name ${name}`, seal(`{"${name}":"${CANARY}","a":"${CANARY}"}`)] as const,
  ),
]

/** What a Console writes. */
function printed(print: (console: Console) => void): string {
  const stream = new PassThrough()
  print(new Console(stream))
  return String(stream.read() ?? '')
}

function messageOf(failing: () => unknown): string {
  try {
    failing()
  } catch (error) {
    return `${String(error)} ${inspect(error)}`
  }
  throw new Error('this did not fail')
}

/** What vitest reports about a failed assertion: message, both sides and their difference. */
function reportOf(failing: () => unknown): string {
  try {
    failing()
  } catch (error) {
    return JSON.stringify(processError(error))
  }
  throw new Error('this did not fail')
}

function loopedOver(value: object): unknown[] {
  const found: unknown[] = []
  for (const key in value) found.push(value[key as never])
  return found
}

/** As pino writes a record: own enumerable fields, each as JSON. */
function pinoLine(record: object): string {
  const fields = record as Record<string, unknown>
  let line = '{"level":30'
  for (const key in fields) {
    if (Object.hasOwn(fields, key)) line += `,"${key}":${JSON.stringify(fields[key])}`
  }
  return `${line}}`
}

/** As winston does: copies the fields, then a serialiser of its own that asks for toJSON. */
function winstonLine(record: object): string {
  const text = (value: unknown): string => {
    const json = (value as { toJSON?: unknown } | null)?.toJSON
    const plain: unknown = typeof json === 'function' ? json.call(value) : value
    if (Array.isArray(plain)) return `[${plain.map(text).join()}]`
    if (typeof plain !== 'object' || plain === null) return JSON.stringify(plain)
    return `{${Object.entries(plain)
      .map(([key, part]) => `${key}:${text(part)}`)
      .join()}}`
  }
  return text({ message: 'started', ...record })
}

/** Shows a result as far as it goes. */
const all = (value: unknown): string => inspect(value, { showHidden: true, depth: Infinity })

type Kind = 'dictionary' | 'list'
type Operation = readonly [name: string, run: (secrets: object) => string, only?: Kind]

const SILENT: readonly Operation[] = [
  ['console.log', (s) => printed((c) => c.log(s, [s], { s }))],
  ['console.dir with hidden', (s) => printed((c) => c.dir(s, { showHidden: true, depth: null }))],
  ['console.table', (s) => printed((c) => c.table(s))],
  ['format %s %o %O %j %d', (s) => format('%s %o %O %j %d', s, s, s, s, s)],
  ['format without a template', (s) => format(s)],
  ['inspect', (s) => inspect(s, { depth: Infinity, colors: true, compact: false })],
  ['inspect with hidden', (s) => inspect(s, { showHidden: true })],
  ['inspect with getters, proxies', (s) => inspect({ s }, { getters: true, showProxy: true })],
  ['own property descriptors', (s) => all(Object.getOwnPropertyDescriptors(s))],
  ['inspect without custom', (s) => inspect({ s }, { customInspect: false, depth: Infinity })],
  ['template string', (s) => `at ${s as unknown as string}`],
  ['String', (s) => [s].map(String).join()],
  ['toLocaleString', (s) => (s as string[]).toLocaleString(), 'list'],
  ['JSON.stringify', (s) => JSON.stringify(s) + JSON.stringify({ s: [s] }, undefined, 2)],
  ['object spread', (s) => all({ ...s })],
  ['rest of a destructuring', (s) => all((({ ...rest }) => rest)(s))],
  ['Object.assign', (s) => all(Object.assign({}, s))],
  [
    'Object.entries, keys, values',
    (s) => all([Object.entries(s), Object.keys(s), Object.values(s)]),
  ],
  ['for … in', (s) => all(loopedOver(s))],
  ['structuredClone', (s) => all(structuredClone({ s }))],
  ['v8.serialize', (s) => serialize(s).toString('latin1')],
  ['query string', (s) => queryString(s as Record<string, string>)],
  ['a pino line', (s) => pinoLine(s) + pinoLine({ s })],
  ['a winston line', (s) => winstonLine(s) + winstonLine({ s })],
  ['an error that carries it', (s) => all(Object.assign(new Error('x', { cause: s }), { s }))],
  ['an assertion of node', (s) => messageOf(() => assert.deepEqual(s, { a: 1 }))],
  ['an assertion of node, inside', (s) => messageOf(() => assert.deepEqual([{ s }], [{ s: 1 }]))],
  ['an assertion of chai', (s) => messageOf(() => expect(s).toEqual({ a: 1 }))],
  ['a report of vitest', (s) => reportOf(() => expect({ s }).toEqual({ s: 1 })), 'dictionary'],
  ['an assertion of chai, inside', (s) => messageOf(() => expect({ s }).toHaveProperty('q'))],
  ['a write that is refused', (s) => messageOf(() => ((s as Record<string, unknown>)['a'] = 1))],
  ['a call that is no function', (s) => messageOf(() => (s as { f: () => void }).f())],
]

const EVERYTHING = { showHidden: true, customInspect: false, getters: true }

/** These are how a program uses its secrets, or asks for what is hidden. A test keeps us honest about them. */
const TELLING: readonly Operation[] = [
  ['access', (s) => (s as { a: string }).a, 'dictionary'],
  ['destructuring', (s) => (({ a }) => a)(s as { a: string }), 'dictionary'],
  ['access by index', (s) => all((s as unknown[])[0]), 'list'],
  ['array destructuring', (s) => all((([first]) => first)(s as unknown[])), 'list'],
  ['for … of', (s) => all([...(s as unknown[])]), 'list'],
  ['map', (s) => all((s as unknown[]).map((element) => element)), 'list'],
  ['join', (s) => (s as unknown[]).slice(0, 1).join(), 'list'],
  ['a report of vitest: it copies by index', (s) => reportOf(() => expect(s).toEqual([])), 'list'],
  ['reveal', (s) => JSON.stringify(reveal(s)) + printed((c) => c.log(reveal(s)))],
  ['own property names', (s) => all(Reflect.ownKeys(s).map((k) => s[k as never])), 'dictionary'],
  ['inspect that calls hidden getters', (s) => inspect(s, EVERYTHING)],
]

const rows = (operations: readonly Operation[]) =>
  operations.flatMap(([name, run, only]) =>
    SUBJECTS.filter(([, s]) => !only || Array.isArray(s) === (only === 'list')).map(
      ([kind, s]) => [name, kind, run, s] as const,
    ),
  )

describe('what shows a value', () => {
  test.each(rows(SILENT))('I10: %s shows none (%s)', (_name, _kind, run, secrets) => {
    expect(run(secrets)).not.toContain(CANARY)
  })

  // A nested object is itself sealed: what tells an entry of it tells no more than that.
  test.each(rows(TELLING).filter(([, kind]) => kind !== 'array in an array'))(
    '%s gives it (%s)',
    (_name, _kind, run, secrets) => {
      expect(run(secrets)).toContain(CANARY)
    },
  )
})

describe('sealValues', () => {
  test('prints how many entries there are and how to see them', () => {
    const text = '{ 2 entries: names(secrets) lists them, reveal(secrets) copies them }'
    expect(inspect(seal('{"a":1,"b":{"c":2}}'))).toBe(`SecretValues ${text}`)
    expect(inspect(seal('{"a":[1,2]}')['a'])).toBe(`SecretValues ${text}`)
    expect(inspect(seal('{"a":1}'))).toContain('{ 1 entry:')
  })

  test('freezes dictionaries and lists, nested ones too, and leaves its argument alone', () => {
    const plain = { a: { b: [{ c: 1 }] } }
    const secrets = sealValues(plain)
    for (const part of [secrets, secrets.a, secrets.a.b, secrets.a.b[0]]) {
      expect(Object.isFrozen(part)).toBe(true)
    }
    expect(Object.isFrozen(plain)).toBe(false)
    expect(() => (secrets.a.b as unknown[]).push(1)).toThrow(TypeError)
    expect(Object.getPrototypeOf(secrets)).toBeNull()
    expect(Object.getPrototypeOf(secrets.a)).toBeNull()
  })

  test('keeps lists arrays: every method reads them', () => {
    const list = sealValues({ l: [3, 1, 2] }).l
    expect(Array.isArray(list)).toBe(true)
    expect(list.length).toBe(3)
    expect([...list]).toEqual([3, 1, 2])
    expect(list.map((n) => n * 2)).toEqual([6, 2, 4])
    expect(list.filter((n) => n > 1)).toEqual([3, 2])
    expect(list.toSorted((a, b) => a - b)).toEqual([1, 2, 3])
    expect(list.concat([4])).toEqual([3, 1, 2, 4])
    expect(list.slice(1)).toEqual([1, 2])
    expect([list.at(-1), list.indexOf(1), list.includes(3), list.join('-')]).toEqual([
      2,
      1,
      true,
      '3-1-2',
    ])
    expect(list.reduce((sum, n) => sum + n, 0)).toBe(6)
    expect(1 in list && 'length' in list).toBe(true)
  })

  test('can be returned from an async function although a name is then', async () => {
    const secrets = await Promise.resolve(seal('{"then":"x"}'))
    expect(names(secrets)).toEqual(['then'])
  })

  test('keeps instances that a schema made, and what is sealed already', () => {
    const plain = {
      date: new Date(0),
      url: new URL('https://a.example'),
      map: new Map(),
      headers: new Headers(),
    }
    const secrets = sealValues({ ...plain, inner: sealValues({ a: 1 }) })
    expect(secrets.date).toBe(plain.date)
    expect(secrets.url).toBe(plain.url)
    expect(secrets.map).toBe(plain.map)
    expect(secrets.headers).toBe(plain.headers)
    expect(secrets.inner.a).toBe(1)
    expect(sealValues(secrets)).toBe(secrets)
  })

  test('seals what is met twice once, and refuses what contains itself', () => {
    const shared = { a: 1 }
    const secrets = sealValues({ x: shared, y: [shared] })
    expect(secrets.x).toBe(secrets.y[0])
    const cyclic: Record<string, unknown> = {}
    cyclic['list'] = [cyclic]
    expect(() => sealValues(cyclic)).toThrow(new TypeError('secrets must not contain themselves'))
  })

  test.each([
    ['a Map', new Map()],
    ['a class', new Headers()],
    ['a Date', new Date()],
  ])('refuses %s at the top', (_name, value) => {
    expect(() => sealValues(value)).toThrow(new TypeError('secrets must be a plain object'))
  })
})

describe('names and reveal', () => {
  test('list the entries of one level', () => {
    const secrets = sealValues({ b: 1, a: { c: 2 }, l: ['x', 'y'] })
    expect(names(secrets)).toEqual(['b', 'a', 'l'])
    expect(names(secrets.a)).toEqual(['c'])
    expect(names(secrets.l)).toEqual(['0', '1'])
  })

  test('copy into ordinary objects, which are the caller’s own', () => {
    const plain = { a: { b: [1, { c: 2n }] }, d: null }
    const copy = reveal(sealValues(plain))
    expect(copy).toStrictEqual(plain)
    copy.a.b.push(3)
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect(plain.a.b).toHaveLength(2)
  })

  test.each([
    ['a plain object', { a: 1 }],
    ['a list', []],
    ['an heir of secrets', Object.create(sealValues({ a: 1 })) as object],
    ['null', null as unknown as object],
    ['a string', 'a' as unknown as object],
  ])('refuse %s', (_name, foreign) => {
    const refusal = new TypeError('this is not a SecretValues')
    expect(() => names(foreign)).toThrow(refusal)
    expect(() => reveal(foreign)).toThrow(refusal)
  })

  test('give back any JSON', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
        const plain: object = JSON.parse(JSON.stringify(value))
        expect(reveal(sealValues(plain))).toStrictEqual(plain)
        expect(names(sealValues(plain)).toSorted()).toEqual(Object.keys(plain).toSorted())
      }),
    )
  })
})

describe('I18', () => {
  test.each(SPECIAL_NAMES)('I18: %s is data and changes no prototype', (name) => {
    const before = Object.getOwnPropertyDescriptors(Object.prototype)
    const secrets = seal(`{"${name}":{"polluted":true},"list":[{"${name}":"x"}]}`)
    const copy = reveal(secrets)
    expect(Object.hasOwn(secrets, name)).toBe(true)
    expect(Object.hasOwn(copy, name)).toBe(true)
    expect(Object.getPrototypeOf(secrets)).toBeNull()
    expect(Object.getPrototypeOf(copy)).toBe(Object.prototype)
    expect('polluted' in {}).toBe(false)
    expect(Object.getOwnPropertyDescriptors(Object.prototype)).toEqual(before)
  })

  test('I18: works where prototypes are frozen and __proto__ is gone', () => {
    const { outputFiles } = buildSync({
      stdin: { contents: HARDENED, resolveDir: import.meta.dirname },
      bundle: true,
      write: false,
      format: 'esm',
      platform: 'node',
    })
    const flags = [
      '--disable-proto=delete',
      '--frozen-intrinsics',
      '--no-warnings',
      '--input-type=module',
    ]
    const child = spawnSync(process.execPath, flags, {
      input: outputFiles[0]?.text,
      encoding: 'utf8',
    })
    expect(child.stderr).toBe('')
    expect(JSON.parse(child.stdout)).toEqual({
      name: 'x',
      polluted: false,
      keys: ['__proto__', 'toString', 'list'],
      list: 1,
      shown: false,
      code: 'SM_PAYLOAD_INVALID',
    })
  })
})

const HARDENED = `
  import { inspect } from 'node:util'
  import { parseDictionary } from '../src/lib/json.ts'
  import { names, reveal, sealValues } from '../src/values.ts'
  const parse = (json) => parseDictionary(Buffer.from(json))
  const secrets = sealValues(parse('{"__proto__":{"polluted":1},"toString":"x","list":[1,"c4n4ry"]}'))
  const copy = reveal(secrets)
  let code
  try { parse('{"a":1,"a":2}') } catch (error) { code = error.code }
  console.log(JSON.stringify({
    name: secrets.toString, polluted: 'polluted' in {} || 'polluted' in copy, keys: names(secrets),
    list: secrets.list.map((x) => x)[0], shown: inspect({ secrets, l: secrets.list }).includes('c4n4ry'), code,
  }))
`

import fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { definitionOf, parseDefinition, positionalDefinition } from '../../src/config/definition.ts'
import { messageOf, problemsOf } from './problems-of.ts'

const DEFINITION = { secretName: 'app', readKey: 'secrets.json', transitKey: 'app', format: 'raw' }
const having = (changes: object): unknown => ({ ...DEFINITION, ...changes })

describe('parseDefinition', () => {
  test('fills in every default', () => {
    expect(parseDefinition(DEFINITION)).toEqual({
      secretName: 'app',
      namespace: undefined,
      readType: 'SECRET',
      readKey: 'secrets.json',
      transitKey: 'app',
      format: 'raw',
      binding: 'strict',
      allowRollback: false,
      schema: undefined,
    })
  })

  test('sealed and bound to its place, unless it says otherwise', () => {
    expect(parseDefinition(having({ format: undefined }))).toMatchObject({
      format: 'sealed',
      binding: 'strict',
      allowRollback: false,
    })
    const said = { format: 'sealed', binding: 'namespace', allowRollback: true } as const
    expect(parseDefinition(having(said))).toMatchObject(said)
  })

  test('hands a schema on as it is, object or function', () => {
    const schema = v.object({ a: v.string() })
    const callable = Object.assign(() => undefined, { '~standard': schema['~standard'] })
    expect(parseDefinition(having({ schema })).schema).toBe(schema)
    expect(parseDefinition(having({ schema: callable })).schema).toBe(callable)
  })

  test.each([
    ['nothing', undefined, 'it is required and must be an object'],
    ['an array', [], 'it must be an object'],
    ['a name as path', having({ secretName: 'a/b' }), 'secretName must be the name of a Secret'],
    ['a namespace with dots', having({ namespace: 'a.b' }), 'namespace must be a Kubernetes name'],
    ['another type', having({ readType: 'POD' }), 'readType must be SECRET or CONFIG_MAP'],
    ['a key as path', having({ readKey: '../token' }), 'readKey must be a data key'],
    ["the volume's own entry", having({ readKey: '..data' }), 'readKey must be a data key'],
    ['a Transit key as path', having({ transitKey: 'a/../b' }), 'transitKey must be the name of a'],
    ['another format', having({ format: 'Sealed' }), 'format must be sealed or raw'],
    [
      'another binding',
      having({ binding: 'cluster' }),
      'binding must be strict, namespace or none',
    ],
    ['no truth value', having({ allowRollback: 'no' }), 'allowRollback must be true or false'],
    ['no schema', having({ schema: {} }), 'schema must be a Standard Schema of version 1'],
    ['another version', having({ schema: { '~standard': { version: 2 } } }), 'schema must be a St'],
    [
      'a typo',
      having({ secretname: 'a' }),
      'secretname is not a known setting: did you mean secretName?',
    ],
    ['__proto__', JSON.parse('{"__proto__":{"readKey":"a"}}'), '__proto__ is not a known setting'],
  ])('G1: %s is refused', (_name, definition, problem) => {
    expect(messageOf(() => parseDefinition(definition))).toContain(problem)
  })

  test('G1: all problems at once, no value in any', () => {
    const bad = Object.fromEntries(
      [
        ...['secretName', 'namespace', 'readType', 'readKey', 'transitKey'],
        ...['format', 'binding', 'allowRollback', 'schema'],
      ].map((key) => [key, 'canary /']),
    )
    const problems = problemsOf(() => parseDefinition(bad))
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual(Object.keys(bad))
    expect(problems.join()).not.toContain('canary')
  })

  test('Q12: junk is SM_CONFIG_INVALID and nothing else', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (junk) => {
        expect(messageOf(() => parseDefinition(junk))).toMatch(/^the definition is not valid: /)
      }),
    )
  })

  test('I18: a definition that throws when it is read is refused', () => {
    const schema = new Proxy(
      {},
      {
        get: () => {
          throw new Error('x')
        },
      },
    )
    expect(messageOf(() => parseDefinition(having({ schema })))).toContain('must be plain data')
  })
})

describe('definitionOf', () => {
  const OLD = {
    secret_name: 'app',
    namespace: 'prod',
    read_type: 'SECRET',
    read_key: 'secrets.json',
    transit_key: 'app',
    comment: 'ours',
  }

  test.each([
    ['native', DEFINITION],
    ['with everything', having({ namespace: 'a', readType: 'SECRET', schema: v.object({}) })],
    ['old', OLD],
    ['without a prototype', Object.assign(Object.create(null), DEFINITION)],
    ['frozen', Object.freeze({ ...DEFINITION })],
  ])('reads an unchanged object once: %s', (_name, input) => {
    const first = definitionOf(input)
    expect(first).toEqual(parseDefinition(input))
    expect(definitionOf(input)).toBe(first)
  })

  test('two objects that say the same are two', () => {
    expect(definitionOf({ ...DEFINITION })).not.toBe(definitionOf({ ...DEFINITION }))
  })

  type Change = (input: Record<string, unknown>) => unknown
  const changes: readonly (readonly [string, Change])[] = [
    ['a value', (input) => (input['readKey'] = 'other.json')],
    ['a value added', (input) => (input['namespace'] = 'other')],
    ['a value taken away', (input) => delete input['readType']],
    ['a schema', (input) => (input['schema'] = v.object({}))],
    ['a binding', (input) => (input['binding'] = 'namespace')],
    ['another format', (input) => (input['format'] = 'sealed')],
    ['leave to go back', (input) => (input['allowRollback'] = true)],
    [
      'a value that is not listed',
      (input) => Object.defineProperty(input, 'namespace', { value: 'other' }),
    ],
  ]
  test.each(changes)('reads a changed object anew: %s', (_name, change) => {
    const input: Record<string, unknown> = { ...DEFINITION, readType: 'CONFIG_MAP' }
    const before = definitionOf(input)
    change(input)
    const after = definitionOf(input)
    expect(after).not.toEqual(before)
    expect(after).toEqual(parseDefinition(input))
    expect(definitionOf(input)).toBe(after)
  })

  const spoils: readonly (readonly [string, Change, string])[] = [
    ['a wrong value', (input) => (input['readKey'] = '..'), 'readKey must be a data key'],
    ['a stranger', (input) => (input['zzz'] = 1), 'zzz is not a known setting'],
    [
      'a stranger in the place of nothing',
      (input) => {
        delete input['namespace']
        input['zzz'] = undefined
      },
      'zzz is not a known setting',
    ],
    ['a key of the other shape', (input) => (input['read_key'] = 'a'), 'secret_name is required'],
    [
      'a value that throws',
      (input) =>
        Object.defineProperty(input, 'readKey', {
          get: () => {
            throw new Error('x')
          },
        }),
      'must be plain data',
    ],
  ]
  test.each(spoils)('refuses what an object became: %s', (_name, spoil, problem) => {
    const input: Record<string, unknown> = { ...DEFINITION, namespace: undefined }
    definitionOf(input)
    spoil(input)
    expect(messageOf(() => definitionOf(input))).toContain(problem)
    expect(messageOf(() => definitionOf(input))).toContain(problem)
  })

  test('a getter that changes its mind is asked each time', () => {
    let at = 0
    const input = { ...DEFINITION, secretName: 'x' }
    Object.defineProperty(input, 'secretName', { get: () => `app-${at++}`, enumerable: true })
    const names = [definitionOf(input), definitionOf(input)].map((each) => each.secretName)
    expect(new Set(names).size).toBe(2)
  })

  test('Q12: what parseDefinition refuses is refused, and nothing else happens', () => {
    const { proxy, revoke } = Proxy.revocable({}, {})
    revoke()
    expect(messageOf(() => definitionOf(proxy))).toContain('must be plain data')
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true }), (junk) => {
        const message = messageOf(() => parseDefinition(junk))
        expect(messageOf(() => definitionOf(junk))).toBe(message)
      }),
    )
  })
})

describe('positionalDefinition', () => {
  const FIVE = ['matrix-secrets', 'default', 'SECRET', 'secrets.json', 'aes256-key'] as const

  test('reads the same five values once', () => {
    const first = positionalDefinition(...FIVE)
    expect(first).toEqual({
      secretName: 'matrix-secrets',
      namespace: 'default',
      readType: 'SECRET',
      readKey: 'secrets.json',
      transitKey: 'aes256-key',
      format: 'raw',
      binding: 'strict',
      allowRollback: false,
      schema: undefined,
    })
    expect(positionalDefinition(...FIVE)).toBe(first)
  })

  test.each([0, 1, 2, 3, 4])('another value at %i is another definition', (at) => {
    const first = positionalDefinition(...FIVE)
    const other = at === 2 ? 'CONFIG_MAP' : 'other'
    const [a, b, c, d, e] = FIVE.map((value, index) => (index === at ? other : value))
    const second = positionalDefinition(a, b, c, d, e)
    expect(second).not.toEqual(first)
    expect(positionalDefinition(a, b, c, d, e)).toBe(second)
    expect(positionalDefinition(...FIVE)).toBe(first)
  })

  test('G1: what is wrong is said, time and again', () => {
    for (const key of [null, undefined, '..', 7]) {
      const act = (): unknown => positionalDefinition('a', 'b', 'SECRET', key, 'e')
      expect(messageOf(act)).toContain('read_key')
      expect(messageOf(act)).toContain('read_key')
    }
  })

  test('what is kept is bounded: after a thousand others it is read anew', () => {
    const first = positionalDefinition(...FIVE)
    for (let at = 0; at < 1000; at++) {
      positionalDefinition(`s${at}`, 'default', 'SECRET', 'a', 'b')
    }
    const second = positionalDefinition(...FIVE)
    expect(second).toEqual(first)
    expect(second).not.toBe(first)
    expect(positionalDefinition(...FIVE)).toBe(second)
  })
})

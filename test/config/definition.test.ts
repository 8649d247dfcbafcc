import fc from 'fast-check'
import * as v from 'valibot'
import { describe, expect, test } from 'vitest'
import { parseDefinition } from '../../src/config/definition.ts'
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
      schema: undefined,
    })
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
    ['no format', having({ format: undefined }), 'format is required and must be "raw"'],
    ['another format', having({ format: 'sealed' }), 'format must be "raw"'],
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
      ['secretName', 'namespace', 'readType', 'readKey', 'transitKey', 'format', 'schema'].map(
        (key) => [key, 'canary /'],
      ),
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

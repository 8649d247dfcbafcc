/** Which entries of an object are documents of a key, and which are problems. */
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { parseDefinition, type Definition } from '../../src/config/definition.ts'
import type { SecretDefinition } from '../../src/config/types.ts'
import { documentsIn, type Found, type StoredEntry } from '../../src/rotation/documents.ts'
import { formatSealed, type Claims } from '../../src/sealed/format.ts'

const KEY = { mount: 'transit', transitKey: 'app' }
const CANARY = 'CANARYciphertext'
const CIPHERTEXT = `vault:v3:${Buffer.from(CANARY.repeat(3)).toString('base64')}`

function sealed(changes: Partial<Claims> = {}, ciphertext = CIPHERTEXT): string {
  return formatSealed({ ...KEY, scope: 'strict', revision: 7, ...changes }, ciphertext)
}

function entry(text: string | undefined, applied?: string): StoredEntry {
  const place = { kind: 'Secret', namespace: 'prod', name: 'app', dataKey: 'app.json' } as const
  return { place, text, ...(applied !== undefined && { applied }) }
}

function definition(changes: Partial<SecretDefinition> = {}): Definition {
  return parseDefinition({
    secretName: 'app',
    namespace: 'prod',
    readKey: 'app.json',
    transitKey: 'app',
    ...changes,
  })
}

/** Each document as format and version, each problem as its code. */
function told({ documents, problems }: Found): readonly string[] {
  return [
    ...documents.map((each) => `${each.format} v${each.keyVersion}${each.isNamed ? ' named' : ''}`),
    ...problems.map(({ error }) => error.code),
  ]
}

const NAMED = [definition()]
const NAMED_RAW = [definition({ format: 'raw' })]

const ROWS: readonly (readonly [
  what: string,
  text: string | undefined,
  definitions: readonly Definition[],
  told: readonly string[],
])[] = [
  ['sealed under the key, named', sealed(), NAMED, ['sealed v3 named']],
  ['sealed under the key, named by nobody', sealed(), [], ['sealed v3']],
  ['sealed under another key', sealed({ transitKey: 'other' }), [], []],
  ['sealed under a key of the same name on another mount', sealed({ mount: 'kv' }), [], []],
  [
    'sealed under another key than the definition says',
    sealed({ transitKey: 'other' }),
    NAMED,
    ['SM_BINDING_MISMATCH'],
  ],
  [
    'sealed on another mount than the definition says',
    sealed({ mount: 'kv' }),
    NAMED,
    ['SM_BINDING_MISMATCH'],
  ],
  ['bound to less than demanded', sealed({ scope: 'none' }), NAMED, ['SM_BINDING_MISMATCH']],
  ['bound to the namespace alone', sealed({ scope: 'namespace' }), NAMED, ['SM_BINDING_MISMATCH']],
  [
    'bound to more than demanded',
    sealed(),
    [definition({ binding: 'none' })],
    ['SM_BINDING_MISMATCH'],
  ],
  [
    'bound as demanded, to nothing',
    sealed({ scope: 'none' }),
    [definition({ binding: 'none' })],
    ['sealed v3 named'],
  ],
  ['bound to less, demanded by nobody', sealed({ scope: 'none' }), [], ['sealed v3']],
  ['sealed where raw is named, whatever its scope', sealed(), NAMED_RAW, ['sealed v3 named']],
  ['malformed, named by nobody', 'sealed:v1:junk', [], ['SM_CT_FORMAT']],
  ['malformed, named', 'sealed:v1:junk', NAMED, ['SM_CT_FORMAT']],
  ['a later format', sealed().replace(':v1:', ':v9:'), [], ['SM_CT_FORMAT']],
  ['raw and named', CIPHERTEXT, NAMED_RAW, ['raw v3 named']],
  [
    'raw and named, with the line feed of an editor',
    `${CIPHERTEXT}\n`,
    NAMED_RAW,
    ['raw v3 named'],
  ],
  ['raw, named by nobody', CIPHERTEXT, [], ['raw v3']],
  ['raw, named by nobody, behind white space', ` ${CIPHERTEXT}\n`, [], ['raw v3']],
  ['raw where sealed is demanded', CIPHERTEXT, NAMED, ['SM_CT_FORMAT']],
  ['raw and malformed', 'vault:v1:%%', NAMED_RAW, ['SM_CT_FORMAT']],
  ['raw of version 0', 'vault:v0:AAAA', NAMED_RAW, ['SM_CT_FORMAT']],
  ['plaintext where a document is named', '{"a":"CANARY"}', NAMED, ['SM_CT_FORMAT']],
  ['plaintext where a raw one is named', '{"a":"CANARY"}', NAMED_RAW, ['SM_CT_FORMAT']],
  ['plaintext, named by nobody', '{"a":"CANARY"}', [], []],
  ['empty where a document is named', '', NAMED, ['SM_CT_FORMAT']],
  ['empty, named by nobody', '', [], []],
  ['no base64, named', undefined, NAMED, ['SM_CT_FORMAT']],
  ['no base64, named by nobody', undefined, [], []],
  ['a text that only mentions Vault', 'see vault:v1', [], []],
]

test.each(ROWS)('%s', (_what, text, definitions, expected) => {
  const found = documentsIn([entry(text)], KEY, definitions)
  expect(told(found)).toEqual(expected)
  expect(JSON.stringify(found.problems)).not.toContain('CANARY')
})

test('a named entry that is not there is a problem of its own; siblings are not', () => {
  const other = definition({ readKey: 'other.json' })
  const found = documentsIn([entry(sealed())], KEY, [...NAMED, other])
  expect(told(found)).toEqual(['sealed v3 named', 'SM_KEY_MISSING'])
  expect(found.problems[0]?.dataKey).toBe('other.json')
})

test('one entry that is broken does not hide the others', () => {
  const place = { ...entry('').place, dataKey: 'b' }
  const found = documentsIn([entry('sealed:v1:junk'), { place, text: sealed() }], KEY, [])
  expect(told(found)).toEqual(['sealed v3', 'SM_CT_FORMAT'])
})

test.each([
  ['a sealed document of before', sealed({}, 'vault:v1:AAAA'), 1],
  ['a raw one', 'vault:v2:AAAA', 2],
  ['none', undefined, undefined],
  ['something else', '{"a":1}', undefined],
  ['a document of a version that is none', 'vault:v0:AAAA', undefined],
])('the source that comes back with the next apply: %s', (_what, applied, version) => {
  const found = documentsIn([entry(sealed(), applied)], KEY, [])
  expect(found.documents[0]?.appliedVersion).toBe(version)
})

test('X1: whatever an entry holds, it is a document, a problem or nothing; named, it is not nothing', () => {
  const junk = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.string().map((text) => `sealed:v1:${text}`),
    fc.string().map((text) => `vault:v1:${text}`),
    fc.nat().chain((at) =>
      fc.string({ maxLength: 3 }).map((put) => {
        const text = sealed()
        const where = at % text.length
        return text.slice(0, where) + put + text.slice(where + 1)
      }),
    ),
  )
  fc.assert(
    fc.property(junk, fc.boolean(), (text, isNamed) => {
      const { documents, problems } = documentsIn([entry(text)], KEY, isNamed ? NAMED : [])
      const count = documents.length + problems.length
      expect(count).toBeLessThanOrEqual(1)
      if (isNamed) expect(count).toBe(1)
      for (const { ciphertext, keyVersion } of documents) {
        expect(ciphertext).toMatch(/^vault:v[1-9]\d*:/)
        expect(Number.isSafeInteger(keyVersion)).toBe(true)
      }
    }),
    { numRuns: 200 },
  )
})

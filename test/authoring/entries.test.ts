import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { membersOf, withMember, withoutMembers } from '../../src/authoring/members.ts'
import { parseDictionary, type JsonValue } from '../../src/lib/json.ts'

const text = (document: object): string => JSON.stringify(document)
const parsed = (json: string): Readonly<Record<string, JsonValue>> =>
  parseDictionary(Buffer.from(json))

describe('members', () => {
  test('are found at the top level alone, with names decoded', () => {
    const document = ' { "a\\u0062" : {"x": [1, {"y": ","}]} ,\n"}": "{,:\\"", "": 1.10}\n'
    const found = membersOf(document)
    expect(
      found.map(({ name, valueStart, end }) => [name, document.slice(valueStart, end)]),
    ).toEqual([
      ['ab', '{"x": [1, {"y": ","}]}'],
      ['}', '"{,:\\""'],
      ['', '1.10'],
    ])
  })

  test.each(['{}', ' {\n} ', '\t{ }\n'])('there are none in %j', (document) => {
    expect(membersOf(document)).toEqual([])
  })
})

describe('a member that is set', () => {
  test.each([
    ['{"a": 1,\n "b":2}', 'a', '{"a": "x",\n "b":2}'],
    ['{"a": 1.10e5, "b":  {"a": 1} }', 'b', '{"a": 1.10e5, "b":  "x" }'],
    ['{"a": 1}', 'c', '{"a": 1, "c": "x"}'],
    ['{"a":1}', 'c', '{"a":1,"c":"x"}'],
    ['{\n  "a": 1\n}\n', 'c', '{\n  "a": 1,\n  "c": "x"\n}\n'],
    [
      '{\n  "a": 1,\n  "b": [\n    2\n  ]\n}\n',
      'c',
      '{\n  "a": 1,\n  "b": [\n    2\n  ],\n  "c": "x"\n}\n',
    ],
    ['{"a" : 1 , "b" : 2 }', 'c', '{"a" : 1 , "b" : 2 , "c" : "x" }'],
    ['{}', 'c', '{"c": "x"}'],
    ['{\n}\n', 'c', '{\n  "c": "x"\n}\n'],
    ['{"\\u0063": 1}', 'c', '{"\\u0063": "x"}'],
    ['{}', '__proto__', '{"__proto__": "x"}'],
    ['{}', 'a"\n', '{"a\\"\\n": "x"}'],
  ])('%j with %j is %j', (before, name, after) => {
    expect(withMember(before, name, '"x"')).toBe(after)
  })
})

describe('members that are taken out', () => {
  test.each([
    ['{"a": 1, "b": 2, "c": 3}', ['b'], '{"a": 1, "c": 3}'],
    ['{"a": 1, "b": 2, "c": 3}', ['a'], '{"b": 2, "c": 3}'],
    ['{"a": 1, "b": 2, "c": 3}', ['c', 'a'], '{"b": 2}'],
    ['{\n  "a": 1,\n  "b": 2\n}\n', ['a', 'b'], '{}\n'],
    ['{\n  "a": 1,\n  "b": 1.10\n}\n', ['a', 'z'], '{\n  "b": 1.10\n}\n'],
  ])('%j without %j is %j', (before, names, after) => {
    expect(withoutMembers(before, names)).toBe(after)
  })
})

/** Names that collide often, and any others. */
const NAME = fc.oneof(fc.constantFrom('a', 'b', '__proto__', '', '{', ',"'), fc.string())
const DOCUMENT = fc.tuple(
  fc.dictionary(NAME, fc.jsonValue({ maxDepth: 3 }), { noNullPrototype: true }),
  fc.constantFrom(undefined, 1, 2, '\t'),
)

describe('property', () => {
  test('a member that is set has its value, and every other member its very text', () => {
    fc.assert(
      fc.property(
        DOCUMENT,
        NAME,
        fc.jsonValue({ maxDepth: 2 }),
        ([object, indent], name, value) => {
          const before = JSON.stringify(object, undefined, indent)
          const after = withMember(before, name, JSON.stringify(value))
          expect(textsOf(after, name)).toEqual(textsOf(before, name))
          expect(Object.keys(parsed(after))).toEqual(
            expect.arrayContaining(Object.keys(parsed(before))),
          )
          expect(parsed(after)[name]).toEqual(parsed(text({ value }))['value'])
        },
      ),
      { numRuns: 300 },
    )
  })

  test('a new member that is taken out again leaves the document as it was', () => {
    fc.assert(
      fc.property(DOCUMENT, NAME, ([object, indent], name) => {
        const before = JSON.stringify(object, undefined, indent)
        fc.pre(!Object.hasOwn(object, name) && before !== '{}')
        expect(withoutMembers(withMember(before, name, 'null'), [name])).toBe(before)
      }),
      { numRuns: 300 },
    )
  })

  test('what is left without some members is a dictionary of the others, each with its very text', () => {
    fc.assert(
      fc.property(DOCUMENT, fc.array(NAME), ([object, indent], more) => {
        const gone = [...more, ...Object.keys(object).filter((_name, at) => at % 2 === 0)]
        const before = JSON.stringify(object, undefined, indent)
        const after = withoutMembers(before, gone)
        expect(Object.keys(parsed(after))).toEqual(
          Object.keys(parsed(before)).filter((name) => !gone.includes(name)),
        )
        expect(textsOf(after)).toEqual(textsOf(before, ...gone))
      }),
      { numRuns: 300 },
    )
  })
})

/** The text of each member's value, but for some. */
function textsOf(document: string, ...without: readonly string[]): [string, string][] {
  return membersOf(document)
    .filter(({ name }) => !without.includes(name))
    .map(({ name, valueStart, end }) => [name, document.slice(valueStart, end)])
}

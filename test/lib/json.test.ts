import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isSecretManagerError, SecretManagerError } from '../../src/errors.ts'
import { parseDictionary, parseJson } from '../../src/lib/json.ts'

const NAN = 'NaN and Infinity are not JSON, although Python writes them'
const HALF = 'this string has half a surrogate pair'
const LARGE = 'this number is too large for a double'

const CANARY = 'c4n4ry-5e57b1'
const bytes = (text: string): Uint8Array => Buffer.from(text)
const nested = (depth: number): string => `${'[{"a":'.repeat(depth / 2)}1${'}]'.repeat(depth / 2)}`

function problemOf(read: () => unknown): SecretManagerError {
  try {
    read()
  } catch (error) {
    if (isSecretManagerError(error)) return error
    throw error
  }
  throw new Error('this was accepted')
}

/** What JSON.parse gives, with what it rounds in place of what was written. */
function exactly(value: unknown): unknown {
  if (typeof value === 'number') {
    const digits = JSON.stringify(value)
    return Number.isInteger(value) && !Number.isSafeInteger(value) && !digits.includes('e')
      ? BigInt(digits)
      : value
  }
  if (Array.isArray(value)) return value.map(exactly)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, exactly(part)]))
}

/** The same with ordinary prototypes, which equality asks for. */
function ordinary(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(ordinary)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [name, ordinary(part)]))
}

const SOUP = '{}[]:,"\\ -+.eE019truefalsn\n\u00a0\ufeff'

describe('parseJson', () => {
  test.each<[string, unknown]>([
    ['{}', {}],
    ['[]', []],
    ['""', ''],
    [' \t\r\n{ "a" : [ 1 , true , false , null ] } \n', { a: [1, true, false, null] }],
    ['{"":{"":0}}', { '': { '': 0 } }],
    [String.raw`"\"\\\/\b\f\n\r\t\u00e9\uD83D\uDE00"`, '"\\/\b\f\n\r\té😀'],
    [String.raw`"\u0000"`, '\0'],
    ['"é 漢 😀 \u2028 \u007f"', 'é 漢 😀 \u2028 \u007f'],
    ['0', 0],
    ['-0', -0],
    ['-12.5e+3', -12_500],
    ['1E2', 100],
    ['1.0', 1],
    ['0.1', 0.1],
    ['1e-400', 0],
    ['9007199254740991', 9_007_199_254_740_991],
    ['9007199254740992', 9_007_199_254_740_992n],
    ['-9007199254740993', -9_007_199_254_740_993n],
    ['123456789012345678901234567890', 123_456_789_012_345_678_901_234_567_890n],
    ['1e21', 1e21],
    ['{"a":1,"A":1,"\u00e1":1,"a\u0301":1}', { a: 1, A: 1, '\u00e1': 1, 'a\u0301': 1 }],
  ])('reads %s', (text, value) => {
    expect(ordinary(parseJson(bytes(text)))).toStrictEqual(value)
  })

  test('reads a view into a larger buffer', () => {
    expect(parseJson(bytes('xx{"a":1}yy').subarray(2, 9))).toMatchObject({ a: 1 })
  })

  test('X1: reads back what JSON.stringify writes', () => {
    fc.assert(
      fc.property(fc.jsonValue({ noUnicodeString: false }), fc.nat(3), (value, indent) => {
        const text = JSON.stringify(value, undefined, indent)
        const expected = exactly(JSON.parse(text))
        expect(ordinary(parseJson(bytes(text), { depth: 1000 }))).toStrictEqual(expected)
      }),
    )
  })

  test('X1: keeps every integer as it was written', () => {
    fc.assert(
      fc.property(fc.bigInt(), (integer) => {
        expect(`${parseJson(bytes(`${integer}`)) as bigint}`).toBe(`${integer}`)
      }),
    )
  })

  test('X1: accepts a text exactly when JSON.parse does, or refuses it by a rule of its own', () => {
    const soup = fc.array(fc.constantFrom(...SOUP.split(''), '"a"', 'null', '\\u', 'd800'))
    fc.assert(
      fc.property(soup, (parts) => {
        const text = parts.join('')
        const theirs = accepts(() => JSON.parse(text))
        const ours = accepts(() => parseJson(bytes(text)))
        const rule = /twice|too large|surrogate/
        expect(ours === theirs || rule.test(problemOf(() => parseJson(bytes(text))).message)).toBe(
          true,
        )
      }),
      { numRuns: 1000 },
    )
  })
})

/** Everything an error could be printed as; nothing when there was none. */
function shownBy(read: () => unknown): string {
  try {
    read()
    return ''
  } catch (error) {
    expect(isSecretManagerError(error)).toBe(true)
    expect((error as Error).cause).toBeUndefined()
    return `${String(error)} ${JSON.stringify(error)}`
  }
}

function accepts(read: () => unknown): boolean {
  try {
    read()
    return true
  } catch {
    return false
  }
}

describe('what parseDictionary refuses', () => {
  const invalid = (where: string, why: string): string =>
    `the document is not valid JSON at ${where}: ${why}`
  const refused = (where: string, why: string): string =>
    `the document is refused at ${where}: ${why}`

  test.each([
    ['nothing', '', invalid('byte 0 (in $)', 'it ends here, expected a value')],
    ['white space', ' \n', invalid('byte 2 (in $)', 'it ends here, expected a value')],
    ['an array', '[{}]', 'the document is an array, not a dictionary'],
    ['a string', `"${CANARY}"`, 'the document is a string, not a dictionary'],
    ['a number', '1', 'the document is a number, not a dictionary'],
    ['a big number', '9007199254740993', 'the document is a number, not a dictionary'],
    ['a boolean', 'true', 'the document is a boolean, not a dictionary'],
    ['null', 'null', 'the document is null, not a dictionary'],
    ['plain text', CANARY, invalid('byte 0 (in $)', 'expected a value')],
    ['YAML', `a: ${CANARY}`, invalid('byte 0 (in $)', 'expected a value')],
    ['a YAML alias', 'a: &a [*a,*a]', invalid('byte 0 (in $)', 'expected a value')],
    ['single quotes', `{'a':'b'}`, invalid('byte 1 (in $)', 'expected a name in double quotes')],
    [
      'a name without quotes',
      '{a:1}',
      invalid('byte 1 (in $)', 'expected a name in double quotes'),
    ],
    ['a number for a name', '{1:1}', invalid('byte 1 (in $)', 'expected a name in double quotes')],
    ['no colon', '{"é":{"a" 1}}', invalid('byte 11 (in $["\\u00e9"])', 'expected ":"')],
    ['no comma', '{"a":1 "b":2}', invalid('byte 7 (in $)', 'expected "," or "}"')],
    ['no comma in a list', '{"a":[1 2]}', invalid('byte 8 (in $.a)', 'expected "," or "]"')],
    ['a last comma', '{"a":1,}', invalid('byte 7 (in $)', 'expected a name in double quotes')],
    ['a last comma in a list', '{"a":[1,]}', invalid('byte 8 (in $.a[1])', 'expected a value')],
    ['no end', '{"a":{"b":[1', invalid('byte 12 (in $.a.b)', 'it ends here, expected "," or "]"')],
    ['no value', '{"a":', invalid('byte 5 (in $.a)', 'it ends here, expected a value')],
    [
      'a string without end',
      `{"a":"${CANARY}}`,
      invalid('byte 5 (in $.a)', 'this string has no end'),
    ],
    ['an escaped end', '{"a":"b\\"}', invalid('byte 5 (in $.a)', 'this string has no end')],
    ['two documents', '{}{}', invalid('byte 2 (in $)', 'expected the end of the document')],
    ['a NUL behind', '{}\0', invalid('byte 2 (in $)', 'expected the end of the document')],
    ['a no-break space', '{"a":\u00a01}', invalid('byte 5 (in $.a)', 'expected a value')],
    ['a leading zero', '{"a":01}', invalid('byte 5 (in $.a)', 'expected a value')],
    ['a plus sign', '{"a":+1}', invalid('byte 5 (in $.a)', 'expected a value')],
    ['hexadecimal', '{"a":0x10}', invalid('byte 5 (in $.a)', 'expected a value')],
    ["Python's True", '{"a":True}', invalid('byte 5 (in $.a)', 'expected a value')],
    ["Python's NaN", '{"a":NaN}', invalid('byte 5 (in $.a)', NAN)],
    ["Python's Infinity", '{"a":[-Infinity]}', invalid('byte 6 (in $.a[0])', NAN)],
    ['a raw NUL', '{"a":"b\0"}', invalid('byte 5 (in $.a)', 'a control character is not escaped')],
    ['a raw new line', '{"a\n":1}', invalid('byte 1 (in $)', 'a control character is not escaped')],
    [
      'an unknown escape',
      '{"a":"\\x"}',
      invalid('byte 5 (in $.a)', 'this string has an unknown escape'),
    ],
    [
      'half an escape',
      '{"a":"\\u12"}',
      invalid('byte 5 (in $.a)', 'this string has an unknown escape'),
    ],
    ['a lone high surrogate', '{"a":"\\ud800x"}', refused('byte 5 (in $.a)', HALF)],
    ['a lone low surrogate', '{"a":"\\uDC00"}', refused('byte 5 (in $.a)', HALF)],
    ['a lone surrogate in a name', '{"\\ud800":1}', refused('byte 1 (in $)', HALF)],
    ['an overflow', '{"a":1e400}', refused('byte 5 (in $.a)', LARGE)],
    ['a negative overflow', '{"a":-1e400}', refused('byte 5 (in $.a)', LARGE)],
    [
      'a name twice',
      '{"db":{"a":1,"a":2}}',
      refused('byte 17 (in $.db.a)', 'this name comes twice'),
    ],
    [
      'an escaped name twice',
      '{"a":1,"\\u0061":1}',
      refused('byte 16 (in $.a)', 'this name comes twice'),
    ],
    [
      '__proto__ twice',
      '{"__proto__":1,"__proto__":2}',
      refused('byte 27 (in $.__proto__)', 'this name comes twice'),
    ],
    [
      'depth 33',
      `{"a":${nested(32)}}`,
      refused(`byte 96 (in $.a${'[0].a'.repeat(15)}[0])`, 'it is nested deeper than 32 levels'),
    ],
  ])('X1: %s', (_name, text, message) => {
    const error = problemOf(() => parseDictionary(bytes(text)))
    expect(error.message).toBe(message)
    expect(error.code).toBe('SM_PAYLOAD_INVALID')
  })

  test.each([
    ['Latin-1', [0x7b, 0x22, 0xe9, 0x22, 0x3a, 0x31, 0x7d], 'the document is not UTF-8 at byte 2'],
    ['overlong', [0x22, 0xc0, 0x80, 0x22], 'the document is not UTF-8 at byte 1'],
    ['an encoded surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22], 'the document is not UTF-8 at byte 1'],
    ['cut off', [0x22, 0xe2, 0x82], 'the document is not UTF-8 at byte 1'],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0], 'the document is not UTF-8 but UTF-16: save it as UTF-8'],
    [
      'a BOM',
      [0xef, 0xbb, 0xbf, 0x7b, 0x7d],
      'the document begins with a byte order mark: save it as UTF-8 without one',
    ],
  ])('X1: %s', (_name, document, message) => {
    const error = problemOf(() => parseDictionary(Uint8Array.from(document)))
    expect(error).toMatchObject({ message, code: 'SM_PAYLOAD_INVALID' })
  })

  test('X1: a name cannot write into a log', () => {
    const name = `\u001b[2J\n\u202e"]${'x'.repeat(100)}`
    const error = problemOf(() =>
      parseDictionary(bytes(JSON.stringify({ [name]: NaN }).replace('null', '?'))),
    )
    expect(error.message).toMatch(/^[ -~]*$/)
    expect(error.message).toContain('in $["\\u001b[2J\\u000a\\u202e\\u0022]xxx')
    expect(error.message.length).toBeLessThan(250)
  })
})

describe('limits', () => {
  const names = (count: number): string =>
    JSON.stringify(Object.fromEntries(Array.from({ length: count }, (_, i) => [`n${i}`, i])))
  const list = (count: number): string =>
    JSON.stringify({ a: Array.from({ length: count - 1 }, () => 0) })

  test('X1: depth 32, 10000 entries and 786395 bytes are read', () => {
    expect(parseJson(bytes(nested(32)))).toHaveLength(1)
    expect(Object.keys(parseDictionary(bytes(names(10_000))))).toHaveLength(10_000)
    expect(parseDictionary(bytes(list(10_000)))['a']).toHaveLength(9_999)
    expect(parseDictionary(bytes(`{"a":"${'x'.repeat(786_395 - 8)}"}`))).toHaveProperty('a')
  })

  test.each([
    ['names', names(10_001)],
    ['list elements', list(10_001)],
    ['names by far', names(50_000)],
  ])('X1: more %s are refused', (_name, text) => {
    const { message, code } = problemOf(() => parseDictionary(bytes(text)))
    expect(message).toMatch(
      /^the document is refused at byte \d+ \(in \$\S+\): it has more than 10000 entries$/,
    )
    expect(code).toBe('SM_PAYLOAD_INVALID')
  })

  test('X1: more bytes are refused before they are looked at', () => {
    const { message, code } = problemOf(() => parseJson(new Uint8Array(786_396).fill(0xff)))
    expect(message).toBe('the document has 786396 bytes, the most is 786395')
    expect(code).toBe('SM_TOO_LARGE')
  })

  test('X1: depth 10000 and 786395 brackets end in an error, not in the stack', () => {
    for (const text of [
      '['.repeat(786_395),
      '{"a":'.repeat(10_000),
      '"'.repeat(786_395),
      `"${'\\"'.repeat(393_000)}`,
    ]) {
      expect(problemOf(() => parseJson(bytes(text))).code).toBe('SM_PAYLOAD_INVALID')
    }
  })

  test('can be set', () => {
    expect(problemOf(() => parseJson(bytes('[[]]'), { depth: 1 })).message).toContain(
      'deeper than 1 ',
    )
    expect(problemOf(() => parseJson(bytes('[1,2]'), { entries: 1 })).message).toContain(
      'than 1 entries',
    )
    expect(problemOf(() => parseJson(bytes('[1,2]'), { bytes: 4 })).code).toBe('SM_TOO_LARGE')
  })
})

describe('Q10', () => {
  test('I18: objects have no prototype and special names are entries', () => {
    const object = parseDictionary(bytes('{"__proto__":{"x":1},"constructor":2,"a":{}}'))
    expect(Object.keys(object)).toEqual(['__proto__', 'constructor', 'a'])
    expect(Object.getPrototypeOf(object)).toBeNull()
    expect(Object.getPrototypeOf(object['a'])).toBeNull()
    expect('x' in {}).toBe(false)
  })

  const document = JSON.stringify({
    db: { user: CANARY, password: `${CANARY}"\\\n,:{}[]é😀`, port: 5432 },
    list: [CANARY, [CANARY], { key: CANARY, other: null }, 1.5],
    [`odd name`]: `":"${CANARY}":"`,
  })
  const edit = fc.record({
    at: fc.nat(Buffer.byteLength(document)),
    remove: fc.nat(2),
    insert: fc
      .uint8Array({ maxLength: 2 })
      .chain((some) =>
        fc.constantFrom(
          some,
          ...'{}[]:,"\\0e-'.split('').map((character) => Buffer.from(character)),
        ),
      ),
  })

  test('I10: whatever is edited, the result is data or an error without a value', () => {
    fc.assert(
      fc.property(fc.array(edit, { minLength: 1, maxLength: 3 }), (edits) => {
        const edited = edits.reduce(
          (old, { at, remove, insert }) =>
            Buffer.concat([old.subarray(0, at), insert, old.subarray(at + remove)]),
          Buffer.from(document),
        )
        expect(shownBy(() => parseDictionary(edited))).not.toContain(CANARY)
      }),
      { numRuns: 1000 },
    )
  })

  test('I10: every single byte changed, removed or cut off is data or an error without a value', () => {
    const original = Buffer.from(document)
    const cuts = Array.from(original, (_, at) => original.subarray(0, at))
    const removals = Array.from(original, (_, at) =>
      Buffer.concat([original.subarray(0, at), original.subarray(at + 1)]),
    )
    const changes = Array.from(original, (_, at) =>
      ['"', ':', ',', '{', '}', '\\', 'x', '\0'].map((byte) => {
        const changed = Buffer.from(original)
        changed.write(byte, at)
        return changed
      }),
    ).flat()
    for (const edited of [...cuts, ...removals, ...changes]) {
      expect(shownBy(() => parseDictionary(edited))).not.toContain(CANARY)
    }
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { documentOf, formatOfName, type InputFormat } from '../../src/authoring/input.ts'
import { isSecretManagerError, type SecretManagerError } from '../../src/errors.ts'
import { parseDictionary } from '../../src/lib/json.ts'

const CANARY = 'CANARY-plaintext-value'

describe('the format that a name tells', () => {
  test.each([
    ['app.json', 'json'],
    ['a/b/app.YAML', 'yaml'],
    ['app.yml', 'yaml'],
    ['.env', 'env'],
    ['deploy/.env', 'env'],
    ['.env.production', 'env'],
    ['app.env', 'env'],
    ['environment', 'json'],
    ['env.d/app', 'json'],
    ['/dev/fd/63', 'json'],
    ['app.pem', 'json'],
  ])('%s: %s', (name, format) => {
    expect(formatOfName(name)).toBe(format)
  })
})

describe('what is kept byte for byte', () => {
  test.each([
    ['json', '{}'],
    ['json', ' {\r\n"a":1.10,\t"b":12345678901234567890}\n'],
    ['bytes', ''],
    ['bytes', '\uFEFFanything'],
  ] as const)('%s %j', async (format, text) => {
    const input = Buffer.from(text)
    expect(await documentOf(input, format, 'it')).toEqual(input)
  })

  test('P: any bytes as bytes', async () => {
    const input = Uint8Array.from({ length: 512 }, (_, at) => at % 256)
    expect(await documentOf(input, 'bytes', 'it')).toEqual(input)
  })
})

describe('what becomes JSON', () => {
  test.each<readonly [InputFormat, string, unknown]>([
    ['env', 'A=1\r\nB="two words"\r\n', { A: '1', B: 'two words' }],
    ['env', "# comment\n\n export A = 'a#b' # why\nB=\n", { A: 'a#b', B: '' }],
    [
      'env',
      'PEM="-----BEGIN\nMII\n-----END"\nA=x # comment\n',
      { PEM: '-----BEGIN\nMII\n-----END', A: 'x' },
    ],
    ['env', 'A=`it\'s "b"`', { A: 'it\'s "b"' }],
    ['env', 'A="x\r\ny"', { A: 'x\ny' }],
    ['env', 'URL=redis://user:p=w@host/0?x=1', { URL: 'redis://user:p=w@host/0?x=1' }],
    [
      'yaml',
      'a: text\nb:\n  - 1\n  - two\nc: {d: null, e: true}\n',
      { a: 'text', b: [1, 'two'], c: { d: null, e: true } },
    ],
    ['yaml', 'port: 0x1F\nday: 2026-01-01\nno: no\n', { port: 31, day: '2026-01-01', no: 'no' }],
    [
      'yaml',
      'base: &base {a: 1}\napp: {<<: *base, b: 2}\n',
      { base: { a: 1 }, app: { a: 1, b: 2 } },
    ],
    ['yaml', '{}', {}],
    ['yaml', 'empty: {}\nlist: []\r\n', { empty: {}, list: [] }],
  ])('%s %j', async (format, text, expected) => {
    expect(JSON.parse(await textOf(text, format))).toEqual(expected)
  })

  test('integers of YAML keep all their digits', async () => {
    expect(await textOf('id: 12345678901234567890', 'yaml')).toBe(
      '{\n  "id": 12345678901234567890\n}\n',
    )
  })

  test('a name like any other: __proto__', async () => {
    expect(await textOf('__proto__: x', 'yaml')).toBe('{\n  "__proto__": "x"\n}\n')
  })

  test('P: every dictionary of texts survives as .env in quotes that it does not have', async () => {
    const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,8}$/)
    const value = fc.string({ unit: 'grapheme' }).filter((text) => !/['\r\\]/.test(text))
    await fc.assert(
      fc.asyncProperty(fc.dictionary(name, value, { minKeys: 1 }), async (entries) => {
        const env = Object.entries(entries).map(([key, text]) => `${key}='${text}'\n`)
        const read = JSON.parse(await textOf(env.join(''), 'env'))
        expect(read).toEqual({ ...entries })
      }),
    )
  })

  test('P: every JSON dictionary is the same dictionary as YAML', async () => {
    const dictionary = fc.dictionary(
      fc.string().filter((name) => name !== '<<'),
      fc.jsonValue({ maxDepth: 3 }),
    )
    await fc.assert(
      fc.asyncProperty(dictionary, async (entries) => {
        const text = JSON.stringify(entries)
        const read = parseDictionary(Buffer.from(await textOf(text, 'yaml')))
        expect(read).toEqual(parseDictionary(Buffer.from(text)))
      }),
    )
  })
})

describe('I10: what is refused is told by place, never by content', () => {
  const c = CANARY
  test.each<readonly [InputFormat, string, string]>([
    ['json', `{"a": "${c}", "a": 1}`, 'name'],
    ['json', `["${c}"]`, 'an array, not a dictionary'],
    ['json', `"${c}"`, 'a string, not a dictionary'],
    ['json', '', 'it'],
    ['json', `\uFEFF{"a": "${c}"}`, 'byte order mark'],
    ['json', `a: ${c}`, 'it'],
    ['yaml', `a: ${c}\na: ${c}2`, 'duplicate key at line 2'],
    ['yaml', `1: ${c}\n`, 'a name that is no text'],
    ['yaml', `? {a: b}\n: ${c}\n`, 'a name that is no text'],
    ['yaml', `a: !vault ${c}\n`, 'tag resolve failed at line 1'],
    ['yaml', `a: .inf\nb: ${c}`, 'a number that JSON cannot say'],
    ['yaml', `a: "${c}\n`, 'at line'],
    ['yaml', `a: ${c}\n---\nb: 1\n`, 'multiple docs'],
    ['yaml', `- ${c}`, 'it is not a dictionary'],
    ['yaml', c, 'it is not a dictionary'],
    ['yaml', '', 'it is not a dictionary'],
    ['yaml', `\uFEFFa: ${c}`, 'byte order mark'],
    ['yaml', `a: "\\ud800 ${c}"`, 'it'],
    ['env', `A=1\nA=${c}`, 'line 2 of it names an entry again'],
    ['env', `A=1\n${c}\n`, 'line 2 of it is no assignment'],
    ['env', `A="${c}\nB=1`, 'line 1 of it opens a quote that is not closed'],
    ['env', `A="${c}"x\n`, 'line 1 of it has text behind a quote'],
    ['env', `A="${c}\\"x"\n`, 'line 1 of it has text behind a quote'],
    ['env', `A=${c}#x\n`, 'line 1 of it has # in a value without quotes'],
    ['env', `A=${c}\rB=1\n`, 'line 1 of it has a carriage return inside'],
    ['env', `1A=${c}`, 'line 1 of it is no assignment'],
    ['env', `A B=${c}`, 'line 1 of it is no assignment'],
    ['env', `__proto__=${c}`, 'line 1 of it cannot be read'],
    ['env', '# nothing\n', 'it has no entry'],
    ['env', '', 'it has no entry'],
    ['env', `\uFEFFA=${c}`, 'byte order mark'],
  ])('%s %j', async (format, text, told) => {
    const error = await refusal(Buffer.from(text), format)
    expect(error.code).toBe('SM_PAYLOAD_INVALID')
    expect(error.message).toContain(told)
    expect(error.message.startsWith('the document')).toBe(false)
    expect(`${error.message} ${error.hint}`).not.toContain('CANARY')
    expect(error.hint).not.toContain('decrypted')
  })

  test.each(['json', 'yaml', 'env'] as const)('%s that is not UTF-8', async (format) => {
    const error = await refusal(Uint8Array.of(0x41, 0x3d, 0xff), format)
    expect(error.message).toContain('not UTF-8')
  })

  test('YAML that is nested without end', async () => {
    const error = await refusal(Buffer.from('['.repeat(20_000)), 'yaml')
    expect(error.message).toContain('not usable as YAML')
  })

  test('YAML whose aliases multiply', async () => {
    const levels = Array.from(
      { length: 12 },
      (_, at) => `a${at + 1}: &a${at + 1} [${`*a${at},`.repeat(9)}]`,
    )
    const error = await refusal(Buffer.from(['a0: &a0 [x]', ...levels].join('\n')), 'yaml')
    expect(error.message).toContain('aliases')
  })
})

async function textOf(text: string, format: InputFormat): Promise<string> {
  return Buffer.from(await documentOf(Buffer.from(text), format, 'it')).toString()
}

async function refusal(input: Uint8Array, format: InputFormat): Promise<SecretManagerError> {
  const error: unknown = await documentOf(input, format, 'it').catch((reason: unknown) => reason)
  if (isSecretManagerError(error)) return error
  throw new TypeError('nothing was refused')
}

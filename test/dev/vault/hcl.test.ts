import { describe, expect, test } from 'vitest'
import { parseHcl } from '../../../src/dev/vault/policy/hcl.ts'

/** Keys, labels and plain values, without places. */
function plain(text: string): unknown {
  return parseHcl(text).map(({ key, labels, value }) => [[key].concat(labels), value.plain])
}

describe('HCL', () => {
  test.each([
    ['', []],
    ['# only\n// comments\n/* of\nevery kind */', []],
    ['name = "x"', [[['name'], 'x']]],
    ['path "a" { }', [[['path', 'a'], {}]]],
    ['path a { }', [[['path', 'a'], {}]]],
    ['a = [1, "two", true,]', [[['a'], [1, 'two', true]]]],
    ['a = { b = 1, "c" = [], d: false }', [[['a'], { b: 1, c: [], d: false }]]],
    ['a { b = 1 c = 2 }', [[['a'], { b: 1, c: 2 }]]],
    [String.raw`a = "q\"\\\n"`, [[['a'], 'q"\\\n']]],
    ['a = -1.5', [[['a'], -1.5]]],
    [
      'a = <<EOT\none\ntwo\nEOT\nb = 1',
      [
        [['a'], 'one\ntwo\n'],
        [['b'], 1],
      ],
    ],
    ['a = "#not a comment"', [[['a'], '#not a comment']]],
    ['{"path": {"a": {"capabilities": ["read"]}}}', [[['path', 'a'], { capabilities: ['read'] }]]],
  ])('reads %j', (text, expected) => {
    expect(plain(text)).toEqual(expected)
  })

  test.each([
    ['path "a" {', 'At 1:12: object expected closing RBRACE got: EOF'],
    ['a = [1 2]', 'At 1:10: object expected closing RBRACE got: EOF'],
    ['a = }', 'At 1:5: Unknown token: }'],
    ['\n  = 1', 'At 2:3: expected: IDENT | STRING got: ='],
    ['a ]', `At 1:3: key 'a' expected start of object ('{') or assignment ('=')`],
    ['{"path": ', 'At 1:1: invalid JSON'],
  ])('refuses %j and says where', (text, error) => {
    expect(() => parseHcl(text)).toThrow(error)
  })

  test('tells where a value and its assignment stand', () => {
    const [item] = parseHcl('\na = "x"')
    expect(item).toMatchObject({ assignLine: 2, value: { line: 2, column: 5 } })
  })
})

/** The short reader of policies, held against the embedded Vault's own, which is held against a real one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createAcl } from '../../src/dev/vault/policy/acl.ts'
import { parsePolicy } from '../../src/dev/vault/policy/policy.ts'
import { rulesOf, type PathRule } from '../../src/doctor/access/policy-text.ts'
import { mayUpdate, type Grant } from '../../src/doctor/access/policy.ts'
import { CORPUS } from './policy-corpus.ts'
import { anyText, blocks, chooser, choices, DECRYPT, plainText } from './policy-syntax.ts'

function decrypts(...policies: readonly string[]): Grant {
  return mayUpdate(policies.flatMap(read), DECRYPT)
}

function read(text: string): readonly PathRule[] {
  return rulesOf(text) ?? expect.unreachable(`not read: ${text}`)
}

function sorted(rules: readonly PathRule[]): readonly PathRule[] {
  return rules.map((rule) => ({ ...rule, capabilities: rule.capabilities.toSorted() }))
}

describe('who may decrypt', () => {
  test.each(CORPUS.map(([name, text, isGranted]) => [name, text, isGranted ? 'yes' : 'no']))(
    '%s',
    (_how, text, expected) => {
      expect(decrypts(text ?? '')).toBe(expected)
    },
  )

  test('of several policies, what is denied by one is denied', () => {
    const yes = 'path "transit/decrypt/app" { capabilities = ["update"] }'
    const no = 'path "transit/decrypt/app" { capabilities = ["deny"] }'
    expect(decrypts(yes, no)).toBe('no')
  })

  test.each<[string, string, Grant]>([
    [
      'a template grants',
      'path "transit/decrypt/{{identity.entity.name}}" { policy = "write" }',
      'maybe',
    ],
    ['a template within', 'path "{{identity.entity.id}}/dec*" { policy = "write" }', 'maybe'],
    [
      'a template elsewhere',
      'path "transit/encrypt/{{identity.entity.id}}" { policy = "write" }',
      'no',
    ],
    [
      'a template in another mount',
      'path "kv/{{identity.entity.id}}/app" { policy = "write" }',
      'no',
    ],
    [
      'a template denies',
      'path "transit/*" { policy = "write" } path "transit/decrypt/{{identity.entity.name}}" { policy = "deny" }',
      'maybe',
    ],
    [
      'a template adds nothing',
      'path "transit/decrypt/app" { policy = "write" } path "{{identity.entity.id}}*" { policy = "read" }',
      'yes',
    ],
    [
      'a template grants what is denied',
      'path "transit/decrypt/app" { policy = "deny" } path "transit/decrypt/{{identity.entity.id}}" { policy = "write" }',
      'no',
    ],
    [
      'until a day',
      'path "transit/*" { policy = "write" expiration = "2030-01-01T00:00:00Z" }',
      'maybe',
    ],
    [
      'denied until a day',
      'path "transit/*" { policy = "write" } path "transit/decrypt/app" { policy = "deny" expiration = "2030-01-01T00:00:00Z" }',
      'maybe',
    ],
    [
      'with a field of a later version',
      'path "transit/*" { policy = "write" moon = "full" }',
      'maybe',
    ],
  ])('%s: what depends is said to', (_how, text, expected) => {
    expect(decrypts(text)).toBe(expected)
  })

  test.each<string>([
    'path "a" {',
    'path "a" { } }',
    'path a = { }',
    'path "a" = { }',
    'path = "a"',
    'path = [{ }]',
    'rule "x" { }',
    '{"path":',
    '{"path":{"a":{"capabilities":["update"]}},"path":{}}',
    '{"path":{"a":[{"capabilities":["update"]}]}}',
    '{"path":{"a":{"allowed_parameters":{"policy":["a"]}}}}',
    '{"path":{"a":"write"}}',
    'path "a" { capabilities = "update" }',
    'path "a" { capabilities = ["update" "read"] }',
    'path "a" { capabilities = [update] }',
    'path "a" { capabilities = [<<EOT\nupdate\nEOT\n] }',
    'path "a" { Capabilities = ["update"] }',
    'path "a" { policy = "admin" }',
    'path "\\057transit/*" { policy = "write" }',
    'path "a" { comment = <<EOT\n} EOT\n}',
    'path "a" { comment = <<-EOT\n}\nEOT\n}',
    'path "a" { /* }',
    'path "${a("}")}" { }',
    `path "a" { x = ${'['.repeat(40)}${']'.repeat(40)} }`,
    'path "\\ud800" { }',
    'path "a" { comment = "${ "}" }" }',
    'path "a\nb" { }',
    "path 'a' { }",
  ])('what Vault may read otherwise is said not to be understood: %s', (text) => {
    expect(rulesOf(text)).toBeUndefined()
  })

  test('a policy as large as Vault takes one is read', () => {
    const rule = 'path "secret/data/team/app" { capabilities = ["read"] }\n'
    const text = `${rule.repeat(10_000)}path "b" { comment = "${'x'.repeat(100_000)}" }`
    expect(rulesOf(text)).toHaveLength(10_001)
  })

  test('one that no storage of Vault could hold is not understood, and breaks nothing', () => {
    expect(rulesOf(`path "b" { comment = "${'x'.repeat(32_000_000)}" }`)).toBeUndefined()
  })

  test('the same as Vault says, for any policies', () => {
    fc.assert(
      fc.property(blocks, (policy) => {
        const capabilities = createAcl(parsePolicy(plainText(policy))).capabilities(DECRYPT)
        const expected = capabilities.includes('update') && !capabilities.includes('deny')
        expect(decrypts(plainText(policy))).toBe(expected ? 'yes' : 'no')
      }),
      { numRuns: 1000 },
    )
  })

  test('the same in whatever syntax it is written', () => {
    fc.assert(
      fc.property(blocks, choices, (policy, numbers) => {
        const text = anyText(policy, chooser(numbers))
        expect(sorted(read(text))).toEqual(sorted(read(plainText(policy))))
      }),
      { numRuns: 1500 },
    )
  })

  test('no text at all is read as one that grants nothing where it is none', () => {
    const piece = fc.constantFrom(
      'path',
      '"a"',
      '{',
      '}',
      '[',
      ']',
      '=',
      ',',
      '"',
      '<<A\n',
      '/*',
      '# ',
    )
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const rules = rulesOf(pieces.join(' '))
        // What is read has a block for every `path` that is no comment.
        const told = pieces.join(' ').replaceAll(/#[^\n]*/g, '')
        expect(rules === undefined || rules.length > 0 || !/path "a" \{/.test(told)).toBe(true)
      }),
      { numRuns: 1000 },
    )
  })
})

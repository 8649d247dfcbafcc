/** The short reader of policies, held against the embedded Vault's own, which is held against a real one. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { createAcl } from '../../src/dev/vault/policy/acl.ts'
import { parsePolicy } from '../../src/dev/vault/policy/policy.ts'
import { grants, rulesOf } from '../../src/doctor/access/policy.ts'

const DECRYPT = 'transit/decrypt/app'

function decrypts(...policies: readonly string[]): boolean {
  return grants(
    policies.flatMap((text) => rulesOf(text) ?? []),
    DECRYPT,
    ['update', 'create'],
  )
}

describe('who may decrypt', () => {
  test.each<[string, string, boolean]>([
    ['exactly', 'path "transit/decrypt/app" { capabilities = ["update"] }', true],
    ['by a prefix', 'path "transit/*" {\n  capabilities = [ "read", "create" ]\n}', true],
    ['by a segment', 'path "transit/+/app" { capabilities = ["update"] }', true],
    [
      'by a template',
      'path "transit/decrypt/{{identity.entity.name}}" { capabilities = ["update"] }',
      true,
    ],
    ['in the old form', 'path "transit/decrypt/app" { policy = "write" }', true],
    ['in JSON', '{"path":{"transit/decrypt/app":{"capabilities":["update"]}}}', true],
    [
      'with comments',
      '# a\n// b\n/* path */ path "transit/decrypt/app" { capabilities = ["update"] # c\n }',
      true,
    ],
    [
      'with parameters',
      'path "transit/decrypt/app" { allowed_parameters = { "context" = ["capabilities", "]"] }\n capabilities = ["update"] }',
      true,
    ],
    ['another key', 'path "transit/decrypt/apps" { capabilities = ["update"] }', false],
    ['only reading', 'path "transit/decrypt/app" { capabilities = ["read"] }', false],
    ['denied', 'path "transit/decrypt/app" { capabilities = ["deny", "update"] }', false],
    [
      'denied more exactly',
      'path "transit/*" { capabilities = ["update"] }\npath "transit/decrypt/*" { capabilities = ["deny"] }',
      false,
    ],
    ['in a comment alone', '# path "transit/decrypt/app" { capabilities = ["update"] }', false],
  ])('%s', (_how, text, expected) => {
    expect(decrypts(text)).toBe(expected)
  })

  test('of several policies, what is denied by one is denied', () => {
    const yes = 'path "transit/decrypt/app" { capabilities = ["update"] }'
    const no = 'path "transit/decrypt/app" { capabilities = ["deny"] }'
    expect(decrypts(yes, no)).toBe(false)
  })

  test.each(['path "a" {', 'path a { }', 'rule "x" { }', '{"path":'])(
    'what cannot be understood is said to be so: %s',
    (text) => {
      expect(rulesOf(text)).toBeUndefined()
    },
  )

  test('the same as Vault says, for any policies', () => {
    const segment = fc.constantFrom('transit', 'decrypt', 'app', '+', 'other', 'de')
    const path = fc
      .tuple(fc.array(segment, { minLength: 1, maxLength: 3 }), fc.constantFrom('', '*', '/*'))
      .map(([parts, end]) => `${parts.join('/')}${end}`)
      // Vault refuses such a policy.
      .filter((text) => !text.includes('+*'))
    const capability = fc.constantFrom('create', 'read', 'update', 'deny', 'list')
    const rule = fc.record({ path, capabilities: fc.uniqueArray(capability, { minLength: 1 }) })
    fc.assert(
      fc.property(fc.uniqueArray(rule, { selector: (one) => one.path, maxLength: 5 }), (rules) => {
        const text = rules
          .map((one) => `path "${one.path}" { capabilities = ${JSON.stringify(one.capabilities)} }`)
          .join('\n')
        const asked = createAcl(parsePolicy(text)).capabilities(DECRYPT)
        const expected = asked.includes('update') || asked.includes('create')
        expect(decrypts(text)).toBe(expected && !asked.includes('deny'))
      }),
      { numRuns: 2000 },
    )
  })
})

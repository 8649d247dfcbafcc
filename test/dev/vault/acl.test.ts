import { describe, expect, test } from 'vitest'
import { createAcl } from '../../../src/dev/vault/policy/acl.ts'
import { parsePolicy } from '../../../src/dev/vault/policy/policy.ts'

/** Every path grants `read` and a capability that tells which rule decided. */
function deciding(first: string, second: string, path: string): string {
  const acl = createAcl(
    parsePolicy(`path "${first}" { capabilities = ["create"] }
                 path "${second}" { capabilities = ["delete"] }`),
  )
  const [capability] = acl.capabilities(path)
  return { create: first, delete: second }[capability ?? ''] ?? 'none'
}

describe('priority of paths', () => {
  // The more specific pattern first; each row is one step of Vault's order.
  test.each([
    ['a/b', 'a/*', 'a/b'],
    ['a/b', 'a/+', 'a/b'],
    ['a/b*', 'a/*', 'a/bc'],
    ['a/b/+', 'a/+/c', 'a/b/c'],
    ['a/b*', 'a/+', 'a/bc'],
    ['a/+', 'a/*', 'a/b'],
    ['a/+/b', 'a/+/b*', 'a/x/b'],
    ['a/+/b/c', 'a/+/+/c', 'a/x/b/c'],
    ['a/+/bb*', 'a/+/b*', 'a/x/bbb'],
    ['a/*', '*', 'a/b'],
    ['a/*', 'b/*', 'a/b'],
  ])('%s decides before %s for %s, in whatever order they are written', (winner, loser, path) => {
    expect(deciding(winner, loser, path)).toBe(winner)
    expect(deciding(loser, winner, path)).toBe(winner)
  })

  test.each([
    ['a/+', 'a/b/c'],
    ['a/+', 'a'],
    ['a/+/c', 'a/b/d'],
    ['a/b', 'a/b/c'],
    ['a/b/*', 'a/b'],
    ['+', 'a/b'],
    ['a*b', 'axb'],
  ])('%s says nothing about %s', (pattern, path) => {
    const acl = createAcl(parsePolicy(`path "${pattern}" { capabilities = ["read"] }`))
    expect(acl.capabilities(path)).toEqual(['deny'])
  })
})

describe('merging policies', () => {
  const allows = (policies: readonly string[], data: Readonly<Record<string, unknown>>): boolean =>
    createAcl(policies.flatMap(parsePolicy)).allows({ kind: 'update', path: 'p', data })
  const rule = (body: string): string => `path "p" { capabilities = ["update"] ${body} }`

  test('deny wins, whichever comes first', () => {
    const deny = 'path "p" { capabilities = ["deny"] }'
    expect(allows([rule(''), deny], {})).toBe(false)
    expect(allows([deny, rule('')], {})).toBe(false)
  })

  test('allowed values add up, and an empty list allows every value', () => {
    const one = rule('allowed_parameters = { "a" = ["1"] }')
    const two = rule('allowed_parameters = { "a" = ["2"], "b" = [] }')
    const any = rule('allowed_parameters = { "a" = [] }')
    expect(allows([one, two], { a: '2', b: 'x' })).toBe(true)
    expect(allows([one, two], { a: '3' })).toBe(false)
    expect(allows([one, any], { a: '3' })).toBe(true)
  })

  test('denied parameters win over allowed ones', () => {
    const allowed = rule('allowed_parameters = { "*" = [] }')
    const denied = rule('denied_parameters = { "A" = ["x*"] }')
    expect(allows([allowed, denied], { a: 'y' })).toBe(true)
    expect(allows([allowed, denied], { a: 'xy' })).toBe(false)
    expect(allows([rule('denied_parameters = { "*" = [] }')], { a: 'y' })).toBe(false)
  })

  test('required parameters of all policies are required', () => {
    const policies = [rule('required_parameters = ["a"]'), rule('required_parameters = ["b"]')]
    expect(allows(policies, { a: 1, b: 1 })).toBe(true)
    expect(allows(policies, { a: 1 })).toBe(false)
  })
})

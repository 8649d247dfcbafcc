import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isDnsSubdomain, isPathSegments, isRoleName } from '../../src/lib/names.ts'
import { renewerName, reviewerName } from '../../src/provision/names.ts'

/** Whatever Vault can be told to mount an auth method at, and what comes near to one another. */
const mount = fc
  .oneof(
    fc.stringMatching(/^[ak][-._/]?[akAK]?[-._]?$/),
    fc.stringMatching(/^[A-Za-z0-9_.-]{1,20}(\/[A-Za-z0-9_.-]{1,20}){0,2}$/),
    fc.stringMatching(/^[a-z0-9-]{20,80}$/),
    fc.nat(300).map((length) => `k${'a'.repeat(length)}`),
  )
  .filter(isPathSegments)

describe.each([
  ['renewer', renewerName, 52],
  ['reviewer', reviewerName, 253],
] as const)('the name of a %s', (what, nameOf, longest) => {
  test('is another one for each mount', () => {
    fc.assert(
      fc.property(mount, mount, (one, other) => {
        expect(nameOf(one) === nameOf(other)).toBe(one === other)
      }),
      { numRuns: 2000 },
    )
  })

  test.each([
    ['k/a', 'k-a'],
    ['K8s', 'k8s'],
    ['k.a', 'k_a'],
    ['k-', 'k'],
    [`${'k'.repeat(60)}a`, `${'k'.repeat(60)}b`],
    [`${'k'.repeat(300)}a`, `${'k'.repeat(300)}b`],
  ])('%s and %s have two', (one, other) => expect(nameOf(one)).not.toBe(nameOf(other)))

  test('is one of Kubernetes and of Vault, whatever the mount', () => {
    fc.assert(
      fc.property(mount, (one) => {
        const name = nameOf(one)
        expect({ name, is: isDnsSubdomain(name) }).toEqual({ name, is: true })
        expect({ name, is: isRoleName(name) && name === name.toLowerCase() }).toEqual({
          name,
          is: true,
        })
        expect(name.length).toBeLessThanOrEqual(longest)
      }),
    )
  })

  test.each(['kubernetes', 'kubernetes-default', 'k8s', '1', 'auth-kv-1-2'])(
    '%s stands in it as it is',
    (one) => expect(nameOf(one)).toBe(`secretmanager-${what}-${one}`),
  )
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { closest } from '../../src/lib/closest.ts'

const WORDS = ['namespace', 'vault', 'role', 'caCert', 'vault_url', 'mountedAt']

describe('closest', () => {
  test.each([
    ['namespcae', 'namespace'],
    ['NAMESPACE', 'namespace'],
    ['namespace', 'namespace'],
    ['valut', 'vault'],
    ['roles', 'role'],
    ['ca_cert', 'caCert'],
    ['ca-cert', 'caCert'],
    ['vaultUrl', 'vault_url'],
    ['vault_uri', 'vault_url'],
    ['mountAt', 'mountedAt'],
  ])('%s was meant as %s', (word, meant) => {
    expect(closest(word, WORDS)).toBe(meant)
  })

  test.each([[''], ['x'], ['password'], ['user_role'], ['log_level'], ['a'.repeat(65)]])(
    '%j was meant as none',
    (word) => {
      expect(closest(word, WORDS)).toBeUndefined()
    },
  )

  test('the nearest wins, and of equals the first', () => {
    expect(closest('cats', ['bats', 'cat', 'cots'])).toBe('bats')
    expect(closest('hosts', ['posts', 'hosts', 'costs'])).toBe('hosts')
  })

  test('Q12: no word and no candidates throw', () => {
    fc.assert(
      fc.property(fc.string(), fc.array(fc.string()), (word, candidates) => {
        const found = closest(word, candidates)
        expect(found === undefined || candidates.includes(found)).toBe(true)
      }),
    )
  })
})

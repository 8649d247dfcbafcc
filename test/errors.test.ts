import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { inContext, isSecretManagerError, SecretManagerError, withFacts } from '../src/errors.ts'

describe('SecretManagerError', () => {
  test('takes component, exit code, retryability and hint from the table', () => {
    const error = new SecretManagerError('SM_VAULT_SEALED', 'vault is sealed')
    expect(error).toMatchObject({ component: 'vault', exitCode: 5, retryable: true, attempts: 1 })
    expect(error.hint).toContain('vault operator unseal')
    expect(error.name).toBe('SecretManagerError')
  })

  test('prints nothing of what is not known', () => {
    const error = new SecretManagerError('SM_ABORTED', 'the call was aborted')
    expect(inspect(error)).not.toContain('undefined')
    expect(JSON.parse(JSON.stringify(error))).not.toHaveProperty('requestId')
  })

  test('keeps what is known through withFacts and inContext', () => {
    const facts = { status: 403, requestId: 'id-1', causeClass: 'X', hint: 'do this' }
    const error = new SecretManagerError('SM_VAULT_DENIED', 'vault denied it', facts)
    const told = inContext(withFacts(error, { attempts: 3, elapsedMs: 20 }), 'cannot read a')
    expect(told).toMatchObject({ ...facts, attempts: 3, elapsedMs: 20 })
    expect(told.message).toBe('cannot read a: vault denied it')
  })

  test('keeps the problems that its message lists, and prints them once', () => {
    const error = new SecretManagerError('SM_CONFIG_INVALID', 'it is not valid: one; two', {
      problems: ['one', 'two'],
    })
    expect(withFacts(error, { hint: 'mend it' }).problems).toEqual(['one', 'two'])
    expect(inspect(error).match(/two/g)).toHaveLength(1)
    expect(error.toJSON()).not.toHaveProperty('problems')
    expect(new SecretManagerError('SM_CONFIG_INVALID', 'x')).not.toHaveProperty('problems')
  })

  test('is known by its brand, also where another copy of the package made it', () => {
    const brand = { [Symbol.for('secretmanager.error')]: true }
    expect(isSecretManagerError(brand)).toBe(true)
    expect(isSecretManagerError(new Error('another'))).toBe(false)
    expect(isSecretManagerError(undefined)).toBe(false)
  })
})

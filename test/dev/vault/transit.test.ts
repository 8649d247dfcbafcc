import { createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { createTransitKey, type KeyConfig } from '../../../src/dev/vault/transit/key.ts'

const WORLD = { clock: () => 0, randomBytes }
const NO_CONTEXT = new Uint8Array()

function config(changes: Partial<KeyConfig> = {}): KeyConfig {
  return {
    derived: false,
    exportable: false,
    allowPlaintextBackup: false,
    deletionAllowed: false,
    minDecryptionVersion: 1,
    minEncryptionVersion: 0,
    minAvailableVersion: 0,
    autoRotatePeriod: 0,
    ...changes,
  }
}

const bytes = fc.uint8Array({ maxLength: 200 })
const context = fc.uint8Array({ minLength: 1, maxLength: 40 })

describe('Transit key', () => {
  test('decrypts what it encrypted, with any version, context and associated data', () => {
    const key = createTransitKey('app', config({ derived: true }), WORLD)
    key.rotate()
    key.rotate()
    const version = fc.integer({ min: 0, max: 3 })
    fc.assert(
      fc.property(bytes, context, bytes, version, (plain, bound, associatedData, asked) => {
        const options = { context: bound, associatedData }
        const ciphertext = key.encrypt(plain, { ...options, version: asked })
        expect(ciphertext).toMatch(new RegExp(`^vault:v${asked === 0 ? 3 : asked}:`))
        expect(Buffer.from(key.decrypt(ciphertext, options))).toEqual(Buffer.from(plain))
      }),
    )
  })

  test('refuses every ciphertext of which one bit was changed', () => {
    const key = createTransitKey('app', config(), WORLD)
    fc.assert(
      fc.property(bytes, fc.nat(), fc.integer({ min: 0, max: 7 }), (plain, offset, bit) => {
        const ciphertext = key.encrypt(plain, { context: NO_CONTEXT, version: 0 })
        const raw = Buffer.from(ciphertext.slice('vault:v1:'.length), 'base64')
        const at = offset % raw.length
        raw[at] = (raw[at] ?? 0) ^ (1 << bit)
        const forged = `vault:v1:${raw.toString('base64')}`
        expect(() => key.decrypt(forged, { context: NO_CONTEXT })).toThrow(
          'cipher: message authentication failed',
        )
      }),
    )
  })

  test('refuses every ciphertext that was cut', () => {
    const key = createTransitKey('app', config(), WORLD)
    fc.assert(
      fc.property(bytes, fc.nat(), (plain, length) => {
        const ciphertext = key.encrypt(plain, { context: NO_CONTEXT, version: 0 })
        const cut = ciphertext.slice(0, length % ciphertext.length)
        expect(() => key.decrypt(cut, { context: NO_CONTEXT })).toThrow()
      }),
    )
  })

  test('refuses another context, other associated data, another version and another key', () => {
    const key = createTransitKey('app', config({ derived: true }), WORLD)
    const other = createTransitKey('app', config({ derived: true }), WORLD)
    key.rotate()
    fc.assert(
      fc.property(bytes, context, context, (plain, right, wrong) => {
        fc.pre(!Buffer.from(right).equals(wrong))
        const options = { context: right, associatedData: right }
        const ciphertext = key.encrypt(plain, { ...options, version: 1 })
        const failed = 'cipher: message authentication failed'
        expect(() => key.decrypt(ciphertext, { ...options, context: wrong })).toThrow(failed)
        expect(() => key.decrypt(ciphertext, { ...options, associatedData: wrong })).toThrow(failed)
        const newer = ciphertext.replace('vault:v1:', 'vault:v2:')
        expect(() => key.decrypt(newer, options)).toThrow(failed)
        expect(() => other.decrypt(ciphertext, options)).toThrow(failed)
      }),
      { numRuns: 50 },
    )
  })

  test('never uses a nonce twice', () => {
    const key = createTransitKey('app', config(), WORLD)
    const encrypt = (): string => key.encrypt(NO_CONTEXT, { context: NO_CONTEXT, version: 0 })
    expect(new Set(Array.from({ length: 200 }, encrypt)).size).toBe(200)
  })

  test('derives and encrypts as OpenBao does', () => {
    // Exported from OpenBao 2.4.0: a derived key, and what it made of `a` with the context `ctx`.
    const material = Buffer.from('4C8EHOzQXMnCJXLCQ6X6zuOmRrOCu1FTaENDQRbswYk=', 'base64')
    const ciphertext = 'vault:v1:xHyH8F9NhVZVzzMZLOQvA2oIEQRP/bvUjxksQA4='
    const world = { clock: () => 0, randomBytes: (): Uint8Array => material }
    const key = createTransitKey('app', config({ derived: true }), world)
    const plain = key.decrypt(ciphertext, { context: Buffer.from('ctx') })
    expect(Buffer.from(plain).toString()).toBe('a')
  })

  test('writes nonce, ciphertext and tag under the key of the context', () => {
    const key = createTransitKey('app', config({ derived: true }), WORLD)
    const bound = Buffer.from('prod/app')
    const ciphertext = key.encrypt(Buffer.from('text'), { context: bound, version: 0 })
    const raw = Buffer.from(ciphertext.slice('vault:v1:'.length), 'base64')
    const material = key.material(1) ?? new Uint8Array()
    const derived = new Uint8Array(hkdfSync('sha256', material, new Uint8Array(), bound, 32))
    const decipher = createDecipheriv('aes-256-gcm', derived, raw.subarray(0, 12))
    decipher.setAuthTag(raw.subarray(-16))
    expect(
      `${decipher.update(raw.subarray(12, -16), undefined, 'utf8')}${decipher.final('utf8')}`,
    ).toBe('text')
  })

  test('loses trimmed versions for ever', () => {
    const key = createTransitKey('app', config(), WORLD)
    const old = key.encrypt(NO_CONTEXT, { context: NO_CONTEXT, version: 0 })
    key.rotate()
    Object.assign(key.config, { minAvailableVersion: 2, minDecryptionVersion: 2 })
    key.trim()
    key.config.minDecryptionVersion = 1
    expect(() => key.decrypt(old, { context: NO_CONTEXT })).toThrow('no such key version')
  })
})

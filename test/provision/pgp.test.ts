import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'

import { publicKeyIn } from '../../src/provision/pgp.ts'
import { ALICE, ALICE_ARMORED, BOB, EXPIRED, REVOKED, SIGNER } from './pgp-keys.ts'

const NOW = Date.UTC(2026, 0, 1)

test.each([
  ['binary', Buffer.from(ALICE, 'base64')],
  ['base64', Buffer.from(ALICE)],
  ['base64 in lines', Buffer.from(`${ALICE.replaceAll(/.{64}/g, '$&\n')}\n`)],
  ['armored', Buffer.from(ALICE_ARMORED)],
  ['armored, with CRLF', Buffer.from(ALICE_ARMORED.replaceAll('\n', '\r\n'))],
  ['armored, with headers', Buffer.from(ALICE_ARMORED.replace('\n\n', '\nComment: of Alice\n\n'))],
  ['armored, without a checksum', Buffer.from(ALICE_ARMORED.replace(/^=.*\n/m, ''))],
])('a public key in %s is the same key', (_form, bytes) => {
  expect(publicKeyIn(bytes, 'the key', NOW)).toBe(ALICE)
})

test.each([
  ['nothing', '', 'is not one OpenPGP public key'],
  ['text', 'keybase:alice', 'is not one OpenPGP public key'],
  ['base64 of something else', Buffer.from('hello, world').toString('base64'), 'is not one'],
  ['half a key', Buffer.from(ALICE, 'base64').subarray(0, 100), 'is not one'],
  ['a damaged armor', ALICE_ARMORED.replace('mDME', 'mDMF'), 'is not one'],
  ['two armored keys', ALICE_ARMORED + ALICE_ARMORED, 'is not one'],
  ['two keys', both(ALICE, BOB), 'holds more than one public key'],
  ['a key for signatures alone', SIGNER, 'cannot encrypt: it is for signatures alone'],
  ['an expired key', EXPIRED, 'has expired or is revoked'],
  ['a revoked key', REVOKED, 'has expired or is revoked'],
  ['a private key', asPrivate(ALICE), 'holds a private key'],
  ['a private key, armored', '-----BEGIN PGP PRIVATE KEY BLOCK-----\n', 'holds a private key'],
])('%s is refused', (_what, content, message) => {
  expect(() => publicKeyIn(Buffer.from(content), 'the key', NOW)).toThrow(message)
})

test('a key is good until it expires', () => {
  expect(publicKeyIn(Buffer.from(EXPIRED), 'the key', Date.UTC(2020, 5, 1))).toBe(EXPIRED)
})

test('whatever is cut off or changed, it is read or refused, and never anything else', () => {
  const whole = Buffer.from(ALICE, 'base64')
  for (let at = 0; at < whole.length; at += 1) {
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] ?? 0) ^ 0xff
    for (const bytes of [whole.subarray(0, at), changed]) {
      const read = (): string => publicKeyIn(bytes, 'the key', NOW)
      try {
        expect(read()).toBe(bytes.toString('base64'))
      } catch (error) {
        expect(error).toMatchObject({ code: 'SM_CONFIG_INVALID' })
      }
    }
  }
})

test.skipIf(!isPresent('gpg'))('GnuPG reads the keys of these tests', () => {
  const listed = execFileSync('gpg', ['--batch', '--with-colons', '--show-keys'], {
    input: Buffer.from(ALICE, 'base64'),
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  expect(listed.toString()).toContain('alice@example.com')
})

/** Only the first packet's tag tells one from the other. */
function asPrivate(key: string): Uint8Array {
  return Buffer.from(key, 'base64').fill(0x94, 0, 1)
}

function both(first: string, second: string): Uint8Array {
  return Buffer.concat([Buffer.from(first, 'base64'), Buffer.from(second, 'base64')])
}

function isPresent(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

import { describe, expect, test } from 'vitest'
import { isSecretManagerError, type SecretManagerError } from '../../src/errors.ts'
import type { RewrapItem } from '../../src/vault/keyring.ts'
import type { Rewrapped } from '../../src/vault/rewrap-batches.ts'
import { codes } from '../vault/keyring-world.ts'
import { rotatorOf, type WireRotator } from './vault-keyring-fixture.ts'
import { b64, DENIED, type ClientSource, type VaultClient } from './vault-under-test.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

interface Bench {
  readonly vault: VaultClient
  readonly mount: string
  /** With the root token. */
  readonly owner: WireRotator
  /** May rewrap, read and configure, and nothing else. */
  readonly rotator: WireRotator
  /** Encrypts texts under the key `app`. */
  readonly sealed: (texts: readonly string[], context?: Context) => Promise<RewrapItem[]>
  readonly opened: (items: readonly Rewrapped[], context?: Context) => Promise<string[]>
  readonly rotate: () => Promise<void>
}

type Context = (index: number) => string

/** What a rotator does with keys, by our own keyring: I5, V13, V14. */
export function transitMaintenanceSuite(client: ClientSource): void {
  const bench = async (settings: object = {}): Promise<Bench> => {
    const vault = client()
    const mount = await vault.transit()
    await vault.data('POST', `${mount}/keys/app`, settings)
    const token = await vault.tokenWith(policyOf(mount))
    const many = async (
      operation: string,
      items: readonly object[],
      context: Context | undefined,
    ) => {
      const batch_input = items.map((item, index) => ({
        ...item,
        ...(context && { context: b64(context(index)) }),
      }))
      const data = await vault.data('POST', `${mount}/${operation}/app`, { batch_input })
      return data.batch_results as { ciphertext: string; plaintext: string }[]
    }
    return {
      vault,
      mount,
      owner: rotatorOf(vault, mount),
      rotator: rotatorOf(vault, mount, token),
      sealed: async (texts, context) => {
        const plain = texts.map((text) => ({ plaintext: b64(text) }))
        const made = await many('encrypt', plain, context)
        return made.map(({ ciphertext }, index) => ({
          ciphertext,
          context: context && bytes(context(index)),
        }))
      },
      opened: async (items, context) => {
        const good = items.map((item) => ({ ciphertext: 'ciphertext' in item && item.ciphertext }))
        const read = await many('decrypt', good, context)
        return read.map(({ plaintext }) => Buffer.from(plaintext, 'base64').toString())
      },
      rotate: async () => void (await vault.data('POST', `${mount}/keys/app/rotate`)),
    }
  }

  describe('a keyring rewraps', () => {
    const contexts: Context = (index) => `prod/app-${index}`
    const sizes = [1, 2, 600]

    test.each(sizes)('I5: %i items without decrypting, and the documents stay', async (count) => {
      const { rotator, sealed, opened, rotate } = await bench()
      const texts = Array.from({ length: count }, (_, index) => `document ${index}`)
      const items = await sealed(texts)
      await rotate()
      const results = await rotator.rewrap('app', items)
      expect(codes(results)).toEqual(texts.map(() => 2))
      expect(await opened(results)).toEqual(texts)
      expect(rotator.sent.every((path) => !path.includes('decrypt'))).toBe(true)
    })

    test.each(sizes)('I5: %i items, each in its own context', async (count) => {
      const { rotator, sealed, opened, rotate } = await bench({ derived: true })
      const texts = Array.from({ length: count }, (_, index) => `document ${index}`)
      const items = await sealed(texts, contexts)
      await rotate()
      const results = await rotator.rewrap('app', items)
      expect(codes(results)).toEqual(texts.map(() => 2))
      expect(await opened(results, contexts)).toEqual(texts)
    })

    test('items with and without a context, in their order', async () => {
      const { rotator, sealed, opened } = await bench()
      const items = await sealed(['a', 'b', 'c', 'd'])
      const mixed = items.map(({ ciphertext }, index) => ({
        ciphertext,
        context: [undefined, bytes('x'), new Uint8Array(), bytes('y')][index],
      }))
      expect(await opened(await rotator.rewrap('app', mixed))).toEqual(['a', 'b', 'c', 'd'])
    })

    test('V13: the good items, and says of each bad one what is wrong with it', async () => {
      const { rotator, owner, vault, mount, sealed, opened, rotate } = await bench()
      const [old] = await sealed(['old'])
      await rotate()
      await owner.configure('app', { minDecryptionVersion: 2 })
      const [first, last] = await sealed(['first', 'last'])
      await vault.data('POST', `${mount}/keys/other`, {})
      const foreign = { plaintext: b64('foreign') }
      const { ciphertext } = await vault.data('POST', `${mount}/encrypt/other`, foreign)
      const text = first?.ciphertext ?? ''
      const bad = [
        ciphertext.replace('v1', 'v2'),
        old?.ciphertext,
        text.replace('v2', 'v9'),
        `${text.slice(0, -1)}!`,
        'vault:v2:AAAA',
        'junk',
        '',
      ].map((wrong) => ({ ciphertext: wrong ?? '' }))
      const results = await rotator.rewrap(
        'app',
        [first, ...bad, last].flatMap((it) => it ?? []),
      )
      expect(codes(results)).toEqual([
        2,
        'SM_CT_AUTH_FAILED',
        'SM_CT_TOO_OLD',
        'SM_CT_TOO_NEW',
        'SM_CT_FORMAT',
        'SM_CT_FORMAT',
        'SM_CT_FORMAT',
        'SM_VAULT_REJECTED',
        2,
      ])
      const good = results.filter((result) => 'ciphertext' in result)
      expect(await opened(good)).toEqual(['first', 'last'])
    })

    test('V13: nothing in a wrong context, and nothing without one', async () => {
      const { rotator, sealed } = await bench({ derived: true })
      const items = await sealed(['a', 'b', 'c'], contexts)
      const wrong = items.map((item) => ({ ...item, context: bytes('other') }))
      expect(codes(await rotator.rewrap('app', [...items, ...wrong]))).toEqual([
        ...[1, 1, 1],
        ...['SM_CT_AUTH_FAILED', 'SM_CT_AUTH_FAILED', 'SM_CT_AUTH_FAILED'],
      ])
      const bare = items.map(({ ciphertext }) => ({ ciphertext }))
      expect(codes(await rotator.rewrap('app', bare))).toEqual(bare.map(() => 'SM_CT_AUTH_FAILED'))
    })

    test('V13: one bad item alone as one of many', async () => {
      const { rotator } = await bench()
      for (const items of [['junk'], ['junk', 'junk']]) {
        const results = await rotator.rewrap(
          'app',
          items.map((ciphertext) => ({ ciphertext })),
        )
        expect(codes(results)).toEqual(items.map(() => 'SM_CT_FORMAT'))
      }
    })

    test('also what is current, into another ciphertext', async () => {
      const { rotator, sealed } = await bench()
      const items = await sealed(['a', 'b'])
      const results = await rotator.rewrap('app', items)
      expect(codes(results)).toEqual([1, 1])
      const before = items.map(({ ciphertext }) => ciphertext)
      for (const result of results) expect(before).not.toContain('ciphertext' in result && result)
    })

    test('nothing under a key that does not exist', async () => {
      const { rotator, owner } = await bench()
      for (const items of [['a'], ['a', 'b']]) {
        const list = items.map((ciphertext) => ({ ciphertext }))
        expect(await failure(owner.rewrap('none', list))).toMatchObject({
          code: 'SM_KEY_NOT_FOUND',
        })
      }
      expect(await rotator.rewrap('none', [])).toEqual([])
    })

    test('one by one where a policy pins the contexts, and only in those', async () => {
      const { vault, mount, sealed, opened } = await bench({ derived: true })
      const pinned = ['"', `${b64(contexts(1))}", "${b64(contexts(2))}`, '"'].join('')
      const token = await vault.tokenWith(`path "${mount}/rewrap/app" {
        capabilities = ["update"]
        allowed_parameters = { "ciphertext" = [], "context" = [${pinned}] }
      }`)
      const pinnedTo = rotatorOf(vault, mount, token)
      const items = await sealed(['zero', 'one', 'two', 'three'], contexts)
      const results = await pinnedTo.rewrap('app', items)
      expect(codes(results)).toEqual(['SM_VAULT_DENIED', 1, 1, 'SM_VAULT_DENIED'])
      const good = results.slice(1, 3)
      expect(await opened(good, (index) => contexts(index + 1))).toEqual(['one', 'two'])
    })
  })

  describe('a keyring tells', () => {
    test('what a key is', async () => {
      const { vault, rotator, rotate } = await bench({ derived: true, exportable: true })
      const before = vault.world.now()
      await rotate()
      const facts = await rotator.facts('app')
      expect(facts).toEqual({
        latestVersion: 2,
        isDerived: true,
        type: 'aes256-gcm96',
        minDecryptionVersion: 1,
        minEncryptionVersion: 0,
        minAvailableVersion: 0,
        createdAt: expect.any(Map),
        deletionAllowed: false,
        exportable: true,
        supportsDecryption: true,
      })
      expect([...facts.createdAt.keys()]).toEqual([1, 2])
      expect(Math.abs((facts.createdAt.get(2) ?? 0) - before)).toBeLessThan(60_000)
    })

    test('that there is no such key', async () => {
      const { owner } = await bench()
      expect(await failure(owner.facts('none'))).toMatchObject({ code: 'SM_KEY_NOT_FOUND' })
    })

    test('what the policies allow at many paths', async () => {
      const { vault, mount, rotator, owner } = await bench()
      const paths = [`${mount}/rewrap/app`, `${mount}/keys/app`, `${mount}/decrypt/app`]
      expect(await rotator.capabilities(paths)).toEqual({
        [`${mount}/rewrap/app`]: ['update'],
        [`${mount}/keys/app`]: ['read'],
        [`${mount}/decrypt/app`]: ['deny'],
      })
      const many = Array.from({ length: 1201 }, (_, index) => `${mount}/keys/k${index}`)
      expect(Object.keys(await rotator.capabilities(many))).toHaveLength(1201)
      expect(await rotator.capabilities([`${mount}/rewrap/app`])).toEqual({
        [`${mount}/rewrap/app`]: ['update'],
      })
      expect(await owner.capabilities(['anywhere'])).toEqual({ anywhere: ['root'] })
      const request = ['POST', 'sys/capabilities-self', { paths: ['x', ''] }] as const
      await vault.refused(request, 400, '1 error occurred:\n\t* missing path\n\n')
    })
  })

  describe('a keyring moves the minima', () => {
    test('up and down again: what is too old comes back', async () => {
      const { rotator, sealed, rotate } = await bench()
      const [old] = await sealed(['old'])
      const items = old ? [old] : []
      await rotate()
      await rotator.configure('app', { minDecryptionVersion: 2, minEncryptionVersion: 2 })
      const raised = { minDecryptionVersion: 2, minEncryptionVersion: 2 }
      const facts = await rotator.facts('app')
      expect(facts).toMatchObject(raised)
      expect([...facts.createdAt.keys()]).toEqual([2])
      expect(codes(await rotator.rewrap('app', items))).toEqual(['SM_CT_TOO_OLD'])
      await rotator.configure('app', { minDecryptionVersion: 1 })
      // What was not given stays.
      expect(await rotator.facts('app')).toMatchObject({ ...raised, minDecryptionVersion: 1 })
      await rotator.configure('app', { minEncryptionVersion: 0 })
      expect(await rotator.facts('app')).toMatchObject({ minEncryptionVersion: 0 })
      expect(codes(await rotator.rewrap('app', items))).toEqual([2])
    })

    test.each([
      [{ minDecryptionVersion: 9 }, 'no minimum can be above the latest version: vault read'],
      [{ minEncryptionVersion: 9 }, 'no minimum can be above the latest version: vault read'],
      [{ minDecryptionVersion: 2, minEncryptionVersion: 1 }, 'change both at once'],
    ])('never to %j, and says why', async (minima, hint) => {
      const { rotator, rotate } = await bench()
      await rotate()
      const before = await rotator.facts('app')
      expect(await failure(rotator.configure('app', minima))).toMatchObject({
        code: 'SM_VAULT_REJECTED',
        hint: expect.stringContaining(hint),
        message: expect.stringContaining('/keys/app/config (400): cannot set min'),
      })
      expect(await rotator.facts('app')).toEqual(before)
    })

    test('of no key that does not exist', async () => {
      const { owner, mount } = await bench()
      const missing = {
        code: 'SM_KEY_NOT_FOUND',
        hint: `no such Transit key: vault list ${mount}/keys; or make it: secretmanager provision`,
      }
      const configured = owner.configure('none', { minDecryptionVersion: 1 })
      expect(await failure(configured)).toMatchObject(missing)
      expect(await failure(owner.trim('none', 1))).toMatchObject(missing)
    })

    test('and destroys what is below both, for ever', async () => {
      const { rotator, owner, sealed, rotate } = await bench()
      const items = await sealed(['old'])
      await rotate()
      expect(await failure(owner.trim('app', 2))).toMatchObject({
        code: 'SM_VAULT_REJECTED',
        hint: expect.stringContaining('only versions below both minima can be trimmed'),
      })
      await rotator.configure('app', { minDecryptionVersion: 2, minEncryptionVersion: 2 })
      await owner.trim('app', 2)
      await owner.trim('app', 2)
      expect(await rotator.facts('app')).toMatchObject({ minAvailableVersion: 2 })
      const gone = { code: 'SM_VAULT_REJECTED', hint: expect.stringContaining('gone for ever') }
      const lowered = [{ minDecryptionVersion: 1 }, { minEncryptionVersion: 0 }]
      for (const minima of lowered) {
        expect(await failure(rotator.configure('app', minima))).toMatchObject(gone)
      }
      expect(await failure(owner.trim('app', 1))).toMatchObject(gone)
      expect(codes(await rotator.rewrap('app', items))).toEqual(['SM_CT_TOO_OLD'])
    })
  })

  describe('a keyring that is denied', () => {
    test('shows stanzas that are enough, and pin what a key is', async () => {
      const { vault, mount, sealed } = await bench()
      const bare = rotatorOf(vault, mount, await vault.tokenWith(NOTHING))
      const items = await sealed(['a', 'b'])
      const config = { minDecryptionVersion: 1 }
      const denied = await Promise.all([
        failure(bare.facts('app')),
        failure(bare.rewrap('app', items)),
        failure(bare.rewrap('app', items.slice(0, 1))),
        failure(bare.configure('app', config)),
        failure(bare.trim('app', 1)),
        failure(bare.capabilities([mount])),
      ])
      expect(denied.map(({ code }) => code)).toEqual(denied.map(() => 'SM_VAULT_DENIED'))
      const stanzas = denied.map(({ hint }) => hint.replace(/^[^:]+: /, ''))
      expect(stanzas[1]).toBe(`path "${mount}/rewrap/app" { capabilities = ["update"] }`)
      const token = await vault.tokenWith(stanzas.join('\n'))
      const granted = rotatorOf(vault, mount, token)
      expect(codes(await granted.rewrap('app', items))).toEqual([1, 1])
      await granted.configure('app', { ...config, minEncryptionVersion: 1 })
      await granted.trim('app', 1)
      expect(await granted.facts('app')).toMatchObject({ minAvailableVersion: 1 })
      expect(Object.keys(await granted.capabilities([mount]))).toEqual([mount])
      for (const body of [{ exportable: true }, { deletion_allowed: true }, { ...PINNED }]) {
        await vault.refused(['POST', `${mount}/keys/app/config`, body, token], 403, DENIED)
      }
    })
  })
}

const NOTHING = 'path "nothing" { capabilities = ["read"] }'
const PINNED = { min_decryption_version: 1, allow_plaintext_backup: true }

function policyOf(mount: string): string {
  return `
    path "sys/capabilities-self" { capabilities = ["update"] }
    path "${mount}/keys/app" { capabilities = ["read"] }
    path "${mount}/rewrap/app" { capabilities = ["update"] }
    path "${mount}/keys/app/config" {
      capabilities = ["update"]
      allowed_parameters = { "min_decryption_version" = [], "min_encryption_version" = [] }
    }`
}

async function failure(call: Promise<unknown>): Promise<SecretManagerError> {
  return call.then(
    () => expect.unreachable('it succeeded'),
    (reason: unknown) => {
      if (isSecretManagerError(reason)) return reason
      throw reason
    },
  )
}

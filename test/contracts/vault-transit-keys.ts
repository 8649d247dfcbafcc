import { describe, expect, test } from 'vitest'
import { b64, DENIED, type ClientSource, type VaultClient } from './vault-under-test.ts'

const FRESH = {
  allow_plaintext_backup: false,
  auto_rotate_period: 0,
  deletion_allowed: false,
  derived: false,
  exportable: false,
  imported_key: false,
  latest_version: 1,
  min_available_version: 0,
  min_decryption_version: 1,
  min_encryption_version: 0,
  supports_decryption: true,
  supports_derivation: true,
  supports_encryption: true,
  supports_signing: false,
  type: 'aes256-gcm96',
}

/** Transit keys: what their owners do. */
export function transitKeySuite(client: ClientSource): void {
  const withKey = async (
    settings: object = {},
  ): Promise<{ vault: VaultClient; key: string; mount: string }> => {
    const vault = client()
    const mount = await vault.transit()
    await vault.data('POST', `${mount}/keys/app`, settings)
    return { vault, mount, key: `${mount}/keys/app` }
  }

  describe('transit keys', () => {
    test('are created with version 1, and creating again changes nothing', async () => {
      const { vault, key, mount } = await withKey()
      const { keys, ...rest } = await vault.data('GET', key)
      expect(rest).toMatchObject({ ...FRESH, name: 'app' })
      expect(Object.keys(keys)).toEqual(['1'])
      const again = await vault.call('POST', key, { derived: true })
      expect(again).toMatchObject({
        status: 200,
        body: { data: { derived: false }, warnings: null },
      })
      expect(await vault.data('LIST', `${mount}/keys`)).toEqual({ keys: ['app'] })
    })

    test('that are derived name their derivation', async () => {
      const { vault, key } = await withKey({ derived: true, auto_rotate_period: '24h' })
      expect(await vault.data('GET', key)).toMatchObject({
        derived: true,
        kdf: 'hkdf_sha256',
        convergent_encryption: false,
        auto_rotate_period: 86_400,
      })
    })

    test('that do not exist read as 404 and list as 404', async () => {
      const vault = client()
      const mount = await vault.transit()
      await vault.refused(['GET', `${mount}/keys/none`], 404)
      await vault.refused(['LIST', `${mount}/keys`], 404)
      const gone = 'error deleting policy none: could not delete key; not found'
      await vault.refused(['DELETE', `${mount}/keys/none`], 400, gone)
      await vault.refused(['POST', `${mount}/keys/none/rotate`], 400, 'key not found')
      const config = 'no existing key named none could be found'
      await vault.refused(['POST', `${mount}/keys/none/config`, {}], 400, config)
      await vault.refused(['POST', `${mount}/keys/none/trim`, {}], 400, 'invalid key name')
    })

    const conversion = (field: string, type: string, parser: string): string =>
      `Field validation failed: error converting input for field "${field}": ` +
      `'' cannot parse value as '${type}': strconv.${parser}: invalid syntax`

    test.each([
      [{ type: 'zzz' }, 'unknown key type zzz'],
      [{ auto_rotate_period: '1m' }, 'auto rotate period must be 0 to disable or at least an hour'],
      [{ convergent_encryption: true }, 'convergent encryption requires derivation to be enabled'],
      [{ key_size: 32 }, 'key_size is not valid for algorithm aes256-gcm96'],
      [{ derived: 'wat' }, conversion('derived', 'bool', 'ParseBool')],
    ])('refuse %j', async (settings, error) => {
      const vault = client()
      const mount = await vault.transit()
      await vault.refused(['POST', `${mount}/keys/app`, settings], 400, error)
    })

    test.each(['-x', 'a b', 'x-'])('are never named %j', async (name) => {
      const vault = client()
      const mount = await vault.transit()
      const path = `${mount}/keys/${encodeURIComponent(name)}`
      await vault.refused(['POST', path, {}], 404, '1 error occurred:\n\t* unsupported path\n\n')
    })

    test.each([
      [{ min_decryption_version: -1 }, 'min decryption version cannot be negative'],
      [
        { min_decryption_version: 9 },
        'cannot set min decryption version of 9, latest key version is 3',
      ],
      [{ min_encryption_version: -1 }, 'min encryption version cannot be negative'],
      [
        { min_encryption_version: 9 },
        'cannot set min encryption version of 9, latest key version is 3',
      ],
      [
        { min_encryption_version: 1, min_decryption_version: 2 },
        'cannot set min encryption/decryption values; min encryption version of 1 must be greater ' +
          'than or equal to min decryption version of 2',
      ],
      [{ auto_rotate_period: 10 }, 'auto rotate period must be 0 to disable or at least an hour'],
      [{ min_decryption_version: 'x' }, conversion('min_decryption_version', 'int', 'ParseInt')],
    ])('refuse the setting %j and keep what they had', async (settings, error) => {
      const { vault, key } = await withKey()
      await vault.data('POST', `${key}/rotate`)
      await vault.data('POST', `${key}/rotate`)
      const before = await vault.data('GET', key)
      await vault.refused(['POST', `${key}/config`, settings], 400, error)
      expect(await vault.data('GET', key)).toEqual(before)
    })

    test('take settings as numbers or text, and force the minimum of 1', async () => {
      const { vault, key } = await withKey()
      await vault.data('POST', `${key}/rotate`)
      const config = { min_decryption_version: '2', min_encryption_version: 2 }
      const raised = await vault.data('POST', `${key}/config`, config)
      expect(raised).toMatchObject({ min_decryption_version: 2, min_encryption_version: 2 })
      // Versions below the minimum are archived, not gone.
      expect(Object.keys(raised.keys)).toEqual(['2'])
      const forced = await vault.call('POST', `${key}/config`, { min_decryption_version: 0 })
      expect(forced.body.data).toMatchObject({ min_decryption_version: 1 })
      expect(Object.keys(forced.body.data.keys)).toEqual(['1', '2'])
      expect(forced.body.warnings).toEqual([expect.stringContaining('forcing minimum to 1')])
    })

    test('once exportable stay so', async () => {
      const { vault, key, mount } = await withKey()
      const exported = `${mount}/export/encryption-key/app/1`
      const hidden = 'private key material is not exportable'
      await vault.refused(['GET', exported], 400, hidden)
      await vault.data('POST', `${key}/config`, { exportable: true })
      const kept = await vault.data('POST', `${key}/config`, { exportable: false })
      expect(kept).toMatchObject({ exportable: true })
      const { keys } = await vault.data('GET', exported)
      expect(Buffer.from(keys['1'], 'base64')).toHaveLength(32)
    })

    test('are deleted only where that is allowed', async () => {
      const { vault, key } = await withKey()
      const refusal = 'error deleting policy app: deletion is not allowed for this key'
      await vault.refused(['DELETE', key], 400, refusal)
      await vault.data('POST', `${key}/config`, { deletion_allowed: true })
      await vault.done('DELETE', key)
      await vault.refused(['GET', key], 404)
    })

    test('lose trimmed versions for ever', async () => {
      const { vault, key } = await withKey()
      await vault.data('POST', `${key}/rotate`)
      const trim = (body: object, error: string): Promise<void> =>
        vault.refused(['POST', `${key}/trim`, body], 400, error)
      const at = (version: number): object => ({ min_available_version: version })
      const cannot = 'minimum available version cannot be'
      await trim({}, 'missing min_available_version')
      await trim(at(1), `${cannot} set when minimum encryption version is not set`)
      const minima = { min_decryption_version: 2, min_encryption_version: 2 }
      await vault.data('POST', `${key}/config`, minima)
      await trim(at(5), `${cannot} greater than minmum encryption version`)
      await trim(at(0), 'minimum available version should be positive')
      const trimmed = await vault.data('POST', `${key}/trim`, at(2))
      expect(trimmed).toMatchObject({ min_available_version: 2 })
      await trim(at(1), `${cannot} decremented`)
      const back = 'min decryption version should not be less then min available version'
      await vault.refused(['POST', `${key}/config`, { min_decryption_version: 1 }], 400, back)
    })

    test('rotate for a rotator who can do nothing else', async () => {
      const { vault, key, mount } = await withKey()
      const token = await vault.tokenWith(`
        path "${key}" { capabilities = ["read"] }
        path "${key}/rotate" { capabilities = ["update"] }
        path "${mount}/rewrap/app" { capabilities = ["update"] }
        path "${key}/config" {
          capabilities = ["update"]
          allowed_parameters = { "min_decryption_version" = [], "min_encryption_version" = [] }
        }`)
      const { ciphertext } = await vault.data('POST', `${mount}/encrypt/app`, {
        plaintext: b64('x'),
      })
      expect(await vault.data('POST', `${key}/rotate`, {}, token)).toMatchObject({
        latest_version: 2,
      })
      const rewrapped = await vault.data('POST', `${mount}/rewrap/app`, { ciphertext }, token)
      expect(rewrapped.key_version).toBe(2)
      await vault.data('POST', `${key}/config`, { min_decryption_version: 2 }, token)
      for (const body of [{ exportable: true }, { deletion_allowed: true }]) {
        await vault.refused(['POST', `${key}/config`, body, token], 403, DENIED)
      }
      await vault.refused(['POST', `${mount}/decrypt/app`, { ciphertext }, token], 403, DENIED)
      await vault.refused(['POST', `${key}/trim`, {}, token], 403, DENIED)
    })
  })
}

import { describe, expect, test } from 'vitest'
import { openBench, type Bench } from './vault-transit-bench.ts'
import { b64, DENIED, type ClientSource } from './vault-under-test.ts'

const NO_CONTEXT =
  "missing 'context' for key derivation; the key was created using a derived key, which means " +
  'additional, per-request information must be included in order to perform operations with the key'
const FORGED = 'cipher: message authentication failed'
const TOO_OLD = 'ciphertext or signature version is disallowed by policy (too old)'
const NO_BASE64 = 'illegal base64 data at input byte 0'
const MIXED = 'context should be set either in all the request blocks or in none'

/** Encrypt, decrypt and rewrap. */
export function transitSuite(client: ClientSource): void {
  const bench = (settings: object = {}, context?: string): Promise<Bench> =>
    openBench(client(), settings, context)

  describe('transit', () => {
    test('encrypts and decrypts what is base64', async () => {
      const { vault, mount, ciphertext } = await bench()
      expect(ciphertext).toMatch(/^vault:v1:[A-Za-z0-9+/]+=*$/)
      const data = await vault.data('POST', `${mount}/decrypt/app`, { ciphertext })
      expect(data).toEqual({ plaintext: b64('hello') })
      for (const plaintext of ['', null]) {
        const empty = await vault.data('POST', `${mount}/encrypt/app`, { plaintext })
        expect(empty.key_version).toBe(1)
        const back = await vault.data('POST', `${mount}/decrypt/app`, empty)
        expect(back).toEqual({ plaintext: '' })
      }
    })

    test('warns about fields that it does not read', async () => {
      const { vault, mount } = await bench()
      const body = { plaintext: b64('x'), nonce: b64('n'), beta: 1, alpha: 1 }
      const answer = await vault.call('POST', `${mount}/encrypt/app`, body)
      expect(answer.body.warnings).toEqual([
        'Endpoint ignored these unrecognized parameters: [alpha beta nonce]',
      ])
    })

    test.each([
      [{}, 'missing plaintext to encrypt'],
      [{ plaintext: '!!' }, NO_BASE64],
      [{ plaintext: 'aGk' }, NO_BASE64],
      [{ plaintext: 'aGVsbG8=x' }, 'illegal base64 data at input byte 8'],
      [{ plaintext: '', context: '!!' }, NO_BASE64],
      [
        { plaintext: '', key_version: 2 },
        'requested version for encryption is higher than the latest key version',
      ],
      [{ plaintext: '', key_version: -1 }, 'requested version for encryption is negative'],
      [
        { plaintext: '', key_version: 'x' },
        `error converting input for field "key_version": '' cannot parse value as 'int': ` +
          'strconv.ParseInt: invalid syntax',
      ],
      [{ batch_input: [] }, 'missing batch input to process'],
      [{ batch_input: [{ plaintext: '', context: b64('c') }, { plaintext: '' }] }, MIXED],
    ])('refuses to encrypt %j', async (body, error) => {
      const { vault, mount } = await bench()
      await vault.refused(['POST', `${mount}/encrypt/app`, body], 400, error)
    })

    test.each([
      ['', 'missing ciphertext to decrypt'],
      ['junk', 'invalid ciphertext: no prefix'],
      ['vault:', 'invalid ciphertext: no prefix'],
      ['vault:v1', 'invalid ciphertext: wrong number of fields'],
      ['vault:v1:', 'invalid ciphertext length'],
      ['vault:v1:AAAA', 'invalid ciphertext length'],
      ['vault:v1:!!', 'invalid ciphertext: could not decode base64'],
      [`vault:v1:${'A'.repeat(16)}`, FORGED],
      [`vault:v1:${'A'.repeat(60)}`, FORGED],
      ['vault:vx:AAAA', 'invalid ciphertext: version number could not be decoded'],
      ['vault:v-1:AAAA', TOO_OLD],
      ['vault:v9:AAAA', 'invalid ciphertext: version is too new'],
      [5, 'invalid ciphertext: no prefix'],
    ])('refuses to decrypt %j', async (ciphertext, error) => {
      const { vault, mount } = await bench()
      await vault.refused(['POST', `${mount}/decrypt/app`, { ciphertext }], 400, error)
      await vault.refused(['POST', `${mount}/rewrap/app`, { ciphertext }], 400, error)
    })

    test('takes some ciphertexts that it never writes', async () => {
      const { ciphertext, decrypt } = await bench()
      const body = ciphertext.slice('vault:v1:'.length)
      const odd = [`vault:v0:${body}`, `vault:v01:${body}`, `vault:v+1:${body}`]
      const broken = [`${ciphertext}\n`, `vault:v1:${body.slice(0, 8)}\r\n${body.slice(8)}`]
      for (const text of [...odd, ...broken]) {
        expect(await decrypt({ ciphertext: text })).toMatchObject({ status: 200 })
      }
      for (const text of [` ${ciphertext}`, `${ciphertext} `, ciphertext.slice(0, -4)]) {
        expect(await decrypt({ ciphertext: text })).toMatchObject({ status: 400 })
      }
    })

    test('knows no key that was not made', async () => {
      const { vault, mount, ciphertext } = await bench()
      const missing = 'encryption key not found'
      for (const operation of ['decrypt', 'rewrap']) {
        const path = `${mount}/${operation}/none`
        await vault.refused(['POST', path, { ciphertext }], 400, missing)
        await vault.refused(['POST', path, { batch_input: [{ ciphertext }] }], 400, missing)
      }
    })

    test('ignores a context unless the key is derived', async () => {
      const { decrypt, ciphertext } = await bench()
      expect(await decrypt({ ciphertext, context: b64('any') })).toMatchObject({ status: 200 })
    })

    test('binds to the context where the key is derived, also in a rewrap', async () => {
      const context = b64('prod/app')
      const { vault, mount, ciphertext } = await bench({ derived: true }, context)
      for (const operation of ['decrypt', 'rewrap']) {
        const path = `${mount}/${operation}/app`
        await vault.data('POST', path, { ciphertext, context })
        await vault.refused(['POST', path, { ciphertext, context: b64('other') }], 400, FORGED)
        await vault.refused(['POST', path, { ciphertext }], 400, NO_CONTEXT)
      }
      const path = `${mount}/encrypt/app`
      await vault.refused(['POST', path, { plaintext: '' }], 400, NO_CONTEXT)
    })

    test('binds to associated data, which a rewrap does not carry', async () => {
      const { vault, mount, decrypt } = await bench()
      const associated = { associated_data: b64('ad') }
      const body = { plaintext: b64('x'), ...associated }
      const { ciphertext } = await vault.data('POST', `${mount}/encrypt/app`, body)
      expect(await decrypt({ ciphertext, ...associated })).toMatchObject({ status: 200 })
      await vault.refused(['POST', `${mount}/decrypt/app`, { ciphertext }], 400, FORGED)
      await vault.refused(['POST', `${mount}/rewrap/app`, { ciphertext }], 400, FORGED)
      const error = `unable to get associated_data/additional_data from factory[0]: ${NO_BASE64}`
      const bad = { plaintext: '', associated_data: '!!' }
      const wrapped = `1 error occurred:\n\t* ${error}\n\n`
      await vault.refused(['POST', `${mount}/encrypt/app`, bad], 500, wrapped)
    })

    test('rewraps to the latest version, and is never a no-op', async () => {
      const { vault, mount, ciphertext } = await bench()
      const path = `${mount}/rewrap/app`
      const same = await vault.data('POST', path, { ciphertext })
      expect(same).toEqual({ ciphertext: expect.stringMatching(/^vault:v1:/), key_version: 1 })
      expect(same.ciphertext).not.toBe(ciphertext)
      await vault.data('POST', `${mount}/keys/app/rotate`)
      const newer = await vault.data('POST', path, { ciphertext })
      expect(newer).toEqual({ ciphertext: expect.stringMatching(/^vault:v2:/), key_version: 2 })
      const older = await vault.data('POST', path, { ciphertext: newer.ciphertext, key_version: 1 })
      expect(older.ciphertext).toMatch(/^vault:v1:/)
    })

    test('refuses versions below the minima', async () => {
      const { vault, mount, ciphertext } = await bench()
      await vault.data('POST', `${mount}/keys/app/rotate`)
      const config = (body: object): Promise<unknown> =>
        vault.data('POST', `${mount}/keys/app/config`, body)
      await config({ min_decryption_version: 2 })
      await vault.refused(['POST', `${mount}/decrypt/app`, { ciphertext }], 400, TOO_OLD)
      const old = { plaintext: '', key_version: 1 }
      await vault.refused(['POST', `${mount}/encrypt/app`, old], 400, 'no such key version')
      await config({ min_encryption_version: 2 })
      const below =
        'requested version for encryption is less than the minimum encryption key version'
      await vault.refused(['POST', `${mount}/encrypt/app`, old], 400, below)
      await config({ min_decryption_version: 1 })
      await vault.data('POST', `${mount}/decrypt/app`, { ciphertext })
    })

    test('makes a missing key for those who may create, and for nobody else', async () => {
      const { vault, mount } = await bench()
      const policy = (capability: string): string =>
        `path "${mount}/encrypt/*" { capabilities = ["${capability}"] }`
      const updater = await vault.tokenWith(policy('update'))
      const creator = await vault.tokenWith(policy('create'))
      const encrypt = (key: string, body: object, token: string) =>
        vault.call('POST', `${mount}/encrypt/${key}`, { plaintext: b64('x'), ...body }, token)
      expect(await encrypt('typo', {}, updater)).toMatchObject({ status: 403 })
      await vault.refused(['GET', `${mount}/keys/typo`], 404)
      expect(await encrypt('typo', {}, creator)).toMatchObject({ status: 200 })
      expect(await vault.data('GET', `${mount}/keys/typo`)).toMatchObject({ derived: false })
      expect((await encrypt('typo', {}, creator)).body).toEqual({ errors: [DENIED] })
      await encrypt('bound', { context: b64('c') }, creator)
      expect(await vault.data('GET', `${mount}/keys/bound`)).toMatchObject({ derived: true })
      await vault.data('POST', `${mount}/config/keys`, { disable_upsert: true })
      const path = `${mount}/encrypt/third`
      await vault.refused(['POST', path, { plaintext: '' }], 400, 'encryption key not found')
    })
  })
}

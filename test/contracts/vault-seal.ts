import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { ClientSource } from './vault-under-test.ts'
import type { Wire, WireAnswer } from './wire.ts'

/** From not initialised to unsealed and back, on a Vault of its own; the tests build on each other. */
export function sealSuite(client: ClientSource): void {
  describe('initialisation and seal', () => {
    let server: { readonly wire: Wire; close(): Promise<void> } | undefined
    let shares: readonly string[] = []
    let rootToken = ''

    beforeAll(async () => {
      server = await client().world.uninitialized()
    }, 60_000)
    afterAll(() => server?.close())

    const call = (
      method: string,
      path: string,
      body?: unknown,
      token?: string,
    ): Promise<WireAnswer> => {
      if (!server) throw new Error('the server did not open')
      return server.wire(method, `/v1/${path}`, { body, token })
    }
    const errorOf = async (path: string, body: unknown, token?: string): Promise<unknown> => {
      const answer = await call('PUT', path, body, token)
      return [answer.status, answer.body.errors?.[0]]
    }
    const unseal = (key: string | undefined): Promise<WireAnswer> =>
      call('PUT', 'sys/unseal', { key })

    test('before initialisation it is sealed and says 501', async () => {
      expect(await call('GET', 'sys/health')).toMatchObject({
        status: 501,
        body: { initialized: false, sealed: true, standby: true },
      })
      expect((await call('GET', 'sys/init')).body).toEqual({ initialized: false })
      expect((await call('GET', 'sys/seal-status')).body).toMatchObject({
        type: 'shamir',
        initialized: false,
        sealed: true,
        t: 0,
        n: 0,
        progress: 0,
        nonce: '',
      })
      expect((await call('GET', 'sys/health?uninitcode=298')).status).toBe(298)
    })

    test('before initialisation nothing is served', async () => {
      const uninitialized = [400, 'Vault is not initialized']
      expect(await errorOf('sys/unseal', { key: 'A'.repeat(44) })).toEqual(uninitialized)
      const body = { role: 'app', jwt: 'a.b.c' }
      expect(await errorOf('auth/kubernetes/login', body)).toEqual([503, 'Vault is sealed'])
      expect(await errorOf('transit/decrypt/app', {}, 'any')).toEqual([503, 'Vault is sealed'])
    })

    test.each([
      [{}, 'shares must be at least one'],
      [{ secret_shares: -1, secret_threshold: 1 }, 'shares must be at least one'],
      [{ secret_shares: 1 }, 'threshold must be at least one'],
      [{ secret_shares: 1, secret_threshold: 2 }, 'threshold cannot be larger than shares'],
      [
        { secret_shares: 3, secret_threshold: 1 },
        'threshold must be greater than one for multiple shares',
      ],
      [{ secret_shares: 256, secret_threshold: 3 }, 'shares must be less than 256'],
    ])('refuses to initialise with %j', async (body, reason) => {
      const error = [400, `invalid seal configuration: ${reason}`]
      expect(await errorOf('sys/init', body)).toEqual(error)
    })

    test('refuses recovery shares', async () => {
      const body = { recovery_shares: 1, recovery_threshold: 1 }
      const error =
        'parameters recovery_shares,recovery_threshold not applicable to seal type shamir'
      expect(await errorOf('sys/init', body)).toEqual([400, error])
    })

    test('initialises once, and is sealed then', async () => {
      const body = { secret_shares: 3, secret_threshold: 2 }
      const answer = await call('POST', 'sys/init', body)
      expect(answer.status).toBe(200)
      shares = answer.body.keys_base64
      rootToken = answer.body.root_token
      expect(shares).toHaveLength(3)
      const hex = shares.map((share) => Buffer.from(share, 'base64').toString('hex'))
      expect(answer.body.keys).toEqual(hex)
      expect(await errorOf('sys/init', body)).toEqual([400, 'Vault is already initialized'])
      expect(await call('GET', 'sys/health')).toMatchObject({
        status: 503,
        body: { initialized: true },
      })
      expect((await call('GET', 'sys/health?sealedcode=288')).status).toBe(288)
      expect(await errorOf('transit/decrypt/app', {}, rootToken)).toEqual([503, 'Vault is sealed'])
    })

    test.each([
      [{}, "'key' must be specified in request body as JSON, or 'reset' set to true"],
      [{ key: '!!' }, "'key' must be a valid hex or base64 string"],
      [{ key: 'AAAA' }, 'invalid key: key is shorter than minimum 16 bytes'],
      [{ key: 'A'.repeat(80) }, 'invalid key: key is longer than maximum 33 bytes'],
    ])('refuses to unseal with %j', async (body, error) => {
      expect(await errorOf('sys/unseal', body)).toEqual([400, error])
    })

    test('counts shares, each once, until reset', async () => {
      expect((await unseal(shares[0])).body).toMatchObject({
        sealed: true,
        t: 2,
        n: 3,
        progress: 1,
      })
      const again = await unseal(shares[0])
      expect(again.body).toMatchObject({ sealed: true, progress: 1 })
      expect(again.body.nonce).not.toBe('')
      const reset = await call('PUT', 'sys/unseal', { reset: true })
      expect(reset.body).toMatchObject({ sealed: true, progress: 0, nonce: '' })
    })

    test('refuses shares that are not of this key, and starts over', async () => {
      await unseal(shares[0])
      const error =
        'unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: ' +
        'cipher: message authentication failed'
      const foreign = { key: Buffer.alloc(33, 7).toString('base64') }
      expect(await errorOf('sys/unseal', foreign)).toEqual([400, error])
      expect((await call('GET', 'sys/seal-status')).body).toMatchObject({ progress: 0 })
    })

    test('unseals with any two shares, in base64 or hex', async () => {
      await unseal(shares[2])
      const hex = Buffer.from(shares[1] ?? '', 'base64').toString('hex')
      expect(await unseal(hex)).toMatchObject({ status: 200, body: { sealed: false, progress: 0 } })
      expect((await call('GET', 'sys/health')).status).toBe(200)
      expect(await errorOf('sys/unseal', { reset: true })).toEqual([400, 'vault is unsealed'])
      expect((await call('GET', 'sys/mounts', undefined, rootToken)).status).toBe(200)
    })

    test('seals for those who may, and keeps what it holds', async () => {
      await call('POST', 'sys/mounts/transit', { type: 'transit' }, rootToken)
      await call('POST', 'transit/keys/app', {}, rootToken)
      expect(await errorOf('sys/seal', {})).toEqual([403, 'permission denied'])
      expect(await errorOf('sys/seal', {}, 'nope')).toEqual([403, 'permission denied'])
      expect((await call('GET', 'sys/seal', undefined, rootToken)).status).toBe(405)
      expect((await call('PUT', 'sys/seal', undefined, rootToken)).status).toBe(204)
      expect((await call('GET', 'sys/health')).status).toBe(503)
      expect((await call('PUT', 'sys/seal', {}, 'anybody')).status).toBe(204)
      await unseal(shares[0])
      await unseal(shares[1])
      expect((await call('GET', 'transit/keys/app', undefined, rootToken)).status).toBe(200)
    })
  })
}

import { describe, expect, test } from 'vitest'
import { DENIED, type ClientSource } from './vault-under-test.ts'

const SELF = 'auth/token/renew-self'

/** `auth/token`, and what becomes of tokens in time. */
export function tokenSuite(client: ClientSource): void {
  describe('tokens', () => {
    test('describe themselves', async () => {
      const vault = client()
      const settings = { policies: ['app'], ttl: '90s', meta: { team: 'a' }, display_name: 'a b!' }
      const answer = await vault.call('POST', 'auth/token/create', settings)
      expect(answer.body).toMatchObject({
        data: null,
        warnings: ['Policy "app" does not exist'],
        auth: {
          policies: ['app', 'default'],
          token_policies: ['app', 'default'],
          metadata: { team: 'a' },
          lease_duration: 90,
          renewable: true,
          entity_id: '',
          token_type: 'service',
          orphan: false,
          mfa_requirement: null,
          num_uses: 0,
        },
      })
      const { client_token: id, accessor } = answer.body.auth
      const data = await vault.data('GET', 'auth/token/lookup-self', undefined, id)
      expect(data).toMatchObject({
        id,
        accessor,
        policies: ['app', 'default'],
        path: 'auth/token/create',
        display_name: 'token-a-b',
        meta: { team: 'a' },
        creation_ttl: 90,
        explicit_max_ttl: 0,
        num_uses: 0,
        orphan: false,
        renewable: true,
        type: 'service',
      })
      expect(data.ttl).toBeGreaterThan(85)
      expect(data.ttl).toBeLessThanOrEqual(90)
      expect(Date.parse(data.expire_time) - Date.parse(data.issue_time)).toBeCloseTo(90_000, -3)
      expect(await vault.data('POST', 'auth/token/lookup', { token: id })).toMatchObject({ id })
      const byAccessor = await vault.data('POST', 'auth/token/lookup-accessor', { accessor })
      expect(byAccessor).toMatchObject({ id: '', accessor })
    })

    test('live 32 days unless told otherwise, root tokens for ever', async () => {
      const vault = client()
      const create = async (settings: object): Promise<object> =>
        (await vault.call('POST', 'auth/token/create', settings)).body.auth
      expect(await create({ policies: ['default'] })).toMatchObject({ lease_duration: 2_764_800 })
      expect(await create({})).toMatchObject({
        policies: ['root'],
        lease_duration: 0,
        renewable: false,
      })
      const short = { policies: ['root'], lease_duration: 300, renewable: true }
      expect(await create({ policies: ['root'], ttl: '5m' })).toMatchObject(short)
      const periodic = await create({ policies: ['default'], period: '1h' })
      expect(periodic).toMatchObject({ lease_duration: 3600, renewable: true })
    })

    test('are cut to the maximum, with a warning', async () => {
      const settings = { policies: ['default'], ttl: '2h', explicit_max_ttl: '90m' }
      const { body } = await client().call('POST', 'auth/token/create', settings)
      expect(body.auth.lease_duration).toBe(5400)
      expect(body.warnings).toEqual([
        'TTL of "2h" exceeded the effective max_ttl of "1h30m"; TTL value is capped accordingly',
      ])
    })

    test.each([
      [{ type: 'zz' }, "invalid 'token_type' value"],
      [{ ttl: 'zz' }, 'time: invalid duration "zz"'],
      [{ ttl: '-5s' }, 'ttl must be positive'],
      [{ id: 'my.id' }, "custom token ID cannot have a '.' in the value"],
      [{ type: 'batch', num_uses: 2, policies: ['x'] }, 'batch tokens cannot have "num_uses" set'],
      [{ type: 'batch' }, 'batch tokens cannot be root tokens'],
    ])('refuse %j', async (settings, error) => {
      await client().refused(['POST', 'auth/token/create', settings], 400, error)
    })

    test('are no way to more rights', async () => {
      const vault = client()
      const path = 'auth/token/create'
      const parent = await vault.tokenWith(`path "${path}" { capabilities = ["update", "create"] }`)
      const refuse = (body: object, error: string): Promise<void> =>
        vault.refused(['POST', path, body, parent], 400, error)
      await refuse({ policies: ['other'] }, 'child policies must be subset of parent')
      const sudo = 'root or sudo privileges required to'
      await refuse({ no_parent: true }, `${sudo} create orphan token`)
      await refuse({ id: 'mine' }, `${sudo} specify token id`)
      await refuse({ period: '1h' }, `${sudo} create periodic token`)
      await vault.refused(['POST', 'auth/token/create-orphan', {}, parent], 403, DENIED)
      const child = await vault.call('POST', path, { ttl: '5s' }, parent)
      expect(child.body.auth).toMatchObject({ lease_duration: 5, orphan: false })
      const limited = await vault.token({ policies: ['root'], num_uses: 3, ttl: '1m' })
      const restricted = 'restricted use token cannot generate child tokens'
      await vault.refused(['POST', path, {}, limited], 400, restricted)
    })

    test('die with their time, their uses and their parents', async () => {
      const vault = client()
      const self = 'auth/token/lookup-self'
      const short = await vault.token({ policies: ['default'], ttl: '1s' })
      const batch = await vault.token({ policies: ['default'], ttl: '1s', type: 'batch' })
      const twice = await vault.token({ policies: ['default'], ttl: '1m', num_uses: 2 })
      const parent = await vault.token({ policies: ['root'], ttl: '1m' })
      const kinds = await Promise.all(
        ['service', 'batch'].map((type) =>
          vault.call(
            'POST',
            'auth/token/create',
            { policies: ['default'], ttl: '1m', type },
            parent,
          ),
        ),
      )
      const children = kinds.map(({ body }): string => body.auth.client_token)
      for (const child of children) await vault.data('GET', self, undefined, child)

      await vault.done('POST', 'auth/token/revoke-self', {}, parent)
      expect(await vault.data('GET', self, undefined, twice)).toMatchObject({ num_uses: 1 })
      expect(await vault.data('GET', self, undefined, twice)).toMatchObject({ num_uses: -1 })
      await vault.world.pass(2600)
      for (const dead of [short, batch, twice, parent, ...children]) {
        await vault.refused(['GET', self, undefined, dead], 403, 'permission denied')
        await vault.refused(['POST', 'auth/token/lookup', { token: dead }], 403, 'bad token')
      }
    })

    test('renew up to the increment that is asked for', async () => {
      const vault = client()
      const token = await vault.token({ policies: ['default'], ttl: '10s', explicit_max_ttl: '5m' })
      const renew = async (increment?: string): Promise<object> => {
        const answer = await vault.call('POST', 'auth/token/renew-self', { increment }, token)
        return { lease: answer.body.auth?.lease_duration, warnings: answer.body.warnings }
      }
      expect(await renew('120s')).toEqual({ lease: 120, warnings: null })
      // Nothing asked for: what the last renewal gave.
      expect(await renew()).toEqual({ lease: 120, warnings: null })
      const cut = await renew('1h')
      expect(cut).toMatchObject({ warnings: [expect.stringContaining('TTL of "1h" exceeded')] })
      const data = await vault.data('GET', 'auth/token/lookup-self', undefined, token)
      expect(data).toMatchObject({ last_renewal_time: expect.any(Number), creation_ttl: 10 })
    })

    test('renew to less and less as their maximum comes near, and not beyond it', async () => {
      const vault = client()
      const token = await vault.token({ policies: ['default'], ttl: '3s', explicit_max_ttl: '5s' })
      const renew = async (increment?: string): Promise<object> => {
        const answer = await vault.call('POST', SELF, { increment }, token)
        return { lease: answer.body.auth?.lease_duration, warnings: answer.body.warnings }
      }
      await vault.world.pass(2000)
      const first = await renew('10s')
      // Vault counts from the whole second in which the token was made.
      expect([{ lease: 2 }, { lease: 3 }]).toContainEqual({ lease: leaseOf(first) })
      const text = `TTL of "10s" exceeded the effective max_ttl of "${leaseOf(first)}s"`
      expect(first).toMatchObject({ warnings: [expect.stringContaining(text)] })
      await vault.world.pass(1300)
      const second = await renew()
      expect(leaseOf(second)).toBeLessThan(leaseOf(first))
      await vault.world.pass(2200)
      await vault.refused(['POST', SELF, {}, token], 403, 'permission denied')
    })

    test('renew for their period for ever, but for their own maximum', async () => {
      const vault = client()
      const renew = async (token: string): Promise<object> => {
        const answer = await vault.call('POST', SELF, { increment: '1h' }, token)
        return { lease: answer.body.auth.lease_duration, warnings: answer.body.warnings }
      }
      const periodic = await vault.token({ policies: ['default'], period: '10s' })
      expect(await renew(periodic)).toEqual({ lease: 10, warnings: null })
      const settings = { policies: ['default'], period: '10s', explicit_max_ttl: '12s' }
      const limited = await vault.token(settings)
      await vault.world.pass(3000)
      const last = await renew(limited)
      expect(leaseOf(last)).toBeLessThan(10)
      expect(last).toMatchObject({ warnings: [expect.stringContaining('effective max_ttl')] })
      expect(await vault.data('GET', 'auth/token/lookup-self', undefined, periodic)).toMatchObject({
        period: 10,
      })
    })

    test('renew to what is asked, also to less', async () => {
      const vault = client()
      const token = await vault.token({ policies: ['default'], ttl: '1m' })
      const lease = async (increment: unknown): Promise<number> => {
        const answer = await vault.call('POST', SELF, { increment }, token)
        return answer.body.auth.lease_duration
      }
      expect(await lease(0)).toBe(60)
      expect(await lease('5s')).toBe(5)
      const prefix = 'Field validation failed: error converting input for field "increment":'
      const negative = `${prefix} cannot provide negative value '-5'`
      await vault.refused(['POST', SELF, { increment: -5 }, token], 400, negative)
      const invalid = `${prefix} time: invalid duration "zz"`
      await vault.refused(['POST', SELF, { increment: 'zz' }, token], 400, invalid)
    })

    test('renew neither when they are dead nor without the policy for it', async () => {
      const vault = client()
      const revoked = await vault.token({ policies: ['default'], ttl: '1m' })
      const expired = await vault.token({ policies: ['default'], ttl: '1s' })
      const used = await vault.token({ policies: ['default'], ttl: '1m', num_uses: 2 })
      await vault.done('POST', 'auth/token/revoke-self', {}, revoked)
      const renewed = await vault.call('POST', SELF, {}, used)
      expect(renewed).toMatchObject({ status: 200, body: { auth: { num_uses: 2 } } })
      await vault.refused(['POST', SELF, {}, used], 400, 'token not found')
      await vault.world.pass(2100)
      for (const token of [revoked, expired, used]) {
        await vault.refused(['POST', SELF, {}, token], 403, 'permission denied')
      }
      const bare = await vault.tokenWith('path "x" { capabilities = ["read"] }')
      await vault.refused(['POST', SELF, {}, bare], 403, DENIED)
      const allowed = await vault.tokenWith(`path "${SELF}" { capabilities = ["update"] }`)
      expect((await vault.call('POST', SELF, {}, allowed)).status).toBe(200)
    })

    test('refuse renewal where there is nothing to renew', async () => {
      const vault = client()
      const fixed = await vault.token({ policies: ['default'], ttl: '1m', renewable: false })
      const batch = await vault.token({ policies: ['default'], ttl: '1m', type: 'batch' })
      const self = 'auth/token/renew-self'
      await vault.refused(['POST', self, {}, fixed], 400, 'lease is not renewable')
      const endless = await vault.token({})
      await vault.refused(['POST', self, {}, endless], 400, 'lease is not renewable')
      await vault.refused(['POST', self, {}, batch], 400, 'batch tokens cannot be renewed')
      await vault.refused(['POST', 'auth/token/renew', { token: 'no' }], 400, 'token not found')
      await vault.refused(['POST', 'auth/token/renew', {}], 400, 'missing token ID')
    })

    test('revoke, but not batch tokens', async () => {
      const vault = client()
      const token = await vault.token({ policies: ['default'], ttl: '1m' })
      const batch = await vault.token({ policies: ['default'], ttl: '1m', type: 'batch' })
      expect(batch).toMatch(/^b\./)
      expect(token).toMatch(/^s\./)
      const refusal = 'batch tokens cannot be revoked'
      await vault.refused(['POST', 'auth/token/revoke', { token: batch }], 400, refusal)
      await vault.refused(['POST', 'auth/token/revoke-self', {}, batch], 400, refusal)
      await vault.done('POST', 'auth/token/revoke', { token })
      await vault.done('POST', 'auth/token/revoke', { token })
      await vault.refused(['POST', 'auth/token/revoke', {}], 400, 'missing token ID')
      await vault.refused(
        ['GET', 'auth/token/lookup-self', undefined, token],
        403,
        'permission denied',
      )
      const gone = await vault.call('POST', 'auth/token/revoke-accessor', { accessor: 'no' })
      expect(gone.body.warnings).toEqual(['No token found with this accessor'])
      const invalid = '1 error occurred:\n\t* invalid accessor\n\n'
      await vault.refused(['POST', 'auth/token/lookup-accessor', { accessor: 'no' }], 400, invalid)
    })

    test('without the default policy cannot even look at themselves', async () => {
      const vault = client()
      const token = await vault.tokenWith('path "x" { capabilities = ["read"] }')
      await vault.refused(['GET', 'auth/token/lookup-self', undefined, token], 403, DENIED)
      await vault.refused(['POST', 'auth/token/revoke-self', {}, token], 403, DENIED)
    })

    test.each([null, 'nope', 's.000000000000000000000000'])('%s is none', async (token) => {
      const vault = client()
      const error = 'permission denied'
      await vault.refused(['GET', 'auth/token/lookup-self', undefined, token], 403, error)
      await vault.refused(['GET', 'no-such-mount', undefined, token], 403, error)
    })
  })
}

function leaseOf(renewed: object): number {
  return 'lease' in renewed ? Number(renewed.lease) : Number.NaN
}

import { beforeAll, describe, expect, test } from 'vitest'
import { writeAppRole, type AppRoleUnderTest } from './vault-approle-fixture.ts'
import { unique, type ClientSource } from './vault-under-test.ts'

const INVALID = { status: 400, errors: ['invalid role or secret ID'] }
const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

/** The AppRole auth method. */
export function appRoleSuite(client: ClientSource): void {
  describe('approle auth', () => {
    const mount = unique('approle')
    beforeAll(() => client().done('POST', `sys/auth/${mount}`, { type: 'approle' }))

    const role = (settings?: object): Promise<AppRoleUnderTest> =>
      writeAppRole(client(), mount, settings)
    const wrapped = (text: string): string => `1 error occurred:\n\t* ${text}\n\n`

    describe('roles', () => {
      test('are kept by lower-case name, each with a role_id of its own', async () => {
        const vault = client()
        const name = unique('role')
        const path = `auth/${mount}/role/${name}`
        const settings = { token_policies: 'app', secret_id_ttl: '1h' }
        await vault.done('POST', `auth/${mount}/role/${name.toUpperCase()}`, settings)
        expect(await vault.data('GET', path)).toEqual({
          bind_secret_id: true,
          local_secret_ids: false,
          secret_id_bound_cidrs: null,
          secret_id_num_uses: 0,
          secret_id_ttl: 3600,
          token_bound_cidrs: [],
          token_explicit_max_ttl: 0,
          token_max_ttl: 0,
          token_no_default_policy: false,
          token_num_uses: 0,
          token_period: 0,
          token_policies: ['app'],
          token_strictly_bind_ip: false,
          token_ttl: 0,
          token_type: 'default',
        })
        const { role_id: roleId } = await vault.data('GET', `${path}/role-id`)
        expect(roleId).toMatch(UUID)
        await vault.done('POST', path, { token_ttl: '5s' })
        expect(await vault.data('GET', path)).toMatchObject({ token_ttl: 5, secret_id_ttl: 3600 })
        expect(await vault.data('GET', `${path}/role-id`)).toEqual({ role_id: roleId })
        expect((await vault.data('LIST', `auth/${mount}/role`)).keys).toContain(name)
        await vault.done('DELETE', path)
        await vault.done('DELETE', path)
        await vault.refused(['GET', path], 404)
        await vault.refused(['GET', `${path}/role-id`], 404)
      })

      test('know the older names of policies and period, and not of other settings', async () => {
        const { path, vault } = await role({
          token_policies: undefined,
          token_ttl: undefined,
          token_max_ttl: undefined,
          policies: 'B,a,a',
          period: '1h',
          ttl: '7s',
        })
        expect(await vault.data('GET', path)).toMatchObject({
          token_policies: ['a', 'b'],
          policies: ['a', 'b'],
          token_period: 3600,
          period: 3600,
          token_ttl: 0,
        })
        await vault.done('POST', path, { token_policies: 'z,Y' })
        const data = await vault.data('GET', path)
        expect(data).toMatchObject({ token_policies: ['z', 'Y'], period: 3600 })
        expect(data).not.toHaveProperty('policies')
      })

      test.each([
        [{ secret_id_num_uses: -1 }, 400, 'secret_id_num_uses cannot be negative'],
        [
          { secret_id_ttl: '-5s' },
          400,
          `error converting input for field "secret_id_ttl": cannot provide negative value '-5'`,
        ],
        [{ role_id: '' }, 400, 'invalid role_id supplied, or failed to generate a role_id'],
        [{ token_type: 'zz' }, 400, `invalid 'token_type' value "zz"`],
        [
          { token_ttl: '10m', token_max_ttl: '1m' },
          400,
          "'token_ttl' cannot be greater than 'token_max_ttl'",
        ],
        [
          { bind_secret_id: false },
          500,
          wrapped('at least one constraint should be enabled on the role'),
        ],
        [
          { secret_id_bound_cidrs: 'zz' },
          500,
          wrapped('failed to validate CIDR blocks: invalid CIDR address: zz'),
        ],
      ])('refuse %j', async (settings, status, error) => {
        const path = `auth/${mount}/role/${unique('role')}`
        await client().refused(['POST', path, settings], status, error)
        await client().refused(['GET', path], 404)
      })

      test('share no role_id', async () => {
        const [one, other] = [await role(), await role()]
        const taken = wrapped('role_id already in use')
        const { vault } = one
        await vault.refused(['POST', other.path, { role_id: one.name }], 500, taken)
        const path = `${other.path}/role-id`
        await vault.refused(['POST', path, { role_id: one.name }], 500, taken)
        await vault.refused(['POST', path, {}], 400, 'missing role_id')
        const fresh = unique('role')
        await vault.done('POST', path, { role_id: fresh })
        expect(await vault.data('GET', path)).toEqual({ role_id: fresh })
        const absent = `auth/${mount}/role/absent/role-id`
        await vault.refused(['POST', absent, { role_id: 'x' }], 404, wrapped('unsupported path'))
        const error = 'local_secret_ids can only be modified during role creation'
        await vault.refused(['POST', one.path, { local_secret_ids: true }], 400, error)
      })
    })

    describe('secret_ids', () => {
      test('take their limits from the role, or tighter ones', async () => {
        const { path, vault } = await role({ secret_id_num_uses: 2, secret_id_ttl: '1h' })
        const make = `${path}/secret-id`
        expect(await vault.data('POST', make)).toEqual({
          secret_id: expect.stringMatching(UUID),
          secret_id_accessor: expect.stringMatching(UUID),
          secret_id_num_uses: 2,
          secret_id_ttl: 3600,
        })
        const tight = { num_uses: 1, ttl: '5m' }
        const limits = { secret_id_num_uses: 1, secret_id_ttl: 300 }
        expect(await vault.data('POST', make, tight)).toMatchObject(limits)
        const uses = "num_uses cannot be higher than the role's secret_id_num_uses"
        const ttl = "ttl cannot be longer than the role's secret_id_ttl"
        await vault.refused(['POST', make, { num_uses: 3 }], 400, uses)
        await vault.refused(['POST', make, { num_uses: 0 }], 400, uses)
        await vault.refused(['POST', make, { num_uses: -1 }], 400, 'num_uses cannot be negative')
        await vault.refused(['POST', make, { ttl: '2h' }], 400, ttl)
        await vault.refused(['POST', make, { ttl: 0 }], 400, ttl)
      })

      test('live no longer than any lease may', async () => {
        const { issue, vault, path } = await role({ secret_id_ttl: '9999h' })
        const { secret_id, secret_id_ttl } = await issue()
        expect(secret_id_ttl).toBe(2_764_800)
        const shown = await vault.data('POST', `${path}/secret-id/lookup`, { secret_id })
        expect(shown).toMatchObject({ secret_id_ttl: 9999 * 3600 })
        const life = Date.parse(shown.expiration_time) - Date.parse(shown.creation_time)
        expect(life).toBe(2_764_800_000)
      })

      test('are looked up by themselves and by accessor, and listed', async () => {
        const { path, vault, issue } = await role()
        const { secret_id, secret_id_accessor } = await issue({ metadata: '{"team":"a"}' })
        const shown = await vault.data('POST', `${path}/secret-id/lookup`, { secret_id })
        expect(shown).toEqual({
          cidr_list: [],
          creation_time: expect.any(String),
          expiration_time: '0001-01-01T00:00:00Z',
          last_updated_time: shown.creation_time,
          metadata: { team: 'a' },
          secret_id_accessor,
          secret_id_num_uses: 0,
          secret_id_ttl: 0,
          token_bound_cidrs: [],
        })
        const byAccessor = `${path}/secret-id-accessor/lookup`
        expect(await vault.data('POST', byAccessor, { secret_id_accessor })).toEqual(shown)
        const other = await issue()
        const { keys } = await vault.data('LIST', `${path}/secret-id`)
        expect(keys.toSorted()).toEqual([secret_id_accessor, other.secret_id_accessor].toSorted())
        await vault.done('POST', `${path}/secret-id/lookup`, { secret_id: 'no' })
        const absent = await vault.call('POST', byAccessor, { secret_id_accessor: 'no' })
        const error = 'failed to find accessor entry for secret_id_accessor: "no"'
        expect(absent).toMatchObject({ status: 404, body: { data: { error } } })
      })

      test('are destroyed by themselves and by accessor', async () => {
        const { path, vault, issue, login } = await role()
        const [one, other] = [await issue(), await issue()]
        await vault.done('POST', `${path}/secret-id/destroy`, { secret_id: one.secret_id })
        await vault.done('POST', `${path}/secret-id/destroy`, { secret_id: one.secret_id })
        const accessor = { secret_id_accessor: other.secret_id_accessor }
        const destroy = `${path}/secret-id-accessor/destroy`
        await vault.done('POST', destroy, accessor)
        const error = `failed to find accessor entry for secret_id_accessor: "${other.secret_id_accessor}"`
        await vault.refused(['POST', destroy, accessor], 500, wrapped(error))
        expect(await login(one.secret_id)).toEqual(INVALID)
        expect(await login(other.secret_id)).toEqual(INVALID)
      })

      test('may be chosen', async () => {
        const { path, vault, login } = await role()
        const chosen = { secret_id: unique('chosen') }
        const make = `${path}/custom-secret-id`
        expect(await vault.data('POST', make, chosen)).toMatchObject(chosen)
        const error = wrapped('failed to store secret_id: SecretID is already registered')
        await vault.refused(['POST', make, chosen], 500, error)
        await vault.refused(['POST', make, {}], 400, 'missing secret_id')
        expect(await login(` ${chosen.secret_id}\n`)).toHaveProperty('client_token')
      })

      test.each([
        ['secret-id', {}, 404, 'role "absent" does not exist'],
        ['custom-secret-id', { secret_id: 'x' }, 404, 'role "absent" does not exist'],
        ['secret-id/lookup', { secret_id: 'x' }, 500, wrapped('role "absent" does not exist')],
        ['secret-id/destroy', { secret_id: 'x' }, 500, wrapped('role "absent" does not exist')],
        ['secret-id/lookup', {}, 400, 'missing secret_id'],
        ['secret-id/destroy', {}, 400, 'missing secret_id'],
        ['secret-id-accessor/lookup', {}, 400, 'missing secret_id_accessor'],
        ['secret-id-accessor/destroy', {}, 400, 'missing secret_id_accessor'],
      ])('answer %s of no role with %j', async (what, body, status, error) => {
        await client().refused(['POST', `auth/${mount}/role/absent/${what}`, body], status, error)
      })

      test.each([
        ['a=b, c=d', { a: 'b', c: 'd' }],
        [' {"a":"b"} ', { a: 'b' }],
        ['eyJhIjoiYiJ9', { a: 'b' }],
        ['', {}],
      ])('carry the metadata %j', async (metadata, expected) => {
        const { issue, login, name } = await role()
        const { secret_id } = await issue({ metadata })
        expect((await login(secret_id)).metadata).toEqual({ ...expected, role_name: name })
      })

      test.each(['a', '[]', '{"a":1}'])('refuse the metadata %j', async (metadata) => {
        const { path } = await role()
        const error =
          'failed to parse metadata: failed to parse the input: invalid <key,value> format'
        await client().refused(['POST', `${path}/secret-id`, { metadata }], 400, error)
      })
    })

    describe('logins', () => {
      test('give a service token of the role', async () => {
        const { issue, login, name, vault } = await role()
        const auth = await login((await issue()).secret_id)
        expect(auth).toMatchObject({
          policies: ['app', 'default'],
          metadata: { role_name: name },
          lease_duration: 60,
          renewable: true,
          token_type: 'service',
          orphan: true,
          num_uses: 0,
        })
        const self = 'auth/token/lookup-self'
        expect(await vault.data('GET', self, undefined, auth.client_token)).toMatchObject({
          display_name: mount,
          path: `auth/${mount}/login`,
          entity_id: auth.entity_id,
          meta: { role_name: name },
        })
        const again = await login((await issue()).secret_id)
        expect(again.entity_id).toBe(auth.entity_id)
      })

      test('give batch tokens where the role says so', async () => {
        const settings = { token_type: 'batch', token_ttl: '10s', token_no_default_policy: true }
        const { issue, login } = await role(settings)
        expect(await login((await issue()).secret_id)).toMatchObject({
          accessor: '',
          policies: ['app'],
          lease_duration: 10,
          renewable: false,
          token_type: 'batch',
        })
      })

      test('spend the uses of a secret_id', async () => {
        const { issue, login, path, vault } = await role()
        const { secret_id } = await issue({ num_uses: 2 })
        expect(await login(secret_id)).toHaveProperty('client_token')
        const lookup = await vault.data('POST', `${path}/secret-id/lookup`, { secret_id })
        expect(lookup.secret_id_num_uses).toBe(1)
        expect(await login(secret_id)).toHaveProperty('client_token')
        expect(await login(secret_id)).toEqual(INVALID)
      })

      test('end with the life of a secret_id, once it is tidied up', async () => {
        const { issue, login, path, vault } = await role()
        const { secret_id } = await issue({ ttl: '1s' })
        await vault.world.pass(1100)
        const tidy = await vault.call('POST', `auth/${mount}/tidy/secret-id`)
        const warning = expect.stringContaining('Tidy operation successfully started.')
        expect(tidy).toMatchObject({ status: 202, body: { data: null, warnings: [warning] } })
        const gone = async (): Promise<number> =>
          (await vault.call('POST', `${path}/secret-id/lookup`, { secret_id })).status
        for (let tries = 0; tries < 50 && (await gone()) !== 204; tries += 1) {
          await vault.world.pass(100)
        }
        expect(await login(secret_id)).toEqual(INVALID)
      })

      test('end with the role', async () => {
        const { issue, login, path, vault } = await role()
        const { secret_id } = await issue()
        const { client_token: token } = await login(secret_id)
        await vault.done('DELETE', path)
        expect(await login(secret_id)).toEqual(INVALID)
        const name = path.split('/').at(-1)
        const error = `failed to renew entry: role "${name}" does not exist during renewal`
        await vault.refused(['POST', 'auth/token/renew-self', {}, token], 500, wrapped(error))
      })

      test('say alike that role_id or secret_id are wrong', async () => {
        const { issue, login, vault } = await role()
        const { secret_id } = await issue()
        expect(await login('wrong')).toEqual(INVALID)
        const path = `auth/${mount}/login`
        const unknown = { role_id: unique('role'), secret_id }
        await vault.refused(['POST', path, unknown, null], 400, INVALID.errors[0])
        expect(await login(undefined)).toEqual({ status: 400, errors: ['missing secret_id'] })
        await vault.refused(['POST', path, { secret_id }, null], 500, 'missing role_id')
      })

      test('are locked for 15 minutes after five wrong secret_ids, also with the right one', async () => {
        const { issue, login } = await role()
        const { secret_id } = await issue()
        for (let wrong = 0; wrong < 4; wrong += 1) expect(await login('wrong')).toEqual(INVALID)
        expect(await login(secret_id)).toHaveProperty('client_token')
        for (let wrong = 0; wrong < 5; wrong += 1) expect(await login('wrong')).toEqual(INVALID)
        const locked = { status: 403, errors: ['permission denied'] }
        expect(await login('wrong')).toEqual(locked)
        expect(await login(secret_id)).toEqual(locked)
      })

      test('need no secret_id where the role binds addresses alone', async () => {
        const here = { bind_secret_id: false, secret_id_bound_cidrs: ['127.0.0.0/8'] }
        const { login, path, vault } = await role(here)
        expect(await login(undefined)).toHaveProperty('client_token')
        const error = 'bind_secret_id is not set on the role'
        await vault.refused(['POST', `${path}/secret-id`, {}], 400, error)
        const elsewhere = await role({ ...here, secret_id_bound_cidrs: ['10.0.0.0/8'] })
        const denied =
          'source address "127.0.0.1" unauthorized by CIDR restrictions on the role: %!w(<nil>)'
        expect(await elsewhere.login(undefined)).toEqual({ status: 400, errors: [denied] })
      })

      test('give tokens whose uses end: a refused request counts, too', async () => {
        const { issue, login, vault } = await role({ token_num_uses: 2 })
        const { client_token: token, num_uses } = await login((await issue()).secret_id)
        expect(num_uses).toBe(2)
        const self = 'auth/token/lookup-self'
        await vault.data('GET', self, undefined, token)
        const denied = '1 error occurred:\n\t* permission denied\n\n'
        await vault.refused(['GET', 'sys/mounts', undefined, token], 403, denied)
        await vault.refused(['GET', self, undefined, token], 403, 'permission denied')
      })
    })
  })
}

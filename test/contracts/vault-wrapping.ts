import { beforeAll, describe, expect, test } from 'vitest'
import { writeAppRole, type AppRoleUnderTest } from './vault-approle-fixture.ts'
import { DENIED, unique, type ClientSource } from './vault-under-test.ts'
import type { WireAnswer } from './wire.ts'

const INVALID = 'wrapping token is not valid or does not exist'
const UNWRAP = 'sys/wrapping/unwrap'
const LOOKUP = 'sys/wrapping/lookup'

/** Response wrapping: answers that wait behind a token. */
export function wrappingSuite(client: ClientSource): void {
  describe('response wrapping', () => {
    const mount = unique('approle')
    let role: AppRoleUnderTest
    beforeAll(async () => {
      await client().done('POST', `sys/auth/${mount}`, { type: 'approle' })
      role = await writeAppRole(client(), mount)
    })

    const asked = (
      ttl: string,
      [method, path, body, token = client().world.rootToken]: readonly [
        method: string,
        path: string,
        body?: unknown,
        token?: string | null,
      ],
    ): Promise<WireAnswer> => {
      const headers = { 'x-vault-wrap-ttl': ttl }
      return client().world.wire(method, `/v1/${path}`, {
        token: token ?? undefined,
        body,
        headers,
      })
    }
    const wrapSecretId = async (ttl = '60s'): Promise<WireAnswer['body']> => {
      const { body } = await asked(ttl, ['POST', `${role.path}/secret-id`, {}])
      return body.wrap_info
    }
    const unwrap = (token: string): Promise<WireAnswer> => client().call('POST', UNWRAP, {}, token)
    const isSpent = (token: string): Promise<void> =>
      client().refused(['POST', UNWRAP, {}, token], 400, INVALID)

    test('puts an answer behind a token that gives it once', async () => {
      const { path } = role
      const answer = await asked('60s', ['POST', `${path}/secret-id`, {}])
      expect(answer).toMatchObject({ status: 200 })
      expect(answer.body).toEqual({
        request_id: '',
        lease_id: '',
        renewable: false,
        lease_duration: 0,
        data: null,
        wrap_info: {
          token: expect.stringMatching(/^s\./),
          accessor: expect.any(String),
          ttl: 60,
          creation_time: expect.any(String),
          creation_path: `${path}/secret-id`,
          wrapped_accessor: expect.any(String),
        },
        warnings: null,
        auth: null,
      })
      const { token, wrapped_accessor: accessor } = answer.body.wrap_info
      const { status, body } = await unwrap(token)
      expect({ status, body }).toMatchObject({
        status: 200,
        body: { data: { secret_id_accessor: accessor }, wrap_info: null, auth: null },
      })
      expect(body.request_id).toMatch(/^[0-9a-f-]{36}$/)
      expect(await role.login(body.data.secret_id)).toHaveProperty('client_token')
      await isSpent(token)
      await client().refused(['POST', LOOKUP, { token }], 400, INVALID)
    })

    test('gives the answer also to who names the token in the body', async () => {
      const vault = client()
      const reader = await vault.token({ policies: ['default'], ttl: '1m' })
      const bare = await vault.tokenWith('path "x" { capabilities = ["read"] }')
      const { token } = await wrapSecretId()
      await vault.refused(['POST', UNWRAP, { token }, bare], 403, DENIED)
      await vault.refused(['POST', UNWRAP, { token }, null], 403, 'permission denied')
      await vault.refused(['POST', UNWRAP, { token }, 'nope'], 403, 'permission denied')
      expect(await vault.data('PUT', UNWRAP, { token }, reader)).toHaveProperty('secret_id')
      await vault.refused(['PUT', UNWRAP, { token }, reader], 400, INVALID)
    })

    test('is spoilt by a token that names itself', async () => {
      const { token } = await wrapSecretId()
      const error =
        "1 error occurred:\n\t* error decrementing wrapping token's use-count: invalid token entry " +
        'provided for use count decrementing\n\n'
      await client().refused(['POST', UNWRAP, { token }, token], 500, error)
      await isSpent(token)
    })

    test('tells anybody who has the token where it comes from, without spending it', async () => {
      const vault = client()
      const { token, creation_time } = await wrapSecretId('90')
      const creation_path = `${role.path}/secret-id`
      const expected = { creation_path, creation_time, creation_ttl: 90 }
      const shown = [
        await vault.data('POST', LOOKUP, {}, token),
        await vault.data('GET', LOOKUP, undefined, token),
        (await vault.call('POST', LOOKUP, { token }, null)).body.data,
        (await vault.call('POST', LOOKUP, { token }, 'nope')).body.data,
      ]
      expect(shown).toEqual([expected, expected, expected, expected])
      expect((await unwrap(token)).status).toBe(200)
    })

    test.each([
      [{ token: '' }, 403, 'error validating wrapping token: empty token in request body'],
      [
        { token: 7 },
        403,
        'error validating wrapping token: could not decode token in request body',
      ],
      [{ token: 's.unknown' }, 400, INVALID],
      [{}, 400, INVALID],
    ])('refuses %j', async (body, status, error) => {
      for (const what of ['unwrap', 'lookup', 'rewrap']) {
        await client().refused(['POST', `sys/wrapping/${what}`, body], status, error)
      }
    })

    test('refuses no token at all, and tokens that nothing is behind', async () => {
      const vault = client()
      const empty = 'error validating wrapping token: token is empty'
      await vault.refused(['POST', UNWRAP, {}, null], 403, empty)
      await isSpent('nope')
      await isSpent(await vault.token({ policies: ['default'], ttl: '1m' }))
    })

    test('spends the token by anything that it may not do', async () => {
      const vault = client()
      for (const path of ['auth/token/lookup-self', 'sys/mounts', UNWRAP]) {
        const { token } = await wrapSecretId()
        await vault.refused(['GET', path, undefined, token], 403, DENIED)
        await isSpent(token)
      }
      const { token } = await wrapSecretId()
      await vault.done('POST', 'auth/token/revoke', { token })
      await isSpent(token)
    })

    test('ends with its time', async () => {
      const { token } = await wrapSecretId('1s')
      await client().world.pass(2100)
      await isSpent(token)
    })

    test('gives a token of its own kind', async () => {
      const vault = client()
      const { token, accessor, creation_path: path } = await wrapSecretId()
      expect(await vault.data('POST', 'auth/token/lookup', { token })).toMatchObject({
        id: token,
        accessor,
        path,
        policies: ['response-wrapping'],
        display_name: '',
        num_uses: 1,
        explicit_max_ttl: 60,
        creation_ttl: 60,
        orphan: true,
        renewable: false,
        type: 'service',
        meta: null,
      })
      const assigned = { policies: ['response-wrapping'], ttl: '1m' }
      const error = 'cannot assign policy "response-wrapping"'
      await vault.refused(['POST', 'auth/token/create', assigned], 400, error)
      const policy = 'sys/policies/acl/response-wrapping'
      const body = { policy: 'path "x" { capabilities = ["read"] }' }
      const fixed = 'update "response-wrapping" policy'
      await vault.refused(['PUT', policy, body], 400, `cannot ${fixed}`)
      await vault.refused(['DELETE', policy], 400, `cannot ${fixed.replace('update', 'delete')}`)
      expect((await vault.data('LIST', 'sys/policies/acl')).keys).not.toContain('response-wrapping')
      expect((await vault.data('GET', policy)).policy).toContain('cubbyhole/response')
    })

    test('wraps logins and new tokens, with the accessor outside', async () => {
      const { secret_id } = await role.issue()
      const login = { role_id: role.name, secret_id }
      const { body } = await asked('60s', ['POST', `auth/${mount}/login`, login, null])
      const { token, wrapped_accessor } = body.wrap_info
      expect({ auth: body.auth, wrapped_accessor }).toEqual({
        auth: null,
        wrapped_accessor: expect.any(String),
      })
      const { auth } = (await unwrap(token)).body
      expect(auth).toMatchObject({
        accessor: wrapped_accessor,
        client_token: expect.stringMatching(/^s\./),
        lease_duration: 60,
      })
      const settings = { policies: [unique('absent')], ttl: '1m' }
      const created = await asked('60s', ['POST', 'auth/token/create', settings])
      expect(created.body.warnings).toBeNull()
      const inside = (await unwrap(created.body.wrap_info.token)).body
      expect(inside.warnings).toEqual([expect.stringContaining('does not exist')])
      expect(inside.auth.accessor).toBe(created.body.wrap_info.wrapped_accessor)
    })

    test('wraps nothing that is an error, empty, or outside of what wraps', async () => {
      const { path } = role
      const wrong = { role_id: role.name, secret_id: 'wrong' }
      expect(await asked('60s', ['POST', `auth/${mount}/login`, wrong, null])).toMatchObject({
        status: 400,
        body: { errors: ['invalid role or secret ID'] },
      })
      expect((await asked('60s', ['GET', `${path}x`])).status).toBe(404)
      expect((await asked('60s', ['DELETE', `${path}x`])).status).toBe(204)
      expect((await asked('60s', ['GET', 'sys/health'])).body).toMatchObject({ sealed: false })
    })

    test('wraps lists and reads, and an answer that was just unwrapped', async () => {
      const list = await asked('60s', ['LIST', `auth/${mount}/role`])
      expect(list.body.wrap_info).not.toHaveProperty('wrapped_accessor')
      expect(list.body.wrap_info.creation_path).toBe(`auth/${mount}/role/`)
      const read = await asked('60s', ['GET', `sys/auth/${mount}`])
      const again = await asked('30s', ['POST', UNWRAP, {}, list.body.wrap_info.token])
      const { ttl, creation_path, token } = again.body.wrap_info
      expect({ ttl, creation_path }).toEqual({ ttl: 30, creation_path: UNWRAP })
      expect((await unwrap(read.body.wrap_info.token)).body.data).toMatchObject({ type: 'approle' })
      expect((await unwrap(token)).status).toBe(200)
    })

    test('wraps any data', async () => {
      const data = { a: 1, b: { c: 'd' } }
      const { body } = await asked('60s', ['POST', 'sys/wrapping/wrap', data])
      expect((await unwrap(body.wrap_info.token)).body.data).toEqual(data)
      const error = 'endpoint requires response wrapping to be used'
      await client().refused(['POST', 'sys/wrapping/wrap', data], 400, error)
    })

    test('moves an answer behind a new token', async () => {
      const vault = client()
      const { token, creation_path } = await wrapSecretId()
      const { body } = await vault.call('POST', 'sys/wrapping/rewrap', { token })
      expect(body.request_id).toBe('')
      expect(body.wrap_info).toEqual({
        token: expect.stringMatching(/^s\./),
        accessor: expect.any(String),
        ttl: 60,
        creation_time: expect.any(String),
        creation_path,
      })
      await isSpent(token)
      expect((await unwrap(body.wrap_info.token)).body.data).toHaveProperty('secret_id')
      const itself = (await wrapSecretId()).token
      await vault.refused(['POST', 'sys/wrapping/rewrap', {}, itself], 403, DENIED)
    })

    test.each([
      ['10', 10],
      ['1h30m', 5400],
    ])('reads %j as %i s', async (ttl, seconds) => {
      expect(await wrapSecretId(ttl)).toMatchObject({ ttl: seconds })
    })

    test.each([
      ['zz', 'time: invalid duration "zz"'],
      ['-5s', 'requested wrap ttl cannot be negative'],
    ])('refuses the time %j', async (ttl, error) => {
      const { status, body } = await asked(ttl, ['GET', 'sys/mounts'])
      const errors = [`error parsing X-Vault-Wrap-TTL header: ${error}`]
      expect({ status, body }).toEqual({ status: 400, body: { errors } })
    })

    test('wraps nothing for the time 0', async () => {
      const { body } = await asked('0', ['POST', `${role.path}/secret-id`, {}])
      expect(body).toMatchObject({ wrap_info: null, data: { secret_id: expect.any(String) } })
    })
  })
}

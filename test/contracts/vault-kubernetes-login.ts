import { beforeAll, describe, expect, test } from 'vitest'
import { newSigner, signJwt, TIME_ERRORS } from './vault-jwt-fixture.ts'
import { configureKubernetes, writeRole } from './vault-kubernetes-fixture.ts'
import { DENIED, unique, type ClientSource } from './vault-under-test.ts'
import type { WireAnswer } from './wire.ts'

/** Who may log in with the Kubernetes auth method, and what comes of it. */
export function kubernetesLoginSuite(client: ClientSource): void {
  describe('kubernetes login', () => {
    const method = unique('kubernetes')
    beforeAll(() => configureKubernetes(client(), method))

    const role = (settings: object = {}): Promise<string> => writeRole(client(), method, settings)
    const login = (body: object): Promise<WireAnswer> =>
      client().call('POST', `auth/${method}/login`, body, null)
    const loginOf = async (roleName: string, account: 'web' | 'other', audience: string) => {
      const jwt = await client().world.kubernetes.token(account, [audience])
      return login({ role: roleName, jwt })
    }
    const errorOf = ({ status, body }: WireAnswer): readonly [number, unknown] => [
      status,
      body.errors,
    ]

    test('gives a service token to the ServiceAccount that the role names', async () => {
      const vault = client()
      const { namespace } = vault.world.kubernetes
      const name = await role()
      const { status, body } = await loginOf(name, 'web', 'vault')
      expect(status).toBe(200)
      const metadata = {
        role: name,
        service_account_name: 'web',
        service_account_namespace: namespace,
        service_account_secret_name: '',
        service_account_uid: expect.any(String),
      }
      expect(body.auth).toMatchObject({
        policies: ['app', 'default'],
        metadata,
        lease_duration: 60,
        renewable: true,
        token_type: 'service',
        orphan: true,
        num_uses: 0,
      })
      const token = body.auth.client_token
      expect(await vault.data('GET', 'auth/token/lookup-self', undefined, token)).toMatchObject({
        display_name: `${method}-${namespace}-web`,
        path: `auth/${method}/login`,
        entity_id: body.auth.entity_id,
        creation_ttl: 60,
        meta: metadata,
      })
      const again = await loginOf(name, 'web', 'vault')
      expect(again.body.auth.entity_id).toBe(body.auth.entity_id)
      const increment = { increment: '1h' }
      const renewed = await vault.call('POST', 'auth/token/renew-self', increment, token)
      expect(renewed.body.auth.lease_duration).toBeLessThanOrEqual(180)
      expect(renewed.body.auth.lease_duration).toBeGreaterThan(170)
    })

    test('gives batch tokens of seconds that can do only what the policy says', async () => {
      const vault = client()
      const name = await role({
        token_type: 'batch',
        token_ttl: '10s',
        token_no_default_policy: true,
      })
      const { body } = await loginOf(name, 'web', 'vault')
      expect(body.auth).toMatchObject({
        accessor: '',
        policies: ['app'],
        lease_duration: 10,
        renewable: false,
        token_type: 'batch',
      })
      const token = body.auth.client_token
      expect(token).toMatch(/^b\./)
      for (const path of ['lookup-self', 'renew-self', 'revoke-self']) {
        const verb = path === 'lookup-self' ? 'GET' : 'POST'
        await vault.refused([verb, `auth/token/${path}`, undefined, token], 403, DENIED)
      }
    })

    test('lets a role without audience take the token as it is', async () => {
      expect((await loginOf(await role({ audience: '' }), 'web', 'vault')).status).toBe(200)
    })

    test.each([
      [{ bound_service_account_names: ['w*'] }],
      [{ bound_service_account_names: ['*'], bound_service_account_namespaces: ['*'] }],
    ])('matches the globs of %j', async (settings) => {
      expect((await loginOf(await role(settings), 'web', 'vault')).status).toBe(200)
    })

    test('says what is wrong with the audience, the name and the namespace', async () => {
      const audience =
        'invalid audience (aud) claim: audience claim does not match any expected audience'
      const name = await role()
      expect(errorOf(await loginOf(name, 'web', 'elsewhere'))).toEqual([403, [audience]])
      const account = [403, ['service account name not authorized']]
      expect(errorOf(await loginOf(name, 'other', 'vault'))).toEqual(account)
      const foreign = await role({ bound_service_account_namespaces: ['elsewhere'] })
      const namespace = [403, ['namespace not authorized']]
      expect(errorOf(await loginOf(foreign, 'web', 'vault'))).toEqual(namespace)
    })

    test('does not say what is wrong with the token itself', async () => {
      const name = await role()
      const jwt = await client().world.kubernetes.token('web', ['vault'])
      const forged = `${jwt.slice(0, jwt.lastIndexOf('.'))}.${Buffer.alloc(256).toString('base64url')}`
      for (const bad of ['a.b.c', 'junk', forged]) {
        expect(errorOf(await login({ role: name, jwt: bad }))).toEqual([403, ['permission denied']])
      }
    })

    const stranger = newSigner('RS256')
    // Seconds from now. Where the times are good the signature is looked at, which is no cluster's.
    test.each([
      ['good', { iat: 58, exp: 600 }],
      ['nbf', { iat: 62, exp: 600 }],
      ['nbf', { nbf: 62, exp: 600 }],
      ['iat', { iat: 62, nbf: 0, exp: 600 }],
      ['good', { exp: -58, iat: -600 }],
      ['exp', { exp: -62, iat: -600 }],
      ['nbf', { exp: 600 }],
      ['exp', { iat: -220 }],
      ['good', {}],
    ])('finds %s in the times %j', async (verdict, times) => {
      const { namespace } = client().world.kubernetes
      const now = Math.floor(client().world.now() / 1000)
      const absolute = Object.entries(times).map(([name, seconds]) => [name, now + seconds])
      const serviceaccount = { name: 'web', uid: '1' }
      const claims = {
        aud: ['vault'],
        'kubernetes.io': { namespace, serviceaccount },
        ...Object.fromEntries(absolute),
      }
      const jwt = signJwt(claims, stranger)
      const error = verdict === 'good' ? 'permission denied' : TIME_ERRORS[verdict]
      expect(errorOf(await login({ role: await role(), jwt }))).toEqual([403, [error]])
    })

    test('refuses what is incomplete', async () => {
      const name = await role()
      expect(errorOf(await login({ role: name }))).toEqual([400, ['missing jwt']])
      expect(errorOf(await login({ jwt: 'a.b.c' }))).toEqual([400, ['missing role']])
      const unknown = [400, ['invalid role name "nope"']]
      expect(errorOf(await login({ role: 'nope', jwt: 'a.b.c' }))).toEqual(unknown)
      const body = { role: name, jwt: 'a.b.c' }
      const nowhere = await client().call('POST', 'auth/no-such-mount/login', body, null)
      expect(errorOf(nowhere)).toEqual([403, ['permission denied']])
      const get = await client().call('GET', `auth/${method}/login`, undefined, null)
      expect(errorOf(get)).toEqual([405, ['unsupported operation']])
    })

    test('gives tokens that live by what the role says today', async () => {
      const vault = client()
      const name = await role({ token_ttl: '10s', token_max_ttl: '20s' })
      const { body } = await loginOf(name, 'web', 'vault')
      const token = body.auth.client_token
      const self = 'auth/token/renew-self'
      const path = `auth/${method}/role/${name}`
      await vault.done('POST', path, { token_ttl: '1h', token_max_ttl: '0' })
      const renewed = await vault.call('POST', self, {}, token)
      expect(renewed.body.auth.lease_duration).toBe(3600)
      await vault.done('DELETE', path)
      const error = `failed to renew entry: role ${name} does not exist during renewal`
      await vault.refused(['POST', self, {}, token], 500, `1 error occurred:\n\t* ${error}\n\n`)
    })

    test('counts the uses that the role allows', async () => {
      const { body } = await loginOf(await role({ token_num_uses: 1 }), 'web', 'vault')
      expect(body.auth.num_uses).toBe(1)
      const vault = client()
      const token = body.auth.client_token
      await vault.data('GET', 'auth/token/lookup-self', undefined, token)
      const self = 'auth/token/lookup-self'
      await vault.refused(['GET', self, undefined, token], 403, 'permission denied')
    })
  })
}

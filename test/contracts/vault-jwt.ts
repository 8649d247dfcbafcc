import { beforeAll, describe, expect, test } from 'vitest'
import { newSigner, signJwt, TIME_ERRORS } from './vault-jwt-fixture.ts'
import { unique, type ClientSource } from './vault-under-test.ts'
import type { WireAnswer } from './wire.ts'

const ISSUER = 'https://issuer.example'
const SUBJECT = 'system:serviceaccount:app:web'

/** The JWT auth method with public keys. */
export function jwtSuite(client: ClientSource): void {
  describe('jwt auth', () => {
    const mount = unique('jwt')
    const path = `auth/${mount}`
    const rsa = newSigner('RS256')
    const signers = [rsa, newSigner('ES256'), newSigner('EdDSA')]
    const pems = signers.map(({ publicPem }) => publicPem)
    beforeAll(async () => {
      await client().done('POST', `sys/auth/${mount}`, { type: 'jwt' })
      const settings = { jwt_validation_pubkeys: pems, bound_issuer: ISSUER }
      await client().done('POST', `${path}/config`, settings)
    })

    const role = async (settings: object = {}): Promise<string> => {
      const name = unique('role')
      await client().done('POST', `${path}/role/${name}`, { ...ROLE, ...settings })
      return name
    }
    /** Claims of a ServiceAccount with these times, in seconds from now. */
    const timed = (times: Readonly<Record<string, number>>): object => {
      const now = Math.floor(client().world.now() / 1000)
      const absolute = Object.entries(times).map(([name, seconds]) => [name, now + seconds])
      return { ...CLAIMS, ...Object.fromEntries(absolute) }
    }
    const claims = (): object => timed({ exp: 600, iat: 0, nbf: 0 })
    const login = async (name: string, jwt: string): Promise<WireAnswer['body']> => {
      const answer = await client().call('POST', `${path}/login`, { role: name, jwt }, null)
      return answer.status === 200 ? answer.body.auth : [answer.status, ...answer.body.errors]
    }

    describe('configuration', () => {
      test('shows itself', async () => {
        expect(await client().data('GET', `${path}/config`)).toEqual({
          bound_issuer: ISSUER,
          default_role: '',
          jwks_ca_pem: '',
          jwks_url: '',
          jwt_supported_algs: [],
          jwt_validation_pubkeys: pems.map((pem) => pem.trim()),
          namespace_in_state: true,
          oidc_client_id: '',
          oidc_discovery_ca_pem: '',
          oidc_discovery_url: '',
          oidc_response_mode: '',
          oidc_response_types: [],
          override_allowed_server_names: [],
          provider_config: {},
          status: 'valid',
        })
      })

      test.each([
        [
          {},
          "exactly one of 'jwt_validation_pubkeys', 'jwks_url' or 'oidc_discovery_url' must be set",
        ],
        [
          { jwt_validation_pubkeys: ['zz'] },
          'error parsing public key: data does not contain any valid public keys',
        ],
        [
          { jwt_validation_pubkeys: pems, jwt_supported_algs: ['zz'] },
          'invalid jwt_supported_algs: unsupported signing algorithm "zz"',
        ],
      ])('refuses %j', async (settings, error) => {
        const vault = client()
        const other = unique('jwt')
        await vault.done('POST', `sys/auth/${other}`, { type: 'jwt' })
        await vault.refused(['GET', `auth/${other}/config`], 404)
        await vault.refused(['POST', `auth/${other}/config`, settings], 400, error)
        const body = { role: 'x', jwt: 'y' }
        const absent = 'could not load configuration'
        await vault.refused(['POST', `auth/${other}/login`, body, null], 400, absent)
      })

      test('names the role of logins that name none, and the algorithms', async () => {
        const vault = client()
        const other = unique('jwt')
        await vault.done('POST', `sys/auth/${other}`, { type: 'jwt' })
        const keys = { jwt_validation_pubkeys: rsa.publicPem }
        const body = { jwt: signJwt(claims(), rsa) }
        const ask = (): Promise<WireAnswer> => vault.call('POST', `auth/${other}/login`, body, null)
        await vault.done('POST', `auth/${other}/config`, { ...keys, default_role: 'Web' })
        await vault.done('POST', `auth/${other}/role/web`, ROLE)
        expect((await ask()).status).toBe(200)
        const strict = { ...keys, default_role: 'web', jwt_supported_algs: ['ES256'] }
        await vault.done('POST', `auth/${other}/config`, strict)
        expect((await ask()).body.errors).toEqual([
          'error validating token: invalid algorithm (alg) header parameter: token signed with ' +
            'unexpected algorithm',
        ])
      })
    })

    describe('roles', () => {
      test('are kept by lower-case name', async () => {
        const vault = client()
        const name = await role({ token_ttl: undefined, ttl: '30s', expiration_leeway: -1 })
        const rolePath = `${path}/role/${name}`
        const expected = {
          allowed_redirect_uris: null,
          bound_audiences: ['vault'],
          bound_claims: null,
          bound_claims_type: 'string',
          bound_subject: '',
          callback_mode: 'client',
          claim_mappings: null,
          clock_skew_leeway: 0,
          expiration_leeway: -1,
          groups_claim: '',
          max_age: 0,
          not_before_leeway: 0,
          oauth2_metadata: null,
          oidc_scopes: null,
          role_type: 'jwt',
          token_bound_cidrs: [],
          token_explicit_max_ttl: 0,
          token_max_ttl: 180,
          token_no_default_policy: false,
          token_num_uses: 0,
          token_period: 0,
          token_policies: ['app'],
          token_policies_template_claims: false,
          token_strictly_bind_ip: false,
          token_ttl: 30,
          token_type: 'default',
          ttl: 30,
          user_claim: 'sub',
          user_claim_json_pointer: false,
          verbose_oidc_logging: false,
        }
        expect(await vault.data('GET', rolePath)).toEqual(expected)
        const upper = `${path}/role/${name.toUpperCase()}`
        await vault.done('POST', upper, { role_type: 'jwt', bound_subject: SUBJECT })
        expect(await vault.data('GET', rolePath)).toEqual({ ...expected, bound_subject: SUBJECT })
        expect((await vault.data('LIST', `${path}/role`)).keys).toContain(name)
        await vault.done('DELETE', rolePath)
        await vault.done('DELETE', rolePath)
        await vault.refused(['GET', rolePath], 404)
      })

      test.each([
        [{ role_type: 'zz' }, "invalid 'role_type': zz"],
        [
          { role_type: undefined },
          "'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified.",
        ],
        [{ user_claim: '' }, 'a user claim must be defined on the role'],
        [
          { bound_audiences: [] },
          'must have at least one bound constraint when creating/updating a role',
        ],
        [{ bound_claims_type: 'zz' }, "invalid 'bound_claims_type': zz"],
        [{ bound_claims_type: 'glob', bound_claims: { a: 1 } }, 'claim is not a string: 1'],
        [
          { bound_claims: 'zz' },
          `error converting input for field "bound_claims": '' expected type ` +
            `'map[string]interface {}', got unconvertible type 'string'`,
        ],
        [
          { claim_mappings: { a: 'role' } },
          'metadata key "role" is reserved and may not be a mapping destination',
        ],
        [{ claim_mappings: { a: 'x', b: 'x' } }, 'multiple keys are mapped to metadata key "x"'],
        [
          { expiration_leeway: 'zz' },
          'error converting input for field "expiration_leeway": time: invalid duration "zz"',
        ],
        [
          { token_ttl: '10m', token_max_ttl: '1m' },
          "'token_ttl' cannot be greater than 'token_max_ttl'",
        ],
      ])('refuse %j', async (settings, error) => {
        const rolePath = `${path}/role/${unique('role')}`
        await client().refused(['POST', rolePath, { ...ROLE, ...settings }], 400, error)
        await client().refused(['GET', rolePath], 404)
      })
    })

    describe('logins', () => {
      test.each(signers.map((signer) => [signer.algorithm, signer] as const))(
        'take tokens signed with %s',
        async (_, signer) => {
          const vault = client()
          const name = await role()
          const auth = await login(name.toUpperCase(), signJwt(claims(), signer))
          expect(auth).toMatchObject({
            policies: ['app', 'default'],
            metadata: { role: name },
            lease_duration: 60,
            renewable: true,
            token_type: 'service',
            orphan: true,
            num_uses: 0,
          })
          const self = 'auth/token/lookup-self'
          expect(await vault.data('GET', self, undefined, auth.client_token)).toMatchObject({
            display_name: `${mount}-${SUBJECT}`,
            path: `${path}/login`,
            entity_id: auth.entity_id,
            meta: { role: name },
          })
        },
      )

      test('take the ServiceAccount tokens of a cluster whose key Vault has', async () => {
        const vault = client()
        const { namespace, issuer, publicPem, token } = vault.world.kubernetes
        const other = unique('jwt')
        await vault.done('POST', `sys/auth/${other}`, { type: 'jwt' })
        const config = { jwt_validation_pubkeys: [publicPem], bound_issuer: issuer }
        await vault.done('POST', `auth/${other}/config`, config)
        const subject = `system:serviceaccount:${namespace}:web`
        const settings = { ...ROLE, bound_subject: subject }
        await vault.done('POST', `auth/${other}/role/web`, settings)
        const ask = async (account: 'web' | 'other', audience: string): Promise<WireAnswer> => {
          const body = { role: 'web', jwt: await token(account, [audience]) }
          return vault.call('POST', `auth/${other}/login`, body, null)
        }
        expect((await ask('web', 'vault')).status).toBe(200)
        const errors = async (answer: Promise<WireAnswer>): Promise<unknown> =>
          (await answer).body.errors
        expect(await errors(ask('other', 'vault'))).toEqual([
          'error validating token: invalid subject (sub) claim',
        ])
        expect(await errors(ask('web', 'elsewhere'))).toEqual([
          `error validating token: ${AUDIENCE}`,
        ])
      })

      test('give batch tokens where the role says so', async () => {
        const settings = { token_type: 'batch', token_ttl: '10s', token_no_default_policy: true }
        expect(await login(await role(settings), signJwt(claims(), rsa))).toMatchObject({
          accessor: '',
          policies: ['app'],
          lease_duration: 10,
          renewable: false,
          token_type: 'batch',
        })
      })

      const verifying = 'error validating token: error verifying token signature:'
      const good = (): string => signJwt(claims(), rsa)
      test.each([
        ['another key', () => signJwt(claims(), newSigner('RS256')), 'no known key'],
        ['no algorithm', () => signJwt(claims(), rsa, 'none'), 'no known key'],
        ['a secret', () => signJwt(claims(), rsa, 'HS256'), 'no known key'],
        ['another algorithm', () => signJwt(claims(), rsa, 'ES256'), 'no known key'],
        ['other claims', () => good().replace(/\..*\./, `.${CHANGED}.`), 'no known key'],
        ['one part', () => 'junk', 'go-jose/go-jose: compact JWS format must have three parts'],
        ['no base64', () => 'a.b.c', 'illegal base64 data at input byte 0'],
        ['too little', () => good().slice(0, -5), 'illegal base64 data at input byte 336'],
      ])('refuse a token signed with %s', async (_, jwt, error) => {
        const text = error === 'no known key' ? UNVERIFIED : error
        expect(await login(await role(), jwt())).toEqual([400, `${verifying} ${text}`])
      })

      test.each([
        ['issuer', { iss: 'other' }, 'invalid issuer (iss) claim'],
        ['no issuer', { iss: undefined }, 'invalid issuer (iss) claim'],
        ['audience', { aud: ['other'] }, AUDIENCE],
        ['no audience', { aud: undefined }, AUDIENCE],
      ])('refuse another %s', async (_, other, error) => {
        const jwt = signJwt({ ...claims(), ...other }, rsa)
        expect(await login(await role(), jwt)).toEqual([400, `error validating token: ${error}`])
      })

      test('refuse another subject than the bound one, and an audience that is not bound', async () => {
        const bound = await role({ bound_subject: `${SUBJECT}x` })
        const subject = 'error validating token: invalid subject (sub) claim'
        expect(await login(bound, good())).toEqual([400, subject])
        const unbound = await role({ bound_subject: SUBJECT, bound_audiences: [] })
        const error = 'audience claim found in JWT but no audiences bound to the role'
        expect(await login(unbound, good())).toEqual([400, error])
        const bare = signJwt({ ...claims(), aud: undefined }, rsa)
        expect(await login(unbound, bare)).toHaveProperty('client_token')
        const single = signJwt({ ...claims(), aud: 'vault' }, rsa)
        expect(await login(await role(), single)).toHaveProperty('client_token')
      })

      // Seconds from now, undefined for a claim that is absent; what is left of the name is the error.
      test.each([
        ['ok', { exp: -50, iat: -600, nbf: -600 }],
        ['exp', { exp: -70, iat: -600, nbf: -600 }],
        ['ok', { exp: 600, nbf: 50 }],
        ['nbf', { exp: 600, nbf: 70 }],
        ['nbf', { exp: 600, iat: 70 }],
        ['iat', { exp: 600, iat: 70, nbf: 0 }],
        ['ok', { iat: 0 }],
        ['exp', { iat: -220 }],
        ['exp', { nbf: -220 }],
        ['ok', { exp: 200 }],
        ['nbf', { exp: 600 }],
        ['none', {}],
      ])('say %s to the times %j', async (verdict, times) => {
        const answer = await login(await role(), signJwt(timed(times), rsa))
        if (verdict === 'ok') expect(answer).toHaveProperty('client_token')
        else expect(answer).toEqual([400, `error validating token: ${TIME_ERRORS[verdict]}`])
      })

      test.each([
        ['exp', { exp: -10, iat: -600, nbf: -600 }],
        ['nbf', { exp: 600, nbf: 20 }],
        ['exp', { iat: -10 }],
        ['nbf', { exp: 20 }],
      ])('forgive nothing where leeways are off: %s, %j', async (verdict, times) => {
        const off = { expiration_leeway: -1, not_before_leeway: -1, clock_skew_leeway: -1 }
        const answer = await login(await role(off), signJwt(timed(times), rsa))
        expect(answer).toEqual([400, `error validating token: ${TIME_ERRORS[verdict]}`])
      })

      test('forgive what the role forgives', async () => {
        const wide = await role({ clock_skew_leeway: 300 })
        const late = signJwt(timed({ exp: -200, iat: -600 }), rsa)
        expect(await login(wide, late)).toHaveProperty('client_token')
      })

      test.each([
        ['string', { '/kubernetes.io/namespace': ['b', 'app'] }, undefined],
        ['string', { level: 3, admin: true }, undefined],
        ['glob', { sub: 'system:serviceaccount:*:web' }, undefined],
        ['string', { sub: 'system:serviceaccount:*:web' }, 'claim "sub" does not match any'],
        ['glob', { sub: '*:other' }, 'claim "sub" does not match any'],
        ['string', { absent: 'x' }, 'claim "absent" is missing'],
      ])('hold %s claims against %j', async (type, bound, error) => {
        const name = await role({ bound_claims_type: type, bound_claims: bound })
        const answer = await login(name, signJwt({ ...claims(), level: 3, admin: true }, rsa))
        if (error === undefined) expect(answer).toHaveProperty('client_token')
        else
          expect(answer).toEqual([
            400,
            expect.stringContaining(`error validating claims: ${error}`),
          ])
      })

      test('take the name from the claim that the role says, and claims for metadata', async () => {
        const name = await role({
          user_claim: '/kubernetes.io/serviceaccount/name',
          user_claim_json_pointer: true,
          claim_mappings: { '/kubernetes.io/namespace': 'namespace', absent: 'absent' },
        })
        const auth = await login(name, good())
        expect(auth.metadata).toEqual({ namespace: 'app', role: name })
        const absent = await role({ user_claim: 'absent' })
        expect(await login(absent, good())).toEqual([400, 'claim "absent" not found in token'])
      })

      test('refuse what is incomplete', async () => {
        const vault = client()
        const ask = `${path}/login`
        await vault.refused(['POST', ask, { jwt: 'x' }, null], 400, 'missing role')
        await vault.refused(['POST', ask, { role: await role() }, null], 400, 'missing token')
        const unknown = 'role "nope" could not be found'
        await vault.refused(['POST', ask, { role: 'Nope', jwt: 'x' }, null], 400, unknown)
        await vault.refused(['GET', ask, undefined, null], 405, 'unsupported operation')
      })

      test('give tokens that are not renewed once the role is gone', async () => {
        const vault = client()
        const name = await role()
        const { client_token: token } = await login(name, good())
        await vault.done('DELETE', `${path}/role/${name}`)
        const error =
          `1 error occurred:\n\t* failed to renew entry: role ${name} does not exist during ` +
          'renewal\n\n'
        await vault.refused(['POST', 'auth/token/renew-self', {}, token], 500, error)
      })
    })
  })
}

const ROLE = {
  role_type: 'jwt',
  user_claim: 'sub',
  bound_audiences: ['vault'],
  token_policies: ['app'],
  token_ttl: '60s',
  token_max_ttl: '180s',
}

const CLAIMS = {
  iss: ISSUER,
  aud: ['vault'],
  sub: SUBJECT,
  'kubernetes.io': { namespace: 'app', serviceaccount: { name: 'web', uid: '1' } },
}

const CHANGED = Buffer.from(JSON.stringify({ ...CLAIMS, sub: 'other' })).toString('base64url')

const AUDIENCE = 'invalid audience (aud) claim: audience claim does not match any expected audience'
const UNVERIFIED = 'no known key successfully validated the token signature'

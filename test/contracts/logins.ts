/**
 * Every login but that with TokenReview (see kubevault.ts) and that of Google, by what a service does: it
 * reads a secret. One suite for embedded and real servers; each test has mounts of its own.
 */
import { createPublicKey, generateKeyPairSync } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { listen, reveal, SecretManager, SecretManagerError } from 'secretmanager'
import type { AuthConfig, CustomLogin } from 'secretmanager'

import type { AppRoleSettings, AuthSettings, JwtSettings } from '../../src/config/settings.ts'
import { requestToken } from '../../src/dev/operator.ts'
import { Budget } from '../../src/http/budget.ts'
import type { Runtime } from '../../src/runtime.ts'
import { VaultClient } from '../../src/vault/client.ts'
import type { VaultAuth } from '../../src/vault/login.ts'
import { loginOf } from '../../src/vault/logins.ts'
import { expectNoLeak, rejection } from '../faults/world.ts'
import type { KubevaultUnderTest } from './kubevault.ts'
import type { WireAnswer } from './wire.ts'

/** A Vault, and a Kubernetes that it need not reach. */
export type LoginsUnderTest = Pick<
  KubevaultUnderTest,
  'vault' | 'kubernetes' | 'servers' | 'vaultUrl' | 'vaultCaPem' | 'runtime' | 'close'
>

const DOCUMENT = '{"password":"canary-value"}'

/** Runs the suite against what `open` gives. */
export function loginsContract(name: string, open: () => Promise<LoginsUnderTest>): void {
  describe(`logins on ${name}`, () => {
    let world: LoginsUnderTest
    beforeAll(async () => {
      world = await open()
    }, 60_000)
    afterAll(() => world.close())
    jwtLogins(() => world)
    appRoleLogins(() => world)
    wrappedLogins(() => world)
    otherLogins(() => world)
  })
}

type World = () => LoginsUnderTest

function jwtLogins(world: World): void {
  describe('jwt, by the public keys of the cluster and without TokenReview', () => {
    test('lets the ServiceAccount of bound_subject in', async () => {
      const cluster = await jwtMount(world())
      const { mount } = cluster
      const auth = { method: 'jwt', mount, role: 'app', jwtFile: '/run/jwt' } as const
      const files = { '/run/jwt': await cluster.jwt() }
      expect(await read(cluster, auth, files)).toEqual(JSON.parse(DOCUMENT))
    })

    test.each<[string, Partial<JwtRole>, RegExp]>([
      ['another bound_subject', { bound_subject: 'system:serviceaccount:x:y' }, /bound_subject/],
      ['another bound_audiences', { bound_audiences: ['x'] }, /^audience of the role/],
      ['no bound_audiences', { bound_audiences: [] }, /no bound_audiences/],
      ['bound_claims that differ', { bound_claims: { iss: 'x' } }, /bound_claims/],
      [
        'bound_claims that are missing',
        { bound_claims: { '/kubernetes.io/x': 'x' } },
        /bound_claims/,
      ],
      ['a user_claim that is missing', { user_claim: 'email' }, /user_claim/],
    ])('V8: a role with %s is named', async (_what, role, hint) => {
      const cluster = await jwtMount(world(), { role })
      const error = await rejection(logIn(cluster, jwtSettings(cluster.mount), [], cluster.jwt))
      expect(error).toMatchObject({ code: 'SM_AUTH_DENIED', status: 400 })
      expect(error.hint).toMatch(hint)
      expect(error.message).toMatch(/; the JWT is of system:serviceaccount:l[a-z0-9]+:app with/)
    })

    test.each<[string, object, RegExp]>([
      ['another bound_issuer', { bound_issuer: 'https://x' }, /bound_issuer/],
      ['keys of another cluster', { jwt_validation_pubkeys: [otherKey()] }, /of another cluster/],
    ])('V8: a mount with %s is named', async (_what, config, hint) => {
      const cluster = await jwtMount(world(), { config })
      const error = await rejection(logIn(cluster, jwtSettings(cluster.mount), [], cluster.jwt))
      expect(error).toMatchObject({ code: 'SM_AUTH_DENIED', status: 400 })
      expect(error.hint).toMatch(hint)
    })

    test('V8: a role and a mount that do not exist are named', async () => {
      const cluster = await jwtMount(world())
      const role = { ...jwtSettings(cluster.mount), role: 'nobody' }
      const noRole = await rejection(logIn(cluster, role, [], cluster.jwt))
      expect(noRole.hint).toContain('the role does not exist there')
      const mount = jwtSettings(`${cluster.mount}-x`)
      const noMount = await rejection(logIn(cluster, mount, [], cluster.jwt))
      expect(noMount).toMatchObject({ code: 'SM_AUTH_DENIED', status: 403 })
      expect(noMount.hint).toContain('the mount exists')
    })

    test('V8: a mount without configuration is named', async () => {
      const cluster = await jwtMount(world())
      const mount = `${cluster.mount}-new`
      await cluster.done('POST', `sys/auth/${mount}`, { type: 'jwt' })
      const error = await rejection(logIn(cluster, jwtSettings(mount), [], cluster.jwt))
      expect(error.hint).toContain(`vault write auth/${mount}/config`)
    })

    test('C1: a clock that differs by an hour is named where Vault gives no reason', async (context) => {
      const cluster = await jwtMount(world())
      const { headers } = await cluster.call('GET', 'sys/health')
      if (headers['date'] === undefined) return context.skip('this Vault does not tell the time')
      const real = world().runtime({}, {})
      const late = { ...real, wallClock: () => real.wallClock() + 3_600_000 }
      const nowhere = jwtSettings(`${cluster.mount}-x`)
      const error = await rejection(logIn({ ...cluster, base: late }, nowhere, [], cluster.jwt))
      expect(error.code).toBe('SM_CLOCK_SKEW')
      expect(error.message).toMatch(/this host's clock is 3(?:59|60)\d s ahead of vault's/)
    })
  })
}

function appRoleLogins(world: World): void {
  describe('approle', () => {
    test('by values, by files, and with a secret_id that works once', async () => {
      const role = await appRole(world())
      const [roleId, secretId] = [role.roleId, await role.secretId()]
      const auth = { method: 'approle', mount: role.mount } as const
      expect(await read(role, { ...auth, roleId, secretId })).toEqual(JSON.parse(DOCUMENT))
      const files = {
        '/run/role-id': `${roleId}\n`,
        '/run/secret-id': `${await role.secretId()}\n`,
      }
      const byFile = { ...auth, roleIdFile: '/run/role-id', secretIdFile: '/run/secret-id' }
      expect(await read(role, byFile, files)).toEqual(JSON.parse(DOCUMENT))
      const single = {
        ...auth,
        roleId,
        secretId: await role.secretId({ num_uses: 1 }),
        singleUse: true,
      }
      expect(await read(role, single)).toEqual(JSON.parse(DOCUMENT))
    })

    test('V16: what worked once is not sent twice; what was destroyed is told from what was wrong', async () => {
      const role = await appRole(world())
      const once = await role.secretId({ num_uses: 1 })
      const again = await failureOfLast(role, { secretId: once, singleUse: true }, 2)
      expect(again).toMatchObject({ code: 'SM_SECRET_ID_SPENT' })
      expect(again.status).toBeUndefined()
      const undeclared = await failureOfLast(
        role,
        { secretId: await role.secretId({ num_uses: 1 }) },
        2,
      )
      expect(undeclared).toMatchObject({ code: 'SM_SECRET_ID_SPENT', status: 400 })
      expect(undeclared.message).toContain('worked before')
      const wrong = await failureOfLast(role, { secretId: 'CANARY-wrong' }, 1)
      expect(wrong).toMatchObject({ code: 'SM_AUTH_DENIED', status: 400 })
      expectNoLeak(wrong, ['CANARY-wrong', role.roleId])
    })

    test('V8: a secret_id that is missing is named', async () => {
      const role = await appRole(world())
      expect((await failureOfLast(role, {}, 1)).hint).toContain('vault.auth.secretIdFile')
    })

    test('V8: an address that is not admitted is named', async (context) => {
      const role = await appRole(world())
      const settings = { cidr_list: ['10.99.0.0/16'] }
      const answer = await role.call('POST', `auth/${role.mount}/role/app/secret-id`, settings)
      if (answer.status !== 200) return context.skip('this Vault does not see addresses')
      const secretId = String(answer.body.data.secret_id)
      expect((await failureOfLast(role, { secretId }, 1)).hint).toContain('secret_id_bound_cidrs')
    })

    test('V8: a process that keeps trying a refused secret_id does not lock the role for others', async () => {
      const role = await appRole(world())
      await failureOfLast(role, { secretId: 'wrong' }, 10)
      const auth = { method: 'approle', mount: role.mount, roleId: role.roleId } as const
      const good = { ...auth, secretId: await role.secretId() }
      expect(await read(role, good)).toEqual(JSON.parse(DOCUMENT))
    })
  })
}

function wrappedLogins(world: World): void {
  describe('approle with a wrapped secret_id', () => {
    const auth = ({ mount, roleId }: AppRole, secretId: string): AuthConfig => ({
      ...{ method: 'approle', mount, roleId, secretId, wrapped: true },
    })

    test('lets in once', async () => {
      const role = await appRole(world())
      expect(await read(role, auth(role, await role.wrapped()))).toEqual(JSON.parse(DOCUMENT))
    })

    test('V16: one that a thief has unwrapped is a theft, told at once', async () => {
      const role = await appRole(world())
      const stolen = await role.wrapped()
      await role.call('POST', 'sys/wrapping/unwrap', {}, stolen)
      const events: unknown[] = []
      const stop = listen('security', (event) => events.push(event))
      const error = await rejection(read(role, auth(role, stolen))).finally(stop)
      expect(error.code).toBe('SM_UNWRAP_REFUSED')
      expect(error.message).toContain('wrapping token is not valid or does not exist')
      expect(events).toMatchObject([{ kind: 'unwrap-refused', code: 'SM_UNWRAP_REFUSED' }])
      expectNoLeak(error, [stolen, role.roleId])
    })

    test('V16: one that a thief has wrapped again is a theft, and is not unwrapped', async () => {
      const role = await appRole(world())
      const wrap = { 'x-vault-wrap-ttl': '60s' }
      const { body } = await role.call(
        'POST',
        'sys/wrapping/wrap',
        { secret_id: await role.secretId() },
        undefined,
        wrap,
      )
      const forged = String(body.wrap_info.token)
      const error = await rejection(read(role, auth(role, forged)))
      expect(error.code).toBe('SM_UNWRAP_REFUSED')
      expect(error.message).toContain('but by sys/wrapping/wrap')
      expect((await role.call('POST', 'sys/wrapping/unwrap', {}, forged)).status).toBe(200)
    })

    test('V16: one that another mount made is not unwrapped', async () => {
      const [role, other] = [await appRole(world()), await appRole(world())]
      const error = await rejection(read(role, auth(role, await other.wrapped())))
      expect(error.message).toContain(`was not made by auth/${role.mount}/role/ROLE/secret-id`)
    })
  })
}

function otherLogins(world: World): void {
  test.each(['value', 'file', 'home'])(
    'a token of a %s is used, and not revoked',
    async (place) => {
      const vault = await prepare(world())
      const { body } = await vault.call('POST', 'auth/token/create', {
        policies: [vault.policy],
        ttl: '1h',
      })
      const token = String(body.auth.client_token)
      const given = { value: { token }, file: { tokenFile: '/run/token' }, home: {} }[place] ?? {}
      const files = { [place === 'home' ? '/home/user/.vault-token' : '/run/token']: token }
      expect(await read(vault, { method: 'token', ...given }, files)).toEqual(JSON.parse(DOCUMENT))
      expect((await vault.call('GET', 'auth/token/lookup-self', undefined, token)).status).toBe(200)
    },
  )

  test('a function of the user’s own lets in by any mount', async () => {
    const role = await appRole(world())
    const secret_id = await role.secretId()
    const login: CustomLogin = (vault) =>
      vault.login(`auth/${role.mount}/login`, { role_id: role.roleId, secret_id })
    expect(await read(role, { method: 'custom', login })).toEqual(JSON.parse(DOCUMENT))
    const wrong: CustomLogin = (vault) =>
      vault.login(`auth/${role.mount}/login`, { role_id: role.roleId, secret_id: 'CANARY-x' })
    const error = await rejection(read(role, { method: 'custom', login: wrong }))
    expect(error).toMatchObject({ code: 'SM_AUTH_DENIED', status: 400 })
    expectNoLeak(error, ['CANARY-x', role.roleId])
  })
}

let count = 0
function unique(): string {
  count += 1
  return `l${process.pid}x${Date.now().toString(36)}x${count}`
}

/** A Vault with a ciphertext, and a policy that may decrypt it. */
interface Prepared {
  readonly world: LoginsUnderTest
  /** What a client of it sees, without files. */
  readonly base: Runtime
  readonly transitMount: string
  readonly ciphertext: string
  readonly policy: string
  call(
    method: string,
    path: string,
    body?: unknown,
    token?: string,
    headers?: Readonly<Record<string, string>>,
  ): Promise<WireAnswer>
  /** As the administrator; must succeed. */
  done(method: string, path: string, body?: unknown): Promise<WireAnswer['body']>
}

async function prepare(world: LoginsUnderTest): Promise<Prepared> {
  const name = unique()
  const transitMount = `transits/${name}`
  const call: Prepared['call'] = (
    method,
    path,
    body,
    token = world.servers.rootToken,
    headers = {},
  ) => world.vault(method, `/v1/${path}`, { token, body, headers })
  const done: Prepared['done'] = async (method, path, body) => {
    const answer = await call(method, path, body)
    if (![200, 204].includes(answer.status))
      expect.fail(JSON.stringify([method, path, answer.body]))
    return answer.body
  }
  await done('POST', `sys/mounts/${transitMount}`, { type: 'transit' })
  await done('POST', `${transitMount}/keys/app`, {})
  const policy = `path "${transitMount}/decrypt/app" { capabilities = ["update"] }`
  await done('PUT', `sys/policies/acl/${name}`, { policy })
  const plaintext = Buffer.from(DOCUMENT).toString('base64')
  const { data } = await done('POST', `${transitMount}/encrypt/app`, { plaintext })
  const base = world.runtime({}, {})
  return { world, base, transitMount, ciphertext: data.ciphertext, policy: name, call, done }
}

interface JwtRole {
  readonly bound_subject: string
  readonly bound_audiences: readonly string[]
  readonly bound_claims: object
  readonly user_claim: string
}

interface Cluster extends Prepared {
  readonly mount: string
  /** A JWT of the ServiceAccount, for audience `vault`. */
  jwt(): Promise<string>
}

/** Auth for a ServiceAccount `app`, whose signature Vault checks by itself. */
async function jwtMount(
  world: LoginsUnderTest,
  { role = {}, config = {} }: { role?: Partial<JwtRole>; config?: object } = {},
): Promise<Cluster> {
  const vault = await prepare(world)
  const mount = `clusters/${unique()}`
  await vault.done('POST', `sys/auth/${mount}`, { type: 'jwt' })
  const { adminToken: token } = world.servers
  const namespace = await serviceAccount(world)
  const jwks = await world.kubernetes('GET', '/openid/v1/jwks', { token })
  const discovery = await world.kubernetes('GET', '/.well-known/openid-configuration', { token })
  await vault.done('POST', `auth/${mount}/config`, {
    jwt_validation_pubkeys: jwks.body.keys.map(pemOf),
    bound_issuer: discovery.body.issuer,
    ...config,
  })
  await vault.done('POST', `auth/${mount}/role/app`, {
    ...{ role_type: 'jwt', user_claim: 'sub', token_policies: [vault.policy], token_ttl: '60s' },
    bound_subject: `system:serviceaccount:${namespace}:app`,
    bound_audiences: ['vault'],
    ...role,
  })
  const jwt: Cluster['jwt'] = () =>
    requestToken(world.kubernetes, {
      ...{ adminToken: token, namespace, serviceAccount: 'app', audiences: ['vault'] },
    })
  return { ...vault, mount, jwt }
}

/** Makes a namespace with a ServiceAccount `app`, and gives its name. */
async function serviceAccount({ kubernetes, servers }: LoginsUnderTest): Promise<string> {
  const token = servers.adminToken
  const namespace = unique()
  const create = async (path: string, kind: string, name: string): Promise<void> => {
    const body = { apiVersion: 'v1', kind, metadata: { name } }
    expect((await kubernetes('POST', path, { token, body })).status).toBe(201)
  }
  await create('/api/v1/namespaces', 'Namespace', namespace)
  await create(`/api/v1/namespaces/${namespace}/serviceaccounts`, 'ServiceAccount', 'app')
  return namespace
}

function jwtSettings(mount: string): JwtSettings {
  return { ...{ method: 'jwt', mount, role: 'app' }, audience: 'vault', jwtFile: undefined }
}

// oxlint-disable-next-line typescript/no-explicit-any -- a JWK of an answer
function pemOf(key: any): string {
  return createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' }).toString()
}

function otherKey(): string {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

interface AppRole extends Prepared {
  readonly mount: string
  readonly roleId: string
  secretId(settings?: object): Promise<string>
  /** A wrapping token of a new secret_id. */
  wrapped(): Promise<string>
}

async function appRole(world: LoginsUnderTest): Promise<AppRole> {
  const vault = await prepare(world)
  const mount = `apps/${unique()}`
  await vault.done('POST', `sys/auth/${mount}`, { type: 'approle' })
  const role = `auth/${mount}/role/app`
  await vault.done('POST', role, { token_policies: [vault.policy], token_ttl: '60s' })
  const { data } = await vault.done('GET', `${role}/role-id`)
  const secretId: AppRole['secretId'] = async (settings = {}) =>
    (await vault.done('POST', `${role}/secret-id`, settings)).data.secret_id
  const wrapped = async (): Promise<string> => {
    const wrap = { 'x-vault-wrap-ttl': '60s' }
    const { body } = await vault.call('POST', `${role}/secret-id`, {}, undefined, wrap)
    return body.wrap_info.token
  }
  return { ...vault, mount, roleId: data.role_id, secretId, wrapped }
}

/** Reads the dictionary as a service does that has nothing but these files. */
async function read(
  { world, base, transitMount, ciphertext }: Prepared,
  auth: AuthConfig,
  files: Readonly<Record<string, string>> = {},
): Promise<unknown> {
  const all: Readonly<Record<string, string>> = { ...files, '/etc/sealed/secrets.json': ciphertext }
  const runtime: Runtime = {
    ...base,
    home: () => '/home/user',
    readFile: (path) => {
      const text = all[path]
      return text === undefined ? base.readFile(path) : Promise.resolve(Buffer.from(text))
    },
  }
  const { vaultUrl: url, vaultCaPem: pem } = world
  const trust = pem === '' ? {} : { caCert: { pem } }
  await using sm = new SecretManager(
    { vault: { url, transitMount, auth, ...trust }, kubernetes: { mountedAt: '/etc/sealed' } },
    { runtime },
  )
  return reveal(await sm.readSecrets(DEFINITION))
}

const DEFINITION = {
  ...{ secretName: 'app', namespace: 'default', readKey: 'secrets.json', transitKey: 'app' },
  format: 'raw',
} as const

/** Logs in as often as a session would whose tokens end: once, and for each of `more` again. */
async function logIn(
  { world, base }: Prepared,
  auth: AuthSettings,
  more: readonly undefined[],
  jwt: () => Promise<string> = () => Promise.reject(new Error('needs no JWT')),
): Promise<VaultAuth> {
  const { vaultUrl: url, vaultCaPem: pem } = world
  const transport = pem === '' ? {} : { ca: { kind: 'text', pem } as const }
  const client = new VaultClient(
    { url, transport, auth, namespace: undefined, transitMount: 'transit', redirectHosts: [] },
    base,
  )
  const attempt = { connectTimeoutMs: 2000, timeoutMs: 5000 }
  const budget = new Budget(base, { startupWaitMs: 5000, attempt }, new AbortController().signal)
  const login = loginOf(auth, () => jwt(), base)
  try {
    for (const _again of more) {
      await login(client, budget.begin()).catch((error: unknown) => {
        if (!(error instanceof SecretManagerError)) throw error
      })
    }
    return await login(client, budget.begin())
  } finally {
    client.close()
  }
}

/** How the last of some logins with an AppRole fails. */
function failureOfLast(
  role: AppRole,
  ids: { readonly secretId?: string; readonly singleUse?: boolean },
  logins: number,
): Promise<SecretManagerError> {
  const { secretId, singleUse = false } = ids
  const settings: AppRoleSettings = {
    ...{ method: 'approle', mount: role.mount, wrapped: false, singleUse },
    roleId: { kind: 'value', value: role.roleId },
    secretId: secretId === undefined ? undefined : { kind: 'value', value: secretId },
  }
  const more = Array.from({ length: logins - 1 }, () => undefined)
  return rejection(logIn(role, settings, more))
}

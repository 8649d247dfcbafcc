import { generateKeyPairSync, randomBytes, sign, constants, type KeyObject } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createVault } from '../../../src/dev/vault/index.ts'
import { wireOfHandler, type WireAnswer } from '../../contracts/wire.ts'

const KEY = generateKeyPairSync('ed25519')
const JWT_ROLE = { role_type: 'jwt', user_claim: 'sub', bound_audiences: 'vault' }

/** A Vault whose clock the test moves, with both methods. */
async function open() {
  let now = 1_700_000_000_000
  const vault = createVault({ clock: () => now, randomBytes, rootToken: 'root' })
  const wire = wireOfHandler(vault.handle, 'https://vault.embedded')
  const post = (path: string, body: object, headers = {}): Promise<WireAnswer> =>
    wire('POST', `/v1/${path}`, { token: 'root', body, headers })
  for (const type of ['approle', 'jwt']) await post(`sys/auth/${type}`, { type })
  await post('auth/approle/role/app', { role_id: 'app' })
  const login = async (secretId: string): Promise<number> =>
    (await post('auth/approle/login', { role_id: 'app', secret_id: secretId })).status
  const secretId = async (settings = {}): Promise<string> =>
    (await post('auth/approle/role/app/secret-id', settings)).body.data.secret_id
  const pass = (ms: number): void => {
    now += ms
  }
  return { post, login, secretId, pass, now: () => now }
}

describe('what the embedded Vault does not do, it refuses by name', () => {
  test.each([
    ['auth/jwt/config', { jwks_url: 'https://keys' }, 'jwks_url'],
    ['auth/jwt/config', { oidc_discovery_url: 'https://issuer' }, 'oidc_discovery_url'],
    ['auth/jwt/role/app', { ...JWT_ROLE, groups_claim: 'groups' }, 'groups_claim'],
    [
      'auth/jwt/role/app',
      { ...JWT_ROLE, role_type: 'oidc', allowed_redirect_uris: 'https://x' },
      'role_type oidc',
    ],
    ['auth/approle/role/app/secret-id', { cidr_list: ['10.0.0.0/8'] }, 'cidr_list'],
    ['auth/approle/role/app/secret-id', { token_bound_cidrs: ['10.0.0.0/8'] }, 'token_bound_cidrs'],
  ])('%s with %j', async (path, body, name) => {
    const { post } = await open()
    const answer = await post(path, body)
    expect(answer.status).toBe(400)
    expect(answer.body.errors[0]).toMatch(new RegExp(`^${name}: the embedded Vault `))
  })
})

describe('approle', () => {
  test('unlocks a role_id a quarter of an hour after the last wrong secret_id', async () => {
    const { login, secretId, pass } = await open()
    const right = await secretId()
    for (let wrong = 0; wrong < 5; wrong += 1) expect(await login('wrong')).toBe(400)
    pass(15 * 60_000 - 1)
    expect(await login(right)).toBe(403)
    pass(1)
    expect(await login(right)).toBe(200)
  })

  test('forgets wrong secret_ids in a quarter of an hour', async () => {
    const { login, secretId, pass } = await open()
    const right = await secretId()
    for (let wrong = 0; wrong < 4; wrong += 1) expect(await login('wrong')).toBe(400)
    pass(15 * 60_000)
    expect(await login('wrong')).toBe(400)
    expect(await login(right)).toBe(200)
  })

  test('forgets a secret_id the moment that its time is up', async () => {
    const { login, secretId, pass } = await open()
    const short = await secretId({ ttl: '2s' })
    pass(1999)
    expect(await login(short)).toBe(200)
    pass(1)
    expect(await login(short)).toBe(400)
  })
})

describe('jwt', () => {
  const curves = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const ec = (name: keyof typeof curves) => generateKeyPairSync('ec', { namedCurve: curves[name] })
  const plain = { ...rsa, options: {} }
  const pss = { ...rsa, options: { padding: constants.RSA_PKCS1_PSS_PADDING } }
  const digest = { ...pss, options: { ...pss.options, saltLength: 48 } }

  test.each([
    ['RS384', plain],
    ['RS512', plain],
    ['PS256', { ...pss, options: { ...pss.options, saltLength: 32 } }],
    ['PS384', digest],
    ['ES256', { ...ec('ES256'), options: { dsaEncoding: 'ieee-p1363' } }],
    ['ES384', { ...ec('ES384'), options: { dsaEncoding: 'ieee-p1363' } }],
    ['ES512', { ...ec('ES512'), options: { dsaEncoding: 'ieee-p1363' } }],
  ] as const)('takes %s by a key of its kind, and by no other', async (alg, pair) => {
    const { post, now } = await open()
    const pem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' })
    await post('auth/jwt/role/app', JWT_ROLE)
    const claims = { sub: 'app', aud: 'vault', exp: now() / 1000 + 60, iat: now() / 1000 }
    const head = [{ alg }, claims].map((part) =>
      Buffer.from(JSON.stringify(part)).toString('base64url'),
    )
    const signature = sign(`sha${alg.slice(2)}`, Buffer.from(head.join('.')), {
      key: pair.privateKey,
      ...pair.options,
    })
    const jwt = [...head, signature.toString('base64url')].join('.')
    const loginBy = async (key: KeyObject): Promise<number> => {
      await post('auth/jwt/config', { jwt_validation_pubkeys: [pem(key)] })
      return (await post('auth/jwt/login', { role: 'app', jwt })).status
    }
    expect(await loginBy(pair.publicKey)).toBe(200)
    expect(await loginBy(KEY.publicKey)).toBe(400)
  })
})

test('an answer that waits is gone with its time to the millisecond', async () => {
  const { post, pass } = await open()
  const wrap = async (): Promise<string> => {
    const headers = { 'x-vault-wrap-ttl': '5s' }
    return (await post('sys/wrapping/wrap', { a: 1 }, headers)).body.wrap_info.token
  }
  const unwrap = async (token: string): Promise<number> =>
    (await post('sys/wrapping/unwrap', { token })).status
  const [early, late] = [await wrap(), await wrap()]
  pass(4999)
  expect(await unwrap(early)).toBe(200)
  pass(1)
  expect(await unwrap(late)).toBe(400)
})

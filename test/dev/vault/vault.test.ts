import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { createVault, type VaultOptions } from '../../../src/dev/vault/index.ts'
import { wireOfHandler, type Wire } from '../../contracts/wire.ts'

const BASE = 'https://vault.embedded'
const START = { clock: () => 1_700_000_000_000, randomBytes, rootToken: 'root' }

function open(options: Partial<VaultOptions> = {}): { wire: Wire; unsealKeys: readonly string[] } {
  const vault = createVault({ ...START, ...options })
  return { wire: wireOfHandler(vault.handle, BASE), unsealKeys: vault.unsealKeys }
}

describe('embedded Vault', () => {
  test('starts sealed where that is asked, with the keys to open it', async () => {
    const { wire, unsealKeys } = open({ start: 'sealed' })
    expect((await wire('GET', '/v1/sys/health')).status).toBe(503)
    await wire('PUT', '/v1/sys/unseal', { body: { key: unsealKeys[0] } })
    expect((await wire('GET', '/v1/sys/mounts', { token: 'root' })).status).toBe(200)
  })

  test('as a standby says 429 and sends everything else to the active node', async () => {
    const { wire } = open({ activeUrl: 'https://active:8200' })
    expect(await wire('GET', '/v1/sys/health')).toMatchObject({
      status: 429,
      body: { standby: true, sealed: false },
    })
    expect((await wire('GET', '/v1/sys/health?standbyok=true')).status).toBe(200)
    expect((await wire('GET', '/v1/sys/health?standbycode=201')).status).toBe(201)
    const answer = await wire('POST', '/v1/transit/decrypt/app?a=1', { token: 'root', body: {} })
    expect(answer).toMatchObject({
      status: 307,
      headers: { location: 'https://active:8200/v1/transit/decrypt/app?a=1' },
    })
  })

  test('lists by the method LIST and by a query alike', async () => {
    const { wire } = open()
    const list = await wire('LIST', '/v1/sys/policies/acl', { token: 'root' })
    const query = await wire('GET', '/v1/sys/policies/acl?list=true', { token: 'root' })
    expect(list.body.data).toEqual({ keys: ['default', 'root'] })
    expect(query.body.data).toEqual(list.body.data)
  })

  test('answers what is not its API, and what is no method of it', async () => {
    const { wire } = open()
    expect(await wire('GET', '/v2/x')).toMatchObject({ status: 404, body: { errors: [] } })
    expect(await wire('BREW', '/v1/sys/mounts')).toMatchObject({
      status: 405,
      body: { errors: [] },
    })
    expect((await wire('GET', '/v1/%E0%A4%A', { token: 'root' })).status).toBe(400)
  })

  test.each([
    { pem_keys: ['a key'], kubernetes_host: 'https://k', kubernetes_ca_cert: 'a CA' },
    { bound_service_account_namespace_selector: '{"matchLabels":{"team":"a"}}' },
    { token_bound_cidrs: ['10.0.0.0/8'] },
  ])('refuses what it would have to ignore: %o', async (settings) => {
    const { wire } = open()
    await wire('POST', '/v1/sys/auth/kubernetes', { token: 'root', body: { type: 'kubernetes' } })
    const [path, rest] =
      'pem_keys' in settings
        ? ['config', {}]
        : [
            'role/app',
            { bound_service_account_names: 'app', bound_service_account_namespaces: 'app' },
          ]
    const body = { ...rest, ...settings }
    expect(
      await wire('POST', `/v1/auth/kubernetes/${path}`, { token: 'root', body }),
    ).toMatchObject({
      status: 400,
      body: { errors: [expect.stringMatching(/^\w+: the embedded Vault /)] },
    })
  })

  test.each([
    ['refuses', () => Promise.resolve(new Response('{}', { status: 401 }))],
    ['is away', () => Promise.reject(new Error('refused'))],
    ['is something else', () => Promise.resolve(new Response('<html>'))],
    ['approves without a user', () => review({ authenticated: true, audiences: ['vault'] })],
    ['means another', () => review({ ...APPROVED, user: { username: USER, uid: 'other' } })],
    ['means another audience', () => review({ ...APPROVED, audiences: ['elsewhere'] })],
  ])('denies a login when the API server %s', async (_, kubernetes) => {
    expect(await loginThrough(kubernetes)).toEqual([403, ['permission denied']])
  })

  test('grants a login that the API server approves, asking as the reviewer', async () => {
    const seen: (string | null)[] = []
    const [status] = await loginThrough((request) => {
      seen.push(request.url, request.headers.get('authorization'))
      return review(APPROVED)
    })
    expect(status).toBe(200)
    const url = 'https://kubernetes:6443/apis/authentication.k8s.io/v1/tokenreviews'
    expect(seen).toEqual([url, 'Bearer reviewer'])
  })
})

const USER = 'system:serviceaccount:app:web'
const APPROVED = {
  authenticated: true,
  audiences: ['vault'],
  user: { username: USER, uid: 'uid-web' },
}

function review(status: object): Promise<Response> {
  return Promise.resolve(Response.json({ status }, { status: 201 }))
}

async function loginThrough(
  kubernetes: (request: Request) => Promise<Response>,
): Promise<readonly [number, unknown]> {
  const { wire } = open({ kubernetes })
  const post = (path: string, body: object) => wire('POST', `/v1/${path}`, { token: 'root', body })
  await post('sys/auth/kubernetes', { type: 'kubernetes' })
  await post('auth/kubernetes/config', {
    kubernetes_host: 'https://kubernetes:6443',
    kubernetes_ca_cert: 'PEM',
    token_reviewer_jwt: 'reviewer',
  })
  await post('auth/kubernetes/role/app', {
    bound_service_account_names: 'web',
    bound_service_account_namespaces: 'app',
    audience: 'vault',
  })
  const claims = {
    aud: ['vault'],
    'kubernetes.io': { namespace: 'app', serviceaccount: { name: 'web', uid: 'uid-web' } },
  }
  const segments = [{ alg: 'RS256' }, claims, {}].map((part) =>
    Buffer.from(JSON.stringify(part)).toString('base64url'),
  )
  const { status, body } = await post('auth/kubernetes/login', {
    role: 'app',
    jwt: segments.join('.'),
  })
  return [status, body.errors]
}

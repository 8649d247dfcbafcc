import { describe, expect, test } from 'vitest'

import { systemError } from '../fake-runtime.ts'
import {
  delay,
  empty,
  freePort,
  garbage,
  half,
  hang,
  html,
  json,
  redirect,
  reset,
  retryAfter,
  scriptedServer,
  text,
  type Step,
} from './scripted-server.ts'
import {
  API_TOKEN,
  CIPHERTEXT,
  DEFINITION,
  JWT,
  jwtOf,
  LOGIN,
  OBJECT,
  PLAINTEXT,
  rejection,
  secretObject,
  TOKEN_REQUEST,
  tokenAnswer,
  world,
  type World,
  type WorldOptions,
} from './world.ts'

const status = (code: number, more: object = {}): Step =>
  json(code, { kind: 'Status', status: 'Failure', message: `no ${API_TOKEN}`, code, ...more })

const apiWorld = (
  kubernetes: WorldOptions['kubernetes'],
  more: WorldOptions = {},
): Promise<World> => world({ mode: 'api', kubernetes, ...more })

const PATCH = 'PATCH /api/v1/namespaces/prod/secrets/app'
const CREATE = 'POST /api/v1/namespaces/prod/secrets'
const ENCRYPT = 'POST /v1/transit/encrypt/app'
const encrypted = json(200, { data: { ciphertext: CIPHERTEXT } })

describe('K1: the API server is away', () => {
  test('K1: refused', async () => {
    const { read, files } = await apiWorld({})
    files['/run/kubeconfig'] = String(files['/run/kubeconfig']).replace(
      /127\.0\.0\.1:\d+/,
      `127.0.0.1:${await freePort()}`,
    )
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_K8S_UNREACHABLE', causeClass: 'ECONNREFUSED' })
    expect(error.attempts).toBeGreaterThan(1)
  })

  test.each([
    ['RST', reset(), 'SM_K8S_UNREACHABLE', {}],
    ['no answer', hang(), 'SM_K8S_TIMEOUT', { timeout: 150 }],
    ['500', status(500), 'SM_K8S_5XX', {}],
    ['503 of a gateway', html(503), 'SM_K8S_5XX', {}],
    ['504', status(504), 'SM_K8S_5XX', {}],
  ])('K1: %s: retried within the budget', async (_name, step, code, config) => {
    const { read, kubernetes } = await apiWorld({ [OBJECT]: step }, { config })
    const error = await rejection(read())
    expect(error.code).toBe(code)
    expect(error.attempts).toBeGreaterThan(1)
    // One more where the first attempt took a kept connection: that one may just have been closed.
    expect(kubernetes.to(OBJECT).length - error.attempts).toBeLessThanOrEqual(1)
  })

  test('K1: recovers in the same call', async () => {
    const steps = [status(500), reset(), json(200, secretObject())]
    const { read } = await apiWorld({ [OBJECT]: steps })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
  })

  test.each([
    ['truncated', half()],
    ['HTML', html(200)],
    ['empty', empty(200)],
    ['bytes of another protocol', garbage()],
    ['JSON of something else', json(200, { kind: 'Status' })],
    ['no JSON', text(200, '{', { 'content-type': 'application/json' })],
  ])('K1, I9: %s: SM_K8S_BAD_RESPONSE, retried at most once', async (_name, step) => {
    const { read, kubernetes } = await apiWorld({ [OBJECT]: step })
    expect((await rejection(read())).code).toBe('SM_K8S_BAD_RESPONSE')
    expect(kubernetes.to(OBJECT).length).toBeLessThanOrEqual(2)
  })

  test('I11: a redirect to another host is refused, and no token arrives there', async () => {
    const thief = await scriptedServer()
    const { read } = await apiWorld({ [OBJECT]: redirect(`${thief.url}/api`) })
    expect((await rejection(read())).code).toBe('SM_REDIRECT_REFUSED')
    expect(thief.connections()).toBe(0)
    await thief.close()
  })
})

describe('K2: the API server limits the rate', () => {
  test('K2: Retry-After is waited for', async () => {
    const steps = [retryAfter(429, '1'), json(200, secretObject())]
    const { read, kubernetes } = await apiWorld(
      { [OBJECT]: steps },
      { config: { startup: { wait: 2500 } } },
    )
    await read()
    const [first, second] = kubernetes.to(OBJECT)
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990)
  })

  test('K2: Retry-After beyond the limit of the call ends it at once', async () => {
    const { read, kubernetes } = await apiWorld({ [OBJECT]: retryAfter(429, '3600') })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_K8S_RATE_LIMITED', attempts: 1 })
    expect(kubernetes.to(OBJECT)).toHaveLength(1)
  })
})

describe('K3: the API server refuses the credential', () => {
  test('K3: after a 401 the token is read anew and the request repeated once', async () => {
    const { read, kubernetes, files } = await apiWorld({
      [OBJECT]: [
        (exchange) => {
          files['/run/kube-token'] = 'renewed'
          status(401)(exchange)
        },
        json(200, secretObject()),
      ],
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    const tokens = kubernetes.to(OBJECT).map(({ headers }) => headers['authorization'])
    expect(tokens).toEqual([`Bearer ${API_TOKEN}`, 'Bearer renewed'])
  })

  test('K3: a second 401 is SM_K8S_UNAUTHENTICATED and names where the credential is from', async () => {
    const { read, kubernetes } = await apiWorld({ [OBJECT]: status(401) })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_K8S_UNAUTHENTICATED', exitCode: 3, status: 401 })
    expect(error.message).toContain('kubeconfig /run/kubeconfig context test')
    expect(kubernetes.to(OBJECT)).toHaveLength(2)
  })

  test('K3: 403 prints the commands that grant exactly what is missing', async () => {
    const { read, kubernetes, files } = await apiWorld({ [OBJECT]: status(403) })
    files['/run/kube-token'] = jwtOf({ sub: 'system:serviceaccount:prod:web', 'kubernetes.io': {} })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_K8S_DENIED', retryable: false, exitCode: 3 })
    expect(error.hint).toBe(
      'grant it: kubectl -n prod create role secretmanager-app --verb=get --resource=secrets --resource-name=app' +
        ' && kubectl -n prod create rolebinding secretmanager-app --role=secretmanager-app --serviceaccount=prod:web',
    )
    expect(kubernetes.to(OBJECT)).toHaveLength(1)
  })

  test('K3: a token of no name that can be puts nothing into the commands', async () => {
    const { read, files } = await apiWorld({ [OBJECT]: status(403) })
    const sub = 'system:serviceaccount:prod:$(reboot)'
    files['/run/kube-token'] = jwtOf({ sub, 'kubernetes.io': {} })
    const { hint } = await rejection(read())
    expect(hint).toMatch(/ --serviceaccount=NAMESPACE:NAME$/)
  })

  test('K3: 403 for a token names the subresource', async () => {
    const { read } = await apiWorld({ [TOKEN_REQUEST]: status(403) })
    const error = await rejection(read())
    expect(error.code).toBe('SM_K8S_DENIED')
    expect(error.hint).toContain(
      '--verb=create --resource=serviceaccounts/token --resource-name=app',
    )
  })
})

describe('K4: the object is not as it should be', () => {
  const withData = (data: unknown): Step => json(200, secretObject({ data }))

  test('K4: no such Secret', async () => {
    const { read, kubernetes } = await apiWorld({ [OBJECT]: status(404) })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_K8S_NOT_FOUND', exitCode: 4, attempts: 1 })
    expect(error.hint).toContain('kubectl -n prod get secrets')
    expect(kubernetes.to(OBJECT)).toHaveLength(1)
  })

  test('K4: a missing data key lists those that are there', async () => {
    const { read } = await apiWorld({ [OBJECT]: withData({ 'secrets.yaml': '', other: '' }) })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_KEY_MISSING', exitCode: 4 })
    expect(error.message).toContain('Secret prod/app has no entry "secrets.json"')
    expect(error.hint).toContain('secrets.yaml, other')
  })

  test('K4: a Secret without data', async () => {
    const { read } = await apiWorld({ [OBJECT]: withData(undefined) })
    const error = await rejection(read())
    expect(error.code).toBe('SM_KEY_MISSING')
    expect(error.hint).toContain('nothing')
  })

  test.each([
    ['an empty value', ''],
    ['what is not base64', 'not base64!'],
    ['base64 with a hole', `${Buffer.from(CIPHERTEXT).toString('base64').slice(0, 20)}\n*`],
    ['plaintext JSON', Buffer.from(JSON.stringify({ a: PLAINTEXT })).toString('base64')],
    ['a ciphertext of version 0', Buffer.from('vault:v0:AAAA').toString('base64')],
  ])('K4, I9: %s: SM_CT_FORMAT, and Vault is not asked to decrypt it', async (_name, value) => {
    const { read, vault } = await apiWorld({ [OBJECT]: withData({ 'secrets.json': value }) })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_CT_FORMAT', exitCode: 6 })
    expect(error.message).toContain('secrets.json of Secret prod/app')
    expect(vault.requests.filter(({ path }) => path.includes('decrypt'))).toEqual([])
  })

  test('K4: what does not fit a Secret is refused before any call', async () => {
    const { manager, vault, kubernetes } = await apiWorld({})
    const error = await rejection(manager.createSecrets(DEFINITION, new Uint8Array(786_396)))
    expect(error).toMatchObject({ code: 'SM_TOO_LARGE', exitCode: 6 })
    expect([...vault.requests, ...kubernetes.requests]).toEqual([])
  })

  test('K4: an immutable Secret is not encrypted for', async () => {
    const { manager, vault } = await apiWorld({
      [OBJECT]: json(200, secretObject({ immutable: true })),
    })
    const error = await rejection(manager.createSecrets(DEFINITION, '{}'))
    expect(error.code).toBe('SM_K8S_REJECTED')
    expect(error.message).toContain('immutable')
    expect(error.hint).toContain('delete it')
    expect(vault.requests).toEqual([])
  })
})

describe('K6: writing', () => {
  test('K6: a conflict is told at once: the same change would meet it again', async () => {
    const { manager, kubernetes } = await apiWorld(
      { [PATCH]: status(409) },
      { vault: { [ENCRYPT]: encrypted } },
    )
    const error = await rejection(manager.createSecrets(DEFINITION, '{}'))
    expect(error).toMatchObject({ code: 'SM_K8S_CONFLICT', exitCode: 7, attempts: 1 })
    expect(kubernetes.to(PATCH)).toHaveLength(1)
  })

  test('K6: a change carries the version it was made for, and nothing of the siblings', async () => {
    const { manager, kubernetes } = await apiWorld(
      { [PATCH]: json(200, secretObject()) },
      { vault: { [ENCRYPT]: encrypted } },
    )
    await manager.createSecrets(DEFINITION, '{}')
    const [patch] = kubernetes.to(PATCH)
    expect(patch?.headers['content-type']).toBe('application/merge-patch+json')
    const body = JSON.parse(patch?.body ?? '')
    expect(body.metadata.resourceVersion).toBe('7')
    expect(Object.keys(body.data)).toEqual(['secrets.json'])
  })

  test('K6: an object that somebody else created meanwhile is not overwritten', async () => {
    const { manager } = await apiWorld(
      { [OBJECT]: status(404), [CREATE]: status(409) },
      { vault: { [ENCRYPT]: encrypted } },
    )
    expect((await rejection(manager.createSecrets(DEFINITION, '{}'))).code).toBe('SM_K8S_CONFLICT')
  })

  test.each([[''], ['QUJD'], [JSON.stringify({ a: PLAINTEXT })], [`vault:v1:\n`]])(
    'I9: what calls itself ciphertext, %j, does not replace a document',
    async (ciphertext) => {
      const { manager, kubernetes } = await apiWorld(
        { [PATCH]: json(200, secretObject()) },
        { vault: { [ENCRYPT]: json(200, { data: { ciphertext } }) } },
      )
      const error = await rejection(manager.createSecrets(DEFINITION, '{}'))
      expect(error.code).toBe('SM_VAULT_BAD_RESPONSE')
      expect(kubernetes.to(PATCH)).toEqual([])
    },
  )
})

describe('K7: the projected token', () => {
  const withJwt = (jwt: string | Error): Promise<World> => world({ files: { '/run/jwt': jwt } })

  test('K7: missing', async () => {
    const { read, vault } = await withJwt(systemError('ENOENT'))
    const error = await rejection(read())
    expect(error).toMatchObject({
      code: 'SM_TOKEN_FILE_MISSING',
      causeClass: 'ENOENT',
      exitCode: 2,
    })
    expect(error.message).toContain('/run/jwt')
    expect(vault.requests).toEqual([])
  })

  test.each([
    ['empty', ''],
    ['half-written', JWT.slice(0, JWT.length / 2)],
    ['no JWT', 'hello'],
    ['two JWTs', `${JWT}\n${JWT}`],
  ])('K7: %s: read again, then SM_TOKEN_FILE_INVALID, and nothing is sent', async (_n, content) => {
    const { read, vault } = await withJwt(content)
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_TOKEN_FILE_INVALID', exitCode: 2 })
    expect(vault.requests).toEqual([])
  })

  test('K7: half-written and then whole', async () => {
    const { read, files, vault } = await withJwt('')
    let reads = 0
    Object.defineProperty(files, '/run/jwt', {
      get: () => (++reads === 1 ? JWT.slice(0, 90) : JWT),
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    expect(reads).toBe(2)
    expect(vault.to(LOGIN)).toHaveLength(1)
  })

  test('K7: expired: nothing is sent', async () => {
    const { read, vault } = await withJwt(jwtOf({ exp: Math.floor(Date.now() / 1000) - 120 }))
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_TOKEN_EXPIRED', exitCode: 3 })
    expect(error.message).toMatch(/expired 12\d s ago/)
    expect(vault.requests).toEqual([])
  })

  test.each([
    ["the API server's", ['https://kubernetes.default.svc']],
    ["vault and the API server's", ['vault', 'https://kubernetes.default.svc.cluster.local']],
    ["vault and the issuer's", ['vault', 'https://oidc.example/id/1']],
    ['none', []],
  ])('K7: audience %s: SM_TOKEN_AUDIENCE, and nothing is sent', async (_name, aud) => {
    const { read, vault } = await withJwt(jwtOf({ aud, iss: 'https://oidc.example/id/1' }))
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_TOKEN_AUDIENCE', exitCode: 2 })
    expect(error.hint).toContain('replayed')
    expect(vault.requests).toEqual([])
  })

  test("K7: who names the API server's audience has accepted it", async () => {
    const aud = ['https://kubernetes.default.svc', 'k3s']
    const auth = {
      method: 'kubernetes',
      role: 'app',
      jwtFile: '/run/jwt',
      audience: aud[0],
    } as const
    const { read } = await world({ files: { '/run/jwt': jwtOf({ aud }) }, vaultConfig: { auth } })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
  })
})

describe('K8: a requested token', () => {
  test.each([
    ['the API server says ten minutes', 600_000, 1],
    ['the API server says that it is over', 0, 2],
    ['the API server says an hour ago', -3_600_000, 2],
  ])('K8: %s', async (_name, lifeMs, requested) => {
    const { manager, kubernetes } = await apiWorld({
      [TOKEN_REQUEST]: json(201, tokenAnswer(JWT, lifeMs)),
    })
    await manager.getK8sServiceAccountToken()
    await manager.getK8sServiceAccountToken()
    expect(kubernetes.to(TOKEN_REQUEST)).toHaveLength(requested)
  })

  test.each([
    ['without a time', { token: JWT }],
    ['with a time that is none', { token: JWT, expirationTimestamp: 'soon' }],
    ['without a token', { expirationTimestamp: '2026-01-01T00:00:00Z' }],
    ['with an empty token', { token: '', expirationTimestamp: '2026-01-01T00:00:00Z' }],
  ])('K8, I9: an answer %s: SM_K8S_BAD_RESPONSE', async (_name, answer) => {
    const { read, vault } = await apiWorld({ [TOKEN_REQUEST]: json(201, { status: answer }) })
    expect((await rejection(read())).code).toBe('SM_K8S_BAD_RESPONSE')
    expect(vault.requests).toEqual([])
  })
})

describe('I11: where credentials go', () => {
  test('I11: each only into headers and bodies of its own server', async () => {
    const { read, vault, kubernetes } = await apiWorld({
      [OBJECT]: delay(20, json(200, secretObject())),
    })
    await read()
    for (const { path } of [...vault.requests, ...kubernetes.requests]) {
      expect(path).not.toMatch(/CANARY/)
    }
    expect(vault.heard()).not.toContain(API_TOKEN)
    expect(kubernetes.heard()).not.toContain('hvs.')
    expect(kubernetes.heard()).not.toContain(JWT)
    const carriers = vault.requests.filter(({ headers }) => JSON.stringify(headers).includes(JWT))
    expect(carriers).toEqual([])
  })
})

import { describe, expect, test } from 'vitest'

import { SecretManager } from '../src/manager.ts'
import { TransportFailure } from '../src/runtime.ts'
import { names, reveal } from '../src/values.ts'
import { inProcess, refusedConnection, type Handler, type InProcess } from './faults/in-process.ts'
import {
  API_TOKEN,
  CIPHERTEXT,
  DEFINITION,
  jwtOf,
  loginAnswer,
  plaintextAnswer,
  PLAINTEXT,
  rejection,
  secretObject,
  TOKEN,
  tokenAnswer,
} from './faults/world.ts'
import { fakeRuntime, type FakeRuntime } from './fake-runtime.ts'

const KUBECONFIG = JSON.stringify({
  'current-context': 'test',
  contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'prod' } }],
  clusters: [{ name: 'test', cluster: { server: 'https://10.96.0.1' } }],
  users: [{ name: 'test', user: { token: API_TOKEN } }],
})

const NATIVE = {
  vault: { url: 'https://vault.example', auth: { method: 'kubernetes', role: 'app' } },
  kubernetes: { kubeconfig: '/kubeconfig', serviceAccount: 'app' },
} as const

const healthy: Handler = ({ url }) => {
  if (url.endsWith('/login')) return { status: 200, json: loginAnswer() }
  if (url.endsWith('/token')) return { status: 201, json: tokenAnswer(jwtOf()) }
  if (url.includes('/decrypt/')) return { status: 200, json: plaintextAnswer() }
  return { status: 200, json: secretObject() }
}

interface Fixture extends Pick<InProcess, 'sent'> {
  readonly manager: SecretManager
  readonly runtime: FakeRuntime
}

function managerOn(handler: Handler = healthy, config: object = {}): Fixture {
  const server = inProcess(handler)
  const runtime = fakeRuntime({
    now: Date.now(),
    random: () => 0,
    files: { '/kubeconfig': KUBECONFIG },
    transport: server.transport,
  })
  const manager = new SecretManager({ ...NATIVE, ...config }, { runtime })
  return { manager, runtime, sent: server.sent }
}

const paths = (sent: InProcess['sent']): string[] => sent.map(({ url }) => new URL(url).pathname)

describe('constructing', () => {
  test('reads no file and no variable, and sends nothing', () => {
    const { runtime, sent } = managerOn()
    expect([runtime.reads, runtime.sleeps, sent]).toEqual([[], [], []])
  })

  test('SM_CONFIG_INVALID at once', () => {
    expect(() => new SecretManager({ vault: { ...NATIVE.vault, url: 'nowhere' } })).toThrow(
      expect.objectContaining({ code: 'SM_CONFIG_INVALID' }),
    )
  })
})

describe('readSecrets', () => {
  test("takes the original's five values, its definition, and the native one", async () => {
    const { manager } = managerOn()
    const old = {
      secret_name: 'app',
      namespace: 'prod',
      read_type: 'SECRET',
      read_key: 'secrets.json',
      transit_key: 'app',
    } as const
    const all = await Promise.all([
      manager.readSecrets('app', 'prod', 'SECRET', 'secrets.json', 'app'),
      manager.readSecrets(old),
      manager.readSecrets(DEFINITION),
      manager.readEncryptedSecrets(DEFINITION),
    ])
    for (const secrets of all) expect(reveal(secrets)).toEqual({ redis_url: PLAINTEXT })
  })

  test.each([
    ['a signal in place of options', AbortSignal.abort()],
    ['a signal that is none', { signal: {} }],
    ['null', null],
    ['a number', 1],
  ])('%s is a TypeError, as a rejection', async (_name, options) => {
    const { manager, sent } = managerOn()
    // @ts-expect-error: what JavaScript lets pass
    const result = manager.readSecrets(DEFINITION, options)
    await expect(result).rejects.toThrow(TypeError)
    // @ts-expect-error: what JavaScript lets pass
    await expect(manager.connectToVault(options)).rejects.toThrow(TypeError)
    expect(sent).toEqual([])
  })

  test('a signal that has aborted already: nothing is sent, also not for others', async () => {
    const { manager, runtime, sent } = managerOn()
    const signal = AbortSignal.abort()
    for (const call of [
      manager.readSecrets(DEFINITION, { signal }),
      manager.connectToVault({ signal }),
      manager.getK8sServiceAccountToken({ signal }),
    ]) {
      expect((await rejection(call)).code).toBe('SM_ABORTED')
    }
    await runtime.advance(1000)
    expect([sent, runtime.reads]).toEqual([[], []])
  })

  test('with a live token does not fail with the TokenRequest of another call', async () => {
    let fail = (_failure: Error): void => undefined
    let requests = 0
    const { manager, runtime } = managerOn((request) => {
      if (!request.url.endsWith('/token')) return healthy(request)
      requests += 1
      return requests === 1 ? healthy(request) : new Promise((_, reject) => (fail = reject))
    })
    await manager.connectToVault()
    await runtime.advance(500_000)
    const controller = new AbortController()
    const requesting = rejection(manager.getK8sServiceAccountToken({ signal: controller.signal }))
    await runtime.advance(0)
    expect(requests).toBe(2)
    const reading = manager.readSecrets(DEFINITION)
    controller.abort()
    fail(new TransportFailure('aborted', 'the call was aborted'))
    expect((await requesting).code).toBe('SM_ABORTED')
    expect(await reading).toHaveProperty('redis_url', PLAINTEXT)
  })

  test('a definition that is wrong is told before any call', async () => {
    const { manager, sent } = managerOn()
    const result = manager.readSecrets({ ...DEFINITION, secretName: '../app' })
    expect((await rejection(result)).code).toBe('SM_CONFIG_INVALID')
    expect(sent).toEqual([])
  })

  test('the namespace is that of the context where none is named', async () => {
    const { manager, sent } = managerOn()
    await manager.readSecrets({ ...DEFINITION, namespace: undefined })
    expect(paths(sent)).toContain('/api/v1/namespaces/prod/secrets/app')
  })

  test('a ConfigMap holds text, or bytes in base64', async () => {
    for (const entry of [
      { data: { 'secrets.json': `${CIPHERTEXT}\n` } },
      { data: {}, binaryData: { 'secrets.json': Buffer.from(CIPHERTEXT).toString('base64') } },
    ]) {
      const { manager, sent } = managerOn((request) =>
        request.url.includes('/configmaps/')
          ? { status: 200, json: secretObject(entry) }
          : healthy(request),
      )
      await manager.readSecrets({ ...DEFINITION, readType: 'CONFIG_MAP' })
      const decrypt = sent.find(({ url }) => url.includes('/decrypt/'))
      expect(decrypt?.body).toBe(JSON.stringify({ ciphertext: CIPHERTEXT }))
    }
  })

  test('a schema types and checks the dictionary, and its own words are not repeated', async () => {
    const { manager } = managerOn()
    const message = `expected a port, got ${PLAINTEXT}`
    const schema = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: () => ({ issues: [{ message, path: ['redis_url'] }] }),
      },
    } as const
    const error = await rejection(manager.readSecrets({ ...DEFINITION, schema }))
    expect(error.code).toBe('SM_SCHEMA_INVALID')
    expect(error.message).toContain('redis_url')
  })
})

describe('startup.wait', () => {
  const down: Handler = (request) =>
    request.url.startsWith('https://vault') ? refusedConnection() : healthy(request)

  test.each([
    ['30 s by default', {}, 29_000],
    ['as set', { startup: { wait: '2m' } }, 119_000],
    ['none', { startup: { wait: 0 } }, 0],
  ])('%s: so long a first read tries', async (_name, config, until) => {
    const { manager, runtime } = managerOn(down, config)
    const reading = rejection(manager.readSecrets(DEFINITION))
    await runtime.advance(200_000)
    expect((await reading).elapsedMs).toBe(until)
  })

  test('steps that need no Vault do not end it', async () => {
    const { manager, runtime } = managerOn(down, { startup: { wait: '2m' } })
    await manager.connectToK8s()
    await manager.getK8sServiceAccountToken()
    const reading = rejection(manager.readSecrets(DEFINITION))
    await runtime.advance(200_000)
    expect((await reading).elapsedMs).toBe(119_000)
  })

  test('after a read it is 15 s', async () => {
    let isDown = false
    const config = { cache: { keepAtMost: 0 } }
    const { manager, runtime } = managerOn(
      (request) => (isDown ? down(request) : healthy(request)),
      config,
    )
    await manager.readSecrets(DEFINITION)
    isDown = true
    const reading = rejection(manager.readSecrets(DEFINITION))
    await runtime.advance(200_000)
    expect((await reading).elapsedMs).toBe(14_000)
  })
})

describe('the steps of the pattern', () => {
  test('one by one they are a read', async () => {
    const { manager, sent } = managerOn()
    await manager.connectToK8s()
    expect(await manager.getK8sServiceAccountToken()).toMatch(/^eyJ/)
    await manager.connectToVault()
    const ciphertext = await manager.readK8sSecret(DEFINITION)
    expect(ciphertext).toBe(CIPHERTEXT)
    const document = await manager.decryptDataWithVault('app', ciphertext)
    const secrets = manager.loadJsonSecrets(document)
    expect(names(secrets)).toEqual(['redis_url'])
    expect(paths(sent)).toEqual([
      '/api/v1/namespaces/prod/serviceaccounts/app/token',
      '/v1/auth/kubernetes/login',
      '/api/v1/namespaces/prod/secrets/app',
      '/v1/transit/decrypt/app',
    ])
  })

  test('I10: a document that is no dictionary is not quoted', () => {
    const { manager } = managerOn()
    const load = (): unknown => manager.loadJsonSecrets(`"${PLAINTEXT}"`)
    expect(load).toThrow(expect.objectContaining({ code: 'SM_PAYLOAD_INVALID' }))
    expect(load).not.toThrow(PLAINTEXT)
  })
})

describe('a mounted Secret', () => {
  const mounted = { kubernetes: { mountedAt: '/run/secrets' } }
  const config = {
    ...mounted,
    vault: { ...NATIVE.vault, auth: { ...NATIVE.vault.auth, jwtFile: '/run/jwt' } },
  }

  test.each([['/run/secrets/app/secrets.json'], ['/run/secrets/secrets.json']])(
    'is read from %s, and the API server is never asked',
    async (path) => {
      const { manager, runtime, sent } = managerOn(healthy, config)
      Object.assign(runtime.files, { [path]: `${CIPHERTEXT}\n`, '/run/jwt': jwtOf() })
      await manager.readSecrets({ ...DEFINITION, namespace: undefined })
      expect(paths(sent)).toEqual(['/v1/auth/kubernetes/login', '/v1/transit/decrypt/app'])
    },
  )

  test('that is not there names both places', async () => {
    const { manager, runtime } = managerOn(healthy, config)
    runtime.files['/run/jwt'] = jwtOf()
    const error = await rejection(manager.readSecrets(DEFINITION))
    expect(error).toMatchObject({ code: 'SM_FILE_UNREADABLE', causeClass: 'ENOENT' })
    expect(error.message).toContain('/run/secrets/app/secrets.json or /run/secrets/secrets.json')
  })
})

test('I11: the token goes to Vault and nowhere else', async () => {
  const { manager, sent } = managerOn()
  await manager.readSecrets(DEFINITION)
  for (const { url, headers, body } of sent) {
    const isVault = url.startsWith('https://vault.example/')
    expect(JSON.stringify([headers, body]).includes(TOKEN)).toBe(isVault && !url.endsWith('/login'))
    expect(JSON.stringify([headers, body]).includes(API_TOKEN)).toBe(!isVault)
  }
})

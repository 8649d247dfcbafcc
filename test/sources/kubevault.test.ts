import { describe, expect, test } from 'vitest'

import { SecretManager } from '../../src/manager.ts'
import { TransportFailure } from '../../src/runtime.ts'
import { inProcess, type Answered, type InProcess } from '../faults/in-process.ts'
import {
  API_TOKEN,
  CIPHERTEXT,
  DEFINITION,
  jwtOf,
  loginAnswer,
  plaintextAnswer,
  rejection,
  secretObject,
  tokenAnswer,
} from '../faults/world.ts'
import { fakeRuntime, systemError, type FakeRuntime } from '../fake-runtime.ts'

const KUBECONFIG = JSON.stringify({
  'current-context': 'test',
  contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'team' } }],
  clusters: [{ name: 'test', cluster: { server: 'https://10.96.0.1' } }],
  users: [{ name: 'test', user: { token: API_TOKEN } }],
})

interface Fixture extends Pick<InProcess, 'sent'> {
  readonly manager: SecretManager
  readonly runtime: FakeRuntime
}

/** Servers where the object answers `object`, and writing it succeeds. */
function sourceOn(object: Answered, kubernetes: object = {}): Fixture {
  const server = inProcess(({ url, method }) => {
    if (url.endsWith('/login')) return { status: 200, json: loginAnswer() }
    if (url.endsWith('/token')) return { status: 201, json: tokenAnswer(jwtOf()) }
    if (url.includes('/decrypt/')) return { status: 200, json: plaintextAnswer() }
    if (url.includes('/keys/')) return { status: 200, json: { data: { latest_version: 1 } } }
    if (url.includes('/encrypt/'))
      return { status: 200, json: { data: { ciphertext: CIPHERTEXT } } }
    return method === 'GET' ? object : { status: 200, json: secretObject() }
  })
  const runtime = fakeRuntime({
    auto: true,
    now: Date.now(),
    files: { '/kubeconfig': KUBECONFIG, '/run/jwt': jwtOf() },
    transport: server.transport,
  })
  const auth = { method: 'kubernetes', role: 'app', jwtFile: '/run/jwt' } as const
  const manager = new SecretManager(
    {
      vault: { url: 'https://vault.example', auth },
      kubernetes: { kubeconfig: '/kubeconfig', ...kubernetes },
    },
    { runtime },
  )
  return { manager, runtime, sent: server.sent }
}

const WITHOUT_NAMESPACE = { ...DEFINITION, namespace: undefined }

/** A server that applies a write and loses the first answer to it; then it answers as it must: with a conflict. */
function losingAnswers(stored: string, existing: boolean): SecretManager {
  const value = Buffer.from(stored).toString('base64')
  let writes = 0
  const server = inProcess(({ url, method }) => {
    if (url.endsWith('/login')) return { status: 200, json: loginAnswer() }
    if (url.includes('/keys/')) return { status: 200, json: { data: { latest_version: 1 } } }
    if (url.includes('/encrypt/'))
      return { status: 200, json: { data: { ciphertext: CIPHERTEXT } } }
    if (method !== 'GET') {
      writes += 1
      if (writes === 1) throw new TransportFailure('timeout', 'no complete answer within 5000 ms')
      return { status: 409 }
    }
    if (writes === 0) return existing ? { status: 200, json: secretObject() } : { status: 404 }
    return { status: 200, json: secretObject({ data: { 'secrets.json': value } }) }
  })
  const files = { '/kubeconfig': KUBECONFIG, '/run/jwt': jwtOf() }
  const runtime = fakeRuntime({ auto: true, now: Date.now(), files, transport: server.transport })
  const auth = { method: 'kubernetes', role: 'app', jwtFile: '/run/jwt' } as const
  const config = {
    vault: { url: 'https://vault.example', auth },
    kubernetes: { kubeconfig: '/kubeconfig' },
  }
  return new SecretManager(config, { runtime })
}

describe('a write whose answer was lost', () => {
  test.each([false, true])('is a success where it is what is stored (existing: %j)', async (is) => {
    await losingAnswers(CIPHERTEXT, is).createSecrets(DEFINITION, '{}')
  })

  test.each([false, true])('is a conflict where somebody else wrote (existing: %j)', async (is) => {
    const writing = losingAnswers('vault:v1:BBBB', is).createSecrets(DEFINITION, '{}')
    expect((await rejection(writing)).code).toBe('SM_K8S_CONFLICT')
  })
})

describe('writing', () => {
  test('creates an object with the labels of this program where there is none', async () => {
    const { manager, sent } = sourceOn({ status: 404 })
    await manager.createSecrets(DEFINITION, '{}')
    const created = sent.at(-1)
    expect(created).toMatchObject({ method: 'POST' })
    expect(JSON.parse(created?.body ?? '')).toEqual({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: {
        name: 'app',
        labels: {
          'app.kubernetes.io/managed-by': 'secretmanager',
          'kubevault.secretmanager/managed': 'true',
        },
      },
      data: { 'secrets.json': Buffer.from(CIPHERTEXT).toString('base64') },
    })
  })

  test('a ConfigMap holds the ciphertext as text', async () => {
    const { manager, sent } = sourceOn({ status: 200, json: secretObject() })
    await manager.createSecrets({ ...DEFINITION, readType: 'CONFIG_MAP' }, '{}')
    expect(JSON.parse(sent.at(-1)?.body ?? '').data).toEqual({ 'secrets.json': CIPHERTEXT })
  })

  test('what fits is written: 786,395 bytes', async () => {
    const { manager } = sourceOn({ status: 404 })
    await manager.createSecrets(DEFINITION, new Uint8Array(786_395))
  })

  test.each([
    ['of the context', {}, 'team'],
    ['of the settings', { namespace: 'prod' }, 'prod'],
    [
      'of the context, though documents are read from a volume',
      { mountedAt: '/run/secrets' },
      'team',
    ],
  ])('goes to the namespace %s', async (_name, kubernetes, namespace) => {
    const { manager, sent } = sourceOn({ status: 404 }, kubernetes)
    await manager.createSecrets(WITHOUT_NAMESPACE, '{}')
    expect(new URL(sent.at(-1)?.url ?? '').pathname).toBe(`/api/v1/namespaces/${namespace}/secrets`)
  })
})

describe('a mounted document', () => {
  const mounted = { mountedAt: '/run/secrets' }

  test('that may not be read is told as such, and nothing else is read in its place', async () => {
    const { manager, runtime } = sourceOn({ status: 404 }, mounted)
    runtime.files['/run/secrets/app/secrets.json'] = systemError('EACCES')
    runtime.files['/run/secrets/secrets.json'] = CIPHERTEXT
    const error = await rejection(manager.readBytes(DEFINITION))
    expect(error).toMatchObject({ code: 'SM_FILE_UNREADABLE', causeClass: 'EACCES' })
    expect(error.message).toContain('/run/secrets/app/secrets.json')
  })

  test.each([
    ['', 'is empty'],
    ['{"a":1}', 'is not a Transit ciphertext'],
  ])('I9: %j is SM_CT_FORMAT', async (content, says) => {
    const { manager, runtime, sent } = sourceOn({ status: 404 }, mounted)
    runtime.files['/run/secrets/app/secrets.json'] = content
    const error = await rejection(manager.readBytes(DEFINITION))
    expect(error.code).toBe('SM_CT_FORMAT')
    expect(error.message).toContain(says)
    expect(sent.filter(({ url }) => url.includes('/decrypt/'))).toEqual([])
  })
})

describe('close', () => {
  test('does not wait for a credential plugin that hangs', async () => {
    const users = [
      {
        name: 'test',
        user: { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'plug' } },
      },
    ]
    const runtime = fakeRuntime({
      files: { '/kubeconfig': JSON.stringify({ ...JSON.parse(KUBECONFIG), users }) },
      exec: () => new Promise(() => undefined),
    })
    const manager = new SecretManager(
      {
        vault: { url: 'https://vault.example', auth: { method: 'kubernetes', role: 'app' } },
        kubernetes: { kubeconfig: '/kubeconfig' },
      },
      { runtime },
    )
    const failure = rejection(manager.readSecrets(DEFINITION))
    await runtime.advance(1000)
    await manager.close()
    expect((await failure).code).toBe('SM_CLOSED')
  })
})

describe('a read that failed', () => {
  test('makes no further call: its other half ends with it', async () => {
    const server = inProcess(({ url }) => {
      if (url.endsWith('/login')) return { status: 403 }
      throw new TransportFailure('unreachable', 'nothing listens there', 'ECONNREFUSED')
    })
    const runtime = fakeRuntime({
      now: Date.now(),
      files: { '/kubeconfig': KUBECONFIG, '/run/jwt': jwtOf() },
      transport: server.transport,
    })
    const auth = { method: 'kubernetes', role: 'app', jwtFile: '/run/jwt' } as const
    const manager = new SecretManager(
      { vault: { url: 'https://vault.example', auth }, kubernetes: { kubeconfig: '/kubeconfig' } },
      { runtime },
    )
    expect((await rejection(manager.readSecrets(DEFINITION))).code).toBe('SM_AUTH_DENIED')
    const sent = server.sent.length
    await runtime.advance(60_000)
    expect(server.sent).toHaveLength(sent)
  })
})

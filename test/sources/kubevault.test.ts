import { describe, expect, test } from 'vitest'

import { SecretManager } from '../../src/manager.ts'
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

import { resolve } from 'node:path'
import { describe, expect, test } from 'vitest'

import { resolveAccess } from '../../src/kubernetes/config.ts'
import { fakeRuntime, systemError, type FakeRuntime } from '../fake-runtime.ts'

const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'
const POD_ENV = { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' }

const jwt = (claims: object): string =>
  `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

const TOKEN = jwt({
  sub: 'system:serviceaccount:prod:app',
  'kubernetes.io': {
    namespace: 'prod',
    pod: { name: 'app-7', uid: 'u-1' },
    serviceaccount: { name: 'app' },
  },
})

const KUBECONFIG = JSON.stringify({
  'current-context': 'home',
  contexts: [{ name: 'home', context: { cluster: 'home', user: 'admin' } }],
  clusters: [{ name: 'home', cluster: { server: 'https://192.168.86.9:16443' } }],
  users: [{ name: 'admin', user: { token: 'from-kubeconfig' } }],
})

const inPod = (files: Record<string, string | Error> = {}, env = {}): FakeRuntime =>
  fakeRuntime({
    env: { ...POD_ENV, ...env },
    files: { [`${MOUNT}/token`]: `${TOKEN}\n`, [`${MOUNT}/namespace`]: 'prod', ...files },
  })

describe('in a pod', () => {
  test('uses the mounted token, CA and namespace', async () => {
    const access = await resolveAccess({}, inPod())
    expect(access).toMatchObject({
      server: 'https://10.96.0.1:443',
      transport: { ca: { kind: 'file', path: `${MOUNT}/ca.crt` } },
      namespace: 'prod',
      origin: 'in-cluster',
      identity: {
        serviceAccount: 'app',
        namespace: 'prod',
        pod: { name: 'app-7', uid: 'u-1' },
      },
    })
    expect(await access.token(false)).toBe(TOKEN)
  })

  test('reads no kubeconfig and runs no plugin, whatever is configured', async () => {
    const runtime = inPod(
      { '/etc/kubeconfig': KUBECONFIG, '/home/user/.kube/config': KUBECONFIG },
      { KUBECONFIG: '/etc/kubeconfig' },
    )
    const access = await resolveAccess({ kubeconfig: '/etc/kubeconfig', context: 'home' }, runtime)
    expect(access.origin).toBe('in-cluster')
    expect(runtime.reads.toSorted()).toEqual([`${MOUNT}/namespace`, `${MOUNT}/token`])
  })

  test('puts an IPv6 address into brackets', async () => {
    const access = await resolveAccess({}, inPod({}, { KUBERNETES_SERVICE_HOST: 'fd00::1' }))
    expect(access.server).toBe('https://[fd00::1]:443')
  })

  test('knows its namespace from the token where the file is absent', async () => {
    const runtime = inPod()
    delete runtime.files[`${MOUNT}/namespace`]
    expect((await resolveAccess({}, runtime)).namespace).toBe('prod')
  })

  test('knows no pod where the token is of a kind that names none', async () => {
    const runtime = inPod({ [`${MOUNT}/token`]: jwt({ sub: 'system:serviceaccount:prod:app' }) })
    expect((await resolveAccess({}, runtime)).identity?.pod).toBeUndefined()
  })

  test('K7: reads the token anew for each request', async () => {
    const runtime = inPod()
    const access = await resolveAccess({}, runtime)
    const rotated = jwt({ sub: 'system:serviceaccount:prod:app', iat: 2 })
    runtime.files[`${MOUNT}/token`] = rotated
    expect(await access.token(false)).toBe(rotated)
  })

  test.each([
    { name: 'empty', content: '\n' },
    { name: 'half-written', content: TOKEN.slice(0, 60) },
    { name: 'two tokens', content: `${TOKEN}\n${TOKEN}` },
    { name: 'no JWT', content: 'opaque' },
  ])('K7: a token file that is $name is named and not quoted', async ({ content }) => {
    const runtime = inPod()
    const access = await resolveAccess({}, runtime)
    runtime.files[`${MOUNT}/token`] = content
    const error: unknown = await access.token(false).catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code: 'SM_TOKEN_FILE_INVALID', retryable: true })
    expect(String(error)).toContain(`${MOUNT}/token`)
    expect(String(error)).not.toContain(content.trim() || 'eyJ')
  })

  test('K7: a token file that vanished is SM_FILE_UNREADABLE', async () => {
    const runtime = inPod()
    const access = await resolveAccess({}, runtime)
    delete runtime.files[`${MOUNT}/token`]
    await expect(access.token(false)).rejects.toMatchObject({
      code: 'SM_FILE_UNREADABLE',
      message: `cannot read ${MOUNT}/token (ENOENT), the mounted ServiceAccount token`,
    })
  })

  test('a token that may not be read is not taken for an absent one', async () => {
    const runtime = inPod({
      [`${MOUNT}/token`]: systemError('EACCES'),
      '/home/user/.kube/config': KUBECONFIG,
    })
    await expect(resolveAccess({}, runtime)).rejects.toMatchObject({ code: 'SM_FILE_UNREADABLE' })
  })
})

describe('outside a pod', () => {
  test.each([
    { name: 'no service host', env: { KUBERNETES_SERVICE_PORT: '443' }, token: TOKEN },
    {
      name: 'an empty service port',
      env: { ...POD_ENV, KUBERNETES_SERVICE_PORT: '' },
      token: TOKEN,
    },
    { name: 'no mounted token', env: POD_ENV, token: systemError('ENOENT') },
  ])('falls back to the kubeconfig: $name', async ({ env, token }) => {
    const files = { [`${MOUNT}/token`]: token, '/home/user/.kube/config': KUBECONFIG }
    const access = await resolveAccess({}, fakeRuntime({ env, files }))
    expect(access.origin).toBe('kubeconfig /home/user/.kube/config context home')
    expect(await access.token(false)).toBe('from-kubeconfig')
  })

  test('prefers the configured kubeconfig over KUBECONFIG over the home directory', async () => {
    const env: Record<string, string> = { KUBECONFIG: '/b' }
    const runtime = fakeRuntime({
      env,
      files: {
        '/home/user/a': KUBECONFIG,
        '/b': KUBECONFIG,
        '/home/user/.kube/config': KUBECONFIG,
      },
    })
    const origin = async (kubeconfig?: string): Promise<string> =>
      (await resolveAccess({ kubeconfig }, runtime)).origin
    expect(await origin('~/a')).toBe('kubeconfig /home/user/a context home')
    expect(await origin()).toBe('kubeconfig /b context home')
    delete env['KUBECONFIG']
    expect(await origin()).toBe('kubeconfig /home/user/.kube/config context home')
  })

  test('without any access says where it looked and what to do', async () => {
    const runtime = fakeRuntime({
      env: { KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' },
    })
    const error: unknown = await resolveAccess({}, runtime).catch((failure: unknown) => failure)
    expect(error).toMatchObject({
      code: 'SM_CONFIG_INVALID',
      message:
        'no access to a Kubernetes API server: the ServiceAccount token of the pod is not mounted, ' +
        'kubernetes.kubeconfig is not set, KUBECONFIG is not set, /home/user/.kube/config does not exist',
    })
    expect(error).toHaveProperty(
      'hint',
      expect.stringContaining('automountServiceAccountToken: true'),
    )
  })

  test('names the files of KUBECONFIG that are all missing', async () => {
    const runtime = fakeRuntime({ env: { KUBECONFIG: '/a:/b' } })
    await expect(resolveAccess({}, runtime)).rejects.toThrow(
      'not a pod (KUBERNETES_SERVICE_HOST is not set), kubernetes.kubeconfig is not set, ' +
        'KUBECONFIG names only missing files, /a does not exist, /b does not exist',
    )
  })

  test('a configured kubeconfig that is missing is an error, not a reason to take another', async () => {
    const runtime = fakeRuntime({ files: { '/home/user/.kube/config': KUBECONFIG } })
    await expect(resolveAccess({ kubeconfig: '/absent' }, runtime)).rejects.toMatchObject({
      code: 'SM_FILE_UNREADABLE',
      message: 'cannot read /absent (ENOENT), the setting kubernetes.kubeconfig',
    })
  })

  test('a relative path that is missing is told in full', async () => {
    const resolving = resolveAccess({ kubeconfig: 'absent' }, fakeRuntime())
    const message = `cannot read ${resolve('absent')} (ENOENT), the setting kubernetes.kubeconfig`
    await expect(resolving).rejects.toMatchObject({ code: 'SM_FILE_UNREADABLE', message })
  })
})

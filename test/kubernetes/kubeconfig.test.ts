import { describe, expect, test } from 'vitest'

import type { ClusterAccess } from '../../src/kubernetes/config.ts'
import { kubeconfigAccess } from '../../src/kubernetes/kubeconfig.ts'
import { fakeRuntime, systemError, type FakeFile } from '../fake-runtime.ts'

const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
const KEY = '-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n'
const base64 = (text: string): string => Buffer.from(text).toString('base64')

interface Parts {
  readonly cluster?: object
  readonly user?: object | null
  readonly context?: object
}

/** A kubeconfig with one of each, of which a test changes a part. */
const kubeconfig = ({ cluster, user, context }: Parts): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'home',
    contexts: [{ name: 'home', context: { cluster: 'c', user: 'u', ...context } }],
    clusters: [{ name: 'c', cluster: { server: 'https://192.168.86.9:16443', ...cluster } }],
    users: [{ name: 'u', user: user === undefined ? { token: 'secret-token' } : user }],
  })

const access = (content: FakeFile, files: Record<string, FakeFile> = {}): Promise<ClusterAccess> =>
  kubeconfigAccess(
    { kubeconfig: '/etc/kube/config' },
    fakeRuntime({ files: { '/etc/kube/config': content, ...files } }),
  )

const refusal = async (content: FakeFile, files?: Record<string, FakeFile>): Promise<Error> => {
  const outcome: unknown = await access(content, files).catch((error: unknown) => error)
  if (outcome instanceof Error) return outcome
  throw new Error('it was accepted')
}

describe('a kubeconfig that kubectl wrote', () => {
  const YAML = `
apiVersion: v1
kind: Config
preferences: {}
current-context: homelab
clusters:
- name: microk8s
  cluster:
    certificate-authority-data: ${base64(PEM)}
    server: https://192.168.86.9:16443/
    tls-server-name: kubernetes
    proxy-url: http://proxy.example:3128
contexts:
- name: homelab
  context: {cluster: microk8s, user: admin, namespace: default}
users:
- name: admin
  user:
    client-certificate-data: ${base64(PEM)}
    client-key-data: ${base64(KEY)}
    token: null
`

  test('gives server, trust, identity, proxy and namespace', async () => {
    const found = await access(YAML)
    expect(found).toMatchObject({
      server: 'https://192.168.86.9:16443',
      transport: {
        ca: { kind: 'text', pem: PEM },
        clientCert: { kind: 'text', pem: PEM },
        clientKey: { kind: 'text', pem: KEY },
        serverName: 'kubernetes',
        proxy: 'http://proxy.example:3128',
      },
      namespace: 'default',
      origin: 'kubeconfig /etc/kube/config context homelab',
      identity: undefined,
    })
    expect(await found.token(false)).toBeUndefined()
  })

  test('is read as JSON too, also where it is a YAML flow mapping', async () => {
    expect((await access(kubeconfig({}))).server).toBe('https://192.168.86.9:16443')
    const flow = kubeconfig({}).replace('"apiVersion":"v1"', 'apiVersion: v1')
    expect((await access(flow)).server).toBe('https://192.168.86.9:16443')
  })

  test('takes the context that is asked for', async () => {
    const two = JSON.stringify({
      'current-context': 'a',
      contexts: [
        { name: 'a', context: { cluster: 'a', user: 'u' } },
        { name: 'b', context: { cluster: 'b', user: 'u' } },
      ],
      clusters: [
        { name: 'a', cluster: { server: 'https://a' } },
        { name: 'b', cluster: { server: 'https://b/k8s/clusters/c-1' } },
      ],
      users: [{ name: 'u', user: { token: 't' } }],
    })
    const runtime = fakeRuntime({ files: { '/k': two } })
    const found = await kubeconfigAccess({ kubeconfig: '/k', context: 'b' }, runtime)
    expect(found.server).toBe('https://b/k8s/clusters/c-1')
  })
})

describe('a list in KUBECONFIG', () => {
  const merged = (files: Record<string, FakeFile>, list: string): Promise<ClusterAccess> =>
    kubeconfigAccess({}, fakeRuntime({ files, env: { KUBECONFIG: list } }))

  const CLUSTERS = JSON.stringify({
    clusters: [
      { name: 'c', cluster: { server: 'https://first', 'certificate-authority': 'ca.pem' } },
    ],
  })

  test('is merged: the first that names a thing wins, and its own paths are relative to it', async () => {
    const second = kubeconfig({
      cluster: { server: 'https://second', 'tls-server-name': 'second' },
    })
    const found = await merged(
      { '/one/k': CLUSTERS, '/one/ca.pem': PEM, '/two/k': second },
      '/one/k::/absent:/two/k:/one/k',
    )
    expect(found).toMatchObject({
      server: 'https://first',
      transport: { ca: { kind: 'file', path: '/one/ca.pem' }, serverName: undefined },
      origin: 'kubeconfig /two/k context home',
    })
  })

  test('takes current-context from the first that sets it', async () => {
    const files = {
      '/one': JSON.stringify({ 'current-context': '', contexts: null }),
      '/two': JSON.stringify({ 'current-context': 'gone' }),
      '/three': kubeconfig({}),
    }
    await expect(merged(files, '/one:/two:/three')).rejects.toMatchObject({
      message: 'kubeconfig /one, /two, /three: there is no context "gone"',
      hint: 'it has the contexts "home"',
    })
  })

  test('stops at a file that may not be read', async () => {
    const files = { '/one': systemError('EACCES'), '/two': kubeconfig({}) }
    await expect(merged(files, '/one:/two')).rejects.toMatchObject({
      code: 'SM_FILE_UNREADABLE',
      message: 'cannot read /one (EACCES), named by KUBECONFIG',
    })
  })
})

describe('credentials', () => {
  test('a token file wins over a token and is read each time', async () => {
    const files: Record<string, FakeFile> = {
      '/etc/kube/config': kubeconfig({ user: { token: 'inline', tokenFile: 'token' } }),
      '/etc/kube/token': 'one\n',
    }
    const runtime = fakeRuntime({ files })
    const found = await kubeconfigAccess({ kubeconfig: '/etc/kube/config' }, runtime)
    expect(await found.token(false)).toBe('one')
    files['/etc/kube/token'] = 'two'
    expect(await found.token(false)).toBe('two')
  })

  test('K7: a token file that is missing is named with its setting', async () => {
    const found = await access(kubeconfig({ user: { tokenFile: '/run/t' } }))
    await expect(found.token(true)).rejects.toMatchObject({
      code: 'SM_FILE_UNREADABLE',
      message: 'cannot read /run/t (ENOENT), tokenFile of kubeconfig /etc/kube/config: user "u"',
    })
  })

  test.each([
    { name: 'nothing', content: '' },
    { name: 'two words', content: 'one two' },
    { name: 'half a JWT', content: 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIi' },
    { name: 'bytes that are no text', content: Uint8Array.of(0xff, 0xfe) },
  ])('K7: a token file with $name is SM_TOKEN_FILE_INVALID', async ({ content }) => {
    const found = await access(kubeconfig({ user: { tokenFile: '/run/t' } }), { '/run/t': content })
    await expect(found.token(false)).rejects.toMatchObject({ code: 'SM_TOKEN_FILE_INVALID' })
  })

  test('files of a client certificate are relative to the kubeconfig and stay files', async () => {
    const user = { 'client-certificate': 'pki/app.crt', 'client-key': '/abs/app.key' }
    const files = { '/etc/kube/pki/app.crt': PEM, '/abs/app.key': KEY }
    expect((await access(kubeconfig({ user }), files)).transport).toMatchObject({
      clientCert: { kind: 'file', path: '/etc/kube/pki/app.crt' },
      clientKey: { kind: 'file', path: '/abs/app.key' },
    })
  })

  test('inline data wins over a path', async () => {
    const cluster = {
      'certificate-authority': '/absent',
      'certificate-authority-data': base64(PEM),
    }
    const found = await access(kubeconfig({ cluster }))
    expect(found.transport.ca).toEqual({ kind: 'text', pem: PEM })
  })

  test('a context without a user asks as nobody', async () => {
    const cluster = { server: 'http://127.0.0.1:8001' }
    const found = await access(kubeconfig({ cluster, context: { user: '' } }))
    expect(found.server).toBe('http://127.0.0.1:8001')
    expect(await found.token(false)).toBeUndefined()
  })
})

test('I12: insecure-skip-tls-verify is refused, and the hint says how to trust the cluster', async () => {
  const content = kubeconfig({ cluster: { 'insecure-skip-tls-verify': true } })
  expect(await refusal(content)).toMatchObject({
    code: 'SM_CONFIG_INVALID',
    message: expect.stringMatching(
      /^kubeconfig \/etc\/kube\/config: cluster "c": insecure-skip-tls/,
    ),
    hint: expect.stringContaining('set certificate-authority'),
  })
})

test('I12: insecure-skip-tls-verify: false is what it says', async () => {
  const content = kubeconfig({ cluster: { 'insecure-skip-tls-verify': false } })
  expect((await access(content)).server).toBe('https://192.168.86.9:16443')
})

describe('addresses', () => {
  test.each([
    ['https://[fd00::1]:6443', 'https://[fd00::1]:6443'],
    ['https://API.example/', 'https://api.example'],
    ['https://rancher.example/k8s/clusters/c-1/', 'https://rancher.example/k8s/clusters/c-1'],
    ['http://localhost:8001', 'http://localhost:8001'],
    ['http://127.0.0.53:8001', 'http://127.0.0.53:8001'],
    ['http://[::1]:8001', 'http://[::1]:8001'],
  ])('accepts %s', async (server, expected) => {
    expect((await access(kubeconfig({ cluster: { server } }))).server).toBe(expected)
  })

  test.each([
    ['http://192.168.86.9:8080', 'plain http to another host'],
    ['http://127.evil.example', 'plain http to another host'],
    ['192.168.86.9:16443', 'server is not an https URL'],
    ['unix:///run/api', 'server is not an https URL'],
    ['https://admin:hunter2@api', 'must be a plain address'],
    ['https://api?x=hunter2', 'must be a plain address'],
    ['', 'has no server'],
  ])('refuses %s', async (server, problem) => {
    const error = await refusal(kubeconfig({ cluster: { server } }))
    expect(error).toMatchObject({
      code: 'SM_CONFIG_INVALID',
      message: expect.stringContaining(problem),
    })
    expect(JSON.stringify(error)).not.toContain('hunter2')
  })

  test.each([
    ['socks5://127.0.0.1:1080', 'names a SOCKS proxy'],
    ['proxy.example:3128', 'is not an http:// or https:// URL'],
  ])('refuses the proxy %s', async (proxy, problem) => {
    expect(await refusal(kubeconfig({ cluster: { 'proxy-url': proxy } }))).toMatchObject({
      message:
        `kubeconfig /etc/kube/config: cluster "c": proxy-url ${problem}` +
        (proxy.startsWith('socks') ? ', which is not supported' : ''),
    })
  })
})

describe('what is wrong is named with file and place, and never quoted', () => {
  test.each<{ name: string; parts: Parts; says: string }>([
    {
      name: 'basic auth',
      parts: { user: { username: 'admin', password: 'hunter2' } },
      says: 'user "u": username and password ended with Kubernetes 1.19',
    },
    {
      name: 'auth-provider',
      parts: { user: { 'auth-provider': { name: 'gcp', config: { secret: 'hunter2' } } } },
      says: 'user "u": auth-provider ended with Kubernetes 1.26',
    },
    {
      name: 'impersonation',
      parts: { user: { token: 'hunter2', as: 'somebody' } },
      says: 'user "u": impersonation (as, as-groups) is not supported',
    },
    { name: 'no credential', parts: { user: null }, says: 'user "u": has no credential' },
    {
      name: 'a token of the wrong type',
      parts: { user: { token: 31337 } },
      says: 'user "u": token must be a string',
    },
    {
      name: 'a token with a line break',
      parts: { user: { token: 'hunter2\r\nx-evil: 1' } },
      says: 'user "u": token is malformed',
    },
    {
      name: 'a certificate without key',
      parts: { user: { 'client-certificate-data': base64(PEM) } },
      says: 'user "u": has no client-key',
    },
    {
      name: 'a key without certificate',
      parts: { user: { 'client-key-data': base64(KEY) } },
      says: 'user "u": has no client-certificate',
    },
    {
      name: 'data that is no PEM',
      parts: { cluster: { 'certificate-authority-data': base64('hunter2') } },
      says: 'cluster "c": certificate-authority-data is not base64 of PEM text',
    },
    {
      name: 'a CA file that is absent',
      parts: { cluster: { 'certificate-authority': 'ca.pem' } },
      says: 'cannot read /etc/kube/ca.pem (ENOENT), certificate-authority of kubeconfig /etc/kube/config: cluster "c"',
    },
    {
      name: 'a CA file that is no PEM',
      parts: { cluster: { 'certificate-authority': 'ca.der' } },
      says: 'cluster "c": certificate-authority /etc/kube/ca.der is not a PEM file',
    },
    {
      name: 'a switch as text',
      parts: { cluster: { 'insecure-skip-tls-verify': 'hunter2' } },
      says: 'cluster "c": insecure-skip-tls-verify must be true or false',
    },
    {
      name: 'an unknown user',
      parts: { context: { user: 'gone' } },
      says: 'context "home": there is no user "gone"',
    },
    {
      name: 'an unknown cluster',
      parts: { context: { cluster: 'gone' } },
      says: 'context "home": there is no cluster "gone"',
    },
    {
      name: 'no cluster at all',
      parts: { context: { cluster: null } },
      says: 'context "home": has no cluster',
    },
  ])('$name', async ({ parts, says }) => {
    const error = await refusal(kubeconfig(parts), { '/etc/kube/ca.der': 'hunter2' })
    expect(error).toMatchObject({
      message: expect.stringContaining(says),
      hint: expect.stringMatching(/\w+/),
    })
    expect(`${JSON.stringify(error)} ${String(error)}`).not.toMatch(/hunter2|31337|secret-token/)
  })

  const bomb = ['a: &a [x, x, x, x, x, x, x, x, x, x]']
  for (let level = 0; level < 9; level += 1) {
    const above = String.fromCodePoint(97 + level)
    const name = String.fromCodePoint(98 + level)
    bomb.push(`${name}: &${name} [${Array.from({ length: 10 }, () => `*${above}`).join(', ')}]`)
  }

  test.each<{ name: string; content: FakeFile; says: string }>([
    { name: 'an empty file', content: '', says: 'no context is chosen' },
    { name: 'a scalar', content: 'hunter2', says: 'must be a mapping' },
    {
      name: 'clusters as a mapping',
      content: 'clusters: {a: hunter2}',
      says: 'clusters must be a list',
    },
    {
      name: 'an entry without name',
      content: 'users: [{user: hunter2}]',
      says: 'users[0]: has no name',
    },
    { name: 'broken YAML', content: 'a: 1\nb: [hunter2\nc: }', says: 'is not valid YAML at line' },
    { name: 'a key twice', content: 'a: hunter2\na: 2', says: 'is not valid YAML at line 2' },
    { name: 'an alias bomb', content: bomb.join('\n'), says: 'is not valid YAML' },
    { name: 'deep nesting', content: '['.repeat(100_000), says: 'is nested deeper than 100' },
    { name: 'deep lists', content: '- '.repeat(100_000), says: 'is nested deeper than 100' },
    { name: 'no UTF-8', content: Uint8Array.of(0xc3, 0x28), says: 'is not UTF-8 text' },
    { name: 'more than 1 MiB', content: '#'.repeat(1_048_577), says: 'is larger than 1 MiB' },
  ])('$name', async ({ content, says }) => {
    const error = await refusal(content)
    expect(error).toMatchObject({
      code: 'SM_CONFIG_INVALID',
      message: expect.stringMatching(/^kubeconfig \/etc\/kube\/config: /),
    })
    expect(String(error)).toContain(says)
    expect(String(error)).not.toContain('hunter2')
  })

  test('a name with control characters cannot write to the terminal', async () => {
    const error = await refusal(kubeconfig({ context: { cluster: '\u001B[2J' } }))
    expect(String(error)).not.toContain('\u001B')
  })
})

import { beforeEach, describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { requestToken } from '../../src/dev/operator.ts'
import { podRuntime } from '../../src/dev/pod.ts'
import { createStack, KUBERNETES_ORIGIN, VAULT_ORIGIN, type Stack } from '../../src/dev/stack.ts'
import { inProcessTransport, type Handler } from '../../src/dev/transport.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import type { Input } from '../../src/cli/input.ts'
import { run, watch, withFiles, type Ran } from './world.ts'

const FILE = `
clusters:
  - createNamespaces: true
apps:
  - name: app
    namespace: prod
    secrets: [{ secretName: app }]
`

const CA = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

let stack: Stack
let runtime: Runtime
let requests: string[]
let credentials: Set<string>

beforeEach(() => {
  stack = createStack()
  requests = []
  credentials = new Set([stack.servers.rootToken, stack.servers.adminToken])
  const watched = (handle: Handler): Handler => watch(handle, requests, credentials)
  const network = inProcessTransport(
    new Map([
      [VAULT_ORIGIN, watched((request) => stack.vault.handle(request))],
      [KUBERNETES_ORIGIN, watched((request) => stack.kubernetes.handle(request))],
    ]),
  )
  const { servers } = stack
  const kubeconfig = kubeconfigOf(KUBERNETES_ORIGIN, undefined, {
    ...servers,
    namespace: 'default',
  })
  const nothing: Runtime = {
    ...systemRuntime(network),
    env: () => undefined,
    readFile: () => Promise.reject(Object.assign(new Error('none'), { code: 'ENOENT' })),
  }
  runtime = withFiles(
    nothing,
    { '/p.yaml': FILE, '/kubeconfig': JSON.stringify(kubeconfig) },
    { VAULT_ADDR: VAULT_ORIGIN, VAULT_TOKEN: servers.rootToken, KUBECONFIG: '/kubeconfig' },
  )
})

/** Runs it; I10: no token and no JWT is in what it prints. */
async function provision(...args: readonly string[]): Promise<Ran> {
  const ran = await run(['provision', '/p.yaml', ...args], { runtime })
  for (const secret of credentials) expect(ran.stdout + ran.stderr).not.toContain(secret)
  return ran
}

/** The same with a person who answers. */
async function provisionAsking(answer: boolean, ...args: readonly string[]): Promise<Ran> {
  const lines: { stdout: string[]; stderr: string[] } = { stdout: [], stderr: [] }
  const sheet = (to: string[]): Parameters<typeof runCommandLine>[1]['output']['data'] => ({
    line: (text) => void to.push(text),
    bytes: () => undefined,
    isTerminal: false,
    hasColor: false,
    width: undefined,
  })
  const asked = (): never => {
    throw new Error('nobody asked for it')
  }
  const input: Input = {
    isTerminal: true,
    bytes: asked,
    hidden: asked,
    line: asked,
    confirm: (question) => {
      lines.stderr.push(question)
      return Promise.resolve(answer)
    },
  }
  const code = await runCommandLine(['provision', '/p.yaml', ...args], {
    runtime,
    input,
    output: { data: sheet(lines.stdout), notes: sheet(lines.stderr) },
    interrupt: new AbortController().signal,
  })
  return { code, stdout: lines.stdout.join('\n'), stderr: lines.stderr.join('\n') }
}

const WRITES = /^(?:PUT|PATCH|DELETE|POST (?!.*(?:capabilities-self|reviews|\/token|\/login)$))/
const writes = (): readonly string[] => requests.filter((line) => WRITES.test(line))

describe('secretmanager provision', () => {
  test('says what it did and what it tried', async () => {
    const { code, stdout, stderr } = await provision()
    expect({ code, lines: stdout.trim().split('\n').slice(0, 4) }).toEqual({
      code: 0,
      lines: [
        'create   secrets engine transit',
        'update   settings of transit: disable_upsert none -> true',
        'create   key transit/app',
        'create   policy app-reader',
      ],
    })
    expect(stdout).toContain('create   Namespace prod (cluster default)')
    expect(stderr).toContain('22 done\n')
    expect(stderr).toContain('tried 16: 16 as they should be\n')
    expect(stderr).toContain(
      'not tried: another namespace logs in as the reader (app, cluster default): there is no ServiceAccount kube-system/default',
    )
  })

  test('a second time has nothing to do, and writes nothing', async () => {
    await provision()
    requests.splice(0)
    const { code, stdout, stderr } = await provision('--no-prove')
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toBe('nothing to do, 22 as they should be\n')
    expect(writes()).toEqual([])
  })

  test('at a terminal no line is broken within a word', async () => {
    const { stdout, stderr } = await run(['provision', '/p.yaml'], {
      runtime,
      isTerminal: true,
      width: 60,
    })
    const lines = `${stdout}${stderr}`.split('\n')
    expect(lines.filter((line) => line.length > 60)).toEqual([])
    expect(stdout).toContain('reader (cluster\n         default)\n')
    expect(stderr).toContain('not tried: another namespace logs in as the reader (app,\ncluster')
  })

  test('a dry run shows the same, and changes nothing', async () => {
    const { code, stdout, stderr } = await provision('--dry-run')
    expect(code).toBe(0)
    expect(stderr).toBe('22 to do; nothing was written\n')
    expect(writes()).toEqual([])
    expect((await provision('--no-prove')).stdout).toBe(stdout)
  })

  test('8 where a dry run differs, if asked for', async () => {
    expect((await provision('--dry-run', '--exit-code')).code).toBe(8)
    await provision('--no-prove')
    expect((await provision('--dry-run', '--exit-code')).code).toBe(0)
  })

  test('reports as JSON, without a token in it', async () => {
    const { stdout } = await provision('--json')
    const { done, changes, notes, proofs } = JSON.parse(stdout)
    expect({ done, notes, count: changes.length }).toEqual({ done: true, notes: [], count: 22 })
    expect(JSON.parse(stdout).conflicts).toEqual([])
    expect(changes[0]).toEqual({
      where: 'vault',
      what: 'secrets engine transit',
      action: 'create',
      fields: [],
    })
    expect(proofs[0]).toMatchObject({ what: 'reader logs in', outcome: 'allowed' })
    expect(stdout).not.toMatch(/eyJ|hvs\.|hvb\.|s\.[A-Za-z0-9]{20}/)
  })

  test('8 where something is not as it must be', async () => {
    await provision('--no-prove')
    const wide = 'path "transit/*" { capabilities = ["update", "read"] }'
    const body = { policy: `# managed by secretmanager provision: \n${wide}` }
    const { rootToken: token } = stack.servers
    await stack.vaultWire('PUT', '/v1/sys/policies/acl/more', { token, body })
    const role = '/v1/auth/jwt-default/role/app'
    const before = await stack.vaultWire('GET', role, { token })
    const data = Object(before.body).data
    const more = { ...data, token_policies: ['app-reader', 'more'] }
    await stack.vaultWire('POST', role, { token, body: more })
    const { code, stdout, stderr } = await provision()
    expect({ code, stdout }).toEqual({
      code: 8,
      stdout: [
        'allowed  reader decrypts under another key (app, cluster default)',
        'allowed  reader encrypts (app, cluster default)',
        'allowed  reader reads the key (app, cluster default)\n',
      ].join('\n'),
    })
    expect(stderr).toContain('risk: role jwt-default/app also gives more')
    expect(stderr).toMatch(/^try: secretmanager doctor NAME --as-operator, .* says why$/m)
  })

  test('-o yaml prints the manifests, and asks no server', async () => {
    const { code, stdout } = await provision('-o', 'yaml')
    const kinds = parseAllDocuments(stdout).map((one) => Object(one.toJS()).kind)
    expect(code).toBe(0)
    expect(kinds.slice(0, 5)).toEqual([
      'Namespace',
      'ServiceAccount',
      'ServiceAccount',
      'ServiceAccount',
      'Role',
    ])
    expect(requests).toEqual([])
  })

  test('a program is told by --json what stands in the way, and what else would be done', async () => {
    const { rootToken: token } = stack.servers
    const body = { policy: 'path "a" { capabilities = ["read"] }' }
    await stack.vaultWire('PUT', '/v1/sys/policies/acl/app-reader', { token, body })
    requests.splice(0)
    for (const flags of [['--dry-run'], [], ['--destroy', '--yes', '--dry-run']]) {
      const { code, stdout } = await provision('--json', ...flags)
      const { done, changes, conflicts } = JSON.parse(stdout)
      const isSetUp = !flags.includes('--destroy')
      expect({ code, done, count: conflicts.length }).toEqual({
        code: isSetUp ? 2 : 0,
        done: false,
        count: isSetUp ? 1 : 0,
      })
      if (!isSetUp) continue
      expect(conflicts[0]).toContain('policy app-reader is there and not of provision')
      expect(changes).toContainEqual(expect.objectContaining({ what: 'policy app-writer' }))
    }
    expect(writes()).toEqual([])
  })

  test('what stands in the way is told all at once, and nothing is done', async () => {
    const { rootToken: token } = stack.servers
    for (const name of ['app-reader', 'app-writer']) {
      const body = { policy: 'path "a" { capabilities = ["read"] }' }
      await stack.vaultWire('PUT', `/v1/sys/policies/acl/${name}`, { token, body })
    }
    requests.splice(0)
    for (const flags of [[], ['--dry-run']]) {
      const { code, stderr } = await provision(...flags)
      expect(code).toBe(2)
      expect(stderr).toContain('policy app-reader is there and not of provision')
      expect(stderr).toContain('policy app-writer is there and not of provision')
      expect(stderr).toContain('if it was overwritten: vault policy delete app-writer')
    }
    expect(writes()).toEqual([])
  })

  test('a file that is not valid is told with its path', async () => {
    runtime = withFiles(runtime, { '/p.yaml': 'apps: [{ name: "a*", namespace: b }]' })
    const { code, stderr } = await provision()
    expect(code).toBe(2)
    expect(stderr).toContain('the provision file "/p.yaml" is not valid: apps[0].name must be')
  })

  test.each([
    ['definition', 'secretName: app\nnamespace: prod\n'],
    ['definition', 'secret_name: app\nnamespace: prod\nread_type: SECRET\n'],
    ['configuration', `vault: { url: '${VAULT_ORIGIN}' }\n`],
  ])('a %s in its place is told to be one', async (what, text) => {
    runtime = withFiles(runtime, { '/p.yaml': text })
    const { code, stderr } = await provision()
    expect(code).toBe(2)
    expect(stderr).toContain(`it is a ${what}: name the provision file`)
  })

  test('an inventory has nothing to set up', async () => {
    runtime = withFiles(runtime, { '/p.yaml': 'files: [deploy]' })
    expect(await provision()).toMatchObject({ code: 0, stderr: 'nothing to do\n' })
    expect(requests).toEqual([])
  })

  test('logs in by a token though the configuration is that of the service', async () => {
    const config = `vault: { url: '${VAULT_ORIGIN}', auth: { method: jwt, role: app } }`
    runtime = withFiles(runtime, { '/c.yaml': config })
    expect((await provision('--config', '/c.yaml', '--no-prove')).code).toBe(0)
  })

  test('two names for one cluster are refused', async () => {
    const clusters = '[{ name: a, context: dev }, { name: b, context: dev }]'
    const apps = FILE.slice(FILE.indexOf('apps:'))
    runtime = withFiles(runtime, { '/p.yaml': `clusters: ${clusters}\n${apps}` })
    const { code, stderr } = await provision()
    expect(code).toBe(2)
    expect(stderr).toContain('b and a lead to the same cluster: check clusters[].context')
    expect(writes()).toEqual([])
  })

  test('in a pod no context is followed', async () => {
    const apps = FILE.slice(FILE.indexOf('apps:'))
    runtime = withFiles(
      podRuntime(runtime, {
        apiServer: KUBERNETES_ORIGIN,
        namespace: 'default',
        token: await podToken(),
      }),
      { '/p.yaml': `clusters: [{ context: dev }]\n${apps}` },
      { VAULT_ADDR: VAULT_ORIGIN, VAULT_TOKEN: stack.servers.rootToken },
    )
    const { code, stderr } = await provision()
    expect(code).toBe(2)
    expect(stderr).toContain('in a pod no kubeconfig is read')
    expect(writes()).toEqual([])
  })

  test('who may not write in the cluster is told of all of it, before any write', async () => {
    runtime = withFiles(
      podRuntime(runtime, {
        apiServer: KUBERNETES_ORIGIN,
        namespace: 'default',
        token: await podToken(),
      }),
      { '/p.yaml': FILE },
      { VAULT_ADDR: VAULT_ORIGIN, VAULT_TOKEN: stack.servers.rootToken },
    )
    const { code, stderr } = await provision()
    expect(code).toBe(3)
    expect(stderr).toContain('cluster default: create roles in namespace prod')
    expect(stderr).toContain('cluster default: create serviceaccounts in namespace prod')
    expect(stderr).toContain('cluster default: create namespaces')
    expect(writes()).toEqual([])
  })

  /** Of a ServiceAccount that may look at everything provision looks at, and write nothing. */
  async function podToken(): Promise<string> {
    const { adminToken: token } = stack.servers
    const rbac = '/apis/rbac.authorization.k8s.io/v1'
    const group = 'rbac.authorization.k8s.io'
    const post = (path: string, body: object): Promise<unknown> =>
      stack.kubernetesWire('POST', path, { token, body })
    await post('/api/v1/namespaces/default/serviceaccounts', { metadata: { name: 'looker' } })
    await post(`${rbac}/clusterroles`, {
      metadata: { name: 'looker' },
      rules: [
        {
          apiGroups: ['', group],
          resources: ['namespaces', 'serviceaccounts', 'roles', 'rolebindings'],
          verbs: ['get'],
        },
      ],
    })
    await post(`${rbac}/clusterrolebindings`, {
      metadata: { name: 'looker' },
      roleRef: { apiGroup: group, kind: 'ClusterRole', name: 'looker' },
      subjects: [{ kind: 'ServiceAccount', name: 'looker', namespace: 'default' }],
    })
    return requestToken(stack.kubernetesWire, {
      adminToken: token,
      namespace: 'default',
      serviceAccount: 'looker',
    })
  }

  test('--renew-reviewer has nothing to do where there is none', async () => {
    await provision('--no-prove')
    const { code, stderr } = await provision('--renew-reviewer')
    expect(code).toBe(2)
    expect(stderr).toContain('no auth mount of the file has a reviewer of this cluster')
    expect((await provision('--renew-reviewer', '--destroy')).code).toBe(2)
  })

  test('--renew-reviewer leaves alone what is new', async () => {
    const file = FILE.replace('createNamespaces: true', 'createNamespaces: true, auth: kubernetes')
    const kubeconfig = kubeconfigOf(KUBERNETES_ORIGIN, CA, {
      ...stack.servers,
      namespace: 'default',
    })
    runtime = withFiles(runtime, {
      '/p.yaml': file.replace('- create', '- { create').replace('kubernetes', 'kubernetes }'),
      '/kubeconfig': JSON.stringify(kubeconfig),
    })
    expect((await provision()).code).toBe(0)
    requests.splice(0)
    const { code, stderr } = await provision('--renew-reviewer')
    expect({ code, stderr }).toEqual({ code: 0, stderr: 'nothing to do, 1 as they should be\n' })
    expect(writes()).toEqual([])
  })

  describe('a reviewer that is renewed in the cluster', () => {
    const NAME = 'secretmanager-renewer-kubernetes-default'

    beforeEach(() => {
      const cluster =
        '{ createNamespaces: true, auth: kubernetes, reviewer: { renew: { image: sm } } }'
      const user = { ...stack.servers, namespace: 'default' }
      runtime = withFiles(runtime, {
        '/p.yaml': FILE.replace('createNamespaces: true', cluster),
        '/kubeconfig': JSON.stringify(kubeconfigOf(KUBERNETES_ORIGIN, CA, user)),
      })
    })

    const get = async (path: string): Promise<Record<string, never>> => {
      const { adminToken: token } = stack.servers
      const answer = await stack.kubernetesWire('GET', path, { token })
      expect(answer.status).toBe(200)
      return Object(answer.body)
    }
    const home = 'namespaces/kube-system'
    const cronJob = (): Promise<object> => get(`/apis/batch/v1/${home}/cronjobs/${NAME}`)

    test('is told of, proved, and done once', async () => {
      const { code, stdout, stderr } = await provision()
      expect({ code, stdout, stderr }).toMatchObject({ code: 0 })
      expect(stdout).toContain(`create   CronJob kube-system/${NAME} (cluster default)`)
      expect(stdout).toContain(`create   ConfigMap kube-system/${NAME} (cluster default)`)
      expect(stderr).toMatch(/^tried 24: 24 as they should be$/m)
      expect((await provision('--no-prove')).stdout).toBe('')
    })

    test('the arguments of the CronJob do it, with the files of the ConfigMap', async () => {
      await provision('--no-prove')
      const { spec } = Object(await cronJob()).spec.jobTemplate.spec.template
      const [container] = spec.containers
      const [, mounted] = container.volumeMounts
      const { data } = Object(await get(`/api/v1/${home}/configmaps/${NAME}`))
      const account = { namespace: 'kube-system', serviceAccount: spec.serviceAccountName }
      const { adminToken } = stack.servers
      const tokenFor = (audiences?: readonly string[]): Promise<string> =>
        requestToken(stack.kubernetesWire, {
          adminToken,
          ...account,
          ...(audiences && { audiences }),
        })
      const pod = podRuntime(runtime, {
        apiServer: KUBERNETES_ORIGIN,
        namespace: 'kube-system',
        token: await tokenFor(),
      })
      const files = Object.entries<string>(data).map(([key, text]) => [
        `${container.volumeMounts[0].mountPath}/${key}`,
        text,
      ])
      const inPod = withFiles(pod, {
        ...Object.fromEntries(files),
        [`${mounted.mountPath}/token`]: await tokenFor(['vault']),
      })
      requests.splice(0)
      const { code, stderr } = await run(container.args, { runtime: inPod })
      expect({ code, stderr }).toEqual({ code: 0, stderr: 'nothing to do, 1 as they should be\n' })
      expect(requests.length).toBeGreaterThan(1)
    })

    test('-o yaml prints it, and is told where Vault is', async () => {
      const { code, stdout } = await provision('-o', 'yaml')
      const all = parseAllDocuments(stdout).map((one) => Object(one.toJS()))
      expect({ code, requests }).toEqual({ code: 0, requests: [] })
      expect(all.slice(-2).map(({ kind }) => kind)).toEqual(['ConfigMap', 'CronJob'])
      expect(JSON.parse(all.at(-2).data['secretmanager.json'])).toEqual({
        vault: { url: VAULT_ORIGIN },
      })
      runtime = { ...runtime, env: () => undefined }
      expect(await provision('-o', 'yaml')).toMatchObject({ code: 2, stdout: '' })
    })

    test('is taken away with the rest', async () => {
      await provision('--no-prove')
      const { code, stdout } = await provision('--destroy', '--yes')
      expect(code).toBe(0)
      expect(stdout).toContain(`delete   CronJob kube-system/${NAME} (cluster default)`)
      expect(stdout).toContain(`delete   ConfigMap kube-system/${NAME} (cluster default)`)
    })
  })

  test('two things of one name are refused', async () => {
    const cluster =
      '{ mount: x-reader, auth: kubernetes, reviewer: { namespace: prod, renew: { image: sm } } }'
    const apps = FILE.slice(FILE.indexOf('apps:')).replace('name: app', 'name: renewer-x')
    const user = { ...stack.servers, namespace: 'default' }
    runtime = withFiles(runtime, {
      '/p.yaml': `clusters: [${cluster}]\n${apps}`,
      '/kubeconfig': JSON.stringify(kubeconfigOf(KUBERNETES_ORIGIN, CA, user)),
    })
    const { code, stderr } = await provision()
    expect(code).toBe(2)
    expect(stderr).toContain(
      'cluster default: Role prod/secretmanager-renewer-x-reader would be two things in one',
    )
    expect(writes()).toEqual([])
  })

  describe('--destroy', () => {
    test('asks, and does nothing where the answer is no', async () => {
      await provision('--no-prove')
      requests.splice(0)
      const { code, stdout, stderr } = await provisionAsking(false, '--destroy')
      expect(code).not.toBe(0)
      expect(stdout).toContain('delete   role jwt-default/app')
      expect(stderr).toContain('take all of this away?')
      expect(stderr).toContain('nothing was taken away')
      expect(writes()).toEqual([])
    })

    test('takes it away where the answer is yes, and says what stays', async () => {
      await provision('--no-prove')
      const { code, stderr } = await provisionAsking(true, '--destroy')
      expect(code).toBe(0)
      expect(stderr).toContain('key transit/app stays, and with it every document under it')
      const again = await provision('--dry-run', '--destroy')
      expect(again.stdout).toBe('')
    })

    test('with --json what it asks about is no part of the JSON', async () => {
      await provision('--no-prove')
      const { code, stdout, stderr } = await provisionAsking(true, '--destroy', '--json')
      expect(code).toBe(0)
      expect(JSON.parse(stdout)).toMatchObject({ done: true })
      expect(stderr).toContain('delete   role jwt-default/app')
    })

    test('without anybody to ask it needs --yes, before any call', async () => {
      const { code, stderr } = await provision('--destroy')
      expect(code).toBe(2)
      expect(stderr).toContain('nobody is here to be asked')
      expect(requests).toEqual([])
      await provision('--no-prove')
      const { stdout } = await provision('--destroy', '--destroy-keys', '--yes')
      expect(stdout).toContain('delete   key transit/app')
    })
  })

  test.each([
    [['--destroy-keys'], '--destroy-keys is a part of --destroy'],
    [['--exit-code'], '--exit-code is a part of --dry-run'],
  ])('%j alone is refused', async (flags, message) => {
    const { code, stderr } = await provision(...flags)
    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(requests).toEqual([])
  })
})

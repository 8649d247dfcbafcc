/** `secretmanager doctor` as a person runs it; what it says of what is in test/contracts/doctor.ts. */
import { describe, expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'

import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { KUBERNETES_ORIGIN, VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { CHECKS } from '../../src/doctor/checks.ts'
import { cliWorld, OPENED, run, SERVERS, withFiles, type CliWorld } from './world.ts'

const DOCUMENT = '{"redis_url":"redis://canary-value:6379"}'

async function soundWorld(): Promise<CliWorld> {
  const world = await cliWorld()
  await world.put('app', DOCUMENT)
  return world
}

/** The app's pod, with an operator's token beside it. */
function asOperator({ runtime, plan }: CliWorld) {
  return withFiles(runtime, {}, { VAULT_TOKEN: plan.rootToken })
}

const APP: readonly string[] = ['doctor', 'app', ...SERVERS, ...OPENED]

describe('what it prints', () => {
  test('one line for each check, in their order, then how many there were; exit code 0', async () => {
    const { code, stdout, stderr } = await run(APP, { runtime: (await soundWorld()).runtime })
    expect(code).toBe(0)
    const ids = stdout
      .split('\n')
      .flatMap((line) => /^(?:ok|not checked) +(\S+) /.exec(line)?.[1] ?? [])
    expect(ids).toEqual(CHECKS.map(({ id }) => id))
    expect(stdout).toMatch(/^ok +document\.payload +a dictionary of 1 entry$/m)
    expect(stdout).toMatch(/^not checked +role\.exists +needs read on auth\/kubernetes\/role\/app/m)
    expect(stderr).toMatch(
      /^\d+ checks: nothing found, \d+ not checked\n {2}\d+ of these need rights in Vault .*--as-operator/,
    )
  })

  test('the mending command below what was found; exit code 8', async () => {
    const world = await soundWorld()
    await world.seal()
    const { code, stdout, stderr } = await run(APP, { runtime: world.runtime })
    expect(code).toBe(8)
    expect(stdout).toMatch(
      /^finding +vault\.unsealed +Vault is sealed.*\n +try: vault operator unseal$/m,
    )
    expect(stdout).toMatch(/^not checked +document\.opens +needs vault\.unsealed$/m)
    expect(stderr).toMatch(/checks: 1 finding, \d+ not checked\n$/)
    expect(stderr).not.toContain('--as-operator')
    // The command of Vault does not read our settings.
    expect(stderr).toContain(`for the commands of vault: export VAULT_ADDR=${VAULT_ORIGIN}\n`)
  })

  test('at a terminal no line is broken by the terminal, but for words that are longer', async () => {
    const { runtime } = await soundWorld()
    const { stdout } = await run(APP, { runtime, isTerminal: true, width: 60 })
    const long = stdout.split('\n').filter((line) => line.length > 60 && / /.test(line.slice(36)))
    expect(long).toEqual([])
    expect(stdout).toMatch(/^not checked +role\.exists +needs read on\n {36}\S/m)
  })

  test('JSON has the same, as data', async () => {
    const { code, stdout } = await run([...APP, '--json'], {
      runtime: (await soundWorld()).runtime,
    })
    expect(code).toBe(0)
    const { checks } = JSON.parse(stdout)
    expect(checks.map(({ id }: { id: string }) => id)).toEqual(CHECKS.map(({ id }) => id))
    expect(checks[0]).toEqual({
      id: 'config.audience',
      title: 'audience of the ServiceAccount token',
      outcome: 'ok',
      reason: 'tokens are for vault alone',
    })
  })

  test('I10: nothing secret, in either form', async () => {
    const world = await soundWorld()
    const access = ['doctor', 'access', 'app/app', ...SERVERS, ...OPENED, '--as-operator']
    const forms = [[], ['--json'], ['--as-operator'], ['--as-operator', '--json'], ['--print-job']]
    const commands = [...forms.map((flags) => APP.concat(flags)), access, [...access, '--json']]
    for (const args of commands) {
      const { stdout, stderr } = await run(args, { runtime: asOperator(world) })
      for (const secret of [...world.credentials, 'canary-value']) {
        expect(stdout + stderr).not.toContain(secret)
      }
      expect(stdout + stderr).not.toMatch(/vault:v\d+:\w/)
    }
  })

  test('without a name and a definition: what is missing; exit code 2', async () => {
    const { code, stderr } = await run(['doctor', ...SERVERS], {
      runtime: (await soundWorld()).runtime,
    })
    expect(code).toBe(2)
    expect(stderr).toContain('secretName is required')
  })
})

test('with the token of an operator, what the service may not read is checked too', async () => {
  const world = await soundWorld()
  const { code, stdout } = await run([...APP, '--as-operator'], { runtime: asOperator(world) })
  expect(code).toBe(0)
  expect(stdout).toMatch(/^ok +role\.identity +for system:serviceaccount:app:app$/m)
  expect(stdout).toMatch(/^ok +key\.versions +latest v1, decrypts from v1/m)
})

test('an operator without a token is told so, before anything is asked; exit code 2', async () => {
  const world = await soundWorld()
  const asked = world.requests.length
  const { code, stderr } = await run([...APP, '--as-operator'], { runtime: world.runtime })
  expect(code).toBe(2)
  expect(stderr).toMatch(/there is no token in .*vault-token/)
  expect(world.requests).toHaveLength(asked)
})

test('nothing is written: not a key, not a login of the operator', async () => {
  const world = await soundWorld()
  await run([...APP, '--as-operator'], { runtime: asOperator(world) })
  const writes = world.requests.filter((request) => !request.startsWith('GET '))
  expect(new Set(writes)).toEqual(
    new Set([
      'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
      'POST /api/v1/namespaces/app/serviceaccounts/app/token',
      'POST /v1/auth/kubernetes/login',
      'POST /v1/sys/capabilities-self',
      'POST /v1/transit/decrypt/app',
    ]),
  )
})

describe('a person with a kubeconfig, who may do everything', () => {
  test('asks about the ServiceAccount, which may not', async () => {
    const world = await soundWorld()
    const { code, stdout } = await examine(world)
    expect(stdout).toMatch(/^ok +kubernetes\.authorizer +RBAC is on$/m)
    expect(stdout).toMatch(/^ok +rbac\.list +system:serviceaccount:app:app may read no Secrets/m)
    expect(stdout).toMatch(
      /^ok +rbac\.others +system:serviceaccount:app:app may mint tokens of no/m,
    )
    expect(code).toBe(0)
  })

  test('asks about the ServiceAccount, which may too much', async () => {
    const world = await soundWorld()
    const resources = ['secrets', 'serviceaccounts/token']
    await grant(world, [{ apiGroups: [''], resources, verbs: ['get', 'create'] }])
    const { code, stdout } = await examine(world)
    expect(stdout).toMatch(
      /^warning +rbac\.list +system:serviceaccount:app:app may get every Secret/m,
    )
    expect(stdout).toMatch(
      /^warning +rbac\.others +system:serviceaccount:app:app may mint tokens of/m,
    )
    expect(code).toBe(8)
  })

  test('asks about the ServiceAccount, which may too little: a pod is denied what this person is not', async () => {
    const world = await soundWorld()
    const { stack, plan } = world
    const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/app/rolebindings`
    const { body } = await stack.kubernetesWire('GET', path, { token: plan.adminToken })
    const { items } = body as { readonly items: readonly { metadata: { name: string } }[] }
    for (const { metadata } of items) {
      await stack.kubernetesWire('DELETE', `${path}/${metadata.name}`, { token: plan.adminToken })
    }
    const { code, stdout } = await examine(world)
    expect(code).toBe(8)
    for (const [id, verb] of [
      ['rbac.read', 'get'],
      ['rbac.token', 'create'],
    ]) {
      const [, mending] =
        new RegExp(
          `^warning +${id} +.* the service may not: system:serviceaccount:app:app .*\n +try: (.+)$`,
          'm',
        ).exec(stdout) ?? []
      expect(mending).toMatch(new RegExp(`--verb=${verb} .*--serviceaccount=app:app$`))
    }
    expect(stdout).toMatch(/^ok +document\.payload/m)
  })

  function examine(world: CliWorld) {
    const kubeconfig = JSON.stringify(kubeconfigOf(KUBERNETES_ORIGIN, undefined, world.plan))
    const runtime = withFiles(world.runtime, { '/kubeconfig': kubeconfig })
    const flags = ['--kubeconfig', '/kubeconfig', '--service-account', 'app']
    return run([...APP, ...flags], { runtime: { ...runtime, env: () => undefined } })
  }

  async function grant({ stack, plan }: CliWorld, rules: readonly object[]): Promise<void> {
    const apiGroup = 'rbac.authorization.k8s.io'
    const create = async (kind: string, more: object): Promise<void> => {
      const path = `/apis/${apiGroup}/v1/${kind.toLowerCase()}s`
      const metadata = { name: 'wide' }
      const body = { apiVersion: `${apiGroup}/v1`, kind, metadata, ...more }
      const answer = await stack.kubernetesWire('POST', path, { token: plan.adminToken, body })
      expect(answer.status).toBe(201)
    }
    await create('ClusterRole', { rules })
    await create('ClusterRoleBinding', {
      roleRef: { apiGroup, kind: 'ClusterRole', name: 'wide' },
      subjects: [{ kind: 'ServiceAccount', namespace: 'app', name: 'app' }],
    })
  }
})

describe('access', () => {
  const ACCESS: readonly string[] = ['doctor', 'access', 'app/app', ...SERVERS, ...OPENED]

  test('who can decrypt: the role, its ServiceAccount, and who may become it', async () => {
    const world = await soundWorld()
    await world.stack.vaultWire('PUT', '/v1/sys/policies/acl/wide', {
      token: world.plan.rootToken,
      body: { policy: 'path "transit/*" { capabilities = ["create", "update"] }' },
    })
    await role(world, 'wide', { token_policies: ['wide'] })
    await role(world, 'other', { token_policies: ['nothing'] })
    const { code, stdout } = await run([...ACCESS, '--as-operator'], {
      runtime: asKubernetesAdmin(world),
    })
    expect(stdout).toContain(`transit/keys/app decrypts for:
  auth/kubernetes/role/app (policy app)
    ServiceAccount app/app
  auth/kubernetes/role/wide (policy wide)
    ServiceAccount ops/bot
ServiceAccount app/app:
  its tokens: Group system:masters, ServiceAccount app/app
  pods that may run as it: Group system:masters
ServiceAccount ops/bot:
  its tokens: Group system:masters
`)
    expect(stdout).toMatch(/not checked: .*tokens that were made by hand/)
    expect(code).toBe(0)
  })

  test('as JSON', async () => {
    const world = await soundWorld()
    const { stdout } = await run([...ACCESS, '--as-operator', '--json'], {
      runtime: asKubernetesAdmin(world),
    })
    expect(JSON.parse(stdout)).toMatchObject({
      key: 'transit/keys/app',
      roles: [{ role: 'auth/kubernetes/role/app', policies: ['app'], accounts: ['app/app'] }],
      accounts: [{ account: 'app/app' }],
      authorizer: { outcome: 'ok' },
    })
  })

  test('hostile names in roles lead nowhere: no request but those for names', async () => {
    const world = await soundWorld()
    await role(world, 'hostile', {
      token_policies: ['app', '../../sys/seal', 'a/../../b'],
      bound_service_account_namespaces: ['../../../api/v1/secrets', 'x?watch=1'],
      bound_service_account_names: ['../token'],
    })
    const { code, stdout } = await run([...ACCESS, '--as-operator'], {
      runtime: asKubernetesAdmin(world),
    })
    expect(code).toBe(0)
    expect(stdout).toMatch(/not checked: the ServiceAccounts that .*\.\.\/\.\.\/\.\.\/api/)
    const foreign = world.requests.filter((request) => /\.\.|seal|token$|v1\/secrets/.test(request))
    expect(foreign).toEqual([])
  })

  test('without the rights to look, what would be needed', async () => {
    const { code, stdout } = await run(ACCESS, { runtime: (await soundWorld()).runtime })
    expect(stdout).toContain('nobody that was found')
    expect(stdout).toContain('not checked: needs read on sys/auth (or --as-operator)')
    expect(code).toBe(0)
  })

  test('a target that is none', async () => {
    const args = ['doctor', 'access', 'app', ...SERVERS, ...OPENED]
    const { code, stderr } = await run(args, { runtime: (await soundWorld()).runtime })
    expect(code).toBe(2)
    expect(stderr).toContain('the target is not NAMESPACE/NAME')
  })

  async function role({ stack, plan }: CliWorld, name: string, fields: object): Promise<void> {
    const bound_service_account_names = ['bot']
    const bound_service_account_namespaces = ['ops']
    const body = { bound_service_account_names, bound_service_account_namespaces, ...fields }
    const path = `/v1/auth/kubernetes/role/${name}`
    await stack.vaultWire('POST', path, { token: plan.rootToken, body })
  }

  function asKubernetesAdmin(world: CliWorld) {
    const kubeconfig = JSON.stringify(kubeconfigOf(KUBERNETES_ORIGIN, undefined, world.plan))
    const variables: Record<string, string> = {
      VAULT_TOKEN: world.plan.rootToken,
      KUBECONFIG: '/kubeconfig',
    }
    return {
      ...withFiles(world.runtime, { '/kubeconfig': kubeconfig }),
      env: (name: string) => variables[name],
    }
  }
})

describe('--print-job', () => {
  test('the service as it is, as restricted as a pod can be, and nothing secret', async () => {
    const world = await soundWorld()
    const files = { '/ca.crt': PEM }
    const flags = ['-n', 'prod', '--service-account', 'app', '--ca-cert', '/ca.crt']
    const mounts = ['--jwt-file', '/var/run/secrets/vault/token', '--mounted-at', '/etc/sealed']
    const { code, stdout } = await run([...APP, ...flags, ...mounts, '--print-job'], {
      runtime: withFiles(world.runtime, files),
    })
    expect(code).toBe(0)
    const [settings, job] = parseAllDocuments(stdout).map((each) => each.toJSON())
    expect(settings).toMatchObject({ kind: 'ConfigMap', data: { 'ca.crt': CERTIFICATE } })
    expect(JSON.parse(settings.data['config.json'])).toMatchObject({
      vault: { url: VAULT_ORIGIN, auth: { role: 'app', jwtFile: '/var/run/secrets/vault/token' } },
      kubernetes: { mountedAt: '/etc/sealed' },
    })
    const pod = job.spec.template.spec
    expect(pod).toMatchObject({
      serviceAccountName: 'app',
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    })
    expect(pod.containers[0].securityContext).toEqual({
      allowPrivilegeEscalation: false,
      readOnlyRootFilesystem: true,
      capabilities: { drop: ['ALL'] },
    })
    expect(pod.volumes[1].projected.sources).toEqual([
      { serviceAccountToken: { path: 'token', audience: 'vault', expirationSeconds: 600 } },
    ])
    expect(stdout).not.toContain('PRIVATE')
    for (const secret of world.credentials) expect(stdout).not.toContain(secret)
  })

  test('its configuration is one, and doctor runs with it', async () => {
    const world = await soundWorld()
    const { stdout, stderr: note } = await run([...APP, '--print-job'], { runtime: world.runtime })
    // A Job cannot be changed: who applies a second one is refused, or sees the first one's log.
    expect(note).toMatch(/^pipe it into kubectl replace --force -f -; then: kubectl -n \S+ logs -f/)
    const [settings, job] = parseAllDocuments(stdout).map((each) => each.toJSON())
    const files = Object.fromEntries(
      Object.entries(settings.data as Record<string, string>).map(([name, text]) => [
        `/etc/secretmanager-doctor/${name}`,
        text,
      ]),
    )
    const [{ args }] = job.spec.template.spec.containers
    const { code, stderr } = await run(args, { runtime: withFiles(world.runtime, files) })
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(job.spec.template.spec.automountServiceAccountToken).toBe(true)
  })

  test('a login that is a secret cannot be printed', async () => {
    const world = await soundWorld()
    const args = ['doctor', 'app', '--vault-url', VAULT_ORIGIN, '--auth-method', 'token', ...OPENED]
    const { code, stderr } = await run([...args, '--print-job'], { runtime: world.runtime })
    expect(code).toBe(2)
    expect(stderr).toContain('log in by token')
  })
})

const CERTIFICATE = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'
const PEM = `${CERTIFICATE}-----BEGIN PRIVATE KEY-----\nMIIC\n-----END PRIVATE KEY-----\n`

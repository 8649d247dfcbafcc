/** One service, set up and then broken, and what doctor says of it. */
import { expect } from 'vitest'
import { SecretManager } from 'secretmanager'
import type { SecretCfg, SecretDef, SecretDefinition, SecretManagerConfig } from 'secretmanager'

import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { putObject } from '../../src/dev/operator.ts'
import { named, nativePlan, type KubevaultPlan } from '../../src/dev/plan.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import { expect2xx } from '../../src/dev/wire.ts'
import type { Outcome } from '../../src/doctor/verdict.ts'
import { journalName } from '../../src/rotation/journal.ts'
import { emptyJournal, type Journal } from '../../src/rotation/journal-text.ts'
import { run, type Ran } from '../cli/world.ts'
import { nativeConfig, podOf, unique, type KubevaultUnderTest } from './kubevault-fixture.ts'

/** Servers to look at. */
export interface Watched extends KubevaultUnderTest {
  readonly isReal?: boolean
}

/** Servers, and others of a test's own. */
export interface DoctorUnderTest extends Watched {
  /** Servers that a test may spoil. */
  fresh(what: Fresh): Promise<Watched>
}

/** A Vault to seal; one whose audit log has everything; one without; a cluster that judges nobody. */
export type Fresh = 'vault' | 'log_raw' | 'no audit' | 'no rbac'

export const CANARY = 'canary-value-4711'
export const DOCUMENT: string = JSON.stringify({ redis_url: `redis://${CANARY}:6379`, port: 6379 })
export const DATA_KEY = 'secrets.json'

/** A service; a row may change everything of it. */
export interface Service {
  readonly world: Watched
  readonly plan: KubevaultPlan
  config: SecretManagerConfig | SecretCfg
  definition: SecretDefinition | SecretDef
  readonly files: Record<string, string>
  env: Record<string, string>
  /** By which this host's clock is ahead. */
  aheadMs: number
  /** Calls Vault as root, or the cluster as administrator. */
  readonly vault: Operator
  readonly kubernetes: Operator
  /** Seals a document and stores it under the definition. */
  store(document: string, definition?: SecretDefinition): Promise<void>
  /** Stores what is no document of anybody. */
  storeText(text: string): Promise<void>
  /** What is stored. */
  stored(): Promise<string>
}

type Operator = (method: string, path: string, body?: unknown) => Promise<Record<string, never>>

/** Sets up a service that reads. */
export async function serviceOn(
  world: Watched,
  changes: (plan: KubevaultPlan) => Partial<KubevaultPlan> = () => ({}),
): Promise<Service> {
  const name = unique()
  const mounts = { transitMount: `transit-${name}`, authMount: `auth-${name}` }
  const base = nativePlan(world.servers, {
    ...named(name),
    ...mounts,
    serviceAccount: `sa-${name}`,
  })
  const first = { ...base, policy: `${base.policy}${ASKS}` }
  const plan = { ...first, ...changes(first) }
  await provisionKubevault(world.vault, world.kubernetes, plan)
  const { files, env } = await podOf(world, plan)
  const { rootToken, adminToken } = plan
  const config = nativeConfig(world, plan)
  const auth = { ...config.vault.auth, method: plan.auth } as SecretManagerConfig['vault']['auth']
  const kubernetes = operator(world.kubernetes, adminToken)
  const { transitKey, namespace } = plan
  const definition = { secretName: 'app', readKey: DATA_KEY, transitKey, namespace }
  const service: Service = {
    world,
    plan,
    config: { ...config, vault: { ...config.vault, auth } },
    definition: plan.format === 'raw' ? { ...definition, format: 'raw' } : definition,
    files,
    env: { ...env, VAULT_TOKEN: rootToken },
    aheadMs: 0,
    vault: operator(world.vault, rootToken, '/v1/'),
    kubernetes,
    store: (document, elsewhere = { ...definition, format: plan.format }) =>
      seal(service, document, elsewhere),
    storeText: (text) =>
      putObject(world.kubernetes, plan, { name: 'app', data: { [DATA_KEY]: text } }),
    stored: async () => {
      const object = await kubernetes('GET', `/api/v1/namespaces/${namespace}/secrets/app`)
      const data = object['data'] as unknown as Record<string, string>
      return Buffer.from(data[DATA_KEY] ?? '', 'base64').toString()
    },
  }
  return service
}

const ASKS = 'path "sys/capabilities-self" { capabilities = ["update"] }\n'

function operator(wire: KubevaultUnderTest['vault'], token: string, prefix = ''): Operator {
  return async (method, path, body) => {
    const answer = await wire(method, `${prefix}${path}`, { token, body })
    expect2xx(method, path, answer)
    return answer.body
  }
}

async function seal(service: Service, document: string, to: SecretDefinition): Promise<void> {
  const { world, plan } = service
  const auth = { method: 'token', token: plan.rootToken } as const
  const { vault } = nativeConfig(world, plan)
  const kubeconfig = JSON.stringify(kubeconfigOf(world.kubernetesUrl, world.kubernetesCaPem, plan))
  const runtime = world.runtime({ '/operator': kubeconfig }, {})
  const config = { vault: { ...vault, auth }, kubernetes: { kubeconfig: '/operator' } }
  await using manager = new SecretManager(config, { runtime })
  await manager.createSecrets(to, document)
}

/** What doctor printed of one check. */
export interface Told {
  readonly id: string
  readonly title: string
  readonly outcome: Outcome
  readonly reason: string
  readonly mend?: string
}

/** What doctor says. */
export interface Diagnosis {
  readonly code: number
  readonly checks: readonly Told[]
  /** Ids of what was found, in order. */
  readonly found: readonly string[]
  check(id: string): Told
}

/** Runs doctor, with an operator's token beside it. */
export async function diagnose(
  service: Service,
  flags: readonly string[] = OPERATOR,
): Promise<Diagnosis> {
  const json = await doctor(service, [...flags, '--json'])
  const { checks } = JSON.parse(json.stdout) as { checks: readonly Told[] }
  const found = checks.filter(({ outcome }) => outcome !== 'ok' && outcome !== 'not checked')
  // The embedded servers hear it in test/cli/doctor.test.ts.
  if (service.world.isReal) {
    const text = await doctor(service, flags)
    expect(text.code).toBe(json.code)
    for (const { id } of checks) expect(text.stdout).toContain(id)
  }
  return {
    code: json.code,
    checks,
    found: found.map(({ id }) => id),
    check: (id) => checks.find((each) => each.id === id) ?? expect.unreachable(`no check ${id}`),
  }
}

const OPERATOR: readonly string[] = ['--as-operator']

/** Runs doctor once. */
export function doctor(
  service: Service,
  flags: readonly string[],
  words: readonly string[] = [],
): Promise<Ran> {
  return runCommand(service, 'doctor', flags, words)
}

/** Runs a command once. I10: no secret may be in what it prints. */
export async function runCommand(
  service: Service,
  name: string,
  flags: readonly string[],
  words: readonly string[] = [],
): Promise<Ran> {
  const { world, config, definition, aheadMs } = service
  const files = {
    ...service.files,
    '/doctor/config.json': JSON.stringify(config),
    '/doctor/definition.json': JSON.stringify(definition),
  }
  const base = world.runtime(files, service.env)
  const runtime = { ...base, wallClock: () => base.wallClock() + aheadMs }
  const where = ['--config', '/doctor/config.json', '--def', '/doctor/definition.json']
  const ran = await run([name, ...words, ...where, ...flags], { runtime })
  await expectNoSecret(service, `${ran.stdout}\n${ran.stderr}`)
  return ran
}

async function expectNoSecret(service: Service, printed: string): Promise<void> {
  const { plan, files } = service
  const text = await service.stored().catch(() => '')
  const ciphertext = /vault:v\d+:.{16}/.exec(text)?.[0] ?? CANARY
  const tokens = Object.values(files).filter((each) => each.startsWith('eyJ'))
  const signatures = tokens.map((jwt) => jwt.slice(-24))
  for (const canary of [CANARY, plan.rootToken, plan.adminToken, ciphertext, ...signatures]) {
    for (const form of formsOf(canary)) expect(printed).not.toContain(form)
  }
  // Whatever else looks like a JWT, a token of Vault or a ciphertext.
  expect(printed).not.toMatch(
    /eyJ[\w-]{20,}|\b(?:hv[sb]|[sb])\.[A-Za-z0-9_-]{20,}|vault:v\d+:[A-Za-z0-9+/]{8}/,
  )
}

/** Who may do everything in the cluster, from outside. */
export function asAdministrator(service: Service): void {
  const { world, plan } = service
  const kubeconfig = kubeconfigOf(world.kubernetesUrl, world.kubernetesCaPem, plan)
  service.files['/kubeconfig'] = JSON.stringify(kubeconfig)
  service.env = { VAULT_TOKEN: plan.rootToken, KUBECONFIG: '/kubeconfig' }
}

/** Writes down what a rotation came to, as rotations do. */
export async function writeJournal(
  { kubernetes, plan }: Service,
  changes: Partial<Journal>,
): Promise<void> {
  const { transitMount: mount, transitKey, namespace } = plan
  const key = { mount, transitKey }
  const data = { 'journal.json': JSON.stringify({ ...emptyJournal(key, 1), ...changes }) }
  const metadata = { name: journalName(key) }
  await kubernetes('POST', `/api/v1/namespaces/${namespace}/configmaps`, {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata,
    data,
  })
}

/** Does what a mending command says. */
export async function mend({ vault, kubernetes }: Service, command: string): Promise<void> {
  const writes = command.matchAll(/vault write (\S+)((?: \w+=[^\s;]+)+)/g)
  for (const [, path = '', fields = ''] of writes) {
    const pairs = fields.trim().split(' ')
    await vault('POST', path, Object.fromEntries(pairs.map((pair) => pair.split('='))))
  }
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces'
  const apiVersion = 'rbac.authorization.k8s.io/v1'
  const apiGroup = 'rbac.authorization.k8s.io'
  const role =
    /kubectl -n (\S+) create role (\S+) --verb=(\S+) --resource=(\S+) --resource-name=(\S+)/.exec(
      command,
    )
  const binding = /create rolebinding (\S+) --role=(\S+) --serviceaccount=(\S+):(\S+)/.exec(command)
  if (!role || !binding) return
  const [, namespace, name, verb, resource, object] = role
  const rules = [{ apiGroups: [''], resources: [resource], verbs: [verb], resourceNames: [object] }]
  await kubernetes('POST', `${rbac}/${namespace}/roles`, {
    apiVersion,
    kind: 'Role',
    metadata: { name },
    rules,
  })
  await kubernetes('POST', `${rbac}/${namespace}/rolebindings`, {
    apiVersion,
    kind: 'RoleBinding',
    metadata: { name: binding[1] },
    roleRef: { apiGroup, kind: 'Role', name: binding[2] },
    subjects: [{ kind: 'ServiceAccount', namespace: binding[3], name: binding[4] }],
  })
}

function formsOf(canary: string): readonly string[] {
  const bytes = Buffer.from(canary)
  return [
    canary,
    bytes.toString('base64').replace(/.{2}=*$/, ''),
    bytes.toString('hex'),
    encodeURIComponent(canary),
  ]
}

/** The world of `secretmanager demo`: an app, its operator, who rotates its key, and a stranger. */
import { definitionOf } from '../config/definition.ts'
import { parseConfig } from '../config/schema.ts'
import type { SecretDefinition, SecretManagerConfig } from '../config/types.ts'
import { closeCore, createCore } from '../core.ts'
import { KeyJob } from '../rotation/job.ts'
import type { Site } from '../rotation/site.ts'
import { Clusters } from '../rotation/sites.ts'
import type { Runtime } from '../runtime.ts'
import { kubeconfigOf } from './kubeconfig.ts'
import { putObject, readEntry, requestToken } from './operator.ts'
import { nativePlan, type KubevaultPlan } from './plan.ts'
import { podRuntime } from './pod.ts'
import { provisionKubernetes, provisionKubevault } from './provision.ts'
import { SAMPLE, SAMPLE_NAME, serveStack, type ServedStack } from './serve-stack.ts'
import { DATA_KEY, definitionIn, sealDictionary } from './stack.ts'
import { expect2xx, stringAt, type Wire } from './wire.ts'

/** What happens in the demo, step by step. */
export interface DemoWorld {
  readonly config: SecretManagerConfig
  readonly definition: SecretDefinition
  readonly provision: () => Promise<void>
  /** Seals the sample dictionary, with these entries besides. */
  readonly seal: (more?: Readonly<Record<string, string>>) => Promise<void>
  /** What is stored. */
  readonly stored: () => Promise<string>
  /** Stores a document as it was once, as whoever applies an old manifest does. */
  readonly apply: (document: string) => Promise<void>
  /** The job of who rotates the key. */
  readonly rotator: () => Promise<DemoRotator>
  /** The world as a pod of this ServiceAccount sees it. */
  readonly pod: (serviceAccount: 'app' | 'stranger') => Promise<Runtime>
  readonly close: () => Promise<void>
}

/** Who rotates the key of the demo: it may not decrypt. */
export interface DemoRotator {
  readonly job: KeyJob
  readonly sites: readonly Site[]
  readonly close: () => Promise<void>
}

/** Starts both servers. */
export async function startDemo(runtime: Runtime): Promise<DemoWorld> {
  const served = await serveStack()
  const { stack, caPem, vaultUrl, kubernetesUrl: apiServer } = served
  const plan = nativePlan(stack.servers)
  const { namespace, role } = plan
  return {
    config: {
      vault: { url: vaultUrl, caCert: { pem: caPem }, auth: { method: 'kubernetes', role } },
    },
    definition: definitionIn(plan, SAMPLE_NAME),
    provision: async () => {
      await provisionKubevault(stack.vaultWire, stack.kubernetesWire, plan)
      // It may do in Kubernetes what the app may: only Vault tells them apart.
      const stranger = nativePlan(stack.servers, { serviceAccount: 'stranger' })
      await provisionKubernetes(stack.kubernetesWire, stranger)
    },
    seal: (more) => sealDictionary(stack, plan, SAMPLE_NAME, { ...SAMPLE, ...more }),
    stored: () => readEntry(stack.kubernetesWire, plan, SAMPLE_NAME, DATA_KEY),
    apply: (document) => {
      const object = { name: SAMPLE_NAME, data: { [DATA_KEY]: document } }
      return putObject(stack.kubernetesWire, plan, object)
    },
    rotator: () => rotatorOf(served, plan, runtime),
    pod: async (serviceAccount) => {
      const token = await requestToken(stack.kubernetesWire, { ...plan, serviceAccount })
      return podRuntime(runtime, { apiServer, caPem, namespace, token })
    },
    close: () => served.close(),
  }
}

const KUBECONFIG = '/operator/kubeconfig'

async function rotatorOf(
  { stack, caPem, vaultUrl, kubernetesUrl }: ServedStack,
  plan: KubevaultPlan,
  runtime: Runtime,
): Promise<DemoRotator> {
  const { transitMount: mount, transitKey, namespace } = plan
  const token = await rotatorToken(stack.vaultWire, plan)
  const settings = parseConfig({
    vault: { url: vaultUrl, caCert: { pem: caPem }, auth: { method: 'token', token } },
    kubernetes: { kubeconfig: KUBECONFIG },
  })
  const kubeconfig = JSON.stringify(kubeconfigOf(kubernetesUrl, caPem, plan))
  const operator = {
    ...runtime,
    env: () => undefined,
    readFile: () => Promise.resolve(Buffer.from(kubeconfig)),
  }
  const core = createCore(settings, operator)
  const clusters = new Clusters(core, operator)
  const key = { mount, transitKey }
  const { signal } = new AbortController()
  const definition = { ...definitionOf(definitionIn(plan, SAMPLE_NAME)), namespace }
  const selection = { definitions: [definition], scan: [] }
  const sites = [await clusters.selected(key, selection, signal)]
  const job = new KeyJob({ core, runtime: operator, key, sites, namespace, isCompat: false })
  const close = async (): Promise<void> => {
    clusters.close()
    await closeCore(core)
  }
  return { job, sites, close }
}

async function rotatorToken(
  vault: Wire,
  { rootToken, transitMount, transitKey }: KubevaultPlan,
): Promise<string> {
  const policy = rotatorPolicy(transitMount, transitKey)
  const acl = '/v1/sys/policies/acl/rotator'
  expect2xx('PUT', acl, await vault('PUT', acl, { token: rootToken, body: { policy } }))
  const create = '/v1/auth/token/create'
  const body = { policies: ['rotator'], ttl: '10m' }
  const answer = await vault('POST', create, { token: rootToken, body })
  expect2xx('POST', create, answer)
  return stringAt(answer.body, 'auth', 'client_token')
}

/** Of what rotation needs, all; decrypt is not among it. */
function rotatorPolicy(mount: string, key: string): string {
  return `path "${mount}/keys/${key}" { capabilities = ["read"] }
path "${mount}/keys/${key}/rotate" { capabilities = ["update"] }
path "${mount}/rewrap/${key}" { capabilities = ["update"] }
path "${mount}/keys/${key}/config" {
  capabilities = ["update"]
  allowed_parameters = { "min_decryption_version" = [], "min_encryption_version" = [] }
}
`
}

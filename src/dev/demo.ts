/** The world of `secretmanager demo`: an app, its operator, who rotates its key, and a stranger. */
import { definitionOf } from '../config/definition.ts'
import { parseProvisionFile } from '../config/provision-file.ts'
import { parseConfig } from '../config/schema.ts'
import type { SecretDefinition, SecretManagerConfig } from '../config/types.ts'
import { closeCore, createCore, type Core } from '../core.ts'
import { apply, compare } from '../provision/apply.ts'
import { prove } from '../provision/prove.ts'
import type { Proof } from '../provision/proof.ts'
import { openServers } from '../provision/servers.ts'
import { KeyJob } from '../rotation/job.ts'
import type { Site } from '../rotation/site.ts'
import { Clusters } from '../rotation/sites.ts'
import type { Runtime } from '../runtime.ts'
import { kubeconfigOf } from './kubeconfig.ts'
import { putObject, readEntry, requestToken } from './operator.ts'
import { nativePlan, type KubevaultPlan } from './plan.ts'
import { podRuntime } from './pod.ts'
import { provisionKubernetes } from './provision.ts'
import { SAMPLE, SAMPLE_NAME, serveStack, type ServedStack } from './serve-stack.ts'
import { DATA_KEY, definitionIn, sealDictionary } from './stack.ts'
import { expect2xx, stringAt, type Wire } from './wire.ts'

/** What happens in the demo, step by step. */
export interface DemoWorld {
  readonly config: SecretManagerConfig
  readonly definition: SecretDefinition
  /** Sets up both sides, and tries what must work and what must be refused. @returns what was tried */
  readonly provision: () => Promise<readonly Proof[]>
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
      vault: {
        url: vaultUrl,
        caCert: { pem: caPem },
        auth: { method: 'jwt', mount: 'jwt-default', role },
      },
    },
    definition: definitionIn(plan, SAMPLE_NAME),
    provision: async () => {
      const proofs = await provisionDemo(served, plan, runtime)
      // It may do in Kubernetes what the app may: only Vault tells them apart.
      const stranger = nativePlan(stack.servers, { serviceAccount: 'stranger' })
      await provisionKubernetes(stack.kubernetesWire, stranger)
      return proofs
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

/** One app, as its provision file says it. */
const FILE = {
  clusters: [{ createNamespaces: true }],
  apps: [
    { name: 'app', namespace: 'app', secrets: [{ secretName: SAMPLE_NAME, readKey: DATA_KEY }] },
  ],
}

async function provisionDemo(
  served: ServedStack,
  plan: KubevaultPlan,
  runtime: Runtime,
): Promise<readonly Proof[]> {
  const { core, operator } = operatorOf(served, plan, plan.rootToken, runtime)
  const { signal } = new AbortController()
  const servers = openServers(core, parseProvisionFile(FILE, 'the demo'), operator, signal)
  try {
    await apply(servers, await compare(servers))
    return await prove(servers)
  } finally {
    servers.close()
    await closeCore(core)
  }
}

const KUBECONFIG = '/operator/kubeconfig'

/** A person with this token of Vault, and every right in the cluster. */
function operatorOf(
  { caPem, vaultUrl, kubernetesUrl }: ServedStack,
  plan: KubevaultPlan,
  token: string,
  runtime: Runtime,
): { readonly core: Core; readonly operator: Runtime } {
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
  return { core: createCore(settings, operator), operator }
}

async function rotatorOf(
  served: ServedStack,
  plan: KubevaultPlan,
  runtime: Runtime,
): Promise<DemoRotator> {
  const { transitMount: mount, transitKey, namespace } = plan
  const token = await rotatorToken(served.stack.vaultWire, plan)
  const { core, operator } = operatorOf(served, plan, token, runtime)
  const clusters = new Clusters(core, operator)
  const key = { mount, transitKey }
  const { signal } = new AbortController()
  const definition = { ...definitionOf(definitionIn(plan, SAMPLE_NAME)), namespace }
  const selection = { definitions: [definition], scan: [] }
  const sites = [await clusters.selected(key, selection, signal)]
  const job = new KeyJob({
    core,
    runtime: operator,
    key,
    sites,
    journal: namespace,
    isCompat: false,
  })
  const close = async (): Promise<void> => {
    clusters.close()
    await closeCore(core)
  }
  return { job, sites, close }
}

/** With the policy that provision made for it: decrypt is not among what it may. */
async function rotatorToken(vault: Wire, { rootToken: token }: KubevaultPlan): Promise<string> {
  const create = '/v1/auth/token/create'
  const body = { policies: ['app-rotator'], ttl: '10m' }
  const answer = await vault('POST', create, { token, body })
  expect2xx('POST', create, answer)
  return stringAt(answer.body, 'auth', 'client_token')
}

/** The world of `secretmanager demo`: an app, its operator, and a stranger. */
import type { SecretDefinition, SecretManagerConfig } from '../config/types.ts'
import type { Runtime } from '../runtime.ts'
import { nativePlan } from './plan.ts'
import { podRuntime } from './pod.ts'
import { readEntry, requestToken, rotateTransitKey } from './operator.ts'
import { provisionKubernetes, provisionKubevault } from './provision.ts'
import { SAMPLE, SAMPLE_NAME, serveStack } from './serve-stack.ts'
import { DATA_KEY, definitionIn, sealDictionary } from './stack.ts'

/** What happens in the demo, step by step. */
export interface DemoWorld {
  readonly config: SecretManagerConfig
  readonly definition: SecretDefinition
  readonly provision: () => Promise<void>
  readonly seal: () => Promise<void>
  /** The beginning of what is stored. */
  readonly stored: () => Promise<string>
  readonly rotate: () => Promise<void>
  /** The world as a pod of this ServiceAccount sees it. */
  readonly pod: (serviceAccount: 'app' | 'stranger') => Promise<Runtime>
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
    seal: () => sealDictionary(stack, plan, SAMPLE_NAME, SAMPLE),
    stored: async () =>
      `${(await readEntry(stack.kubernetesWire, plan, SAMPLE_NAME, DATA_KEY)).slice(0, 64)}…`,
    rotate: () => rotateTransitKey(stack.vaultWire, plan),
    pod: async (serviceAccount) => {
      const token = await requestToken(stack.kubernetesWire, { ...plan, serviceAccount })
      return podRuntime(runtime, { apiServer, caPem, namespace, token })
    },
    close: () => served.close(),
  }
}

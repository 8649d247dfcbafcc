/** The embedded Vault and Kubernetes together, provisioned for the pattern. */
import { randomBytes } from 'node:crypto'

import { createKubernetes, type EmbeddedKubernetes } from './kubernetes/index.ts'
import { nativePlan, originalPlan, type KubevaultPlan, type Servers } from './plan.ts'
import { encryptRaw, putObject } from './operator.ts'
import { provisionKubevault } from './provision.ts'
import { createVault, type EmbeddedVault } from './vault/index.ts'
import { wireOf, type Wire } from './wire.ts'

/** How to start a stack. */
export interface StackOptions {
  /** Unix milliseconds; tests move it to let tokens expire. Default: the system's. */
  readonly clock?: (() => number) | undefined
}

/** A Vault and a Kubernetes that know each other. */
export interface Stack {
  readonly vault: EmbeddedVault
  readonly kubernetes: EmbeddedKubernetes
  readonly vaultWire: Wire
  readonly kubernetesWire: Wire
  /** What a plan must know of these servers. */
  readonly servers: Servers
}

/** Origins that the servers believe they are served on, where nothing else is said. */
export const VAULT_ORIGIN = 'https://vault.test:8200'
export const KUBERNETES_ORIGIN = 'https://kubernetes.test:6443'

/** Vault demands a CA for its TokenReviews, also where they never leave the process. */
const NO_TLS = 'no TLS within one process'

/** Starts both, empty: Vault asks this Kubernetes who a JWT is of. */
export function createStack(options: StackOptions = {}): Stack {
  const { clock = Date.now } = options
  const kubernetes = createKubernetes({ clock, randomBytes })
  const vault = createVault({
    clock,
    randomBytes,
    kubernetes: (request) => kubernetes.handle(request),
  })
  return {
    vault,
    kubernetes,
    vaultWire: wireOf((request) => vault.handle(request), VAULT_ORIGIN),
    kubernetesWire: wireOf((request) => kubernetes.handle(request), KUBERNETES_ORIGIN),
    servers: {
      rootToken: vault.rootToken,
      adminToken: kubernetes.adminToken,
      kubernetesHost: KUBERNETES_ORIGIN,
      kubernetesCaPem: NO_TLS,
    },
  }
}

/** The two set-ups that a stack can be given: ours, and the Python original's. */
export type PlanName = 'native' | 'original'

/** Provisions the stack for one app. */
export async function provisionStack(
  stack: Stack,
  name: PlanName,
  changes: Partial<KubevaultPlan> = {},
): Promise<KubevaultPlan> {
  const plan =
    name === 'native' ? nativePlan(stack.servers, changes) : originalPlan(stack.servers, changes)
  await provisionKubevault(stack.vaultWire, stack.kubernetesWire, plan)
  return plan
}

/** Encrypts `dictionary` and stores the ciphertext, as an operator would. */
export async function sealDictionary(
  stack: Stack,
  plan: KubevaultPlan,
  name: string,
  dictionary: object,
): Promise<void> {
  const ciphertext = await encryptRaw(stack.vaultWire, plan, JSON.stringify(dictionary))
  await putObject(stack.kubernetesWire, plan, { name, data: { [DATA_KEY]: ciphertext } })
}

/** Entry of the objects that {@link sealDictionary} writes. */
export const DATA_KEY = 'secrets.json'

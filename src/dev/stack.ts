/** The embedded Vault and Kubernetes together, provisioned for the pattern. */
import { randomBytes } from 'node:crypto'

import type { SecretDefinition } from '../config/types.ts'
import { SecretManager } from '../manager.ts'
import { systemRuntime, type Runtime } from '../runtime.ts'
import { createKubernetes, type EmbeddedKubernetes } from './kubernetes/index.ts'
import { kubeconfigOf } from './kubeconfig.ts'
import { nativePlan, originalPlan, type KubevaultPlan, type Servers } from './plan.ts'
import { provisionKubevault } from './provision.ts'
import { inProcessTransport, type Handler } from './transport.ts'
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
  /** Unix milliseconds. */
  readonly clock: () => number
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
    clock,
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

/** The definition of a dictionary in this set-up. */
export function definitionIn(
  { transitKey, format }: KubevaultPlan,
  secretName: string,
): SecretDefinition {
  return { secretName, readKey: DATA_KEY, transitKey, format }
}

/** Encrypts `dictionary` and stores it, as an operator would. */
export function sealDictionary(
  stack: Stack,
  plan: KubevaultPlan,
  name: string,
  dictionary: object,
): Promise<void> {
  return sealDocument(stack, plan, name, JSON.stringify(dictionary))
}

/** The same for a document of any form. */
export async function sealDocument(
  stack: Stack,
  plan: KubevaultPlan,
  name: string,
  document: Uint8Array | string,
): Promise<void> {
  const { rootToken, transitMount } = plan
  const auth = { method: 'token', token: rootToken } as const
  const config = {
    vault: { url: VAULT_ORIGIN, transitMount, auth },
    kubernetes: { kubeconfig: KUBECONFIG },
    // Both servers are in this process: nobody brings back what is away while we wait.
    startup: { wait: 0 },
  }
  await using operator = new SecretManager(config, { runtime: operatorRuntime(stack, plan) })
  await operator.createSecrets(definitionIn(plan, name), document)
}

const KUBECONFIG = '/operator/kubeconfig'

/** The world as the operator sees it: no network but the two servers, no file but the kubeconfig. */
function operatorRuntime(stack: Stack, plan: KubevaultPlan): Runtime {
  const kubeconfig = JSON.stringify(kubeconfigOf(KUBERNETES_ORIGIN, undefined, plan))
  return {
    ...systemRuntime(inProcessTransport(handlersOf(stack))),
    wallClock: stack.clock,
    env: () => undefined,
    readFile: () => Promise.resolve(Buffer.from(kubeconfig)),
  }
}

function handlersOf({ vault, kubernetes }: Stack): ReadonlyMap<string, Handler> {
  return new Map<string, Handler>([
    [VAULT_ORIGIN, (request) => vault.handle(request)],
    [KUBERNETES_ORIGIN, (request) => kubernetes.handle(request)],
  ])
}

/** Entry of the objects that {@link sealDictionary} writes. */
export const DATA_KEY = 'secrets.json'

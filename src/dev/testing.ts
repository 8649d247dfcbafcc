/**
 * `secretmanager/testing`: a Vault and a Kubernetes for your own unit tests, in your process, without
 * sockets or files, with real encryption, policies and RBAC.
 */
import type { SecretDefinition, SecretManagerConfig } from '../config/types.ts'
import { systemRuntime, type Runtime } from '../runtime.ts'
import { podRuntime } from './pod.ts'
import { requestToken } from './operator.ts'
import {
  createStack,
  DATA_KEY,
  KUBERNETES_ORIGIN,
  provisionStack,
  sealDictionary,
  type Stack,
  VAULT_ORIGIN,
} from './stack.ts'
import { inProcessTransport, type Handler } from './transport.ts'

/** What a test begins with. */
export interface TestStackOptions {
  /** Dictionaries by the name of the Secret that holds each. */
  readonly secrets?: Readonly<Record<string, object>> | undefined
}

/** Servers for one test. */
export interface TestStack {
  /** For `new SecretManager(config, { runtime })`. */
  readonly config: SecretManagerConfig
  /** The world as a pod of the app sees it. */
  readonly runtime: Runtime
  /** Requests that arrived so far. */
  readonly calls: { readonly vault: number; readonly kubernetes: number }
  /** The definition of a dictionary that was stored here. */
  definition(secretName: string): SecretDefinition
  /** Encrypts a dictionary and stores it, over what is there. */
  store(secretName: string, dictionary: object): Promise<void>
  /** Seals Vault: what a power cut leaves behind. */
  sealVault(): Promise<void>
  unsealVault(): Promise<void>
}

/**
 * Starts a stack, provisioned with least privilege: role and ServiceAccount `app`, namespace `app`,
 * audience `vault`, batch tokens of 10 s, a policy that only decrypts.
 *
 * @example
 * const stack = await createTestStack({ secrets: { 'app-secrets': { redis_url: 'redis://test' } } })
 * await using sm = new SecretManager(stack.config, { runtime: stack.runtime })
 * const { redis_url } = await sm.readSecrets(stack.definition('app-secrets'))
 */
export async function createTestStack(options: TestStackOptions = {}): Promise<TestStack> {
  const stack = createStack()
  const plan = await provisionStack(stack, 'native')
  const store = (name: string, dictionary: object): Promise<void> =>
    sealDictionary(stack, plan, name, dictionary)
  for (const [name, dictionary] of Object.entries(options.secrets ?? {}))
    await store(name, dictionary)
  const calls = { vault: 0, kubernetes: 0 }
  const sys = async (path: string, body: object): Promise<void> => {
    await stack.vaultWire('PUT', `/v1/sys/${path}`, { token: plan.rootToken, body })
  }
  return {
    config: configOf(plan),
    runtime: podRuntime(networkOf(stack, calls), {
      apiServer: KUBERNETES_ORIGIN,
      namespace: plan.namespace,
      token: await requestToken(stack.kubernetesWire, plan),
    }),
    calls,
    definition: (secretName) => ({
      secretName,
      readKey: DATA_KEY,
      transitKey: plan.transitKey,
      format: 'raw',
    }),
    store,
    sealVault: () => sys('seal', {}),
    unsealVault: async () => {
      for (const key of stack.vault.unsealKeys) await sys('unseal', { key })
    },
  }
}

function configOf({ role }: { readonly role: string }): SecretManagerConfig {
  return { vault: { url: VAULT_ORIGIN, auth: { method: 'kubernetes', role } } }
}

/** The real clock, no network but the two servers, and each request counted as it arrives. */
function networkOf(
  { vault, kubernetes }: Stack,
  calls: { vault: number; kubernetes: number },
): Runtime {
  const count = (server: 'vault' | 'kubernetes', handle: Handler): Handler => {
    return (request) => {
      calls[server] += 1
      return handle(request)
    }
  }
  const handlers = new Map([
    [VAULT_ORIGIN, count('vault', (request) => vault.handle(request))],
    [KUBERNETES_ORIGIN, count('kubernetes', (request) => kubernetes.handle(request))],
  ])
  return systemRuntime(inProcessTransport(handlers))
}

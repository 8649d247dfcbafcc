/**
 * `secretmanager/testing`: a Vault and a Kubernetes for your own unit tests, in your process, without
 * sockets or files, with real encryption, policies and RBAC.
 */
import type { SecretDefinition, SecretManagerConfig } from '../config/types.ts'
import { systemRuntime, type Runtime } from '../runtime.ts'
import { requestToken } from './provision.ts'
import {
  createStack,
  DATA_KEY,
  KUBERNETES_ORIGIN,
  provisionStack,
  sealDictionary,
  VAULT_ORIGIN,
} from './stack.ts'
import { inProcessTransport } from './transport.ts'

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

const NAMESPACE = 'app'
const POD_FILES = '/var/run/secrets/kubernetes.io/serviceaccount'

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
    runtime: podRuntime(stack, calls, await requestToken(stack.kubernetesWire, plan)),
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

/** The real clock, an environment and files of a pod, and no network but the two servers. */
function podRuntime(
  { vault, kubernetes }: ReturnType<typeof createStack>,
  calls: { vault: number; kubernetes: number },
  token: string,
): Runtime {
  const handlers = new Map([
    [VAULT_ORIGIN, (request: Request) => (calls.vault++, vault.handle(request))],
    [KUBERNETES_ORIGIN, (request: Request) => (calls.kubernetes++, kubernetes.handle(request))],
  ])
  const { hostname, port } = new URL(KUBERNETES_ORIGIN)
  const env = new Map([
    ['KUBERNETES_SERVICE_HOST', hostname],
    ['KUBERNETES_SERVICE_PORT', port],
  ])
  const files = new Map([
    [`${POD_FILES}/token`, token],
    [`${POD_FILES}/namespace`, NAMESPACE],
  ])
  return {
    ...systemRuntime(inProcessTransport(handlers)),
    env: (name) => env.get(name),
    readFile: (path) => readFrom(files, path),
  }
}

function readFrom(files: ReadonlyMap<string, string>, path: string): Promise<Uint8Array> {
  const text = files.get(path)
  if (text !== undefined) return Promise.resolve(Buffer.from(text))
  return Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' }))
}

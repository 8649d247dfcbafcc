/**
 * `secretmanager/testing`: a Vault and a Kubernetes for your own unit tests, in your process, without
 * sockets or files, with real encryption, policies and RBAC.
 *
 * Compare what you read with `reveal(secrets)`: to an assertion all SecretValues look alike.
 */
import type { AuthConfig, SecretDefinition, SecretManagerConfig } from '../config/types.ts'
import { systemRuntime, type Runtime } from '../runtime.ts'
import { appRoleIds, deleteSecret, requestToken } from './operator.ts'
import { nativePlan, type AuthMethod, type KubevaultPlan } from './plan.ts'
import { podRuntime } from './pod.ts'
import { provisionKubernetes } from './provision.ts'
import {
  createStack,
  definitionIn,
  KUBERNETES_ORIGIN,
  provisionStack,
  sealDictionary,
  type Stack,
  VAULT_ORIGIN,
} from './stack.ts'
import { inProcessTransport, type Handler } from './transport.ts'
import type { Wire, WireAnswer } from './wire.ts'

/** What a test begins with. */
export interface TestStackOptions {
  /** Dictionaries by the name of the Secret that holds each. */
  readonly secrets?: Readonly<Record<string, object>> | undefined
  /** How {@link TestStack.config} logs in. Default `kubernetes`. With `approle`, every pod is the app. */
  readonly auth?: AuthMethod | undefined
  /**
   * How dictionaries are stored. Default `sealed`, under a derived key and each bound to its place; `raw` is what the
   * Python original reads.
   */
  readonly format?: 'sealed' | 'raw' | undefined
  /** The tokens that Vault gives to the app. */
  readonly token?: TestToken | undefined
}

/** Tokens of logins; durations in Go's notation, whole seconds. */
export interface TestToken {
  /** Default `10s`. */
  readonly ttl?: string | undefined
  /** Beyond it no renewal goes. Default: Vault's own, 32 days. */
  readonly maxTtl?: string | undefined
  /** Default `batch`, which nobody can renew. */
  readonly type?: 'service' | 'batch' | undefined
  /** Whether a service token may renew and revoke itself, by the policy `default`. Default `true`. */
  readonly renewable?: boolean | undefined
}

/** One of the two servers. */
export type TestServer = 'vault' | 'kubernetes'

/** Sends one request as who may do everything; `path` begins with `/`, `body` goes as JSON. */
export type TestOperator = (method: string, path: string, body?: unknown) => Promise<WireAnswer>

/** Servers for one test. */
export interface TestStack {
  /** For `new SecretManager(config, { runtime })`. */
  readonly config: SecretManagerConfig
  /** The world as a pod of ServiceAccount `app` sees it. */
  readonly runtime: Runtime
  /** Requests of the pods that arrived so far. */
  readonly calls: Readonly<Record<TestServer, number>>
  /** The definition of a dictionary that was stored here. */
  definition(secretName: string): SecretDefinition
  /** Encrypts a dictionary and stores it, over what is there. */
  store(secretName: string, dictionary: object): Promise<void>
  /** Deletes the Secret. */
  remove(secretName: string): Promise<void>
  /** The world as a pod of another ServiceAccount sees it: it may read the Secrets, but Vault refuses its login. */
  stranger(serviceAccount: string): Promise<Runtime>
  /**
   * Moves the clocks of both servers and all pods forward, so that tokens expire; timers that run already keep
   * their time. Altogether by less than a day: then Vault's own access to Kubernetes ends.
   */
  advance(ms: number): void
  /** Lets no pod reach the server any more, as when it is down. */
  disconnect(server: TestServer): void
  /** Ends what {@link disconnect} began. */
  reconnect(server: TestServer): void
  /** Seals Vault: what a power cut leaves behind. */
  sealVault(): Promise<void>
  unsealVault(): Promise<void>
  /**
   * For everything else that an operator can do or break.
   *
   * @example
   * await stack.operator.vault('DELETE', '/v1/sys/policies/acl/app') // the app may not decrypt any more
   */
  readonly operator: Readonly<Record<TestServer, TestOperator>>
}

/**
 * Starts a stack, provisioned with least privilege: role and ServiceAccount `app`, namespace `app`,
 * audience `vault`, batch tokens of 10 s unless told otherwise, a policy that only decrypts.
 *
 * @example
 * const stack = await createTestStack({ secrets: { 'app-secrets': { redis_url: 'redis://test' } } })
 * const sm = new SecretManager(stack.config, { runtime: stack.runtime })
 * const { redis_url } = await sm.readSecrets(stack.definition('app-secrets'))
 * await sm.close()
 */
export async function createTestStack(options: TestStackOptions = {}): Promise<TestStack> {
  const time = movableTime()
  const stack = createStack({ clock: () => Date.now() + time.ahead() })
  const plan = await provisionStack(stack, 'native', changesOf(options))
  const store = (name: string, dictionary: object): Promise<void> =>
    sealDictionary(stack, plan, name, dictionary)
  for (const [name, dictionary] of Object.entries(options.secrets ?? {}))
    await store(name, dictionary)
  const network = networkOf(stack)
  const world = aheadBy(time.ahead, systemRuntime(inProcessTransport(network.handlers)))
  const pod = podsOf(stack, plan, world)
  const operator = {
    vault: operatorOf(stack.vaultWire, plan.rootToken),
    kubernetes: operatorOf(stack.kubernetesWire, plan.adminToken),
  }
  return {
    config: { vault: { url: VAULT_ORIGIN, auth: await authOf(stack, plan) } },
    runtime: await pod(plan.serviceAccount),
    calls: network.calls,
    definition: (secretName) => definitionIn(plan, secretName),
    store,
    remove: (secretName) => deleteSecret(stack.kubernetesWire, plan, secretName),
    stranger: async (serviceAccount) => {
      await provisionKubernetes(stack.kubernetesWire, nativePlan(stack.servers, { serviceAccount }))
      return pod(serviceAccount)
    },
    advance: time.advance,
    disconnect: network.disconnect,
    reconnect: network.reconnect,
    ...sealOf(stack, operator.vault),
    operator,
  }
}

function changesOf(options: TestStackOptions): Partial<KubevaultPlan> {
  const { auth = 'kubernetes', format = 'sealed', token = {} } = options
  const { ttl = '10s', maxTtl, type = 'batch', renewable = type === 'service' } = token
  return {
    auth,
    authMount: auth,
    format,
    tokenTtl: ttl,
    tokenMaxTtl: maxTtl,
    tokenType: type,
    noDefaultPolicy: !renewable,
  }
}

async function authOf({ vaultWire }: Stack, plan: KubevaultPlan): Promise<AuthConfig> {
  const { auth: method, role } = plan
  if (method !== 'approle') return { method, role }
  return { method, ...(await appRoleIds(vaultWire, plan)) }
}

interface MovableTime {
  /** Milliseconds before the system's clock. */
  readonly ahead: () => number
  readonly advance: (ms: number) => void
}

function movableTime(): MovableTime {
  let ahead = 0
  return {
    ahead: () => ahead,
    advance: (ms) => {
      ahead += ms
    },
  }
}

function aheadBy(ahead: () => number, runtime: Runtime): Runtime {
  return {
    ...runtime,
    now: () => runtime.now() + ahead(),
    wallClock: () => runtime.wallClock() + ahead(),
  }
}

/** As long as {@link TestStack.advance} may go: a kubelet would renew it, and there is none here. */
const POD_TOKEN_SECONDS = 86_400

function podsOf(
  { kubernetesWire }: Stack,
  plan: KubevaultPlan,
  world: Runtime,
): (serviceAccount: string) => Promise<Runtime> {
  return async (serviceAccount) => {
    const { namespace, adminToken } = plan
    const request = { adminToken, namespace, serviceAccount, expirationSeconds: POD_TOKEN_SECONDS }
    const token = await requestToken(kubernetesWire, request)
    return podRuntime(world, { apiServer: KUBERNETES_ORIGIN, namespace, token })
  }
}

interface Network {
  /** By origin; those that are disconnected are absent. */
  readonly handlers: ReadonlyMap<string, Handler>
  readonly calls: Readonly<Record<TestServer, number>>
  readonly disconnect: (server: TestServer) => void
  readonly reconnect: (server: TestServer) => void
}

const ORIGINS: Readonly<Record<TestServer, string>> = {
  vault: VAULT_ORIGIN,
  kubernetes: KUBERNETES_ORIGIN,
}

/** No network but the two servers, and each request counted as it arrives. */
function networkOf(stack: Stack): Network {
  const calls = { vault: 0, kubernetes: 0 }
  const handlers = new Map<string, Handler>()
  const reconnect = (server: TestServer): void => {
    handlers.set(ORIGINS[server], (request) => {
      calls[server] += 1
      return stack[server].handle(request)
    })
  }
  reconnect('vault')
  reconnect('kubernetes')
  return {
    handlers,
    calls,
    disconnect: (server) => void handlers.delete(ORIGINS[server]),
    reconnect,
  }
}

function operatorOf(wire: Wire, token: string): TestOperator {
  return (method, path, body) => wire(method, path, { token, body })
}

function sealOf(
  { vault }: Stack,
  operator: TestOperator,
): Pick<TestStack, 'sealVault' | 'unsealVault'> {
  return {
    sealVault: async () => {
      await operator('PUT', '/v1/sys/seal', {})
    },
    unsealVault: async () => {
      for (const key of vault.unsealKeys) await operator('PUT', '/v1/sys/unseal', { key })
    },
  }
}

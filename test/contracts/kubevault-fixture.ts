/** Set-ups for the contract of the pattern: each has a namespace, mounts and keys of its own. */
import { isSecretManagerError } from 'secretmanager'
import type { SecretCfg, SecretDef, SecretManagerConfig } from 'secretmanager'
import type { Runtime } from '../../src/runtime.ts'
import type { KubevaultPlan, Servers } from '../../src/dev/plan.ts'
import { encryptRaw, putObject, requestToken } from '../../src/dev/operator.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import type { Wire } from './wire.ts'

/** A Vault and a Kubernetes that know each other. */
export interface KubevaultUnderTest {
  readonly vault: Wire
  readonly kubernetes: Wire
  readonly servers: Servers
  readonly vaultUrl: string
  /** Empty where there is no TLS. */
  readonly vaultCaPem: string
  readonly kubernetesUrl: string
  readonly kubernetesCaPem: string
  /** The world of a client of these servers, with these files and variables in it. */
  runtime(files: Readonly<Record<string, string>>, env: Readonly<Record<string, string>>): Runtime
  /**
   * Requests that clients made so far, counted by the servers, without Vault's own TokenReviews; absent
   * where they cannot count.
   */
  readonly calls?: () => Promise<{ readonly vault: number; readonly kubernetes: number }>
  /** Whether Vault's audit log has a request of this id; absent where there is no such log. */
  readonly isAudited?: (requestId: string) => Promise<boolean>
  close(): Promise<void>
}

const POD = '/var/run/secrets/kubernetes.io/serviceaccount'
export const DOCUMENT = '{"redis_url":"redis://canary-value:6379","db":{"password":"canary-value"}}'

export type Changes = Partial<KubevaultPlan>

let count = 0
/** A name that no other test on these servers has. */
export function unique(): string {
  count += 1
  return `kv-${process.pid}-${Date.now().toString(36)}-${count}`
}

export interface Setup {
  readonly plan: KubevaultPlan
  readonly runtime: Runtime
  readonly files: Readonly<Record<string, string>>
}

export async function setUp(world: KubevaultUnderTest, plan: KubevaultPlan): Promise<Setup> {
  await provisionKubevault(world.vault, world.kubernetes, plan)
  const data = { 'secrets.json': await encryptRaw(world.vault, plan, DOCUMENT) }
  await putObject(world.kubernetes, plan, { name: 'matrix-secrets', data })
  return { plan, ...(await podOf(world, plan)) }
}

/** What a pod of the plan's ServiceAccount has. */
export async function podOf(
  world: KubevaultUnderTest,
  plan: KubevaultPlan,
): Promise<Pick<Setup, 'runtime' | 'files'> & { readonly env: Readonly<Record<string, string>> }> {
  const files = {
    [`${POD}/token`]: await requestToken(world.kubernetes, plan),
    [`${POD}/ca.crt`]: world.kubernetesCaPem,
    [`${POD}/namespace`]: plan.namespace,
  }
  const { hostname, port } = new URL(world.kubernetesUrl)
  const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port }
  return { files, env, runtime: world.runtime(files, env) }
}

export async function zeroRbac(
  world: KubevaultUnderTest,
  plan: KubevaultPlan,
  files: Readonly<Record<string, string>>,
): Promise<{ config: SecretManagerConfig; runtime: Runtime }> {
  const mounted = {
    ...files,
    '/run/vault/token': await requestToken(world.kubernetes, { ...plan, audiences: ['vault'] }),
    '/etc/sealed/secrets.json': await encryptRaw(world.vault, plan, DOCUMENT),
  }
  const config = nativeConfig(world, plan)
  const auth = { ...config.vault.auth, jwtFile: '/run/vault/token' }
  return {
    config: { vault: { ...config.vault, auth }, kubernetes: { mountedAt: '/etc/sealed' } },
    runtime: world.runtime(mounted, {}),
  }
}

export function secretCfg(world: KubevaultUnderTest, plan: KubevaultPlan): SecretCfg {
  return {
    SOURCE: 'KUBEVAULT',
    kube_config: null,
    service_account: plan.serviceAccount,
    namespace: plan.namespace,
    vault_url: world.vaultUrl,
    role: plan.role,
    ca_cert: '/etc/vault/ca.crt',
  }
}

export function secretDef(plan: KubevaultPlan): SecretDef {
  return {
    transit_key: plan.transitKey,
    namespace: plan.namespace,
    secret_name: 'matrix-secrets',
    read_type: 'SECRET',
    read_key: 'secrets.json',
  }
}

export function nativeConfig(world: KubevaultUnderTest, plan: KubevaultPlan): SecretManagerConfig {
  return {
    vault: {
      url: world.vaultUrl,
      ...(world.vaultCaPem !== '' && { caCert: { pem: world.vaultCaPem } }),
      transitMount: plan.transitMount,
      auth: { method: 'kubernetes', role: plan.role, mount: plan.authMount },
    },
    startup: { wait: '5s' },
  }
}

export function definition(plan: KubevaultPlan): {
  secretName: string
  readKey: string
  transitKey: string
  format: 'raw'
} {
  return {
    secretName: 'matrix-secrets',
    readKey: 'secrets.json',
    transitKey: plan.transitKey,
    format: 'raw',
  }
}

export function encryptAll(
  world: KubevaultUnderTest,
  plan: KubevaultPlan,
  documents: readonly object[],
): Promise<string[]> {
  return Promise.all(
    documents.map((document) => encryptRaw(world.vault, plan, JSON.stringify(document))),
  )
}

/** The ciphertext with another character near its end. */
export function tampered(ciphertext: string): string {
  return ciphertext.slice(0, -6) + (ciphertext.at(-6) === 'A' ? 'B' : 'A') + ciphertext.slice(-5)
}

/** Accessors of the live tokens of the plan's role. */
export async function accessorsOf(
  world: KubevaultUnderTest,
  plan: KubevaultPlan,
): Promise<string[]> {
  const token = plan.rootToken
  const { body } = await world.vault('LIST', '/v1/auth/token/accessors', { token })
  const roles = await Promise.all(
    (body.data.keys as string[]).map(async (accessor) => {
      const answer = await world.vault('POST', '/v1/auth/token/lookup-accessor', {
        token,
        body: { accessor },
      })
      return answer.body.data?.meta?.role === plan.role ? [accessor] : []
    }),
  )
  return roles.flat()
}

export function claimsOf(jwt: string): { aud: string[]; exp: number; iat: number } {
  return JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as never
}

export async function failure(
  promise: Promise<unknown>,
): Promise<import('secretmanager').SecretManagerError> {
  const error: unknown = await promise.then(
    () => 'it succeeded',
    (reason: unknown) => reason,
  )
  if (isSecretManagerError(error)) return error
  throw new Error(`expected a SecretManagerError, got ${String(error)}`)
}

export async function codeOf(promise: Promise<unknown>): Promise<string> {
  return (await failure(promise)).code
}

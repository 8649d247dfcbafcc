/** A SecretManager between a scripted Vault and a scripted API server, and canaries in everything secret. */
import { readFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { expect, onTestFinished } from 'vitest'

import { isSecretManagerError, type SecretManagerError } from '../../src/errors.ts'
import { createTransport } from '../../src/http/transport.ts'
import { SecretManager } from '../../src/manager.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import type { SecretManagerConfig, VaultConfig } from '../../src/config/types.ts'
import {
  json,
  scriptedServer,
  type ScriptedServer,
  type Scripts,
  type Step,
} from './scripted-server.ts'

/** A JWT as the API server issues it; its signature is a canary. */
export function jwtOf(claims: object = {}, signature = 'CANARYsignatureCANARY'): string {
  const payload = {
    iss: 'https://kubernetes.default.svc',
    sub: 'system:serviceaccount:prod:app',
    aud: ['vault'],
    exp: Math.floor(Date.now() / 1000) + 600,
    'kubernetes.io': { namespace: 'prod', serviceaccount: { name: 'app' } },
    ...claims,
  }
  return `eyJhbGciOiJSUzI1NiJ9.${Buffer.from(JSON.stringify(payload)).toString('base64url')}.${signature}`
}

export const TOKEN = 'hvs.CANARYvaultTokenCANARY'
export const API_TOKEN = 'CANARYapiServerTokenCANARY'
export const JWT: string = jwtOf()
export const CIPHERTEXT = 'vault:v1:CANARYciphertextCANARYciphertext'
export const PLAINTEXT = 'CANARY-plaintext-value'
const DOCUMENT = JSON.stringify({ redis_url: PLAINTEXT })

const CANARIES: readonly string[] = [
  TOKEN,
  API_TOKEN,
  'CANARYsignatureCANARY',
  CIPHERTEXT.slice('vault:v1:'.length),
  PLAINTEXT,
]

export const LOGIN = 'POST /v1/auth/kubernetes/login'
export const DECRYPT = 'POST /v1/transit/decrypt/app'
const KEY = 'GET /v1/transit/keys/app'
export const REVOKE = 'POST /v1/auth/token/revoke-self'
export const OBJECT = 'GET /api/v1/namespaces/prod/secrets/app'
export const TOKEN_REQUEST = 'POST /api/v1/namespaces/prod/serviceaccounts/app/token'

export const DEFINITION = {
  secretName: 'app',
  namespace: 'prod',
  readKey: 'secrets.json',
  transitKey: 'app',
  format: 'raw',
} as const

/** The answer to a login. */
export function loginAnswer(auth: object = {}): object {
  const usual = { client_token: TOKEN, lease_duration: 600, token_type: 'batch', renewable: false }
  return { request_id: 'r', auth: { ...usual, ...auth }, data: null }
}

/** The answer to a decryption. */
export function plaintextAnswer(document: string = DOCUMENT): object {
  return { data: { plaintext: Buffer.from(document).toString('base64') } }
}

/** Decrypts whatever comes, one by one or in a batch. */
export const decrypting: Step = (exchange) => {
  const { batch_input } = JSON.parse(exchange.request.body) as {
    batch_input?: { reference: string }[]
  }
  const { data } = plaintextAnswer() as { data: object }
  const results = batch_input?.map(({ reference }) => Object.assign({ reference }, data))
  json(200, { data: results ? { batch_results: results } : data })(exchange)
}

/** A Secret that holds the ciphertext. */
export function secretObject(more: object = {}): object {
  const data = { 'secrets.json': Buffer.from(CIPHERTEXT).toString('base64') }
  return { kind: 'Secret', metadata: { name: 'app', resourceVersion: '7' }, data, ...more }
}

/** The answer to a TokenRequest. */
export function tokenAnswer(jwt: string = JWT, lifeMs = 600_000): object {
  const expirationTimestamp = new Date(Date.now() + lifeMs).toISOString()
  return { kind: 'TokenRequest', status: { token: jwt, expirationTimestamp } }
}

export const HEALTHY_VAULT: Scripts = {
  [LOGIN]: json(200, loginAnswer()),
  [DECRYPT]: decrypting,
  [KEY]: json(200, { data: { latest_version: 1, derived: false } }),
  [REVOKE]: json(204, ''),
}

export const HEALTHY_KUBERNETES: Scripts = {
  [OBJECT]: json(200, secretObject()),
  [TOKEN_REQUEST]: json(201, tokenAnswer()),
}

export type Files = Record<string, string | Error>

/**
 * The real world with a few files of our own, no environment, and no jitter: the first retries come at once.
 * Both ends of a connection are in this process, so its clock stands while the process waits for a processor.
 */
export function socketRuntime(files: Files = {}, env: Record<string, string> = {}): Runtime {
  const real = systemRuntime(createTransport)
  const runtime: Runtime = {
    ...real,
    ...patientClock(real),
    env: (name) => env[name],
    home: () => '/nowhere',
    random: () => 0,
    readFile: async (path) => {
      const content = files[path]
      if (content instanceof Error) throw content
      return content === undefined ? readFile(path) : new TextEncoder().encode(content)
    },
    transport: (options) => createTransport(options, runtime),
  }
  return runtime
}

/** The most that may pass between two looks at the clock: whoever was away for longer did not run. */
const STEP_MS = 25
let passedMs = 0
let lookedAt: number | undefined

/** Never ahead of the real one; a busy machine takes none of a limit away. */
function patientClock(real: Runtime): Pick<Runtime, 'now' | 'sleep' | 'after'> {
  const now = (): number => {
    const at = real.now()
    // Another file's test may just have put the real one forward, and back.
    passedMs += Math.min(Math.max(0, at - (lookedAt ?? at)), STEP_MS)
    lookedAt = at
    return passedMs
  }
  // One for all: it is what makes time pass while nobody asks.
  if (lookedAt === undefined) setInterval(now, 10).unref()
  const after: Runtime['after'] = (ms, task, keepsAlive) => {
    const endsAt = now() + ms
    const ring = (): void => {
      const leftMs = endsAt - now()
      if (leftMs <= 0) task()
      else cancel = real.after(leftMs, ring, keepsAlive)
    }
    let cancel = real.after(ms, ring, keepsAlive)
    return () => cancel()
  }
  const sleep: Runtime['sleep'] = async (ms, signal) => {
    const endsAt = now() + ms
    for (let left = ms; left > 0 && signal?.aborted !== true; left = endsAt - now()) {
      await real.sleep(left, signal)
    }
  }
  now()
  return { now, sleep, after }
}

export interface World {
  readonly vault: ScriptedServer
  readonly kubernetes: ScriptedServer
  readonly manager: SecretManager
  /** May be changed at any time. */
  readonly files: Files
  /** Reads the one definition. */
  read(signal?: AbortSignal): Promise<{ readonly [name: string]: unknown }>
  /** Reads many at once that have nothing in common but their key. */
  readMany(count: number): Promise<readonly { readonly [name: string]: unknown }[]>
}

export interface WorldOptions {
  readonly vault?: Scripts | undefined
  readonly kubernetes?: Scripts | undefined
  readonly vaultConfig?: Partial<VaultConfig> | undefined
  readonly config?: Partial<SecretManagerConfig> | undefined
  readonly files?: Files | undefined
  readonly delayMs?: number | undefined
  /** `mounted`: ciphertext and JWT are files, and the API server is never asked. */
  readonly mode?: 'mounted' | 'api' | undefined
}

/** Two servers and a manager, all closed after the test. */
export async function world(options: WorldOptions = {}): Promise<World> {
  const { delayMs, mode = 'mounted' } = options
  const vault = await scriptedServer({ ...HEALTHY_VAULT, ...options.vault }, { delayMs })
  const kubernetes = await scriptedServer(
    { ...HEALTHY_KUBERNETES, ...options.kubernetes },
    { delayMs },
  )
  const files: Files = { ...filesFor(kubernetes.url), ...options.files }
  const auth = { method: 'kubernetes', role: 'app' } as const
  const config: SecretManagerConfig = {
    // Nobody waits for it but who asks for less. Then there is time for the retries that come at once.
    timeout: 10_000,
    startup: { wait: 1400 },
    // Every read goes all the way.
    cache: { keepAtMost: 0 },
    ...options.config,
    vault: {
      url: vault.url,
      auth: mode === 'mounted' ? { ...auth, jwtFile: '/run/jwt' } : auth,
      ...options.vaultConfig,
    },
    kubernetes:
      mode === 'mounted'
        ? { mountedAt: '/run/secrets' }
        : { kubeconfig: '/run/kubeconfig', serviceAccount: 'app', namespace: 'prod' },
  }
  const manager = new SecretManager(config, { runtime: socketRuntime(files) })
  onTestFinished(async () => {
    await manager.close()
    await Promise.all([vault.close(), kubernetes.close()])
  })
  const read: World['read'] = (signal) => manager.readSecrets(DEFINITION, { signal })
  const readMany: World['readMany'] = (count) => {
    const secretNames = Array.from({ length: count }, (_, n) => `app-${n}`)
    return Promise.all(
      secretNames.map((secretName) => manager.readSecrets({ ...DEFINITION, secretName })),
    )
  }
  return { vault, kubernetes, manager, files, read, readMany }
}

function filesFor(server: string): Files {
  return {
    '/run/jwt': JWT,
    '/run/secrets/secrets.json': CIPHERTEXT,
    '/run/secrets/app/secrets.json': CIPHERTEXT,
    '/run/kube-token': API_TOKEN,
    '/run/kubeconfig': JSON.stringify({
      'current-context': 'test',
      contexts: [{ name: 'test', context: { cluster: 'test', user: 'test', namespace: 'prod' } }],
      clusters: [{ name: 'test', cluster: { server } }],
      users: [{ name: 'test', user: { tokenFile: '/run/kube-token' } }],
    }),
  }
}

/** Waits for the failure of `promise`, which must be ours and must not leak. */
export async function rejection(promise: Promise<unknown>): Promise<SecretManagerError> {
  const error: unknown = await promise.then(
    () => expect.unreachable('it should have failed'),
    (reason: unknown) => reason,
  )
  if (!isSecretManagerError(error)) throw error
  expectNoLeak(error)
  return error
}

/** I10: no canary, however encoded, anywhere in what an error shows. */
export function expectNoLeak(error: SecretManagerError, extra: readonly string[] = []): void {
  const shown = [
    error.message,
    error.hint,
    error.stack ?? '',
    String(error),
    JSON.stringify(error),
    JSON.stringify(error.toJSON()),
    JSON.stringify({ ...error }),
    inspect(error, { showHidden: true, depth: Infinity, maxStringLength: Infinity }),
  ].join('\n')
  for (const canary of [...CANARIES, ...extra]) {
    for (const form of formsOf(canary)) expect(shown).not.toContain(form)
  }
}

function formsOf(canary: string): string[] {
  const bytes = Buffer.from(canary)
  const base64 = bytes.toString('base64')
  return [
    canary,
    base64.replace(/.{2}=*$/, ''),
    bytes.toString('base64url').slice(0, -2),
    bytes.toString('hex'),
    encodeURIComponent(canary),
    [...canary].toReversed().join(''),
  ]
}

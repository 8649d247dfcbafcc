/** A SecretManager with a cache between servers that fail as told, on a virtual clock. */
import { onTestFinished } from 'vitest'

import type { CacheConfig, SecretDefinition } from '../../src/config/types.ts'
import { SecretManager } from '../../src/manager.ts'
import { TransportFailure, type HttpRequest } from '../../src/runtime.ts'
import { listen, type Channels } from '../../src/telemetry.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'
import { inProcess, refusedConnection, type Answered, type Handler } from '../faults/in-process.ts'
import { jwtOf, loginAnswer } from '../faults/world.ts'

export const MINUTE = 60_000
export const HOUR = 3_600_000

/** What a server does in place of answering well. */
export type Fault = 'refused' | 'denied' | 'gone' | 'sealed' | 'hangs'

export interface CacheWorld {
  readonly manager: SecretManager
  readonly runtime: FakeRuntime
  /** Encrypts and stores a dictionary, or whatever text. */
  readonly store: (secretName: string, document: object | string) => void
  readonly faults: { vault?: Fault | undefined; kubernetes?: Fault | undefined }
  /** Requests so far, by what they ask for. */
  readonly count: { kubernetes: number; login: number; decrypt: number }
  readonly events: readonly string[]
}

export interface CacheWorldOptions {
  readonly cache?: CacheConfig
  readonly documents?: Readonly<Record<string, object | string>>
}

/** The token lives ten seconds; every refresh that decrypts logs in. */
export function cacheWorld({ cache = {}, documents = {} }: CacheWorldOptions = {}): CacheWorld {
  const stored = new Map<string, string>()
  const store: CacheWorld['store'] = (name, document) => void stored.set(name, encrypt(document))
  for (const [name, document] of Object.entries({ app: { n: 1 }, ...documents })) {
    store(name, document)
  }
  const faults: CacheWorld['faults'] = {}
  const count = { kubernetes: 0, login: 0, decrypt: 0 }
  const healthy = handlerOf(stored, count)
  const server = inProcess((request) => {
    const fault = request.url.startsWith('https://vault') ? faults.vault : faults.kubernetes
    return fault ? failing(fault, request, runtime) : healthy(request)
  })
  const files = { '/run/jwt': jwtOf({ exp: 4e9 }), '/kubeconfig': KUBECONFIG }
  const { transport } = server
  const runtime: FakeRuntime = fakeRuntime({ random: () => 0, files, transport })
  const auth = { method: 'kubernetes', role: 'app', jwtFile: '/run/jwt' } as const
  const config = {
    vault: { url: 'https://vault.example', auth },
    kubernetes: { kubeconfig: '/kubeconfig', namespace: 'prod' },
    cache,
  }
  const manager = new SecretManager(config, { runtime })
  onTestFinished(() => manager.close())
  return { manager, runtime, store, faults, count, events: eventsOf() }
}

/** Names the one dictionary, or another. */
export function definitionOf(secretName = 'app'): SecretDefinition {
  return {
    secretName,
    namespace: 'prod',
    readKey: 'secrets.json',
    transitKey: 'app',
    format: 'raw',
  }
}

const KUBECONFIG = JSON.stringify({
  'current-context': 'test',
  contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  clusters: [{ name: 'test', cluster: { server: 'https://10.96.0.1' } }],
  users: [{ name: 'test', user: { token: 'CANARYapiServerTokenCANARY' } }],
})

let versions = 0

/** No cipher: these servers are not what is tested. Like Transit, no two ciphertexts are equal. */
function encrypt(document: object | string): string {
  const text = typeof document === 'string' ? document : JSON.stringify(document)
  versions += 1
  return `vault:v1:${Buffer.from(`${String(versions).padStart(9, '0')}${text}`).toString('base64')}`
}

function decrypt(ciphertext: string): string {
  const bytes = Buffer.from(ciphertext.slice('vault:v1:'.length), 'base64')
  return bytes.subarray(9).toString('base64')
}

function handlerOf(stored: ReadonlyMap<string, string>, count: CacheWorld['count']): Handler {
  const vault: Handler = ({ url, body = '' }) => {
    if (url.endsWith('/login')) {
      count.login += 1
      return { status: 200, json: loginAnswer({ lease_duration: 10 }) }
    }
    count.decrypt += 1
    const request = JSON.parse(body) as Partial<Record<'batch_input', Item[]>> & Item
    const results = request.batch_input?.map(opened)
    return { status: 200, json: { data: results ? { batch_results: results } : opened(request) } }
  }
  const kubernetes: Handler = ({ url }) => {
    count.kubernetes += 1
    const name = url.slice(url.lastIndexOf('/') + 1)
    const ciphertext = stored.get(name)
    if (ciphertext === undefined) return { status: 404, json: {} }
    const data = { 'secrets.json': Buffer.from(ciphertext).toString('base64') }
    const metadata = { name, resourceVersion: '1' }
    return { status: 200, json: { kind: 'Secret', metadata, data } }
  }
  return (request) => (request.url.startsWith('https://vault') ? vault : kubernetes)(request)
}

interface Item {
  readonly ciphertext: string
  readonly reference?: string
}

function opened({ ciphertext, reference }: Item): object {
  return { plaintext: decrypt(ciphertext), reference }
}

async function failing(
  fault: Fault,
  { timeoutMs, signal }: HttpRequest,
  runtime: FakeRuntime,
): Promise<Answered> {
  switch (fault) {
    case 'refused':
      return refusedConnection()
    case 'denied':
      return { status: 403, json: { errors: ['permission denied'] } }
    case 'gone':
      return { status: 404, json: { kind: 'Status', errors: [] } }
    case 'sealed':
      return { status: 503, json: { errors: ['Vault is sealed'] } }
    case 'hangs':
      await runtime.sleep(timeoutMs, signal)
      throw new TransportFailure('timeout', `no complete answer within ${timeoutMs} ms`)
  }
}

function eventsOf(): readonly string[] {
  const events: string[] = []
  const names: readonly (keyof Channels)[] = ['refresh', 'stale', 'fresh', 'dropped']
  for (const name of names) {
    const stop = listen(name, (event) => {
      const outcome = 'outcome' in event ? ` ${event.outcome}` : ''
      const code = 'error' in event && event.error ? ` ${event.error.code}` : ''
      events.push(`${name}${outcome}${code}`)
    })
    onTestFinished(stop)
  }
  return events
}

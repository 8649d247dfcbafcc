/** Transit without sockets: a handler answers, a virtual clock passes. */
import { Budget, type Allowance } from '../../src/http/budget.ts'
import type { HttpRequest } from '../../src/runtime.ts'
import { VaultClient } from '../../src/vault/client.ts'
import { Session } from '../../src/vault/session.ts'
import { Transit } from '../../src/vault/transit.ts'
import { inProcess, type Answered, type Handler, type InProcess } from '../faults/in-process.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'

// Otherwise loaded on use, which takes real time.
await import('../../src/vault/decrypt-queue.ts')

export interface TransitWorld extends Pick<InProcess, 'sent'> {
  readonly transit: Transit
  readonly budget: Budget
  readonly runtime: FakeRuntime
  /** Decrypts under the key `app` within a call of its own. */
  open(ciphertext: string, signal?: AbortSignal): Promise<string>
}

export interface TransitWorldOptions {
  /** Each sleep moves the clock at once. Default true. */
  readonly auto?: boolean
  readonly closing?: AbortSignal
}

export function transitOn(handler: Handler, options: TransitWorldOptions = {}): TransitWorld {
  const { auto = true, closing = new AbortController().signal } = options
  const server = inProcess(handler)
  const runtime = fakeRuntime({ auto, random: () => 0, transport: server.transport })
  const settings = { startupWaitMs: 15_000, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } }
  const budget = new Budget(runtime, settings, closing)
  const client = new VaultClient(
    {
      url: 'https://vault.example:8200',
      namespace: 'team/a',
      transport: {},
      transitMount: 'transit',
      redirectHosts: [],
      auth: { method: 'token', token: undefined },
    },
    runtime,
  )
  const grant = { token: 'a', sentAt: 0, ttlMs: 600_000, type: 'batch', renewable: false } as const
  const login = () => Promise.resolve(grant)
  const session = new Session({ client, login, method: 'kubernetes', budget, runtime })
  const transit = new Transit(client, session, 'mounts/transit', budget)
  const open = async (ciphertext: string, signal?: AbortSignal): Promise<string> => {
    const allowance: Allowance = budget.begin(signal)
    try {
      return Buffer.from(await transit.decrypt(allowance, 'app', ciphertext)).toString()
    } finally {
      allowance.end()
    }
  }
  return { transit, budget, runtime, sent: server.sent, open }
}

/** What {@link vaultLike} decrypts to `text`. */
export function sealed(text: string): string {
  return `vault:v1:${Buffer.from(text).toString('base64')}`
}

/** What Transit says of a ciphertext that it does not open. */
export const REFUSED: Readonly<Record<string, string>> = {
  junk: 'invalid ciphertext: no prefix',
  changed: 'cipher: message authentication failed',
  old: 'ciphertext or signature version is disallowed by policy (too old)',
  new: 'invalid ciphertext: version is too new',
  contextless: "missing 'context' for key derivation; the key was created using a derived key",
  odd: 'something that nobody has heard of: CANARY',
}

export interface Result {
  readonly plaintext: string
  readonly error?: string
  readonly reference?: string
}

/** Answers as Transit does. */
export async function vaultLike(request: HttpRequest): Promise<Answered> {
  // As on a network: whoever asks meanwhile finds a request in flight.
  await new Promise((resolve) => setImmediate(resolve))
  const items = itemsOf(request)
  const results = items ? items.map(resultOf) : [resultOf(bodyOf(request) as Item)]
  const failed = results.find(({ error }) => error !== undefined)
  const status = failed ? 400 : 200
  if (items) return { status, json: { request_id: 'req-1', data: { batch_results: results } } }
  if (failed) return { status, json: { errors: [failed.error] } }
  return { status, json: { data: { plaintext: results[0]?.plaintext } } }
}

export interface Item {
  readonly ciphertext: string
  readonly reference?: string
}

export function bodyOf({ body = '' }: HttpRequest): unknown {
  return JSON.parse(body)
}

/** The items of a batch; `undefined` for a plain decrypt. */
export function itemsOf(request: HttpRequest): Item[] | undefined {
  return (bodyOf(request) as { batch_input?: Item[] }).batch_input
}

function resultOf({ ciphertext, reference }: Item): Result {
  const name = reference === undefined ? {} : { reference }
  const [scheme, version, text] = ciphertext.split(':')
  if (scheme === 'vault' && version === 'v1' && text !== undefined)
    return { plaintext: text, ...name }
  return { plaintext: '', error: REFUSED[ciphertext] ?? 'invalid ciphertext', ...name }
}

export function batches(sent: readonly HttpRequest[]): number {
  return sent.filter((request) => itemsOf(request) !== undefined).length
}

export function texts(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `document ${index}`)
}

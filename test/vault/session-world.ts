/** A session at a Vault without sockets, which can be made to fail in every way; a virtual clock passes. */
import { Budget } from '../../src/http/budget.ts'
import type { HttpRequest } from '../../src/runtime.ts'
import { VaultClient } from '../../src/vault/client.ts'
import { authenticate, type Login } from '../../src/vault/login.ts'
import { Session } from '../../src/vault/session.ts'
import { inProcess, type Answered } from '../faults/in-process.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'

const PATH = 'transit/decrypt/app'

/** A request as Vault saw it. */
export interface Seen {
  /** Milliseconds of the monotonic clock. */
  readonly at: number
  /** Below `/v1/`. */
  readonly path: string
  readonly token: string | undefined
  readonly headers: Readonly<Record<string, string>>
}

/** What Vault does instead of serving; `undefined` serves. */
export type Fault = (
  seen: Seen,
  request: HttpRequest,
) => Answered | undefined | Promise<Answered | undefined>

/** How Vault is; may be changed at any time. */
export interface FakeVault {
  ttlMs: number
  /** Of a token, from its login; what a renewal gives never goes beyond. */
  maxTtlMs: number
  type: 'service' | 'batch'
  fault: Fault
  /** How far its clock is ahead of the monotonic one: what the machine slept through. */
  aheadMs: number
  /** Forgets all tokens. */
  revokeAll(): void
  readonly seen: readonly Seen[]
  /** Requests to one path. */
  to(path: string): readonly Seen[]
  /** Calls with a token that was not alive. */
  deadUses(): number
}

export interface SessionWorld {
  readonly session: Session
  readonly budget: Budget
  readonly client: VaultClient
  readonly runtime: FakeRuntime
  readonly closing: AbortController
  readonly vault: FakeVault
  /** One call of a service: within an allowance of its own, it decrypts; gives the token that served it. */
  call(signal?: AbortSignal): Promise<string>
  /** One that asks Vault for nothing, unless it has to log in. */
  token(): Promise<string>
  /** As `SecretManager.close` does it. */
  close(): Promise<void>
}

export const LOGIN = 'auth/kubernetes/login'
export const RENEW = 'auth/token/renew-self'
export const REVOKE = 'auth/token/revoke-self'
export const DECRYPT = 'transit/decrypt/app'

export interface SessionWorldOptions {
  readonly ttlMs?: number
  readonly type?: 'service' | 'batch'
  readonly startupWaitMs?: number
  readonly random?: () => number
  /** Default: one request to {@link LOGIN}. */
  readonly login?: Login
}

export function sessionWorld(options: SessionWorldOptions = {}): SessionWorld {
  const { startupWaitMs = 30_000, random = () => 0 } = options
  const runtime = fakeRuntime({ random, transport: () => server.transport() })
  const { vault, answer } = fakeVault(runtime, options)
  const server = inProcess(answer)
  const closing = new AbortController()
  const settings = { startupWaitMs, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } }
  const budget = new Budget(runtime, settings, closing.signal)
  const client = new VaultClient(SETTINGS, runtime)
  const byRequest: Login = (to, allowance) =>
    authenticate(to, allowance, { path: LOGIN, body: { role: 'app' } })
  const login = options.login ?? byRequest
  const session = new Session({ client, login, method: 'kubernetes', budget, runtime })
  const call: SessionWorld['call'] = async (signal) => {
    const allowance = budget.begin(signal)
    const decrypt = async (token: string): Promise<string> => {
      await client.request(allowance, { method: 'POST', path: DECRYPT, token, body: {} })
      return token
    }
    try {
      return await session.use(allowance, PATH, decrypt)
    } finally {
      allowance.end()
    }
  }
  const token = async (): Promise<string> => {
    const allowance = budget.begin()
    try {
      return await session.use(allowance, PATH, (live) => Promise.resolve(live))
    } finally {
      allowance.end()
    }
  }
  const close = (): Promise<void> => {
    closing.abort()
    return session.close(budget.last())
  }
  return { session, budget, client, runtime, closing, vault, call, token, close }
}

const SETTINGS = {
  url: 'https://vault.example:8200',
  namespace: undefined,
  transport: {},
  transitMount: 'transit',
  redirectHosts: [],
  auth: { method: 'token', token: undefined },
} as const

function fakeVault(
  runtime: FakeRuntime,
  { ttlMs = 10_000, type = 'batch' }: SessionWorldOptions,
): { vault: FakeVault; answer: (request: HttpRequest) => Promise<Answered> } {
  const seen: Seen[] = []
  const tokens = new Map<string, { endsAt: number; readonly bornAt: number }>()
  let [issued, deadUses] = [0, 0]
  const vault: FakeVault = {
    ...{ ttlMs, maxTtlMs: Infinity, type, aheadMs: 0, seen },
    fault: () => undefined,
    revokeAll: () => tokens.clear(),
    to: (path) => seen.filter((request) => request.path === path),
    deadUses: () => deadUses,
  }
  const now = (): number => runtime.now() + vault.aheadMs

  const serve = ({ path, token }: Seen): Answered => {
    if (path === LOGIN) {
      issued += 1
      const fresh = `token-${issued}`
      tokens.set(fresh, { bornAt: now(), endsAt: now() + vault.ttlMs })
      return { status: 200, json: grant(fresh, vault.ttlMs, vault.type) }
    }
    const alive = tokens.get(token ?? '')
    if (!alive || now() >= alive.endsAt) {
      if (path === DECRYPT) deadUses += 1
      return failing(403, 'permission denied')
    }
    if (path === REVOKE) tokens.delete(token ?? '')
    if (path !== RENEW) return { status: 200, json: { data: {} } }
    alive.endsAt = now() + Math.min(vault.ttlMs, alive.bornAt + vault.maxTtlMs - now())
    return { status: 200, json: grant(token ?? '', alive.endsAt - now(), vault.type) }
  }

  const answer = async (request: HttpRequest): Promise<Answered> => {
    const path = new URL(request.url).pathname.slice('/v1/'.length)
    const { headers } = request
    const one = { at: runtime.now(), path, token: headers['x-vault-token'], headers }
    seen.push(one)
    return (await vault.fault(one, request)) ?? serve(one)
  }
  return { vault, answer }
}

function grant(token: string, ttlMs: number, type: 'service' | 'batch'): object {
  const lease = { lease_duration: ttlMs / 1000, renewable: type === 'service' }
  return { auth: { client_token: token, token_type: type, ...lease } }
}

/** An error answer of Vault. */
export function failing(
  status: number,
  text = 'as the test asked',
  headers: Readonly<Record<string, string>> = {},
): Answered {
  return { status, json: { errors: [text] }, headers }
}

/** The most that came within any `ms`, of times in order. */
export function mostWithin(times: readonly number[], ms: number): number {
  const counts = times.map((from) => times.filter((at) => at >= from && at < from + ms).length)
  return Math.max(0, ...counts)
}

/** What became of a promise so far. */
export function watched<T>(promise: Promise<T>): { value?: T; error?: unknown } {
  const outcome: { value?: T; error?: unknown } = {}
  promise.then(
    (value) => (outcome.value = value),
    (error: unknown) => (outcome.error = error),
  )
  return outcome
}

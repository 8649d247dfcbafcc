/** A Vault that answers as a test says, and logins to it on a virtual clock. */
import { Budget, type Allowance } from '../../src/http/budget.ts'
import { VaultClient } from '../../src/vault/client.ts'
import type { Login, VaultAuth } from '../../src/vault/login.ts'
import type { HttpRequest } from '../../src/runtime.ts'
import { inProcess, type Answered, type Handler } from '../faults/in-process.ts'
import { loginAnswer } from '../faults/world.ts'
import { fakeRuntime, type FakeRuntime, type FakeRuntimeOptions } from '../fake-runtime.ts'

const VAULT = {
  url: 'https://vault.example:8200',
  namespace: undefined,
  transport: {},
  transitMount: 'transit',
  redirectHosts: [],
  auth: {
    method: 'kubernetes',
    role: 'app',
    mount: 'kubernetes',
    audience: 'vault',
    jwtFile: undefined,
  },
} as const

export interface LoginWorld {
  readonly runtime: FakeRuntime
  readonly sent: readonly HttpRequest[]
  readonly client: VaultClient
  /** The allowance of one login. */
  begin(): Allowance
  /** Logs in with an allowance of its own. */
  logIn(login: Login): Promise<VaultAuth>
}

export function loginWorld(
  handler: Handler,
  options: Omit<FakeRuntimeOptions, 'transport'> = {},
): LoginWorld {
  const { sent, transport } = inProcess(handler)
  const runtime = fakeRuntime({ auto: true, random: () => 0, ...options, transport })
  const settings = { startupWaitMs: 5000, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } }
  const budget = new Budget(runtime, settings, new AbortController().signal)
  const client = new VaultClient(VAULT, runtime)
  const logIn = async (login: Login): Promise<VaultAuth> => {
    const allowance = budget.begin()
    try {
      return await login(client, allowance)
    } finally {
      allowance.end()
    }
  }
  return { runtime, sent, client, begin: () => budget.begin(), logIn }
}

/** Answers request after request; the last answer repeats. A function fails as it throws. */
export function script(...steps: readonly (Answered | (() => never))[]): Handler {
  let next = 0
  return () => {
    const step = steps[Math.min(next, steps.length - 1)]
    next += 1
    if (step === undefined) throw new Error('an empty script')
    return typeof step === 'function' ? step() : step
  }
}

export const granted = (auth: object = {}): Answered => ({ status: 200, json: loginAnswer(auth) })

/** A refusal in Vault's words. */
export const refusal = (status: number, ...errors: readonly string[]): Answered => ({
  status,
  json: { errors },
})

/** Path of each request, below `/v1/`. */
export const paths = (sent: readonly HttpRequest[]): readonly string[] =>
  sent.map(({ url }) => url.replace(`${VAULT.url}/v1/`, ''))

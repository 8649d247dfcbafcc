import { describe, expect, test } from 'vitest'

import { Budget } from '../../src/http/budget.ts'
import { VaultClient } from '../../src/vault/client.ts'
import { kubernetesLogin, type VaultAuth } from '../../src/vault/login.ts'
import { inProcess, type Handler, type InProcess } from '../faults/in-process.ts'
import { jwtOf, loginAnswer, rejection, TOKEN } from '../faults/world.ts'
import { fakeRuntime } from '../fake-runtime.ts'

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

interface LoggedIn extends Pick<InProcess, 'sent'> {
  readonly result: Promise<VaultAuth>
  /** What the source of JWTs was told to be refused. */
  readonly refused: readonly (string | undefined)[]
}

function logIn(handler: Handler, jwts: readonly string[]): LoggedIn {
  const server = inProcess(handler)
  const runtime = fakeRuntime({ auto: true, random: () => 0, transport: server.transport })
  const settings = { startupWaitMs: 5000, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } }
  const budget = new Budget(runtime, settings, new AbortController().signal)
  const refused: (string | undefined)[] = []
  const login = kubernetesLogin(
    { mount: 'auth-mounts/k8s', role: 'app' },
    async (_allowance, old) => {
      refused.push(old)
      return jwts[Math.min(refused.length, jwts.length) - 1] ?? ''
    },
  )
  const result = login(new VaultClient(VAULT, runtime), budget.begin())
  return { result, sent: server.sent, refused }
}

const [FIRST, SECOND] = [jwtOf({ jti: '1' }), jwtOf({ jti: '2' })]
const deny = (): { status: number; json: unknown } => ({
  status: 403,
  json: { errors: ['permission denied'] },
})

test('a login posts role and JWT, and no token', async () => {
  const { result, sent } = logIn(() => ({ status: 200, json: loginAnswer() }), [FIRST])
  expect(await result).toEqual({ token: TOKEN, sentAt: 0, ttlMs: 600_000, type: 'batch' })
  expect(sent[0]?.url).toBe('https://vault.example:8200/v1/auth/auth-mounts/k8s/login')
  expect(JSON.parse(sent[0]?.body ?? '')).toEqual({ role: 'app', jwt: FIRST })
  expect(sent[0]?.headers).not.toHaveProperty('x-vault-token')
})

test.each([
  [undefined, 'service'],
  ['service', 'service'],
  ['batch', 'batch'],
])('a token of type %s is %s', async (token_type, type) => {
  const { result } = logIn(() => ({ status: 200, json: loginAnswer({ token_type }) }), [FIRST])
  expect((await result).type).toBe(type)
})

describe('V8: a refused JWT', () => {
  test('V8: another one is asked for once, and tried', async () => {
    const handler: Handler = ({ body }) =>
      body?.includes(SECOND) ? { status: 200, json: loginAnswer() } : deny()
    const { result, refused, sent } = logIn(handler, [FIRST, SECOND])
    expect((await result).token).toBe(TOKEN)
    expect(refused).toEqual([undefined, FIRST])
    expect(sent).toHaveLength(2)
  })

  test('V8: the same one is not tried again', async () => {
    const { result, sent } = logIn(deny, [FIRST])
    expect((await rejection(result)).code).toBe('SM_AUTH_DENIED')
    expect(sent).toHaveLength(1)
  })

  test('V8: two refusals are the end', async () => {
    const { result, sent } = logIn(deny, [FIRST, SECOND])
    const error = await rejection(result)
    expect(error.code).toBe('SM_AUTH_DENIED')
    expect(error.message).toBe(
      'vault denied auth/auth-mounts/k8s/login for role "app" (403)' +
        '; the JWT is of system:serviceaccount:prod:app with audience vault',
    )
    expect(sent).toHaveLength(2)
  })

  test('I10: one that is no JWT is not shown', async () => {
    const { result } = logIn(deny, [TOKEN])
    expect((await rejection(result)).message).toContain('an unreadable JWT')
  })
})

/** I9 and I10 over answers that nobody thought of. */
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { isSecretManagerError } from '../../src/errors.ts'
import { SecretManager } from '../../src/manager.ts'
import { reveal } from '../../src/values.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { inProcess, refusedConnection, type Answered, type InProcess } from './in-process.ts'
import {
  API_TOKEN,
  CIPHERTEXT,
  DEFINITION,
  expectNoLeak,
  JWT,
  loginAnswer,
  plaintextAnswer,
  PLAINTEXT,
  secretObject,
  TOKEN,
  tokenAnswer,
} from './world.ts'

type Route = 'login' | 'decrypt' | 'object' | 'token'

const GOOD: Readonly<Record<Route, Answered>> = {
  login: { status: 200, json: loginAnswer() },
  decrypt: { status: 200, json: plaintextAnswer() },
  object: { status: 200, json: secretObject() },
  token: { status: 201, json: tokenAnswer() },
}

/** Servers of which one route answers something else. */
function serversWith(route: Route, answer: Answered | 'nothing'): InProcess {
  return inProcess(({ url }) => {
    const asked = routeOf(url)
    if (asked !== route) return GOOD[asked]
    return answer === 'nothing' ? refusedConnection() : answer
  })
}

function routeOf(url: string): Route {
  if (url.endsWith('/login')) return 'login'
  if (url.endsWith('/token')) return 'token'
  return url.includes('/decrypt/') ? 'decrypt' : 'object'
}

const KUBECONFIG = JSON.stringify({
  'current-context': 'test',
  contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
  clusters: [{ name: 'test', cluster: { server: 'https://10.96.0.1' } }],
  users: [{ name: 'test', user: { token: API_TOKEN } }],
})

async function readFrom(servers: InProcess): Promise<unknown> {
  const runtime = fakeRuntime({
    auto: true,
    now: Date.now(),
    files: { '/kubeconfig': KUBECONFIG },
    transport: servers.transport,
  })
  const manager = new SecretManager(
    {
      vault: { url: 'https://vault.example', auth: { method: 'kubernetes', role: 'app' } },
      kubernetes: { kubeconfig: '/kubeconfig', serviceAccount: 'app', namespace: 'prod' },
    },
    { runtime },
  )
  try {
    return reveal(await manager.readSecrets(DEFINITION))
  } catch (error) {
    return error
  } finally {
    await manager.close()
  }
}

const secrets = fc.constantFrom(TOKEN, JWT, CIPHERTEXT, PLAINTEXT, API_TOKEN)
const leaf = fc.oneof(secrets, fc.string(), fc.integer(), fc.constant(null), fc.boolean())
const names = fc.constantFrom(
  ...['auth', 'data', 'errors', 'status', 'metadata', 'client_token', 'lease_duration'],
  ...['plaintext', 'ciphertext', 'token', 'expirationTimestamp', 'resourceVersion', 'secrets.json'],
  '__proto__',
)
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('tree'), { maxLength: 3 }),
    fc.array(fc.tuple(names, tie('tree')), { maxLength: 4 }).map(Object.fromEntries),
  ),
}))
const status = fc.oneof(
  fc.constantFrom(
    200,
    201,
    204,
    301,
    307,
    400,
    401,
    403,
    404,
    409,
    412,
    429,
    472,
    473,
    500,
    501,
    503,
  ),
  fc.integer({ min: 100, max: 599 }),
)
const headers = fc.constantFrom<Record<string, string>>(
  {},
  { 'content-type': 'text/html' },
  { location: 'https://evil.example/' },
  { location: '/v1/auth/kubernetes/login' },
  { 'retry-after': '2' },
  { 'retry-after': TOKEN },
)
const answers = fc.oneof(
  fc.record({ status, json: tree, headers }),
  fc.record({ status, body: fc.uint8Array({ maxLength: 40 }), headers }),
  fc.constant('nothing' as const),
)

test('I9, I10: whatever one server answers, a read gives the dictionary or one of our errors', async () => {
  const routes = fc.constantFrom<Route>('login', 'decrypt', 'object', 'token')
  const seen = new Set<string>()
  await fc.assert(
    fc.asyncProperty(routes, answers, async (route, answer) => {
      const result = await readFrom(serversWith(route, answer))
      if (!isSecretManagerError(result)) {
        if (result instanceof Error) throw result
        return expect(result).toEqual({ redis_url: PLAINTEXT })
      }
      seen.add(result.code)
      expect(result.code).not.toMatch(/^SM_(INTERNAL|CLOSED|ABORTED)$/)
      expectNoLeak(result)
    }),
    { numRuns: 150 },
  )
  // The property is about something only where many ways were taken.
  expect(seen.size).toBeGreaterThan(6)
})

const documents = fc.oneof(
  fc.constantFrom('', '{}', '[]', 'null', '""', ' ', '{', '{"a":1,"a":2}', '\ufeff{}', '"secret"'),
  fc.json(),
  fc.string().map((text) => `${text}${PLAINTEXT}`),
)

test('I9, I10: whatever was encrypted: the dictionary itself, or an error without a word of it', async () => {
  await fc.assert(
    fc.asyncProperty(documents, async (document) => {
      const answer = { status: 200, json: plaintextAnswer(document) }
      const result = await readFrom(serversWith('decrypt', answer))
      if (isSecretManagerError(result)) {
        expect(result.code).toMatch(/^SM_(PAYLOAD_INVALID|TOO_LARGE)$/)
        return expectNoLeak(result)
      }
      if (result instanceof Error) throw result
      const parsed: unknown = JSON.parse(document)
      expect(Object.keys(result as object).toSorted()).toEqual(
        Object.keys(parsed as object).toSorted(),
      )
    }),
    { numRuns: 80 },
  )
})

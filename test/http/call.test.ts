import { describe, expect, test } from 'vitest'

import { Budget } from '../../src/http/budget.ts'
import { call, type Answer, type CallRequest } from '../../src/http/call.ts'
import { TransportFailure } from '../../src/runtime.ts'
import { inProcess, refusedConnection, type Answered, type Handler } from '../faults/in-process.ts'
import { fakeRuntime } from '../fake-runtime.ts'

const GET: CallRequest = { method: 'GET', path: '/v1/x', headers: {} }
const SETTINGS = { startupWaitMs: 5000, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } }

interface Called {
  readonly result: Promise<Answer>
  readonly sent: ReturnType<typeof inProcess>['sent']
}

function calling(handler: Handler, request = GET, redirectHosts: readonly string[] = []): Called {
  const server = inProcess(handler)
  const runtime = fakeRuntime({ auto: true, random: () => 0, transport: server.transport })
  const backend = {
    name: 'vault',
    runtime,
    transport: server.transport(),
    url: 'https://vault.example:8200/prefix',
    redirectHosts,
  } as const
  const budget = new Budget(runtime, SETTINGS, new AbortController().signal)
  return { result: call(backend, budget.begin(), request, (answer) => answer), sent: server.sent }
}

function plain(text: string): Handler {
  const headers = { 'content-type': 'text/plain' }
  return () => ({ status: 400, headers, body: Buffer.from(text) })
}

describe('a call', () => {
  test('sends JSON below the URL, with the limits of an attempt', async () => {
    const { result, sent } = calling(() => ({ status: 200, json: { a: 1 } }), {
      ...GET,
      method: 'POST',
      headers: { 'x-vault-token': 't' },
      body: { b: 2 },
    })
    expect(await result).toMatchObject({ status: 200, json: { a: 1 }, sentAt: 0 })
    expect(sent[0]).toMatchObject({
      method: 'POST',
      url: 'https://vault.example:8200/prefix/v1/x',
      headers: {
        accept: 'application/json',
        'content-type': 'application/json',
        'x-vault-token': 't',
      },
      body: '{"b":2}',
      connectTimeoutMs: 2000,
      timeoutMs: 5000,
    })
  })

  test('an empty body is no JSON', async () => {
    expect((await calling(() => ({ status: 204 })).result).json).toBeUndefined()
  })

  test('tells how often and how long it tried', async () => {
    const { result } = calling(refusedConnection)
    await expect(result).rejects.toMatchObject({
      code: 'SM_VAULT_UNREACHABLE',
      attempts: 8,
      elapsedMs: 4000,
      message: 'vault at https://vault.example:8200/prefix: nothing listens there',
    })
  })

  test('V15: what must not be repeated is sent once', async () => {
    const { result, sent } = calling(refusedConnection, { ...GET, once: true })
    await expect(result).rejects.toMatchObject({ attempts: 1 })
    expect(sent).toHaveLength(1)
  })

  test('HTTP to a port that speaks TLS is told so, once', async () => {
    const { result, sent } = calling(plain('Client sent an HTTP request to an HTTPS server.\n'))
    await expect(result).rejects.toMatchObject({
      code: 'SM_VAULT_BAD_RESPONSE',
      status: 400,
      message:
        'the answer of vault at https://vault.example:8200/prefix (400) says that this port speaks HTTPS alone',
      hint: 'use https: https://vault.example:8200/prefix',
    })
    expect(sent).toHaveLength(1)
  })

  test('any other text of a 400 is judged by its status', async () => {
    const { result } = calling(plain('Client sent an HTTP request to an HTTPS server. CANARY'))
    expect(await result).toMatchObject({ status: 400, json: undefined })
  })

  test.each([
    ['timeout', 'SM_VAULT_TIMEOUT'],
    ['broken', 'SM_VAULT_BAD_RESPONSE'],
    ['too-large', 'SM_VAULT_BAD_RESPONSE'],
    ['tls', 'SM_TLS_FAILED'],
    ['aborted', 'SM_ABORTED'],
  ] as const)('a transport that fails with %s is %s', async (kind, code) => {
    const { result } = calling(() => {
      throw new TransportFailure(kind, 'as the test asked')
    })
    await expect(result).rejects.toMatchObject({ code })
  })

  test('an error of this program is not taken for one of the server', async () => {
    const { result, sent } = calling(() => {
      throw new RangeError('a bug')
    })
    await expect(result).rejects.toThrow(RangeError)
    expect(sent).toHaveLength(1)
  })
})

describe('V12: redirects', () => {
  const redirecting =
    (location: string): Handler =>
    ({ url }): Answered =>
      url.endsWith('/v1/x') ? { status: 307, headers: { location } } : { status: 200, json: {} }

  test.each([
    ['a path', '/v1/y', 'https://vault.example:8200/v1/y'],
    ['the same host', 'https://vault.example:8200/v1/y', 'https://vault.example:8200/v1/y'],
    ['another case of it', 'https://VAULT.example:8200/v1/y', 'https://vault.example:8200/v1/y'],
    ['a host that is named', 'https://other.example/v1/y', 'https://other.example/v1/y'],
    ['one without scheme', '//other.example:443/v1/y', 'https://other.example/v1/y'],
  ])('%s: followed', async (_name, location, url) => {
    const { result, sent } = calling(redirecting(location), GET, ['other.example:443'])
    await result
    expect(sent.map((request) => request.url)).toEqual([
      'https://vault.example:8200/prefix/v1/x',
      url,
    ])
  })

  test.each([
    ['another host', 'https://evil.example:8200/v1/y'],
    ['another port', 'https://vault.example:8201/v1/y'],
    ['no port', 'https://vault.example/v1/y'],
    ['a name that begins alike', 'https://vault.example.evil.example:8200/v1/y'],
    ['our name as a user', 'https://vault.example:8200@evil.example/v1/y'],
    ['plain http', 'http://vault.example:8200/v1/y'],
    ['plain http to a named host', 'http://other.example:443/v1/y'],
    ['another scheme', 'ftp://vault.example:8200/v1/y'],
    ['a backslash', 'https:\\\\evil.example/v1/y'],
  ])('%s: refused before anything is sent', async (_name, location) => {
    const { result, sent } = calling(redirecting(location), GET, ['other.example:443'])
    await expect(result).rejects.toMatchObject({ code: 'SM_REDIRECT_REFUSED', attempts: 1 })
    expect(sent).toHaveLength(1)
  })
})

import { connect, createServer, type Socket } from 'node:net'
import { describe, expect, test } from 'vitest'

import { names } from '../../src/values.ts'
import {
  drip,
  empty,
  flood,
  freePort,
  garbage,
  half,
  hang,
  hangUp,
  html,
  json,
  rawServer,
  redirect,
  reset,
  retryAfter,
  scriptedServer,
  text,
  type Step,
} from './scripted-server.ts'
import {
  DECRYPT,
  decrypting,
  HEALTHY_VAULT,
  jwtOf,
  JWT,
  LOGIN,
  loginAnswer,
  plaintextAnswer,
  PLAINTEXT,
  rejection,
  TOKEN,
  world,
} from './world.ts'

const errors = (status: number, ...sentences: string[]): Step => json(status, { errors: sentences })

describe('V1: Vault cannot be reached', () => {
  test('V1: refused: tried again within the budget, then SM_VAULT_UNREACHABLE', async () => {
    const url = `http://127.0.0.1:${await freePort()}`
    const { read } = await world({ vaultConfig: { url } })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_VAULT_UNREACHABLE', causeClass: 'ECONNREFUSED' })
    // The first attempt and the three that the budget gives at once; the next would be too late.
    expect(error.attempts).toBe(4)
    expect(error.elapsedMs).toBeLessThan(1400)
    expect(error.message).toContain(url)
  })

  test('V1: a name that does not resolve', async () => {
    const { read } = await world({
      vaultConfig: { url: 'https://vault.invalid:8200' },
      config: { startup: { wait: 0 } },
    })
    const error = await rejection(read())
    expect(error.code).toBe('SM_VAULT_UNREACHABLE')
    expect(error.causeClass).toMatch(/ENOTFOUND|EAI_AGAIN/)
    expect(error.message).toContain('does not resolve')
  })

  test.each([
    ['RST', reset()],
    ['FIN', hangUp()],
  ])('V1: %s instead of an answer', async (_name, step) => {
    const { read, vault } = await world({ vault: { [LOGIN]: step } })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_VAULT_UNREACHABLE', causeClass: 'ECONNRESET' })
    expect(error.attempts).toBe(4)
    expect(vault.to(LOGIN)).toHaveLength(4)
  })

  test('V1: recovers in the same call once healed', async () => {
    const { read, vault } = await world({
      vault: { [LOGIN]: [reset(), reset(), json(200, loginAnswer())] },
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    expect(vault.to(LOGIN)).toHaveLength(3)
  })

  test('V1: recovers in the next call once something listens', async () => {
    const port = await freePort()
    const { read } = await world({
      vaultConfig: { url: `http://127.0.0.1:${port}` },
      config: { startup: { wait: 3000 } },
    })
    const reading = read()
    const healed = scriptedServer(HEALTHY_VAULT)
    const proxy = createServer((socket) => {
      void healed.then(({ url }) => {
        socket.on('error', () => undefined)
        const through = socket.pipe(createConnectionTo(url)).on('error', () => undefined)
        through.pipe(socket)
      })
    })
    setTimeout(() => proxy.listen(port, '127.0.0.1'), 100)
    expect(await reading).toHaveProperty('redis_url', PLAINTEXT)
    proxy.close()
    await (await healed).close()
  })
})

describe('V2: Vault does not answer in time', () => {
  test.each([
    ['accepted, no answer', hang()],
    ['one byte at a time', drip(20)],
  ])('V2: %s: the attempt ends at its limit and its connection is destroyed', async (_n, step) => {
    const { read, vault } = await world({
      vault: { [LOGIN]: step },
      config: { timeout: 120, startup: { wait: 0 } },
    })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_VAULT_TIMEOUT', attempts: 1 })
    expect(error.message).toContain('no complete answer within 120 ms')
    await expect.poll(() => vault.open.size).toBe(0)
    // Not pooled: the next attempt has a connection of its own.
    vault.script({ [LOGIN]: json(200, loginAnswer()) })
    await expect.poll(() => read().catch(() => 'too slow')).toHaveProperty('redis_url')
    expect(vault.to(LOGIN)[1]?.connection).not.toBe(vault.to(LOGIN)[0]?.connection)
  })

  test('V2: a handshake that nobody answers ends at the limit for connecting', async () => {
    const silent = await rawServer()
    const { read } = await world({
      vaultConfig: { url: silent.url },
      config: { timeout: 150, startup: { wait: 0 } },
    })
    const error = await rejection(read())
    expect(error.code).toBe('SM_VAULT_TIMEOUT')
    expect(error.message).toContain('no connection within 150 ms')
    await expect.poll(() => silent.open.size).toBe(0)
    await silent.close()
  })

  test('V2: a connection that went dead while idle costs one limit, not the read', async () => {
    const { read, vault } = await world({ config: { timeout: 400 } })
    await read()
    const before = vault.to(DECRYPT).length
    vault.script({ [DECRYPT]: [hang(), json(200, plaintextAnswer())] })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    const [dead, fresh] = vault.to(DECRYPT).slice(before)
    expect(fresh?.connection).not.toBe(dead?.connection)
  })
})

describe('V3: what answers does not speak Vault', () => {
  const steps: readonly (readonly [string, Step])[] = [
    ['truncated', half()],
    ['not JSON', text(200, 'pong', { 'content-type': 'application/json' })],
    ['HTML', html(200)],
    ['an empty body', empty(200)],
    ['JSON that calls itself HTML', json(200, plaintextAnswer(), { 'content-type': 'text/html' })],
    ['a JSON array', json(200, [])],
    ['JSON null', json(200, null)],
    ['no data', json(200, { request_id: 'r' })],
    ['no plaintext', json(200, { data: {} })],
    ['null plaintext', json(200, { data: { plaintext: null } })],
    ['plaintext that is not base64', json(200, { data: { plaintext: 'A' } })],
    ['bytes of another protocol', garbage()],
    ['no content', empty(204)],
    ['not UTF-8', text(200, new Uint8Array([0x22, 0xff, 0x22]))],
    ['more than 8 MiB', flood(9 << 20)],
  ]

  test.each(steps)('V3, I9: %s: SM_VAULT_BAD_RESPONSE, retried at most once', async (_n, step) => {
    const { read, vault } = await world({
      vault: { [DECRYPT]: step },
      config: { startup: { wait: 10_000 } },
    })
    const error = await rejection(read())
    expect(error.code).toBe('SM_VAULT_BAD_RESPONSE')
    expect(vault.to(DECRYPT).length).toBeLessThanOrEqual(2)
  })

  test('V3: a second attempt may be luckier', async () => {
    const { read } = await world({ vault: { [DECRYPT]: [half(), json(200, plaintextAnswer())] } })
    expect(names(await read())).toEqual(['redis_url'])
  })

  test('V3: a login without auth is no login', async () => {
    const { read } = await world({ vault: { [LOGIN]: json(200, { data: {} }) } })
    expect((await rejection(read())).code).toBe('SM_VAULT_BAD_RESPONSE')
  })

  test('V3: a token that no header can carry is refused, not shown', async () => {
    const client_token = `${TOKEN}\r\nx: y`
    const { read } = await world({ vault: { [LOGIN]: json(200, loginAnswer({ client_token })) } })
    expect((await rejection(read())).code).toBe('SM_VAULT_BAD_RESPONSE')
  })
})

describe('V4: Vault says that it cannot serve', () => {
  test.each([
    [503, 'SM_VAULT_SEALED', /unseal/],
    [472, 'SM_VAULT_STANDBY', /active node/],
    [473, 'SM_VAULT_STANDBY', /active node/],
    [500, 'SM_VAULT_5XX', /log/],
    [502, 'SM_VAULT_5XX', /log/],
    [504, 'SM_VAULT_5XX', /log/],
  ])('V4: %i is %s, retried within the budget', async (status, code, hint) => {
    const { read, vault } = await world({ vault: { [LOGIN]: errors(status, 'Vault is sealed') } })
    const error = await rejection(read())
    expect(error).toMatchObject({ code, status, attempts: 4 })
    expect(error.hint).toMatch(hint)
    expect(error.requestId).toBe(vault.to(LOGIN)[0]?.headers['x-correlation-id'])
    expect(vault.to(LOGIN)).toHaveLength(4)
  })

  test('V4: 501 is not retried', async () => {
    const { read, vault } = await world({ vault: { [LOGIN]: errors(501) } })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_VAULT_UNINITIALIZED', attempts: 1 })
    expect(error.hint).toContain('vault operator init')
    expect(vault.to(LOGIN)).toHaveLength(1)
  })

  test('V4: a 503 of a gateway does not say that Vault is sealed', async () => {
    const { read } = await world({ vault: { [LOGIN]: html(503) } })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_VAULT_5XX', status: 503, attempts: 4 })
    expect(error.message + error.hint).not.toContain('seal')
  })

  test('V4: a read waits until Vault is unsealed', async () => {
    const sealed = errors(503, 'Vault is sealed')
    const { read, vault } = await world({
      vault: { [LOGIN]: [sealed, sealed, sealed, json(200, loginAnswer())] },
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    expect(vault.to(LOGIN)).toHaveLength(4)
  })
})

describe('V5: Vault limits the rate', () => {
  test('V5: Retry-After beyond the limit of the call ends it at once', async () => {
    const { read, vault } = await world({ vault: { [LOGIN]: retryAfter(429, '60') } })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_VAULT_RATE_LIMITED', attempts: 1, status: 429 })
    expect(vault.to(LOGIN)).toHaveLength(1)
  })

  test('V5: Retry-After within the limit is waited for', async () => {
    const { read, vault } = await world({
      vault: { [LOGIN]: [retryAfter(429, '1'), json(200, loginAnswer())] },
      config: { startup: { wait: 2500 } },
    })
    await read()
    const [first, second] = vault.to(LOGIN)
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(990)
  })
})

describe('V7: 403 while using a token', () => {
  test('V7: one fresh login with the JWT read anew, one replay', async () => {
    const fresh = jwtOf({ jti: 'second' })
    const { read, vault, files } = await world({
      vault: {
        [LOGIN]: [json(200, loginAnswer()), json(200, loginAnswer({ client_token: 'hvs.second' }))],
        [DECRYPT]: [
          json(200, plaintextAnswer()),
          errors(403, 'permission denied'),
          json(200, plaintextAnswer()),
        ],
      },
    })
    await read()
    files['/run/jwt'] = fresh
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    const [first, second] = vault.to(LOGIN)
    expect(vault.to(LOGIN)).toHaveLength(2)
    expect(JSON.parse(first?.body ?? '')).toEqual({ role: 'app', jwt: JWT })
    expect(JSON.parse(second?.body ?? '')).toEqual({ role: 'app', jwt: fresh })
    const tokens = vault.to(DECRYPT).map(({ headers }) => headers['x-vault-token'])
    expect(tokens).toEqual([TOKEN, TOKEN, 'hvs.second'])
  })

  test('V7: a second 403 is SM_VAULT_DENIED with the stanza to grant', async () => {
    const { read, vault } = await world({
      vault: { [DECRYPT]: errors(403, '1 error occurred:\n\t* permission denied\n\n') },
    })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_VAULT_DENIED', retryable: false, exitCode: 3 })
    expect(error.hint).toContain('path "transit/decrypt/app" { capabilities = ["update"] }')
    expect(vault.to(LOGIN)).toHaveLength(2)
    expect(vault.to(DECRYPT)).toHaveLength(2)
  })

  test('V7: of many readers whose token was revoked, one logs in', async () => {
    const { read, readMany, vault } = await world()
    await read()
    let denied = 0
    vault.script({
      [DECRYPT]: (exchange) => {
        const ofOld = exchange.request.headers['x-vault-token'] === TOKEN
        if (ofOld) denied += 1
        const step = ofOld ? errors(403, 'permission denied') : decrypting
        step(exchange)
      },
      [LOGIN]: json(200, loginAnswer({ client_token: 'hvs.second' })),
    })
    await readMany(40)
    expect(denied).toBeGreaterThan(0)
    expect(vault.to(LOGIN)).toHaveLength(2)
  })
})

describe('V8: the login is denied', () => {
  test.each([
    [403, 'permission denied', /Vault gives no reason/],
    [403, 'service account name not authorized', /bound_service_account_names/],
    [403, 'namespace not authorized', /bound_service_account_namespaces/],
    [403, 'invalid audience (aud) claim', /audience of the role and of the JWT differ/],
    [400, 'invalid role name "app"', /vault list auth\/kubernetes\/role/],
  ])('V8: %i %s: says who asked for what, and what to check', async (status, sentence, hint) => {
    const { read, vault } = await world({ vault: { [LOGIN]: errors(status, sentence) } })
    const error = await rejection(read())
    expect(error).toMatchObject({ code: 'SM_AUTH_DENIED', retryable: false, exitCode: 3, status })
    expect(error.message).toContain('role "app"')
    expect(error.message).toContain('system:serviceaccount:prod:app')
    expect(error.message).toContain('audience vault')
    expect(error.hint).toMatch(hint)
    // The file still holds the same JWT: there is nothing new to try.
    expect(vault.to(LOGIN)).toHaveLength(1)
  })

  test('V8: the token file is read once more, and another JWT tried', async () => {
    const fresh = jwtOf({ jti: 'second' })
    const { read, vault, files } = await world({
      vault: {
        [LOGIN]: [
          (exchange) => {
            files['/run/jwt'] = fresh
            errors(403, 'permission denied')(exchange)
          },
          json(200, loginAnswer()),
        ],
      },
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    expect(vault.to(LOGIN).map(({ body }) => JSON.parse(body).jwt)).toEqual([JWT, fresh])
  })

  test('V8, I13: many readers make no login storm: three at once, then one per second', async () => {
    const { read, vault } = await world({ vault: { [LOGIN]: errors(403, 'permission denied') } })
    const until = performance.now() + 1500
    const reader = async (): Promise<void> => {
      while (performance.now() < until) await rejection(read())
    }
    await Promise.all(Array.from({ length: 20 }, reader))
    const seconds = (performance.now() - until + 1500) / 1000
    expect(vault.to(LOGIN).length).toBeGreaterThanOrEqual(3)
    expect(vault.to(LOGIN).length).toBeLessThanOrEqual(1 + 3 + Math.ceil(seconds))
  })
})

describe('V10: the lease of a login', () => {
  test.each([[0], [-1], [null], ['600'], [undefined]])(
    'V10: lease_duration %s: SM_AUTH_BAD_LEASE, and the token is not used',
    async (lease_duration) => {
      const answer = loginAnswer({ lease_duration })
      const { read, vault } = await world({ vault: { [LOGIN]: json(200, answer) } })
      expect((await rejection(read())).code).toBe('SM_AUTH_BAD_LEASE')
      expect(vault.to(DECRYPT)).toHaveLength(0)
    },
  )

  test('V10: NaN is no JSON', async () => {
    const body = JSON.stringify(loginAnswer({ lease_duration: 1 })).replace(':1,', ':NaN,')
    const { read } = await world({ vault: { [LOGIN]: text(200, body) } })
    expect((await rejection(read())).code).toBe('SM_VAULT_BAD_RESPONSE')
  })

  test.each([[2_764_800], [1e9], [2 ** 31], [1e300]])(
    'V10: %d s serves without a timer',
    async (s) => {
      const { read, vault } = await world({
        vault: { [LOGIN]: json(200, loginAnswer({ lease_duration: s })) },
      })
      await read()
      await read()
      expect(vault.to(LOGIN)).toHaveLength(1)
    },
  )

  test('V9: a token of one second serves a read with one login', async () => {
    const { read, vault } = await world({
      vault: { [LOGIN]: json(200, loginAnswer({ lease_duration: 1 })) },
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    expect(vault.to(LOGIN)).toHaveLength(1)
    await expect.poll(() => read().then(() => vault.to(LOGIN).length)).toBe(2)
  })
})

describe('V12: redirects', () => {
  test('V12: 307 to the same host is followed once, with token and body', async () => {
    const { read, vault } = await world({
      vault: {
        [LOGIN]: redirect('/v1/active/login'),
        'POST /v1/active/login': json(200, loginAnswer()),
      },
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    expect(JSON.parse(vault.to('POST /v1/active/login')[0]?.body ?? '').jwt).toBe(JWT)
  })

  test.each([
    ['login', LOGIN],
    ['decrypt', DECRYPT],
  ])(
    'V12, I11: %s to another host: refused, and neither token nor JWT arrives',
    async (_n, route) => {
      const thief = await scriptedServer()
      const { read, vault } = await world({ vault: { [route]: redirect(`${thief.url}/v1/x`) } })
      const error = await rejection(read())
      expect(error).toMatchObject({ code: 'SM_REDIRECT_REFUSED', attempts: 1 })
      expect(error.message).toContain(`127.0.0.1:${thief.port}`)
      expect(error.hint).toContain('redirectHosts')
      expect(thief.connections()).toBe(0)
      expect(thief.heard()).toBe('[]')
      expect(vault.to(route)).toHaveLength(1)
      await thief.close()
    },
  )

  test('V12: a host in redirectHosts receives the request', async () => {
    const active = await scriptedServer(HEALTHY_VAULT)
    const { read } = await world({
      vault: { [LOGIN]: redirect(`${active.url}/v1/auth/kubernetes/login`) },
      vaultConfig: { redirectHosts: [`127.0.0.1:${active.port}`] },
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
    expect(active.to(LOGIN)).toHaveLength(1)
    await active.close()
  })

  test('V12: a loop ends after one step', async () => {
    const { read, vault } = await world({
      vault: { [LOGIN]: redirect('/v1/auth/kubernetes/login') },
    })
    const error = await rejection(read())
    expect(error.code).toBe('SM_REDIRECT_REFUSED')
    expect(vault.to(LOGIN)).toHaveLength(2)
  })

  test.each([[301], [302], [303]])(
    'V12: a %i, which loses the body, is refused',
    async (status) => {
      const { read, vault } = await world({ vault: { [LOGIN]: redirect('/elsewhere', status) } })
      const error = await rejection(read())
      expect(error).toMatchObject({ code: 'SM_REDIRECT_REFUSED', attempts: 1 })
      expect(vault.requests).toHaveLength(1)
    },
  )

  test.each([['http://['], ['javascript:alert(1)'], ['file:///etc/passwd'], ['']])(
    'V12: Location %j is refused',
    async (location) => {
      const { read, vault } = await world({ vault: { [LOGIN]: redirect(location) } })
      expect((await rejection(read())).code).toBe('SM_REDIRECT_REFUSED')
      expect(vault.requests.length).toBeLessThanOrEqual(2)
    },
  )
})

describe('V13: Transit does not decrypt', () => {
  test.each([
    ['invalid ciphertext: version is too new', 'SM_CT_TOO_NEW', 3, /lagging standby/],
    [
      'ciphertext or signature version is disallowed by policy (too old)',
      'SM_CT_TOO_OLD',
      1,
      /min_decryption_version/,
    ],
    ['cipher: message authentication failed', 'SM_CT_AUTH_FAILED', 1, /another key/],
    [
      "missing 'context' for key derivation; the key was created using a derived key",
      'SM_CT_AUTH_FAILED',
      1,
      /context/,
    ],
    ['invalid ciphertext: no prefix', 'SM_CT_FORMAT', 1, /format/],
    ['invalid ciphertext: wrong number of fields', 'SM_CT_FORMAT', 1, /format/],
    ['encryption key not found', 'SM_KEY_NOT_FOUND', 1, /vault list transit\/keys/],
  ])('V13: %s: %s in %i attempts', async (sentence, code, attempts, hint) => {
    const { read, vault } = await world({ vault: { [DECRYPT]: errors(400, sentence) } })
    const error = await rejection(read())
    expect(error).toMatchObject({ code, attempts, status: 400 })
    expect(error.hint).toMatch(hint)
    expect(vault.to(DECRYPT)).toHaveLength(attempts)
  })

  test('V13: a lagging standby catches up', async () => {
    const { read } = await world({
      vault: {
        [DECRYPT]: [
          errors(400, 'invalid ciphertext: version is too new'),
          json(200, plaintextAnswer()),
        ],
      },
    })
    expect(await read()).toHaveProperty('redis_url', PLAINTEXT)
  })

  test("I10: what else Vault's error says is not repeated", async () => {
    const { read } = await world({
      vault: { [DECRYPT]: errors(400, `cannot parse ${PLAINTEXT} for ${TOKEN}`) },
    })
    expect((await rejection(read())).code).toBe('SM_VAULT_REJECTED')
  })
})

function createConnectionTo(url: string): Socket {
  return connect(Number(new URL(url).port), '127.0.0.1')
}

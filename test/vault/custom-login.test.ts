import { describe, expect, test } from 'vitest'

import type { CustomLogin, IssuedToken, LoginEndpoint } from '../../src/config/types.ts'
import { SecretManagerError } from '../../src/errors.ts'
import { customLogin } from '../../src/vault/custom-login.ts'
import type { VaultAuth } from '../../src/vault/login.ts'
import type { Handler } from '../faults/in-process.ts'
import { expectNoLeak, rejection, TOKEN } from '../faults/world.ts'
import { systemError } from '../fake-runtime.ts'
import { granted, loginWorld, paths, refusal, script, type LoginWorld } from './login-world.ts'

const PASSWORD = 'CANARYpassword'
const PATH = 'auth/userpass/login/dave'

interface World extends LoginWorld {
  next(): Promise<VaultAuth>
}

function world(login: CustomLogin, handler: Handler = () => granted()): World {
  const made = loginWorld(handler)
  const custom = customLogin(login, made.runtime)
  return { ...made, next: () => made.logIn(custom) }
}

/** What a program without types may return. */
const giving =
  (issued: unknown): CustomLogin =>
  () =>
    Promise.resolve(issued as IssuedToken)
const userpass: CustomLogin = (vault) => vault.login(PATH, { password: PASSWORD })
/** Half of a function that does more. */
const half = (vault: LoginEndpoint): Promise<IssuedToken> =>
  vault.login(PATH, { password: PASSWORD })

describe('a login function', () => {
  test('may log in at any auth mount', async () => {
    const { next, sent } = world(userpass, () =>
      granted({ token_type: 'service', renewable: true }),
    )
    expect(await next()).toEqual({
      ...{ token: TOKEN, sentAt: 0, ttlMs: 600_000 },
      ...{ type: 'service', renewable: true },
    })
    expect(paths(sent)).toEqual([PATH])
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({ password: PASSWORD })
    expect(sent[0]?.headers).not.toHaveProperty('x-vault-token')
  })

  test('is repeated with Vault like every call', async () => {
    const { next, sent } = world(userpass, script(refusal(503, 'Vault is sealed'), granted()))
    expect((await next()).token).toBe(TOKEN)
    expect(sent).toHaveLength(2)
  })

  test('V10: a life beyond ten years is kept as Vault says it', async () => {
    const { next } = world(userpass, () => granted({ lease_duration: 1e9 }))
    expect((await next()).ttlMs).toBe(1e12)
  })

  test('that leaves out the life of a token from Vault does not lose it', async () => {
    const { next } = world(async (vault) => ({ token: (await half(vault)).token }))
    expect(await next()).toMatchObject({ ttlMs: 600_000, type: 'batch' })
  })

  test.each([
    [{ token: TOKEN }, Infinity, false],
    [{ token: TOKEN, ttl: '1m', renewable: true }, 60_000, true],
    [{ token: TOKEN, ttl: 5000, renewable: 'yes' }, 5000, false],
    [{ token: TOKEN, ttl: undefined, renewable: undefined }, Infinity, false],
  ])('may give a token of its own: %o', async (issued, ttlMs, renewable) => {
    const { next } = world(giving(issued))
    expect(await next()).toEqual({ token: TOKEN, sentAt: 0, ttlMs, type: 'given', renewable })
  })

  test('may give an object of a class', async () => {
    class Lease {
      get token(): string {
        return TOKEN
      }
    }
    expect((await world(giving(new Lease())).next()).token).toBe(TOKEN)
  })

  test.each([
    [undefined, 'no token'],
    [TOKEN, 'no token'],
    [{ token: '' }, 'no token'],
    [{ token: `${TOKEN}\n` }, 'no token'],
    [{ client_token: TOKEN }, 'no token'],
    [{ token: TOKEN, ttl: 0 }, 'a ttl that is no positive duration'],
    [{ token: TOKEN, ttl: -1 }, 'a ttl that is no positive duration'],
    [{ token: TOKEN, ttl: Number.NaN }, 'a ttl that is no positive duration'],
    [{ token: TOKEN, ttl: null }, 'a ttl that is no positive duration'],
    [{ token: TOKEN, ttl: '1 hour' }, 'a ttl that is no positive duration'],
  ])('V10: what it gives is checked: %o', async (issued, what) => {
    expect(await rejection(world(giving(issued)).next())).toMatchObject({
      code: 'SM_AUTH_BAD_LEASE',
      message: `vault.auth.login gave ${what}`,
      retryable: false,
    })
  })
})

describe('the path of a login', () => {
  test.each([
    'userpass/login/dave',
    'sys/seal',
    'auth/../sys/seal',
    'auth/userpass/login/dave?x=y',
    'auth/userpass/login/da ve',
    'auth/userpass//login',
    '/auth/userpass/login/dave',
    'auth',
    '',
    undefined,
  ])('%s is refused before any call', async (path) => {
    const { next, sent } = world((vault) => vault.login(path as string, {}))
    expect((await rejection(next())).code).toBe('SM_CONFIG_INVALID')
    expect(sent).toEqual([])
  })
})

describe('a login function that fails', () => {
  test('V8: because Vault refuses is told so', async () => {
    const { next, sent } = world(userpass, () => refusal(400, `no user ${PASSWORD}`))
    const error = await rejection(next())
    expect(error).toMatchObject({ code: 'SM_AUTH_DENIED', status: 400 })
    expect(error.message).toBe(`vault denied ${PATH} (400)`)
    expect(sent).toHaveLength(1)
  })

  test('with an error of ours is told in its words', async () => {
    const ours = new SecretManagerError('SM_VAULT_SEALED', 'sealed')
    expect(await rejection(world(() => Promise.reject(ours)).next())).toBe(ours)
  })

  test.each([
    ['Error', new Error(PASSWORD)],
    ['TypeError', new TypeError(PASSWORD)],
    ['ECONNREFUSED', systemError('ECONNREFUSED')],
    [undefined, PASSWORD],
    [undefined, Object.assign(new Error(PASSWORD), { constructor: { name: PASSWORD.repeat(9) } })],
    [undefined, undefined],
  ])('I10: with a foreign one is told by its kind alone: %s', async (causeClass, thrown) => {
    const { next } = world(() => {
      // oxlint-disable-next-line typescript/only-throw-error -- whatever a program may throw
      throw thrown
    })
    const error = await rejection(next())
    expectNoLeak(error, [PASSWORD])
    expect(error).toMatchObject({ code: 'SM_EXEC_FAILED', retryable: false })
    expect(error.causeClass).toBe(causeClass)
    expect(error.message).toBe(`vault.auth.login threw${causeClass ? ` (${causeClass})` : ''}`)
  })

  test('by never settling ends with its call, and hears of it', async () => {
    let heard: AbortSignal | undefined
    const { client, begin, runtime } = world(() => new Promise(() => undefined))
    const allowance = begin()
    const login: CustomLogin = (_vault, { signal }) => {
      heard = signal
      return new Promise(() => undefined)
    }
    const result = rejection(customLogin(login, runtime)(client, allowance))
    expect(heard?.aborted).toBe(false)
    allowance.end()
    expect((await result).code).toBe('SM_ABORTED')
    expect(heard?.aborted).toBe(true)
  })

  test('by never settling ends with the time of the login', async () => {
    const { next, runtime } = world(() => new Promise(() => undefined))
    let ended = false
    const result = rejection(next()).finally(() => (ended = true))
    await runtime.advance(4999)
    expect(ended).toBe(false)
    await runtime.advance(60_000)
    expect(await result).toMatchObject({ code: 'SM_TIMEOUT', retryable: true })
  })

  test('is not told to stop once it has succeeded', async () => {
    const { begin, client, runtime } = loginWorld(() => granted())
    let heard: AbortSignal | undefined
    const login: CustomLogin = (vault, { signal }) => {
      heard = signal
      return half(vault)
    }
    await customLogin(login, runtime)(client, begin())
    await runtime.advance(60_000)
    expect(heard?.aborted).toBe(false)
  })

  test('a rejection that comes too late is nobody’s', async () => {
    let fail: (reason: unknown) => void = () => undefined
    const { next, runtime } = world(
      () =>
        new Promise((_resolve, reject) => {
          fail = reject
        }),
    )
    const result = rejection(next())
    await runtime.advance(30_000)
    expect((await result).code).toBe('SM_TIMEOUT')
    // An unhandled rejection would fail the run.
    fail(new Error('too late'))
    await runtime.advance(1)
  })
})

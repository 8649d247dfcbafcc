import { describe, expect, test } from 'vitest'

import type { AppRoleSettings } from '../../src/config/settings.ts'
import type { SecretManagerError } from '../../src/errors.ts'
import { TransportFailure } from '../../src/runtime.ts'
import { listen } from '../../src/telemetry.ts'
import { approleLogin } from '../../src/vault/approle-login.ts'
import { refusedConnection, type Answered, type Handler } from '../faults/in-process.ts'
import { expectNoLeak, rejection, TOKEN } from '../faults/world.ts'
import { granted, loginWorld, paths, refusal, script, type LoginWorld } from './login-world.ts'

const [ROLE_ID, SECRET_ID, NEXT_SECRET_ID] = ['CANARYrole', 'CANARYsecret', 'CANARYnext']
const LOGIN = 'auth/mounts/apps/login'

const SETTINGS: AppRoleSettings = {
  method: 'approle',
  mount: 'mounts/apps',
  roleId: { kind: 'value', value: ROLE_ID },
  secretId: { kind: 'file', path: '/run/secret-id' },
  wrapped: false,
  singleUse: false,
}
const SINGLE: AppRoleSettings = { ...SETTINGS, singleUse: true }
const INVALID = refusal(400, 'invalid role or secret ID')

interface World extends LoginWorld {
  /** The next login of this one process. */
  next(): ReturnType<LoginWorld['logIn']>
  /** How the next login fails. */
  fails(): Promise<SecretManagerError>
}

function world(handler: Handler, settings = SETTINGS, files: Record<string, string> = {}): World {
  const made = loginWorld(handler, {
    files: { '/run/secret-id': `${SECRET_ID}\n`, '/run/role-id': ` ${ROLE_ID}\n`, ...files },
  })
  const login = approleLogin(settings, made.runtime)
  const next = (): ReturnType<LoginWorld['logIn']> => made.logIn(login)
  const fails = async (): Promise<SecretManagerError> => {
    const error = await rejection(next())
    expectNoLeak(error, [ROLE_ID, SECRET_ID, NEXT_SECRET_ID])
    return error
  }
  return { ...made, next, fails }
}

const timeout = (): never => {
  throw new TransportFailure('timeout', 'no complete answer within 5000 ms')
}
const reset = (): never => {
  throw new TransportFailure('unreachable', 'the connection was reset', 'ECONNRESET')
}
const BROKEN: Answered = { status: 200, body: Buffer.from('<html>') }
const bodyOf = ({ sent }: World, index: number): unknown => JSON.parse(sent[index]?.body ?? '')

describe('the ids', () => {
  test.each([
    ['values', { secretId: { kind: 'value', value: SECRET_ID } }],
    ['files', { roleId: { kind: 'file', path: '/run/role-id' } }],
  ] as const)('of %s are posted without white space, and without a token', async (_what, more) => {
    const made = world(() => granted(), { ...SETTINGS, ...more })
    expect((await made.next()).token).toBe(TOKEN)
    expect(paths(made.sent)).toEqual([LOGIN])
    expect(bodyOf(made, 0)).toEqual({ role_id: ROLE_ID, secret_id: SECRET_ID })
    expect(made.sent[0]?.headers).not.toHaveProperty('x-vault-token')
  })

  test('without a secret_id only the role_id is posted', async () => {
    const made = world(() => granted(), { ...SINGLE, secretId: undefined })
    await made.next()
    await made.next()
    expect(bodyOf(made, 1)).toEqual({ role_id: ROLE_ID })
  })

  test('files are read anew for each login', async () => {
    const made = world(() => granted())
    await made.next()
    made.runtime.files['/run/secret-id'] = NEXT_SECRET_ID
    await made.next()
    expect(bodyOf(made, 1)).toEqual({ role_id: ROLE_ID, secret_id: NEXT_SECRET_ID })
  })

  test.each([
    [
      '/run/nowhere',
      'SM_FILE_UNREADABLE',
      'cannot read /run/nowhere (vault.auth.secretIdFile): ENOENT',
    ],
    ['/run/empty', 'SM_CONFIG_INVALID', '/run/empty (vault.auth.secretIdFile) is empty'],
  ])('a file %s that has none is %s, before any call', async (path, code, message) => {
    const settings = { ...SETTINGS, secretId: { kind: 'file', path } } as const
    const made = world(() => granted(), settings, { '/run/empty': ' \n' })
    expect(await made.fails()).toMatchObject({ code, message })
    expect(made.sent).toEqual([])
  })
})

describe('V8: a refused AppRole login', () => {
  test.each([
    [
      400,
      'invalid role or secret ID',
      /of one role.*secret-id\/lookup secret_id=-.*secret_id_bound_cidrs/,
    ],
    [400, 'missing secret_id', /vault\.auth\.secretIdFile/],
    [
      400,
      'source address "10.0.0.1" unauthorized through CIDR restrictions on the secret ID',
      /secret_id_bound_cidrs/,
    ],
    [
      400,
      'source address "10.0.0.1" unauthorized by CIDR restrictions on the role: %!w(<nil>)',
      /secret_id_bound_cidrs/,
    ],
    [403, 'permission denied', /vault auth list.*vault read sys\/locked-users/],
  ])('V8: %i "%s"', async (status, text, hint) => {
    const made = world(() => refusal(status, text))
    const error = await made.fails()
    expect(error).toMatchObject({ code: 'SM_AUTH_DENIED', status, retryable: false })
    expect(error.message).toContain(`vault denied ${LOGIN} (${status})`)
    expect(error.message).not.toContain('10.0.0.1')
    expect(error.hint).toMatch(hint)
  })

  test('I11: Vault quotes the secret_id in one of its refusals; it is not repeated', async () => {
    const made = world(() => refusal(400, `invalid secret_id "${SECRET_ID}"`))
    expect((await made.fails()).message).toBe(`vault denied ${LOGIN} (400)`)
  })

  test('V8: the ids are not sent again for a while: five refusals lock the role_id for everybody', async () => {
    const made = world(() => INVALID)
    const { code, message } = await made.fails()
    for (let again = 0; again < 10; again += 1) {
      expect(await made.fails()).toMatchObject({ code, message })
    }
    expect(made.sent).toHaveLength(1)
    await made.runtime.advance(15 * 60_000)
    await made.fails()
    expect(made.sent).toHaveLength(1)
    await made.runtime.advance(60_000)
    await made.fails()
    expect(made.sent).toHaveLength(2)
  })

  test.each(['/run/role-id', '/run/secret-id'])(
    'V8: but at once where %s has changed',
    async (path) => {
      const settings = { ...SETTINGS, roleId: { kind: 'file', path: '/run/role-id' } } as const
      const made = world(script(INVALID, granted()), settings)
      await made.fails()
      made.runtime.files[path] = NEXT_SECRET_ID
      expect((await made.next()).token).toBe(TOKEN)
    },
  )

  test('V8: other refusals are asked about each time', async () => {
    const made = world(script(refusal(403, 'permission denied'), granted()))
    await made.fails()
    expect((await made.next()).token).toBe(TOKEN)
  })
})

describe('V16: a secret_id that works once', () => {
  test.each([
    ['a timeout', timeout, 'SM_VAULT_TIMEOUT'],
    ['a reset', reset, 'SM_VAULT_UNREACHABLE'],
    ['a broken answer', BROKEN, 'SM_VAULT_BAD_RESPONSE'],
    ['an answer without a token', { status: 200, json: {} }, 'SM_VAULT_BAD_RESPONSE'],
    ['a 500', refusal(500, 'internal error'), 'SM_VAULT_5XX'],
    ['a 502 of a gateway', { status: 502 }, 'SM_VAULT_5XX'],
  ])('V16: is never sent again after %s', async (_what, step, cause) => {
    const made = world(script(step, granted()), SINGLE)
    const error = await made.fails()
    expect(error).toMatchObject({ code: 'SM_SECRET_ID_SPENT', retryable: false })
    expect(error.cause).toMatchObject({ code: cause })
    expect(error.message).toContain('it is not known whether a login has used it')
    expect(error.hint).toContain('vault write -f auth/mounts/apps/role/ROLE/secret-id')
    expect((await made.fails()).code).toBe('SM_SECRET_ID_SPENT')
    expect(made.sent).toHaveLength(1)
  })

  test('V16: a changed file is another one', async () => {
    const made = world(script(timeout, granted()), SINGLE)
    await made.fails()
    made.runtime.files['/run/secret-id'] = NEXT_SECRET_ID
    expect((await made.next()).token).toBe(TOKEN)
    expect(bodyOf(made, 1)).toEqual({ role_id: ROLE_ID, secret_id: NEXT_SECRET_ID })
  })

  test('V16: is not sent to a second login', async () => {
    const made = world(() => granted(), SINGLE)
    await made.next()
    const error = await made.fails()
    expect(error.code).toBe('SM_SECRET_ID_SPENT')
    expect(error.message).toContain('a login has used it')
    expect(made.sent).toHaveLength(1)
  })

  test('V16: is spent by a login that answers with a bad lease', async () => {
    const made = world(() => granted({ lease_duration: 0 }), SINGLE)
    expect((await made.fails()).code).toBe('SM_AUTH_BAD_LEASE')
    expect((await made.fails()).code).toBe('SM_SECRET_ID_SPENT')
    expect(made.sent).toHaveLength(1)
  })

  test.each([
    ['a refused connection', refusedConnection],
    [
      'a connection that was not made in time',
      (): never => {
        throw new TransportFailure('timeout', 'no connection within 2000 ms', 'NO_CONNECTION')
      },
    ],
    ['a rate limit', refusal(429, 'request path "x": rate limit quota exceeded')],
    ['a seal', refusal(503, 'Vault is sealed')],
    ['a standby', { status: 473, json: {} }],
  ])('V16: is sent again after %s, as nothing was processed', async (_what, step) => {
    const waits: number[] = []
    const stop = listen('retry', ({ waitMs }) => waits.push(waitMs))
    const made = world(script(step, step, granted()), SINGLE)
    expect((await made.next()).token).toBe(TOKEN)
    stop()
    expect(made.sent).toHaveLength(3)
    expect(waits).toHaveLength(2)
  })

  test('V16: an outage beyond the time of a login leaves it unspent', async () => {
    let isSealed = true
    const made = world(() => (isSealed ? refusal(503, 'Vault is sealed') : granted()), SINGLE)
    const error = await made.fails()
    expect(error).toMatchObject({ code: 'SM_VAULT_SEALED', retryable: true })
    expect(error.attempts).toBeGreaterThan(1)
    isSealed = false
    await made.runtime.advance(60_000)
    expect((await made.next()).token).toBe(TOKEN)
  })

  test('V16: waiting in vain for a turn at a failing Vault leaves it unspent', async () => {
    // It has met a Vault that asks for more patience than a login has.
    const limited = { ...refusal(429, 'quota'), headers: { 'retry-after': '20' } }
    const made = world(script(limited, granted()), SINGLE)
    expect((await made.fails()).code).toBe('SM_VAULT_RATE_LIMITED')
    expect(await made.fails()).toMatchObject({ code: 'SM_VAULT_RATE_LIMITED', retryable: true })
    expect(made.sent).toHaveLength(1)
    await made.runtime.advance(30_000)
    expect((await made.next()).token).toBe(TOKEN)
  })

  test('V16: is answered for when it is refused', async () => {
    const made = world(() => INVALID, SINGLE)
    expect((await made.fails()).code).toBe('SM_AUTH_DENIED')
  })
})

describe('a secret_id that works more than once', () => {
  test.each([
    ['a timeout', timeout],
    ['a 500', refusal(500, 'internal error')],
    ['a broken answer', BROKEN],
  ])('is sent again after %s', async (_what, step) => {
    const made = world(script(step, granted()))
    expect((await made.next()).token).toBe(TOKEN)
    expect(made.sent).toHaveLength(2)
  })

  test('V3: a second broken answer is believed', async () => {
    const made = world(() => BROKEN)
    expect((await made.fails()).code).toBe('SM_VAULT_BAD_RESPONSE')
    expect(made.sent).toHaveLength(2)
  })

  test.each([
    [
      'worked before',
      [granted(), INVALID],
      /worked before/,
      /secret_id_num_uses.*secret_id_ttl.*destroyed/,
    ],
    [
      'a timeout may have used up',
      [timeout, INVALID],
      /may have used up/,
      /vault\.auth\.singleUse/,
    ],
  ] as const)(
    'V16: one that %s is spent when it is refused',
    async (_what, steps, message, hint) => {
      const made = world(script(...steps))
      await made.next().catch(() => undefined)
      const error = await made.fails()
      expect(error).toMatchObject({ code: 'SM_SECRET_ID_SPENT', status: 400 })
      expect(error.message).toMatch(message)
      expect(error.hint).toMatch(hint)
    },
  )

  test('V16: what is spent is told so again after a rest', async () => {
    const made = world(script(granted(), INVALID))
    await made.next()
    await made.fails()
    await made.runtime.advance(16 * 60_000)
    expect((await made.fails()).code).toBe('SM_SECRET_ID_SPENT')
    expect(made.sent).toHaveLength(3)
  })

  test('a refused connection does not make a wrong one look spent', async () => {
    const made = world(script(refusedConnection, INVALID))
    expect((await made.fails()).code).toBe('SM_AUTH_DENIED')
  })
})

import { describe, expect, test } from 'vitest'

import type { AppRoleSettings } from '../../src/config/settings.ts'
import type { SecretManagerError } from '../../src/errors.ts'
import { TransportFailure } from '../../src/runtime.ts'
import { listen, type SecurityEvent } from '../../src/telemetry.ts'
import { approleLogin } from '../../src/vault/approle-login.ts'
import { refusedConnection, type Answered, type Handler } from '../faults/in-process.ts'
import { expectNoLeak, rejection, TOKEN } from '../faults/world.ts'
import { granted, loginWorld, paths, refusal, script, type LoginWorld } from './login-world.ts'

const [ROLE_ID, SECRET_ID] = ['CANARYrole', 'CANARYsecret']
const [WRAPPING, NEXT_WRAPPING] = ['hvs.CANARYwrapping', 'hvs.CANARYnextWrapping']
const [LOOKUP, UNWRAP, LOGIN] = [
  'sys/wrapping/lookup',
  'sys/wrapping/unwrap',
  'auth/mounts/apps/login',
]

const SETTINGS: AppRoleSettings = {
  method: 'approle',
  mount: 'mounts/apps',
  roleId: { kind: 'value', value: ROLE_ID },
  secretId: { kind: 'file', path: '/run/wrapped' },
  wrapped: true,
  singleUse: true,
}
const MANY_USES: AppRoleSettings = { ...SETTINGS, singleUse: false }
const SPENT_TOKEN = refusal(400, 'wrapping token is not valid or does not exist')

const madeBy = (creation_path: unknown): Answered => ({
  status: 200,
  json: { data: { creation_path, creation_ttl: 60 } },
})
const MADE_BY_ROLE = madeBy('auth/mounts/apps/role/app/secret-id')
const UNWRAPPED: Answered = { status: 200, json: { data: { secret_id: SECRET_ID } } }

interface World extends LoginWorld {
  next(): ReturnType<LoginWorld['logIn']>
  fails(): Promise<SecretManagerError>
  /** What was published on the channel `security`. */
  readonly events: readonly SecurityEvent[]
}

/** Each kind of request has a script of its own. */
function world(
  scripts: Partial<Record<'lookup' | 'unwrap' | 'login', Handler>> = {},
  settings = SETTINGS,
): World {
  const { lookup = () => MADE_BY_ROLE, unwrap = () => UNWRAPPED, login = () => granted() } = scripts
  const handlers: Readonly<Record<string, Handler>> = {
    ...{ [LOOKUP]: lookup, [UNWRAP]: unwrap, [LOGIN]: login },
  }
  const made = loginWorld(
    (request) => handlers[paths([request])[0] ?? '']?.(request) ?? { status: 404 },
    { files: { '/run/wrapped': `${WRAPPING}\n` } },
  )
  const approle = approleLogin(settings, made.runtime)
  const next = (): ReturnType<LoginWorld['logIn']> => made.logIn(approle)
  const events: SecurityEvent[] = []
  const fails = async (): Promise<SecretManagerError> => {
    const stop = listen('security', (event) => events.push(event))
    const error = await rejection(next()).finally(stop)
    expectNoLeak(error, [ROLE_ID, SECRET_ID, WRAPPING, NEXT_WRAPPING])
    return error
  }
  return { ...made, next, fails, events }
}

describe('a wrapped secret_id', () => {
  test('is looked up, unwrapped with its own token, and used', async () => {
    const { next, sent } = world()
    expect((await next()).token).toBe(TOKEN)
    expect(paths(sent)).toEqual([LOOKUP, UNWRAP, LOGIN])
    expect(sent.map(({ headers }) => headers['x-vault-token'])).toEqual([
      WRAPPING,
      WRAPPING,
      undefined,
    ])
    expect(JSON.parse(sent[2]?.body ?? '')).toEqual({ role_id: ROLE_ID, secret_id: SECRET_ID })
    expect(sent[1]?.once).toBe(true)
  })

  test('is kept in memory for later logins, where it works more than once', async () => {
    const { next, sent } = world({}, MANY_USES)
    await next()
    await next()
    expect(paths(sent)).toEqual([LOOKUP, UNWRAP, LOGIN, LOGIN])
  })

  test('is unwrapped anew where the file has changed', async () => {
    const another = { status: 200, json: { data: { secret_id: 'CANARYother' } } }
    const { next, sent, runtime } = world({ unwrap: script(UNWRAPPED, another) })
    await next()
    runtime.files['/run/wrapped'] = NEXT_WRAPPING
    await next()
    expect(paths(sent)).toEqual([LOOKUP, UNWRAP, LOGIN, LOOKUP, UNWRAP, LOGIN])
    expect(sent[4]?.headers['x-vault-token']).toBe(NEXT_WRAPPING)
  })

  test('that works once and was used is spent, and its wrapping token is not sent again', async () => {
    const { next, fails, sent, events } = world()
    await next()
    expect((await fails()).code).toBe('SM_SECRET_ID_SPENT')
    expect(paths(sent)).toEqual([LOOKUP, UNWRAP, LOGIN])
    expect(events).toEqual([])
  })

  test('that Vault refuses later is spent, and no theft', async () => {
    const login = script(granted(), refusal(400, 'invalid role or secret ID'))
    const { next, fails, sent, events } = world({ login }, MANY_USES)
    await next()
    expect((await fails()).code).toBe('SM_SECRET_ID_SPENT')
    expect((await fails()).code).toBe('SM_SECRET_ID_SPENT')
    expect(paths(sent)).toEqual([LOOKUP, UNWRAP, LOGIN, LOGIN])
    expect(events).toEqual([])
  })

  test('a file that holds more than a token is refused before any call', async () => {
    const { fails, sent, runtime } = world()
    runtime.files['/run/wrapped'] = `${WRAPPING} ${NEXT_WRAPPING}`
    expect(await fails()).toMatchObject({
      code: 'SM_CONFIG_INVALID',
      message: '/run/wrapped (vault.auth.secretIdFile) does not hold one wrapping token',
    })
    expect(sent).toEqual([])
  })
})

describe('V16: a wrapping token that somebody else used', () => {
  test.each([
    ['lookup', { lookup: () => SPENT_TOKEN }, LOOKUP],
    ['unwrap', { unwrap: () => SPENT_TOKEN }, UNWRAP],
    ['lookup with 403', { lookup: () => refusal(403, 'permission denied') }, LOOKUP],
  ])(
    'V16: is refused by %s: one security event, and no further call',
    async (_what, scripts, path) => {
      const { fails, events, sent } = world(scripts)
      const error = await fails()
      expect(error).toMatchObject({ code: 'SM_UNWRAP_REFUSED', retryable: false })
      expect(error.message).toContain(`vault refused ${path}`)
      expect(error.message).toContain('/run/wrapped (vault.auth.secretIdFile)')
      expect(error.hint).toContain('somebody else has unwrapped it')
      const calls = sent.length
      expect((await fails()).code).toBe('SM_UNWRAP_REFUSED')
      expect(sent).toHaveLength(calls)
      const { code, message, hint, requestId } = error
      expect(events).toEqual([{ kind: 'unwrap-refused', code, message, hint, requestId }])
    },
  )

  test('V16: a delivered replacement works without a restart', async () => {
    const { fails, next, runtime } = world({ lookup: script(SPENT_TOKEN, MADE_BY_ROLE) })
    await fails()
    runtime.files['/run/wrapped'] = NEXT_WRAPPING
    expect((await next()).token).toBe(TOKEN)
  })
})

describe('V16: a wrapping token that somebody put in place of the right one', () => {
  test.each([
    'sys/wrapping/wrap',
    'auth/other/role/app/secret-id',
    // A KV secret of this path can be wrapped, too.
    'kv/auth/mounts/apps/role/app/secret-id',
    'auth/mounts/apps/role/app/custom-secret-id',
    'auth/mounts/apps/role/app/x/secret-id',
    'auth/mounts/apps/role//secret-id',
    'auth/mounts/apps/role/a/auth/mounts/apps/role/app/secret-id',
    '',
    undefined,
    7,
  ])('V16: made by %s, it is not unwrapped', async (path) => {
    const { fails, events, sent } = world({ lookup: () => madeBy(path) })
    const error = await fails()
    expect(error.code).toBe('SM_UNWRAP_REFUSED')
    expect(error.message).toContain('was not made by auth/mounts/apps/role/ROLE/secret-id')
    expect(paths(sent)).toEqual([LOOKUP])
    expect(events).toHaveLength(1)
  })

  test('V16: what it wraps must be a secret_id', async () => {
    const { fails, events, sent } = world({ unwrap: () => ({ status: 200, json: { data: {} } }) })
    expect(await fails()).toMatchObject({ code: 'SM_UNWRAP_REFUSED', retryable: false })
    await fails()
    expect(paths(sent)).toEqual([LOOKUP, UNWRAP])
    expect(events).toEqual([])
  })
})

describe('V16: an unwrap that may have been processed', () => {
  test.each([
    [
      'a timeout',
      (): never => {
        throw new TransportFailure('timeout', 'no complete answer')
      },
    ],
    ['a 500', (): Answered => refusal(500, 'internal error')],
    ['a broken answer', (): Answered => ({ status: 200, body: Buffer.from('{') })],
    ['an empty answer', (): Answered => ({ status: 200 })],
  ])('V16: is not repeated after %s, and is no theft', async (_what, unwrap) => {
    const { fails, events, sent } = world({ unwrap })
    const error = await fails()
    expect(error).toMatchObject({ code: 'SM_UNWRAP_REFUSED', retryable: false })
    expect(error.message).toContain('it is not known whether the token of /run/wrapped')
    await fails()
    expect(paths(sent)).toEqual([LOOKUP, UNWRAP])
    expect(events).toEqual([])
  })

  test('V16: is repeated where nothing was processed', async () => {
    const unwrap = script(refusedConnection, refusal(503, 'Vault is sealed'), UNWRAPPED)
    const { next, sent } = world({ unwrap })
    expect((await next()).token).toBe(TOKEN)
    expect(paths(sent)).toEqual([LOOKUP, UNWRAP, UNWRAP, UNWRAP, LOGIN])
  })

  test('V16: a lookup uses nothing up, and is repeated like every call', async () => {
    const lookup = script(refusal(500, 'internal error'), MADE_BY_ROLE)
    const { next, sent } = world({ lookup })
    expect((await next()).token).toBe(TOKEN)
    expect(paths(sent)).toEqual([LOOKUP, LOOKUP, UNWRAP, LOGIN])
  })

  test('V16: an outage during the lookup leaves the wrapping token unused', async () => {
    const sealed = refusal(503, 'Vault is sealed')
    let isSealed = true
    const { fails, next, runtime } = world({ lookup: () => (isSealed ? sealed : MADE_BY_ROLE) })
    expect(await fails()).toMatchObject({ code: 'SM_VAULT_SEALED', retryable: true })
    isSealed = false
    await runtime.advance(60_000)
    expect((await next()).token).toBe(TOKEN)
  })
})

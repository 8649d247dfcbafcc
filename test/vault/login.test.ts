import { describe, expect, test } from 'vitest'

import { authenticate, type Login } from '../../src/vault/login.ts'
import { rejection, TOKEN } from '../faults/world.ts'
import { granted, loginWorld } from './login-world.ts'

const PATH = 'auth/mount/login'
const login: Login = (client, allowance) => authenticate(client, allowance, { path: PATH })

describe('the answer to a login', () => {
  test.each([
    [1, 1000],
    [2_764_800, 2_764_800_000],
    [1e9, 1e12],
  ])('V10: a lease_duration of %d s lives as long', async (lease_duration, ttlMs) => {
    const { logIn } = loginWorld(() => granted({ lease_duration }))
    expect(await logIn(login)).toMatchObject({ token: TOKEN, sentAt: 0, ttlMs })
  })

  test.each([0, -1, Number.NaN, '60', null, undefined, Infinity])(
    'V10: a lease_duration of %s is an error, and asked for once',
    async (lease_duration) => {
      const { logIn, sent } = loginWorld(() => granted({ lease_duration }))
      const error = await rejection(logIn(login))
      expect(error.code).toBe('SM_AUTH_BAD_LEASE')
      expect(error.message).toBe(`the answer to ${PATH} has no positive lease_duration`)
      expect(sent).toHaveLength(1)
    },
  )

  test.each([
    ['no auth', { data: {} }],
    ['auth that is no object', { auth: [TOKEN] }],
    ['no token', { auth: { lease_duration: 60 } }],
    ['an empty token', { auth: { client_token: '', lease_duration: 60 } }],
    ['a token with a line break', { auth: { client_token: `${TOKEN}\r\n`, lease_duration: 60 } }],
  ])('V10: with %s is no answer of Vault', async (_what, json) => {
    const { logIn } = loginWorld(() => ({ status: 200, json }))
    expect((await rejection(logIn(login))).code).toBe('SM_VAULT_BAD_RESPONSE')
  })

  test.each([
    [undefined, true, 'service', true],
    ['service', true, 'service', true],
    ['service', undefined, 'service', false],
    ['service', 'true', 'service', false],
    ['batch', true, 'batch', false],
    ['default-batch', true, 'service', true],
    [7, false, 'service', false],
  ])(
    'V10: a token of type %s, renewable %s, is %s, renewable %s',
    async (token_type, renewable, type, mayRenew) => {
      const { logIn } = loginWorld(() => granted({ token_type, renewable }))
      expect(await logIn(login)).toMatchObject({ type, renewable: mayRenew })
    },
  )

  test('a demand for a second factor is a refusal that says so', async () => {
    const { logIn } = loginWorld(() =>
      granted({ client_token: '', mfa_requirement: { mfa_request_id: 'x' } }),
    )
    const error = await rejection(logIn(login))
    expect(error).toMatchObject({ code: 'SM_AUTH_DENIED', retryable: false })
    expect(error.hint).toContain('login-enforcement')
  })

  test('Vault sends mfa_requirement: null where it demands none', async () => {
    const { logIn } = loginWorld(() => granted({ mfa_requirement: null }))
    expect((await logIn(login)).token).toBe(TOKEN)
  })
})

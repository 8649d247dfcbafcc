import { expect, test } from 'vitest'

import type { AuthSettings } from '../../src/config/settings.ts'
import { loginOf } from '../../src/vault/logins.ts'
import { jwtOf, TOKEN } from '../faults/world.ts'
import { granted, loginWorld, paths } from './login-world.ts'

const jwt = { role: 'app', mount: 'm', audience: 'vault', jwtFile: undefined } as const
const value = (text: string): { kind: 'value'; value: string } => ({ kind: 'value', value: text })

test.each<[AuthSettings, readonly string[]]>([
  [{ method: 'kubernetes', ...jwt }, ['auth/m/login']],
  [{ method: 'jwt', ...jwt }, ['auth/m/login']],
  [
    {
      ...{ method: 'approle', mount: 'a/b', roleId: value('r'), secretId: value('s') },
      ...{ wrapped: false, singleUse: false },
    },
    ['auth/a/b/login'],
  ],
  [{ method: 'token', token: value(TOKEN) }, []],
  [
    { method: 'custom', login: (vault) => vault.login('auth/ldap/login/dave', {}) },
    ['auth/ldap/login/dave'],
  ],
])('logs in by $method', async (auth, expected) => {
  const { runtime, logIn, sent } = loginWorld(() => granted())
  const login = loginOf(auth, () => Promise.resolve(jwtOf()), runtime)
  expect((await logIn(login)).token).toBe(TOKEN)
  expect(paths(sent)).toEqual(expected)
})

test('V16: what a login remembers lasts from one to the next', async () => {
  const { runtime, logIn, sent } = loginWorld(() => granted())
  const auth: AuthSettings = {
    ...{ method: 'approle', mount: 'a', roleId: value('r'), secretId: value('s') },
    ...{ wrapped: false, singleUse: true },
  }
  const login = loginOf(auth, () => Promise.resolve(''), runtime)
  await logIn(login)
  await expect(logIn(login)).rejects.toMatchObject({ code: 'SM_SECRET_ID_SPENT' })
  expect(sent).toHaveLength(1)
})

import { expect, test } from 'vitest'

import type { Given } from '../../src/config/settings.ts'
import { tokenLogin } from '../../src/vault/token-login.ts'
import type { VaultAuth } from '../../src/vault/login.ts'
import { rejection, TOKEN } from '../faults/world.ts'
import { systemError, type FakeFile } from '../fake-runtime.ts'
import { loginWorld, type LoginWorld } from './login-world.ts'

const [VAULT, BAO] = ['/home/user/.vault-token', '/home/user/.bao-token']

interface World extends LoginWorld {
  next(): Promise<VaultAuth>
}

function world(token: Given | undefined, files: Record<string, FakeFile> = {}): World {
  const made = loginWorld(() => ({ status: 500 }), { files })
  const login = tokenLogin({ method: 'token', token }, made.runtime)
  return { ...made, next: () => made.logIn(login) }
}

test.each<[string, Given | undefined, Record<string, FakeFile>]>([
  ['a value', { kind: 'value', value: TOKEN }, {}],
  ['a file', { kind: 'file', path: '/run/token' }, { '/run/token': `${TOKEN}\n` }],
  ['~/.vault-token', undefined, { [VAULT]: TOKEN, [BAO]: 'other' }],
  ['~/.bao-token', undefined, { [BAO]: TOKEN }],
  ['~/.bao-token, the other being empty', undefined, { [VAULT]: '\n', [BAO]: TOKEN }],
  [
    '~/.bao-token, the other being closed',
    undefined,
    { [VAULT]: systemError('EACCES'), [BAO]: TOKEN },
  ],
])('%s is taken without a call, and used until Vault refuses it', async (_what, given, files) => {
  const { next, sent } = world(given, files)
  expect(await next()).toEqual({
    ...{ token: TOKEN, sentAt: 0, ttlMs: Infinity },
    ...{ type: 'given', renewable: false },
  })
  expect(sent).toEqual([])
})

test('a file is read anew for each login', async () => {
  const { next, runtime } = world({ kind: 'file', path: '/run/token' }, { '/run/token': 'old' })
  await next()
  runtime.files['/run/token'] = TOKEN
  expect((await next()).token).toBe(TOKEN)
})

test.each<[Given | undefined, Record<string, FakeFile>, string, string]>([
  [
    { kind: 'file', path: '/run/token' },
    {},
    'SM_FILE_UNREADABLE',
    'cannot read /run/token (vault.auth.tokenFile): ENOENT',
  ],
  [
    { kind: 'file', path: '/run/token' },
    { '/run/token': '' },
    'SM_CONFIG_INVALID',
    '/run/token (vault.auth.tokenFile) is empty',
  ],
  [
    { kind: 'file', path: '/run/token' },
    { '/run/token': `${TOKEN}\r\nx-other: ${TOKEN}` },
    'SM_CONFIG_INVALID',
    '/run/token (vault.auth.tokenFile) does not hold one token',
  ],
  [
    { kind: 'value', value: `${TOKEN}é` },
    {},
    'SM_CONFIG_INVALID',
    'vault.auth.token does not hold one token',
  ],
  [
    undefined,
    { [BAO]: systemError('EACCES') },
    'SM_FILE_UNREADABLE',
    `there is no token in ${VAULT} (ENOENT) or ${BAO} (EACCES)`,
  ],
  [
    undefined,
    { [VAULT]: '' },
    'SM_FILE_UNREADABLE',
    `there is no token in ${VAULT} (not one token) or ${BAO} (ENOENT)`,
  ],
])('without a usable token: %o', async (given, files, code, message) => {
  const error = await rejection(world(given, files).next())
  expect(error).toMatchObject({ code, message })
  if (!given) expect(error.hint).toContain('vault login')
})

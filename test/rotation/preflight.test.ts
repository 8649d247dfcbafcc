/** Which login is meant for a rotation, told to who came with another. */
import { expect, test } from 'vitest'

import { parseConfig } from '../../src/config/schema.ts'
import type { AuthConfig } from '../../src/config/types.ts'
import { createCore } from '../../src/core.ts'
import { SecretManagerError } from '../../src/errors.ts'
import { orAsRotator } from '../../src/rotation/preflight.ts'
import { fakeRuntime } from '../fake-runtime.ts'

const DENIED = new SecretManagerError('SM_VAULT_DENIED', 'denied', { hint: 'grant it' })

function hintFor(auth: AuthConfig, error: SecretManagerError = DENIED): unknown {
  const settings = parseConfig({ vault: { url: 'https://vault.example', auth } })
  return orAsRotator(createCore(settings, fakeRuntime()), error)
}

test.each<[AuthConfig, string]>([
  [
    { method: 'kubernetes', role: 'app' },
    'log in as the rotator: --role app-rotator --service-account app-rotator; or, if role "app" is to do this, grant it',
  ],
  [
    { method: 'jwt', role: 'app-writer' },
    'log in as the rotator: --role app-rotator --service-account app-rotator; or, if role "app-writer" is to do this, grant it',
  ],
  [
    { method: 'jwt', role: 'app', jwtFile: '/token' },
    'log in as the rotator: --role app-rotator --jwt-file FILE, with a token of ServiceAccount app-rotator; or, if role "app" is to do this, grant it',
  ],
])('%j: the rotator', (auth, hint) => {
  expect(hintFor(auth)).toMatchObject({ code: 'SM_VAULT_DENIED', message: 'denied', hint })
})

test.each<[AuthConfig]>([
  [{ method: 'kubernetes', role: 'app-rotator' }],
  [{ method: 'token', token: 'CANARY' }],
])('%j: nothing, it is who it should be or no role', (auth) => {
  expect(hintFor(auth)).toBe(DENIED)
})

test('what is not denied is told as it was', () => {
  const sealed = new SecretManagerError('SM_VAULT_SEALED', 'sealed')
  expect(hintFor({ method: 'kubernetes', role: 'app' }, sealed)).toBe(sealed)
})

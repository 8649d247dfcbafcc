import { unique, type VaultClient } from './vault-under-test.ts'
import type { WireAnswer } from './wire.ts'

/** A role of AppRole auth, made for one test; its role_id is also its name. */
export interface AppRoleUnderTest {
  readonly vault: VaultClient
  readonly name: string
  readonly path: string
  /** What making a secret_id answers. */
  issue(settings?: object): Promise<WireAnswer['body']>
  /** Status and errors of a login, or the `auth` of its answer. */
  login(secretId: string | undefined): Promise<WireAnswer['body']>
}

/** Writes a role. */
export async function writeAppRole(
  vault: VaultClient,
  mount: string,
  settings: object = {},
): Promise<AppRoleUnderTest> {
  const name = unique('role')
  const path = `auth/${mount}/role/${name}`
  await vault.done('POST', path, {
    role_id: name,
    token_policies: ['app'],
    token_ttl: '60s',
    token_max_ttl: '180s',
    ...settings,
  })
  return {
    vault,
    name,
    path,
    issue: (limits = {}) => vault.data('POST', `${path}/secret-id`, limits),
    login: async (secretId) => {
      const body = { role_id: name, secret_id: secretId }
      const answer = await vault.call('POST', `auth/${mount}/login`, body, null)
      if (answer.status === 200) return answer.body.auth
      return { status: answer.status, errors: answer.body.errors }
    },
  }
}

/** A token that somebody else got: `VAULT_TOKEN`, or what `vault login` left in the home directory. */
import type { Given, TokenSettings } from '../config/settings.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import { isHeaderSafe, nameOf, readGiven } from './given.ts'
import type { Login } from './login.ts'

const SETTING = 'vault.auth.token'

const HINT = 'log in first (vault login), or give a token: VAULT_TOKEN, vault.auth.token'

/**
 * Takes the token that was given; a file is read anew each time.
 *
 * @returns a login that makes no call, and rejects with SM_FILE_UNREADABLE or SM_CONFIG_INVALID
 * @see https://developer.hashicorp.com/vault/docs/commands/token-helper for the file
 */
export function tokenLogin({ token }: TokenSettings, runtime: Runtime): Login {
  return async () => ({
    token: token ? await tokenOf(token, runtime) : await tokenOfHome(runtime),
    sentAt: runtime.now(),
    ttlMs: Infinity,
    type: 'given',
    renewable: false,
  })
}

async function tokenOf(given: Given, runtime: Runtime): Promise<string> {
  const token = await readGiven(given, SETTING, runtime)
  if (isHeaderSafe(token)) return token
  throw new SecretManagerError(
    'SM_CONFIG_INVALID',
    `${nameOf(given, SETTING)} does not hold one token`,
    { hint: HINT },
  )
}

/** Where the command lines of Vault and of OpenBao keep theirs. A log-out leaves an empty file, or none. */
async function tokenOfHome(runtime: Runtime): Promise<string> {
  const found: string[] = []
  for (const name of ['.vault-token', '.bao-token']) {
    const path = `${runtime.home()}/${name}`
    try {
      return await tokenOf({ kind: 'file', path }, runtime)
    } catch (error) {
      if (!isSecretManagerError(error)) throw error
      found.push(`${path} (${error.causeClass ?? 'not one token'})`)
    }
  }
  const message = `there is no token in ${found.join(' or ')}`
  throw new SecretManagerError('SM_FILE_UNREADABLE', message, { hint: HINT })
}

/** What Vault says against a change of a Transit key, and what to do then. */
import { SecretManagerError } from '../errors.ts'
import type { Refusal } from './client.ts'

/** The key whose change was refused. */
export interface RefusedKey {
  readonly mount: string
  readonly key: string
  readonly operation: 'config' | 'trim'
}

/**
 * Tells the 400 or 403 of a change of a key: SM_KEY_NOT_FOUND, SM_VAULT_DENIED with the stanza to
 * grant, SM_VAULT_REJECTED with what the minima must be.
 */
export function keyRefused(
  { mount, key, operation }: RefusedKey,
  { sentence, facts }: Refusal,
): SecretManagerError {
  const path = `${mount}/keys/${key}/${operation}`
  const isDenied = facts.status === 403
  const code = isDenied
    ? 'SM_VAULT_DENIED'
    : isNoKey(sentence)
      ? 'SM_KEY_NOT_FOUND'
      : 'SM_VAULT_REJECTED'
  const hint = isDenied
    ? `grant it in a policy of the role: ${stanza(path, operation)}`
    : HINTS[sentence]?.replace('MOUNT', mount).replace('KEY', key)
  const what = `vault ${isDenied ? 'denied' : 'refused'} ${path} (${facts.status ?? 0})`
  const message = sentence === '' ? what : `${what}: ${sentence}`
  return new SecretManagerError(code, message, { ...facts, hint })
}

/** Without pinned parameters a rotator could make the key exportable, or allow its deletion. */
function stanza(path: string, operation: RefusedKey['operation']): string {
  const parameters =
    operation === 'config'
      ? ', allowed_parameters = { "min_decryption_version" = [], "min_encryption_version" = [] }'
      : ''
  return `path "${path}" { capabilities = ["update"]${parameters} }`
}

function isNoKey(sentence: string): boolean {
  return sentence === 'no existing key named' || sentence === 'invalid key name'
}

const NO_KEY = 'no such Transit key: vault list MOUNT/keys; or make it: secretmanager provision'
const TOO_HIGH = 'no minimum can be above the latest version: vault read MOUNT/keys/KEY'
const TRIMMED = 'the versions below min_available_version were trimmed and are gone for ever'
const RAISE_FIRST =
  'only versions below both minima can be trimmed: raise min_decryption_version and ' +
  'min_encryption_version first'

/** By sentence of `KNOWN` in errors.ts. */
const HINTS: Readonly<Record<string, string>> = {
  'no existing key named': NO_KEY,
  'invalid key name': NO_KEY,
  'cannot set min decryption version': TOO_HIGH,
  'cannot set min encryption version': TOO_HIGH,
  'cannot set min encryption/decryption values':
    'min_encryption_version must be 0 or at least min_decryption_version: change both at once',
  'min decryption version should not be less then min available version': TRIMMED,
  'min encryption version should not be less than min available version': TRIMMED,
  'minimum available version cannot be decremented': TRIMMED,
  'minimum available version cannot be set when minimum encryption version is not set': RAISE_FIRST,
  'minimum available version cannot be greater than minmum encryption version': RAISE_FIRST,
  'minimum available version cannot be greater than minimum decryption version': RAISE_FIRST,
}

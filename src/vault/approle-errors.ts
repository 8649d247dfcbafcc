/** What a refused AppRole login stands for, and what to do next. */
import { SecretManagerError, type ErrorFacts } from '../errors.ts'
import type { Refusal } from './client.ts'

/** What Vault says of an unknown role_id, and of a secret_id that is wrong, used up, expired or destroyed. */
export const INVALID_ID = 'invalid role or secret ID'

/** What became of the secret_id before: a login with it worked, or nobody knows. */
export type Use = 'worked' | 'unknown'

/** SM_AUTH_DENIED: nothing is known of these ids but that Vault refuses them. */
export function appRoleDenied(mount: string, refusal: Refusal): SecretManagerError {
  const hint = (HINTS.get(refusal.sentence) ?? NO_REASON)(mount)
  return new SecretManagerError('SM_AUTH_DENIED', denied(mount, refusal), {
    ...refusal.facts,
    hint,
  })
}

/** SM_SECRET_ID_SPENT: Vault refuses a secret_id that was good, or may have been used up. */
export function refusedAfter(
  use: Use,
  { mount, name }: { readonly mount: string; readonly name: string },
  refusal: Refusal,
): SecretManagerError {
  const why =
    use === 'worked'
      ? `the secret_id of ${name} worked before`
      : `a login before, of unknown outcome, may have used up the secret_id of ${name}`
  const reason =
    use === 'worked'
      ? 'it has used up secret_id_num_uses, has outlived secret_id_ttl, or was destroyed'
      : 'if secret_id_num_uses is 1, set vault.auth.singleUse'
  return spent(`${denied(mount, refusal)}; ${why}`, {
    ...refusal.facts,
    hint: `${reason}: ${issueHint(mount)}`,
  })
}

/** SM_SECRET_ID_SPENT: a secret_id that works once is not sent again. */
export function notSentAgain(
  use: Use,
  { mount, name }: { readonly mount: string; readonly name: string },
  cause?: SecretManagerError,
): SecretManagerError {
  const met = cause ? `: ${cause.message}` : ''
  const why =
    use === 'worked'
      ? `the secret_id of ${name} works once, and a login has used it`
      : `the secret_id of ${name} works once, and it is not known whether a login has used it${met}`
  return spent(why, { cause, causeClass: cause?.causeClass, hint: issueHint(mount) })
}

function spent(message: string, facts: ErrorFacts): SecretManagerError {
  return new SecretManagerError('SM_SECRET_ID_SPENT', message, facts)
}

function issueHint(mount: string): string {
  return `deliver a new secret_id: vault write -f auth/${mount}/role/ROLE/secret-id`
}

function denied(mount: string, { sentence, facts }: Refusal): string {
  const reason = sentence === '' ? '' : `: ${sentence}`
  return `vault denied auth/${mount}/login (${facts.status ?? 0})${reason}`
}

type Hint = (mount: string) => string

const ADDRESS: Hint = (mount) =>
  `the address that Vault sees is not in secret_id_bound_cidrs of the role, or in cidr_list of the secret_id: vault read auth/${mount}/role/ROLE`

const HINTS: ReadonlyMap<string, Hint> = new Map([
  [
    INVALID_ID,
    (mount) =>
      `role_id and secret_id must be of one role, and the secret_id not used up, expired or destroyed: vault read auth/${mount}/role/ROLE/role-id, ` +
      `vault write auth/${mount}/role/ROLE/secret-id/lookup secret_id=-; secret_id_bound_cidrs must admit this host`,
  ],
  [
    'missing secret_id',
    () => 'the role binds a secret_id: give vault.auth.secretId or vault.auth.secretIdFile',
  ],
  ['CIDR restrictions on the secret ID', ADDRESS],
  ['CIDR restrictions on the role', ADDRESS],
])

/** @see https://developer.hashicorp.com/vault/docs/concepts/user-lockout */
const NO_REASON: Hint = (mount) =>
  'Vault gives no reason. Check in this order: the mount exists (vault auth list) and is of type approle; ' +
  `the role_id is not locked, as it is for 15 minutes after five refusals, whoever caused them: vault read sys/locked-users; secret_id_bound_cidrs of the role: vault read auth/${mount}/role/ROLE`

/** The settings that a planned thing begins with, as Vault takes them. */
import type { Fields, KeyItem, RoleItem } from './items.ts'

/** Seconds that a token lives: one read needs no more. */
const TOKEN_SECONDS = 10

/**
 * The settings of a role: one ServiceAccount of one namespace, for tokens that nobody can renew.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/jwt#create-update-role
 * @see https://developer.hashicorp.com/vault/api-docs/auth/kubernetes#create-update-role
 */
export function roleFields(item: RoleItem): Fields {
  return { ...bindingOf(item), ...tokenFields(item) }
}

/** Whom a role lets in. */
export function bindingOf({ type, namespace, serviceAccount, audience }: RoleItem): Fields {
  if (type === 'jwt') {
    return {
      role_type: 'jwt',
      user_claim: 'sub',
      bound_subject: `system:serviceaccount:${namespace}:${serviceAccount}`,
      bound_audiences: [audience],
    }
  }
  return {
    bound_service_account_names: [serviceAccount],
    bound_service_account_namespaces: [namespace],
    audience,
  }
}

function tokenFields({ policy }: RoleItem): Fields {
  return {
    token_policies: [policy],
    token_ttl: TOKEN_SECONDS,
    token_type: 'batch',
    token_no_default_policy: true,
  }
}

/** A new key: it never leaves Vault, and each document has a key of its own derived from it. */
export function keyFields({ autoRotateSeconds }: KeyItem): Fields {
  return {
    type: 'aes256-gcm96',
    derived: true,
    exportable: false,
    allow_plaintext_backup: false,
    ...(autoRotateSeconds === undefined ? {} : { auto_rotate_period: `${autoRotateSeconds}s` }),
  }
}

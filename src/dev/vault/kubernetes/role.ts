import { refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { Reply, TokenParams } from '../core/operation.ts'
import { describeTokenParams, readTokenParams, TOKEN_FIELDS_OF_OLD } from '../token/params.ts'
import type { ServiceAccountClaims } from './jwt.ts'

/** Who may log in as what. */
export interface KubernetesRole {
  readonly names: readonly string[]
  readonly namespaces: readonly string[]
  /** Empty: the token's own audiences will do. */
  readonly audience: string
  readonly aliasNameSource: string
  readonly params: TokenParams
}

/** Fields of a role. */
export const ROLE_FIELDS: Schema = {
  ...TOKEN_FIELDS_OF_OLD,
  bound_service_account_names: 'list',
  bound_service_account_namespaces: 'list',
  bound_service_account_namespace_selector: 'string',
  audience: 'string',
  alias_name_source: 'string',
}

const SELECTOR = 'bound_service_account_namespace_selector'
const ALIAS_SOURCES = ['serviceaccount_uid', 'serviceaccount_name']

/** Reads a role over what it was before. @throws VaultFailure in Vault's words */
export function readRole(fields: Fields, before: KubernetesRole | undefined): KubernetesRole {
  if (fields.string(SELECTOR) !== '') {
    throw refusal(`${SELECTOR}: the embedded Vault does not look at labels of namespaces`)
  }
  const params = readTokenParams(fields, before?.params)
  const list = (name: string, old: readonly string[] = []): readonly string[] =>
    fields.has(name) ? fields.list(name) : old
  const text = (name: string, old: string): string => (fields.has(name) ? fields.string(name) : old)
  const role: KubernetesRole = {
    names: list('bound_service_account_names', before?.names),
    namespaces: list('bound_service_account_namespaces', before?.namespaces),
    audience: text('audience', before?.audience ?? ''),
    aliasNameSource: text('alias_name_source', before?.aliasNameSource ?? 'serviceaccount_uid'),
    params,
  }
  check(role)
  return role
}

function check({ names, namespaces, aliasNameSource }: KubernetesRole): void {
  if (names.length === 0) throw refusal('"bound_service_account_names" can not be empty')
  if (isMixed(names)) throw refusal('can not mix "*" with values')
  if (namespaces.length === 0) {
    throw refusal(
      '"bound_service_account_namespaces" can not be empty if ' +
        '"bound_service_account_namespace_selector" is not set',
    )
  }
  if (isMixed(namespaces)) throw refusal('can not mix "*" with values')
  if (!ALIAS_SOURCES.includes(aliasNameSource)) {
    throw refusal(`invalid alias_name_source, must be one of: ${ALIAS_SOURCES.join(', ')}`)
  }
}

function isMixed(values: readonly string[]): boolean {
  return values.length > 1 && values.includes('*')
}

/** A role as it reads. */
export function describeRole(role: KubernetesRole): Reply {
  return {
    data: {
      ...describeTokenParams(role.params),
      alias_name_source: role.aliasNameSource,
      bound_service_account_names: role.names,
      bound_service_account_namespace_selector: '',
      bound_service_account_namespaces: role.namespaces,
      ...(role.audience === '' ? {} : { audience: role.audience }),
    },
  }
}

/** @throws VaultFailure 403 when the role is not for this ServiceAccount */
export function checkBinding(
  role: KubernetesRole,
  { name, namespace }: ServiceAccountClaims,
): void {
  if (!role.names.some((pattern) => globMatches(pattern, name))) {
    throw refusal('service account name not authorized', 403)
  }
  if (!role.namespaces.some((pattern) => globMatches(pattern, namespace))) {
    throw refusal('namespace not authorized', 403)
  }
}

/** `*` anywhere stands for any text. */
function globMatches(pattern: string, value: string): boolean {
  const parts = pattern
    .split('*')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(`^${parts.join('.*')}$`).test(value)
}

import { fault, refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { Reply, TokenParams, World } from '../core/operation.ts'
import { randomUuid } from '../core/random.ts'
import { describeTokenParams, readTokenParams, TOKEN_FIELDS } from '../token/params.ts'
import { checkCidrs } from './cidr.ts'
import { SecretIds } from './secret-ids.ts'

/** Who may log in as what; durations are seconds, 0 means without limit. */
export interface AppRole {
  readonly roleId: string
  readonly bindSecretId: boolean
  readonly boundCidrs: readonly string[]
  readonly localSecretIds: boolean
  readonly secretIdNumUses: number
  readonly secretIdTtl: number
  readonly params: TokenParams
  readonly secretIds: SecretIds
}

/** Fields of a role. */
export const ROLE_FIELDS: Schema = {
  ...TOKEN_FIELDS,
  policies: 'list',
  period: 'duration',
  bind_secret_id: 'bool',
  bound_cidr_list: 'list',
  local_secret_ids: 'bool',
  role_id: 'string',
  secret_id_bound_cidrs: 'list',
  secret_id_num_uses: 'int',
  secret_id_ttl: 'duration',
}

/** Reads a role over what it was before. @throws VaultFailure in Vault's words */
export function readRole(fields: Fields, known: AppRole | undefined, world: World): AppRole {
  const params = readTokenParams(fields, known?.params)
  if (known && fields.has('local_secret_ids')) {
    throw refusal('local_secret_ids can only be modified during role creation')
  }
  const before = known ?? freshRole(world)
  const given = <T>(name: string, read: (name: string) => T, old: T): T =>
    fields.has(name) ? read(name) : old
  const cidrs = fields.has('secret_id_bound_cidrs') ? 'secret_id_bound_cidrs' : 'bound_cidr_list'
  const role: AppRole = {
    roleId: given('role_id', fields.string, before.roleId),
    bindSecretId: given('bind_secret_id', fields.bool, before.bindSecretId),
    boundCidrs: given(cidrs, fields.list, before.boundCidrs),
    localSecretIds: given('local_secret_ids', fields.bool, before.localSecretIds),
    secretIdNumUses: given('secret_id_num_uses', fields.int, before.secretIdNumUses),
    secretIdTtl: given('secret_id_ttl', fields.seconds, before.secretIdTtl),
    params,
    secretIds: before.secretIds,
  }
  check(role)
  return role
}

function freshRole(world: World): Omit<AppRole, 'params'> {
  return {
    roleId: randomUuid(world.randomBytes),
    bindSecretId: true,
    boundCidrs: [],
    localSecretIds: false,
    secretIdNumUses: 0,
    secretIdTtl: 0,
    secretIds: new SecretIds(world),
  }
}

function check({ roleId, bindSecretId, boundCidrs, secretIdNumUses }: AppRole): void {
  if (roleId === '') {
    throw refusal('invalid role_id supplied, or failed to generate a role_id')
  }
  checkCidrs(boundCidrs)
  if (secretIdNumUses < 0) throw refusal('secret_id_num_uses cannot be negative')
  if (!bindSecretId && boundCidrs.length === 0) {
    throw fault('at least one constraint should be enabled on the role')
  }
}

/** A role as it reads; its role_id has a path of its own. */
export function describeRole(role: AppRole): Reply {
  return {
    data: {
      ...describeTokenParams(role.params),
      bind_secret_id: role.bindSecretId,
      local_secret_ids: role.localSecretIds,
      secret_id_bound_cidrs: role.boundCidrs.length === 0 ? null : role.boundCidrs,
      secret_id_num_uses: role.secretIdNumUses,
      secret_id_ttl: role.secretIdTtl,
    },
  }
}

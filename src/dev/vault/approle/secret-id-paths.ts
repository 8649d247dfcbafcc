import { fault, refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { Reply, World } from '../core/operation.ts'
import type { Call, PathSpec } from '../core/paths.ts'
import { randomUuid } from '../core/random.ts'
import type { AppRole } from './role.ts'
import { describeSecretId, lifetime, readMetadata, type NewSecretId } from './secret-ids.ts'

type Roles = ReadonlyMap<string, AppRole>

/** Everything below a role that makes, shows and ends its secret_ids. */
export function secretIdPaths(roles: Roles, world: World): readonly PathSpec[] {
  return [
    {
      pattern: 'role/:role/secret-id',
      fields: NEW_FIELDS,
      on: {
        update: (call) => create(roles, call, randomUuid(world.randomBytes)),
        list: (call) => ({ data: { keys: roleOf(roles, call, refusal).secretIds.accessors() } }),
      },
    },
    {
      pattern: 'role/:role/custom-secret-id',
      fields: { ...NEW_FIELDS, secret_id: 'string' },
      on: { update: (call) => create(roles, call, required(call, 'secret_id')) },
    },
    ...bySecretId(roles),
    ...byAccessor(roles),
    {
      pattern: 'tidy/secret-id',
      on: { update: () => ({ status: 202, warnings: [TIDYING] }) },
    },
  ]
}

const NEW_FIELDS: Schema = {
  metadata: 'string',
  cidr_list: 'list',
  token_bound_cidrs: 'list',
  num_uses: 'int',
  ttl: 'duration',
}

const TIDYING =
  'Tidy operation successfully started. Any information from the operation will be printed to ' +
  "OpenBao's server logs."

function bySecretId(roles: Roles): readonly PathSpec[] {
  const fields = { secret_id: 'string' } as const
  const destroy = (call: Call): undefined => {
    const secretId = required(call, 'secret_id')
    roleOf(roles, call).secretIds.remove(secretId)
  }
  return [
    {
      pattern: 'role/:role/secret-id/lookup',
      fields,
      on: {
        update: (call) => {
          const secretId = required(call, 'secret_id')
          const entry = roleOf(roles, call).secretIds.find(secretId)
          return entry && { data: describeSecretId(entry) }
        },
      },
    },
    {
      pattern: 'role/:role/secret-id/destroy',
      fields,
      on: { update: destroy, delete: destroy },
    },
  ]
}

function byAccessor(roles: Roles): readonly PathSpec[] {
  const fields = { secret_id_accessor: 'string' } as const
  const unknown = (accessor: string): string =>
    `failed to find accessor entry for secret_id_accessor: ${JSON.stringify(accessor)}`
  const destroy = (call: Call): undefined => {
    const accessor = required(call, 'secret_id_accessor')
    const { secretIds } = roleOf(roles, call)
    const found = secretIds.findByAccessor(accessor)
    if (!found) throw fault(unknown(accessor))
    secretIds.remove(found[0])
  }
  return [
    {
      pattern: 'role/:role/secret-id-accessor/lookup',
      fields,
      on: {
        update: (call) => {
          const accessor = required(call, 'secret_id_accessor')
          const found = roleOf(roles, call).secretIds.findByAccessor(accessor)
          // An error in the form of an answer: Vault's own slip.
          if (!found) return { status: 404, data: { error: unknown(accessor) } }
          return { data: describeSecretId(found[1]) }
        },
      },
    },
    {
      pattern: 'role/:role/secret-id-accessor/destroy',
      fields,
      on: { update: destroy, delete: destroy },
    },
  ]
}

function required({ fields }: Call, name: string): string {
  const value = fields.string(name)
  if (value === '') throw refusal(`missing ${name}`)
  return value
}

function roleOf(roles: Roles, call: Call, fail: (message: string) => Error = fault): AppRole {
  const role = roles.get(call.param('role').toLowerCase())
  if (!role) throw fail(`role ${JSON.stringify(call.param('role'))} does not exist`)
  return role
}

function create(roles: Roles, call: Call, secretId: string): Reply {
  const role = roleOf(roles, call, (message) => refusal(message, 404))
  if (!role.bindSecretId) throw refusal('bind_secret_id is not set on the role')
  const entry = role.secretIds.create(secretId, readNew(call.fields, role))
  return {
    data: {
      secret_id: secretId,
      secret_id_accessor: entry.accessor,
      secret_id_num_uses: entry.numUses,
      secret_id_ttl: lifetime(entry.ttl),
    },
  }
}

function readNew(fields: Fields, role: AppRole): NewSecretId {
  const cidrs = ['cidr_list', 'token_bound_cidrs'].find((name) => fields.list(name).length > 0)
  if (cidrs !== undefined) throw refusal(`${cidrs}: the embedded Vault does not see addresses`)
  const numUses = fields.has('num_uses') ? fields.int('num_uses') : role.secretIdNumUses
  const ttl = fields.has('ttl') ? fields.seconds('ttl') : role.secretIdTtl
  if (numUses < 0) throw refusal('num_uses cannot be negative')
  if (isLooser(numUses, role.secretIdNumUses)) {
    throw refusal("num_uses cannot be higher than the role's secret_id_num_uses")
  }
  if (isLooser(ttl, role.secretIdTtl)) {
    throw refusal("ttl cannot be longer than the role's secret_id_ttl")
  }
  return { numUses, ttl, metadata: readMetadata(fields.string('metadata')) }
}

function isLooser(asked: number, limit: number): boolean {
  return limit > 0 && (asked === 0 || asked > limit)
}

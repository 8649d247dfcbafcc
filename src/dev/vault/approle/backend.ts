/** The AppRole auth method. https://openbao.org/api-docs/auth/approle/ */
import { fault, refusal } from '../core/failure.ts'
import type { Backend, Reply, World } from '../core/operation.ts'
import { backendOf, type PathSpec } from '../core/paths.ts'
import { roleName, rolePaths, type RoleKind } from '../core/roles.ts'
import { checkClient } from './cidr.ts'
import { Lockout } from './lockout.ts'
import { describeRole, readRole, ROLE_FIELDS, type AppRole } from './role.ts'
import { secretIdPaths } from './secret-id-paths.ts'

/** An auth method without roles. */
export function createAppRoleBackend(world: World): Backend {
  const roles = new Map<string, AppRole>()
  return backendOf(
    [
      ...rolePaths(roles, kindOf(roles, world)),
      roleIdPath(roles),
      ...secretIdPaths(roles, world),
      loginPath(roles, new Lockout(world.clock)),
    ],
    {
      isLogin: (path) => path === 'login',
      paramsOf: ({ metadata }) => {
        const name = metadata?.['role_name'] ?? ''
        const role = roles.get(name)
        if (!role) throw fault(`role ${JSON.stringify(name)} does not exist during renewal`)
        return role.params
      },
    },
  )
}

type Roles = Map<string, AppRole>

function kindOf(roles: Roles, world: World): RoleKind<AppRole> {
  return {
    fields: ROLE_FIELDS,
    read: (fields, before) => readRole(fields, before, world),
    describe: describeRole,
    put: (name, role) => put(roles, name, role),
  }
}

function roleIdPath(roles: Roles): PathSpec {
  return {
    pattern: 'role/:role/role-id',
    fields: { role_id: 'string' },
    on: {
      read: (call) => {
        const role = roles.get(roleName(call))
        return role && { data: { role_id: role.roleId } }
      },
      update: (call) => {
        const role = roles.get(roleName(call))
        if (!role) throw fault('unsupported path', 404)
        const roleId = call.fields.string('role_id')
        if (roleId === '') throw refusal('missing role_id')
        put(roles, roleName(call), { ...role, roleId })
        return undefined
      },
    },
  }
}

function put(roles: Roles, name: string, role: AppRole): void {
  const owner = findByRoleId(roles, role.roleId)
  if (owner && owner[0] !== name) throw fault('role_id already in use')
  roles.set(name, role)
}

function findByRoleId(roles: Roles, roleId: string): readonly [string, AppRole] | undefined {
  return [...roles].find(([, role]) => role.roleId === roleId)
}

function loginPath(roles: Roles, lockout: Lockout): PathSpec {
  return {
    pattern: 'login',
    fields: { role_id: 'string', secret_id: 'string' },
    on: {
      update: ({ fields }): Reply => {
        const roleId = fields.string('role_id').trim()
        if (roleId === '') throw refusal('missing role_id', 500)
        lockout.check(roleId)
        const found = findByRoleId(roles, roleId)
        if (!found) throw refusal(INVALID)
        const [name, role] = found
        const given = useSecretId(role, fields.string('secret_id').trim(), lockout)
        checkClient(role.boundCidrs)
        lockout.succeed(roleId)
        const metadata = { ...given, role_name: name }
        return { grant: { displayName: '', alias: roleId, metadata, params: role.params } }
      },
    },
  }
}

const INVALID = 'invalid role or secret ID'

/** Gives the metadata of the secret_id. */
function useSecretId(
  { bindSecretId, secretIds, roleId }: AppRole,
  secretId: string,
  lockout: Lockout,
): Readonly<Record<string, string>> {
  if (!bindSecretId) return {}
  if (secretId === '') throw refusal('missing secret_id')
  const entry = secretIds.find(secretId)
  if (!entry) {
    lockout.fail(roleId)
    throw refusal(INVALID)
  }
  secretIds.use(secretId, entry)
  return entry.metadata
}

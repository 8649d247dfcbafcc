/** The roles of an auth method: every method lists, reads, writes and deletes them alike. */
import type { Fields, Schema } from './fields.ts'
import type { Reply } from './operation.ts'
import type { Call, PathSpec } from './paths.ts'

/** What tells the roles of one method from those of another. */
export interface RoleKind<Role> {
  readonly fields: Schema
  /** Reads a role that is written over the one there is, if there is one. */
  readonly read: (fields: Fields, before: Role | undefined) => Role
  readonly describe: (role: Role) => Reply
  /** Keeps a role. Default: by its name. */
  readonly put?: (name: string, role: Role) => void
}

/** The paths `role` and `role/:role`. */
export function rolePaths<Role>(
  roles: Map<string, Role>,
  { fields, read, describe, put = (name, role) => void roles.set(name, role) }: RoleKind<Role>,
): readonly PathSpec[] {
  const write = (call: Call): undefined => {
    put(roleName(call), read(call.fields, roles.get(roleName(call))))
  }
  return [
    { pattern: 'role', on: { list: () => ({ data: { keys: [...roles.keys()].toSorted() } }) } },
    {
      pattern: 'role/:role',
      fields,
      exists: (call) => roles.has(roleName(call)),
      on: {
        create: write,
        update: write,
        read: (call) => {
          const role = roles.get(roleName(call))
          return role && describe(role)
        },
        delete: (call) => void roles.delete(roleName(call)),
      },
    },
  ]
}

/** Names of roles are of lower case, however they are written. */
export function roleName(call: Call): string {
  return call.param('role').toLowerCase()
}

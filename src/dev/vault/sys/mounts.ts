import { refusal } from '../core/failure.ts'
import type { Schema } from '../core/fields.ts'
import type { Mount, MountTable } from '../core/mounts.ts'
import type { Reply } from '../core/operation.ts'
import type { Call, PathSpec } from '../core/paths.ts'
import { SYSTEM_TTL } from '../token/ttl.ts'

/** `sys/mounts` or `sys/auth`, with their table. */
export function mountPaths(kind: 'mounts' | 'auth', table: MountTable): readonly PathSpec[] {
  const found = (call: Call): Mount => {
    const mount = table.get(pathOf(call))
    if (mount) return mount
    const what = kind === 'auth' ? 'No auth engine at' : 'No secret engine mount at'
    throw refusal(`${what} ${pathOf(call)}/`)
  }
  const list = (): Reply => {
    const rows = table.list().map((mount) => [nameOf(mount), describe(kind, mount)])
    return { data: Object.fromEntries(rows) }
  }
  return [
    { pattern: kind, on: { read: list } },
    {
      pattern: `${kind}/*path/tune`,
      fields: { description: 'string' },
      on: {
        read: (call) => ({ data: { ...TUNING, description: found(call).description } }),
        update: (call) => tune(table, found(call), call),
      },
    },
    {
      pattern: `${kind}/*path`,
      fields: MOUNT_FIELDS,
      on: {
        read: (call) => ({ data: describe(kind, found(call)) }),
        update: (call) => enable(table, call),
        delete: (call) => {
          table.disable(pathOf(call))
          return undefined
        },
      },
    },
  ]
}

const MOUNT_FIELDS: Schema = {
  type: 'string',
  description: 'string',
  config: 'raw',
  options: 'map',
  local: 'bool',
  seal_wrap: 'bool',
}

function enable(table: MountTable, call: Call): undefined {
  const { fields } = call
  table.enable({
    path: pathOf(call),
    type: fields.string('type'),
    description: fields.string('description'),
    options: fields.map('options') ?? {},
  })
  return undefined
}

/** Of what can be tuned the description alone: the rest means nothing here. */
function tune(table: MountTable, { description }: Mount, call: Call): undefined {
  const { fields } = call
  const next = fields.has('description') ? fields.string('description') : description
  table.describe(pathOf(call), next)
  return undefined
}

function nameOf(mount: Mount): string {
  return mount.path.replace(/^auth\//, '')
}

const TUNING = {
  default_lease_ttl: SYSTEM_TTL,
  force_no_cache: false,
  max_lease_ttl: SYSTEM_TTL,
}

function pathOf(call: Call): string {
  return call.param('path').replace(/\/$/, '')
}

function describe(kind: 'mounts' | 'auth', mount: Mount): Readonly<Record<string, unknown>> {
  const token = kind === 'auth' ? { token_type: 'default-service' } : {}
  return {
    accessor: mount.accessor,
    config: { default_lease_ttl: 0, force_no_cache: false, max_lease_ttl: 0, ...token },
    ...(mount.isFixed ? {} : { deprecation_status: 'supported' }),
    description: mount.description,
    external_entropy_access: false,
    local: mount.type === 'cubbyhole',
    options: mount.options,
    plugin_version: '',
    running_plugin_version: 'v2.4.0+builtin.bao',
    running_sha256: '',
    seal_wrap: false,
    type: mount.type,
    uuid: mount.uuid,
  }
}

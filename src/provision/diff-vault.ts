/** Compares what Vault holds with what it should: a pure function that touches nothing. */
import { isRecord, textOf } from '../lib/record.ts'
import type { VaultActual } from './actual.ts'
import { changed, verdict, type Note, type Verdict } from './change.ts'
import { differing, isSame } from './compare.ts'
import { diffConfig, diffMethod } from './diff-auth.ts'
import { diffRole } from './diff-role.ts'
import { POLICY_MARK } from './names.ts'
import { keyFields } from './fields.ts'
import type { Fields, KeyItem, PolicyItem, VaultItem } from './items.ts'

/**
 * Compares one thing.
 *
 * @param now - Unix milliseconds
 * @param account - of the reviewer, where the item has one; absent: it is not there
 */
export function diffVault(
  item: VaultItem,
  actual: VaultActual,
  now: number,
  account?: Fields,
): Verdict {
  switch (item.kind) {
    case 'engine':
      return diffEngine(item.mount, actual)
    case 'upsert':
      return diffUpsert(item.mount, item.adopt, actual)
    case 'key':
      return diffKey(item, actual.at.get(pathOf(item)))
    case 'policy':
      return diffPolicy(item, actual.at.get(pathOf(item)))
    case 'method':
      return diffMethod(item, actual)
    case 'config':
      return diffConfig(item, actual, { now, account })
    case 'role':
      return diffRole(item, actual.at.get(pathOf(item)))
    case 'header':
      return diffHeader(item.name, actual.headers)
  }
}

/** Where in Vault a thing is, below `/v1/`. */
export function pathOf(item: VaultItem): string {
  switch (item.kind) {
    case 'engine':
      return `sys/mounts/${item.mount}`
    case 'upsert':
      return `${item.mount}/config/keys`
    case 'key':
      return `${item.mount}/keys/${item.key}`
    case 'policy':
      return `sys/policies/acl/${item.name}`
    case 'method':
      return `sys/auth/${item.mount}`
    case 'config':
      return `auth/${item.mount}/config`
    case 'role':
      return `auth/${item.mount}/role/${item.name}`
    case 'header':
      return `sys/config/auditing/request-headers/${item.name}`
  }
}

function diffEngine(mount: string, { engines }: VaultActual): Verdict {
  const what = `secrets engine ${mount}`
  const there = engines.get(mount)
  if (there === undefined) {
    const body = { type: 'transit' }
    const path = `sys/mounts/${mount}`
    return changed('vault', what, 'create', [], [{ target: 'vault', method: 'POST', path, body }])
  }
  const type = textOf(there['type'])
  if (type === 'transit') return changed('vault', what, 'same')
  return verdict({ conflicts: [`${what} is of type ${type}: name another vault.transitMount`] })
}

/** With upsert, whoever may create at a misspelt key gets a key: nothing decrypts by it later. */
function diffUpsert(mount: string, adopt: boolean, { at, engines }: VaultActual): Verdict {
  const what = `settings of ${mount}`
  const path = `${mount}/config/keys`
  const there = at.get(path)
  const isOld = there === undefined && engines.has(mount)
  if (isOld) return verdict({ notes: [note(what, 'this server cannot disable upsert', false)] })
  const wanted = { disable_upsert: true }
  const fields = differing(wanted, there ?? {})
  if (fields.length === 0) return changed('vault', what, 'same')
  if (adopt && there !== undefined) {
    const says = 'upsert stays on for others who use the mount: encrypting creates missing keys'
    return joinedKeep(what, says)
  }
  const write = { target: 'vault', method: 'POST', path, body: wanted } as const
  return changed('vault', what, 'update', fields, [write])
}

function diffKey(item: KeyItem, there: Fields | undefined): Verdict {
  const what = `key ${item.mount}/${item.key}`
  const path = pathOf(item)
  if (there === undefined) {
    const body = keyFields(item)
    return changed('vault', what, 'create', [], [{ target: 'vault', method: 'POST', path, body }])
  }
  const notes = keyNotes(what, there)
  const { autoRotateSeconds: seconds } = item
  if (seconds === undefined || isSame(seconds, there['auto_rotate_period'])) {
    return { ...changed('vault', what, 'same'), notes }
  }
  const fields = differing({ auto_rotate_period: seconds }, there)
  const body = { auto_rotate_period: `${seconds}s` }
  const write = { target: 'vault', method: 'POST', path: `${path}/config`, body } as const
  return { ...changed('vault', what, 'update', fields, [write]), notes }
}

/** What a key was made with stays so for ever: it can only be said. */
function keyNotes(about: string, there: Fields): readonly Note[] {
  const type = textOf(there['type'])
  return [
    ...(there['derived'] === true ? [] : [note(about, NOT_DERIVED, true)]),
    ...(there['exportable'] === true ? [note(about, EXPORTABLE, true)] : []),
    ...(there['allow_plaintext_backup'] === true ? [note(about, BACKUP, true)] : []),
    ...(there['deletion_allowed'] === true ? [note(about, DELETABLE, true)] : []),
    ...(type === 'aes256-gcm96' ? [] : [note(about, `is of type ${type}`, false)]),
  ]
}

const NOT_DERIVED =
  'is not derived, and stays so: documents under it are bound to no place (scope none)'
const EXPORTABLE = 'is exportable, which cannot be undone: whoever may export it can read for ever'
const BACKUP = 'may be backed up in plaintext, which cannot be undone'
const DELETABLE = 'may be deleted, and with it all documents under it'

function diffPolicy(item: PolicyItem, there: Fields | undefined): Verdict {
  const what = `policy ${item.name}`
  const body = { policy: item.text }
  const write = { target: 'vault', method: 'PUT', path: pathOf(item), body } as const
  if (there === undefined) return changed('vault', what, 'create', [], [write])
  const text = textOf(there['policy'])
  if (text.trim() === item.text.trim()) return changed('vault', what, 'same')
  if (text.startsWith(POLICY_MARK)) {
    return changed('vault', what, 'update', [{ field: 'policy' }], [write])
  }
  if (item.adopt) return joinedKeep(what, 'is not of provision, and stays as it is')
  return verdict({
    conflicts: [
      `${what} is there and not of provision: ${ADOPT}; if it was overwritten: vault policy delete ${item.name}`,
    ],
  })
}

const ADOPT = 'set adopt: true to keep it as it is, or name another'

function diffHeader(name: string, headers: VaultActual['headers']): Verdict {
  const what = `audited header ${name}`
  if (headers === undefined) {
    const says = 'cannot be set here, only in the root namespace'
    return verdict({ notes: [note(what, says, false)] })
  }
  const there = headers.get(name.toLowerCase())
  const body = { hmac: false }
  if (there !== undefined && isSame(false, there['hmac'])) return changed('vault', what, 'same')
  const path = `sys/config/auditing/request-headers/${name}`
  const write = { target: 'vault', method: 'PUT', path, body, isRootPath: true } as const
  const fields = there === undefined ? [] : differing(body, there)
  return changed('vault', what, there === undefined ? 'create' : 'update', fields, [write])
}

function joinedKeep(what: string, says: string): Verdict {
  return { ...changed('vault', what, 'keep'), notes: [note(what, says, false)] }
}

function note(about: string, says: string, isRisk: boolean): Note {
  return { about, says, isRisk }
}

/** By its mount without slashes around it, what `sys/mounts` or `sys/auth` lists. */
export function mountsOf(data: Fields): ReadonlyMap<string, Fields> {
  const rows = Object.entries(data).filter((row): row is [string, Fields] => isRecord(row[1]))
  return new Map(rows.map(([path, row]) => [path.replace(/\/$/, ''), row]))
}

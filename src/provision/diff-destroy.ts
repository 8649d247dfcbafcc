/** What is to be taken away again: what provision made, and nothing that somebody else did. */
import { textOf, textsOf } from '../lib/record.ts'
import {
  changed,
  joined,
  verdict,
  type Change,
  type Note,
  type Verdict,
  type VaultWrite,
} from './change.ts'
import { diffMethod } from './diff-auth.ts'
import { isOurs, type ClusterActual } from './diff-kubernetes.ts'
import type { Actual } from './diff.ts'
import { identityOf as identityOfRole } from './diff-role.ts'
import { pathOf } from './diff-vault.ts'
import type { VaultActual } from './actual.ts'
import { POLICY_MARK } from './names.ts'
import type { Plan } from './plan.ts'
import type { Fields, KeyItem, MethodItem, PolicyItem, RoleItem, VaultItem } from './items.ts'
import { identityOf, type Manifest } from './manifest.ts'
import { withoutRecord } from './record.ts'

/** What is known besides the things themselves. */
export interface Destruction {
  /** Whether the keys go, too, and with them every document under them. */
  readonly keys: boolean
  /** By auth mount, the roles that it has. */
  readonly roles: ReadonlyMap<string, readonly string[]>
}

/** In reverse: nobody is let in any more before anything else goes, and a cluster is known until its end. */
export function diffDestroy(plan: Plan, actual: Actual, options: Destruction): Verdict {
  const { vault } = actual
  const of = <Kind extends VaultItem['kind']>(kind: Kind): readonly ItemOf<Kind>[] =>
    plan.vault.filter((item): item is ItemOf<Kind> => item.kind === kind)
  const roles = of('role')
  return joined([
    ...of('method').map((item) => strangers(item, vault)),
    ...roles.map((item) => removeRole(item, vault)),
    ...[...plan.clusters].map(([name, manifests]) =>
      removeObjects(name, manifests, actual.clusters.get(name) ?? new Map()),
    ),
    ...of('method').map((item) => removeMethod(item, vault, roles, options)),
    ...of('policy').map((item) => removePolicy(item, vault.at.get(pathOf(item)))),
    ...of('key').map((item) => removeKey(item, vault.at.get(pathOf(item)), options.keys)),
    ...of('engine').map(({ mount }) => kept(`secrets engine ${mount}`, 'stays, as its keys may')),
  ])
}

type ItemOf<Kind extends VaultItem['kind']> = Extract<VaultItem, { readonly kind: Kind }>

/** A context that leads elsewhere must not have anything taken away there. */
function strangers(item: MethodItem, actual: VaultActual): Verdict {
  const { conflicts } = diffMethod({ ...item, adopt: true }, actual)
  return verdict({ conflicts })
}

function remove(what: string, path: string, more: Partial<VaultWrite> = {}): Verdict {
  const write = { target: 'vault', method: 'DELETE', path, ...more } as const
  return changed('vault', what, 'delete', [], [write])
}

function kept(about: string, says: string): Verdict {
  return verdict({ notes: [{ about, says, isRisk: false }] })
}

function removeRole(item: RoleItem, { at }: VaultActual): Verdict {
  const there = at.get(pathOf(item))
  const what = `role ${item.mount}/${item.name}`
  const policies = textsOf(there?.['token_policies'])
  if (there === undefined || !policies.includes(item.policy)) return verdict({})
  return item.adopt ? withdraw(item, there, at) : remove(what, pathOf(item))
}

/** A role that was there before loses what it was given, unless that was there before, too. */
function withdraw(item: RoleItem, there: Fields, at: VaultActual['at']): Verdict {
  const what = `role ${item.mount}/${item.name}`
  const policy = textOf(at.get(`sys/policies/acl/${item.policy}`)?.['policy'])
  if (!policy.startsWith(POLICY_MARK)) return kept(what, 'is not of provision, and stays as it is')
  const rest = textsOf(there['token_policies']).filter((name) => name !== item.policy)
  const body = { ...identityOfRole(item, there), token_policies: rest }
  const write = { target: 'vault', method: 'POST', path: pathOf(item), body } as const
  return changed('vault', what, 'update', [{ field: 'token_policies' }], [write])
}

function removeObjects(
  cluster: string,
  manifests: readonly Manifest[],
  actual: ClusterActual,
): Verdict {
  const changes = manifests.toReversed().flatMap((manifest): readonly Change[] => {
    const there = actual.get(identityOf(manifest))
    if (there === undefined || !isOurs(there) || manifest.kind === 'Namespace') return []
    const write = { target: 'kubernetes', cluster, verb: 'delete', manifest } as const
    const where = `cluster ${cluster}`
    return [{ where, what: identityOf(manifest), action: 'delete', fields: [], writes: [write] }]
  })
  return verdict({ changes, notes: manifests.flatMap((one) => namespaceNote(cluster, one)) })
}

function namespaceNote(cluster: string, { kind, metadata }: Manifest): readonly Note[] {
  if (kind !== 'Namespace') return []
  const says = 'stays: what else is in it would go with it'
  return [{ about: `cluster ${cluster}: Namespace ${metadata.name}`, says, isRisk: false }]
}

function removeMethod(
  item: MethodItem,
  { methods }: VaultActual,
  roles: readonly RoleItem[],
  { roles: known }: Destruction,
): Verdict {
  const what = `auth mount ${item.mount}`
  const there = methods.get(item.mount)
  if (there === undefined) return verdict({})
  if (item.adopt) return forget(item, textOf(there['description']))
  const ours = new Set(
    roles.filter(({ mount }) => mount === item.mount).map(({ name }) => name.toLowerCase()),
  )
  const others = (known.get(item.mount) ?? []).filter((name) => !ours.has(name))
  if (others.length > 0) return kept(what, `stays for its other roles: ${others.join(', ')}`)
  return remove(what, pathOf(item), { isRootPath: true })
}

function forget(item: MethodItem, description: string): Verdict {
  const body = { description: withoutRecord(description) }
  if (body.description === description) return verdict({})
  const path = `${pathOf(item)}/tune`
  const write = { target: 'vault', method: 'POST', path, body, isRootPath: true } as const
  return changed('vault', `auth mount ${item.mount}`, 'update', [{ field: 'description' }], [write])
}

function removePolicy(item: PolicyItem, there: Fields | undefined): Verdict {
  const isMarked = textOf(there?.['policy']).startsWith(POLICY_MARK)
  return isMarked ? remove(`policy ${item.name}`, pathOf(item)) : verdict({})
}

function removeKey(item: KeyItem, there: Fields | undefined, isAsked: boolean): Verdict {
  const what = `key ${item.mount}/${item.key}`
  if (there === undefined) return verdict({})
  if (!isAsked) return kept(what, 'stays, and with it every document under it (--destroy-keys)')
  const path = pathOf(item)
  const body = { deletion_allowed: true }
  const allow = { target: 'vault', method: 'POST', path: `${path}/config`, body } as const
  const destroy = { target: 'vault', method: 'DELETE', path } as const
  return changed('vault', what, 'delete', [], [allow, destroy])
}

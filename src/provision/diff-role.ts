/** Compares the roles of auth mounts. */
import { textOf, textsOf } from '../lib/record.ts'
import { changed, verdict, type Note, type VaultWrite, type Verdict } from './change.ts'
import { differing } from './compare.ts'
import { bindingOf, roleFields } from './fields.ts'
import type { Fields, RoleItem } from './items.ts'

/** Compares one role; policies that somebody else gave to it stay, and are said. */
export function diffRole(item: RoleItem, there: Fields | undefined): Verdict {
  const what = nameOf(item)
  const wanted = roleFields(item)
  if (there === undefined) return changed('vault', what, 'create', [], [writeOf(item, wanted)])
  const policies = textsOf(there['token_policies'])
  if (item.adopt) return adopted(item, there, policies)
  if (!policies.includes(item.policy)) {
    return verdict({
      conflicts: [
        `${what} is there and does not give the policy ${item.policy}: set adopt: true to keep what it gives, or name another`,
      ],
    })
  }
  const fields = differing({ ...wanted, token_policies: policies }, there)
  const notes = policyNotes(item, policies)
  if (fields.length === 0) return { ...changed('vault', what, 'same'), notes }
  const write = writeOf(item, { ...wanted, token_policies: policies })
  return { ...changed('vault', what, 'update', fields, [write]), notes }
}

function nameOf({ mount, name }: RoleItem): string {
  return `role ${mount}/${name}`
}

function writeOf({ mount, name }: RoleItem, body: Fields): VaultWrite {
  return { target: 'vault', method: 'POST', path: `auth/${mount}/role/${name}`, body }
}

/** Whoever logs in by it today must do so tomorrow: nothing is taken away, and nobody else let in. */
function adopted(item: RoleItem, there: Fields, policies: readonly string[]): Verdict {
  const what = nameOf(item)
  if (!letsIn(item, there)) {
    const who = `${item.namespace}/${item.serviceAccount}`
    return verdict({ conflicts: [`${what} is not for the ServiceAccount ${who}: name another`] })
  }
  const notes = adoptedNotes(item, there)
  if (policies.includes(item.policy)) return { ...changed('vault', what, 'keep'), notes }
  const body = { ...identityOf(item, there), token_policies: [...policies, item.policy] }
  const fields = differing({ token_policies: body.token_policies }, there)
  return { ...changed('vault', what, 'update', fields, [writeOf(item, body)]), notes }
}

/** What a write has to say again: the jwt method judges each as a whole. */
export function identityOf({ type }: Pick<RoleItem, 'type'>, there: Fields): Fields {
  if (type === 'kubernetes') return {}
  const kept = ['role_type', 'user_claim', 'bound_subject', 'bound_audiences', 'bound_claims_type']
  return Object.fromEntries(kept.map((name) => [name, there[name] ?? undefined]))
}

function letsIn(item: RoleItem, there: Fields): boolean {
  const { bound_subject: subject } = bindingOf(item)
  if (item.type === 'jwt') return ['', subject].includes(textOf(there['bound_subject']))
  return (
    allows(there['bound_service_account_names'], item.serviceAccount) &&
    allows(there['bound_service_account_namespaces'], item.namespace)
  )
}

function allows(value: unknown, name: string): boolean {
  const names = textsOf(value)
  return names.includes(name) || names.includes('*')
}

function adoptedNotes(item: RoleItem, there: Fields): readonly Note[] {
  const about = nameOf(item)
  const notes: readonly (readonly [boolean, string])[] = [
    [audienceOf(item, there) === '', 'takes tokens of any audience'],
    [textOf(there['token_type']) !== 'batch', 'gives tokens that can be renewed'],
    [there['token_no_default_policy'] !== true, 'gives the policy default, too'],
    [isWide(there), 'is not for one ServiceAccount alone'],
  ]
  return notes.flatMap(([isSo, says]) => (isSo ? [{ about, says, isRisk: false }] : []))
}

function audienceOf({ type }: RoleItem, there: Fields): string {
  return type === 'jwt' ? textsOf(there['bound_audiences']).join() : textOf(there['audience'])
}

function isWide(there: Fields): boolean {
  const lists = [there['bound_service_account_names'], there['bound_service_account_namespaces']]
  return lists.map(textsOf).some((names) => names.length > 1 || names.includes('*'))
}

function policyNotes(item: RoleItem, policies: readonly string[]): readonly Note[] {
  const others = policies.filter((name) => name !== item.policy)
  if (others.length === 0) return []
  return [{ about: nameOf(item), says: `also gives ${others.join(', ')}`, isRisk: true }]
}

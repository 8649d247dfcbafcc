/** Whether a user may do something; https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
import { MASTERS, type User } from './authentication.ts'
import { type Cluster } from './cluster.ts'
import {
  type Binding,
  CLUSTER_ROLES,
  CLUSTER_ROLE_BINDINGS,
  type PolicyRule,
  ROLES,
  ROLE_BINDINGS,
  type RoleRef,
  type Subject,
} from './rbac-kinds.ts'

/** What somebody wants to do to a resource; empty strings where a part does not apply. */
export interface ResourceAttributes {
  readonly verb: string
  readonly group: string
  readonly resource: string
  readonly subresource: string
  readonly namespace: string
  readonly name: string
}

/** What somebody wants to do to a path that is no resource, such as `/version`. */
export interface PathAttributes {
  readonly verb: string
  readonly path: string
}

/** What is asked of the authorizer. */
export type Attributes = ResourceAttributes | PathAttributes

/** The answer; `reason` names the binding that allows, or what was wrong while looking. */
export interface Decision {
  readonly allowed: boolean
  readonly reason: string
}

/** Rules that apply to a user, with the binding that brought them. */
interface Grant {
  readonly rules: readonly PolicyRule[]
  readonly reason: string
}

/** Decides as the RBAC authorizer does: allowed by any rule, else denied. */
export function authorize(cluster: Cluster, user: User, attributes: Attributes): Decision {
  if (!cluster.rbac || user.groups.includes(MASTERS)) return { allowed: true, reason: '' }
  const namespace = 'path' in attributes ? '' : attributes.namespace
  const { grants, missing } = grantsOf(cluster, user, namespace)
  const grant = grants.find(({ rules }) => rules.some((rule) => allows(rule, attributes)))
  if (grant !== undefined) return { allowed: true, reason: `RBAC: ${grant.reason}` }
  return { allowed: false, reason: missing.length === 0 ? '' : `RBAC: ${listed(missing)}` }
}

/** All rules of a user in a namespace; with an empty namespace those of the cluster. */
export function rulesOf(cluster: Cluster, user: User, namespace: string): readonly PolicyRule[] {
  return grantsOf(cluster, user, namespace).grants.flatMap(({ rules }) => rules)
}

/** The rules a role reference stands for, or undefined when there is no such role. */
export function rulesOfRole(
  { store }: Cluster,
  { kind, name }: RoleRef,
  namespace: string,
): readonly PolicyRule[] | undefined {
  const role =
    kind === 'Role' ? store.get(ROLES, namespace, name) : store.get(CLUSTER_ROLES, '', name)
  return role === undefined ? undefined : (role.rules ?? [])
}

function grantsOf(
  cluster: Cluster,
  user: User,
  namespace: string,
): { grants: Grant[]; missing: string[] } {
  const grants: Grant[] = []
  const missing: string[] = []
  for (const binding of bindingsIn(cluster, namespace)) {
    const home = binding.metadata.namespace ?? ''
    const subject = binding.subjects?.find((one) => isSubject(one, user, home))
    if (subject === undefined) continue
    const rules = rulesOfRole(cluster, binding.roleRef, home)
    if (rules === undefined)
      missing.push(`${kindOf(binding.roleRef)} "${binding.roleRef.name}" not found`)
    else grants.push({ rules, reason: reasonOf(binding, subject) })
  }
  return { grants, missing }
}

function bindingsIn({ store }: Cluster, namespace: string): Binding[] {
  const here = namespace === '' ? [] : store.list(ROLE_BINDINGS, namespace)
  return [...store.list(CLUSTER_ROLE_BINDINGS, ''), ...here]
}

function isSubject({ kind, name, namespace }: Subject, user: User, home: string): boolean {
  switch (kind) {
    case 'User':
      return name === user.username
    case 'Group':
      return user.groups.includes(name)
    case 'ServiceAccount':
      return user.username === `system:serviceaccount:${namespace ?? home}:${name}`
    default:
      return false
  }
}

function allows(rule: PolicyRule, attributes: Attributes): boolean {
  if (!has(rule.verbs, attributes.verb)) return false
  if ('path' in attributes) {
    return (rule.nonResourceURLs ?? []).some((url) => coversPath(url, attributes.path))
  }
  return allowsResource(rule, attributes)
}

function allowsResource(rule: PolicyRule, attributes: ResourceAttributes): boolean {
  const { group, resource, subresource, name } = attributes
  const { apiGroups = [], resources = [], resourceNames = [] } = rule
  const isNamed = resourceNames.length === 0 || resourceNames.includes(name)
  if (!isNamed || !has(apiGroups, group)) return false
  if (subresource === '') return has(resources, resource)
  return has(resources, `${resource}/${subresource}`) || resources.includes(`*/${subresource}`)
}

function coversPath(url: string, path: string): boolean {
  return url === '*' || url === path || (url.endsWith('*') && path.startsWith(url.slice(0, -1)))
}

function has(list: readonly string[], one: string): boolean {
  return list.includes('*') || list.includes(one)
}

function reasonOf({ metadata, roleRef }: Binding, subject: Subject): string {
  const { name = '', namespace } = metadata
  const binding =
    namespace === undefined ? `ClusterRoleBinding "${name}"` : `RoleBinding "${name}/${namespace}"`
  const isAccount = subject.kind === 'ServiceAccount'
  const who = isAccount ? `${subject.name}/${subject.namespace ?? namespace ?? ''}` : subject.name
  return `allowed by ${binding} of ${roleRef.kind} "${roleRef.name}" to ${subject.kind} "${who}"`
}

function kindOf({ kind, apiGroup }: RoleRef): string {
  return `${kind.toLowerCase()}.${apiGroup}`
}

function listed(texts: readonly string[]): string {
  return texts.length === 1 ? texts.join('') : `[${texts.join(', ')}]`
}

/**
 * Nobody may grant what he does not have himself, unless he has the verb `escalate` or `bind`.
 *
 * https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping
 */
import type { User } from './authentication.ts'
import type { Cluster } from './cluster.ts'
import type { KubernetesObject } from './objects.ts'
import { authorize, rulesOf, rulesOfRole } from './rbac.ts'
import { type Binding, type PolicyRule, RBAC_GROUP, type Role } from './rbac-kinds.ts'
import type { ResourceRequest } from './request.ts'
import { forbidden, notFound, quoted } from './status.ts'

/** Checks a role or a binding that is about to be stored. @throws Refusal 403 or 404 */
export function refuseEscalation(
  cluster: Cluster,
  request: ResourceRequest,
  object: KubernetesObject,
): void {
  if (request.group !== RBAC_GROUP) return
  const { user, namespace, name, resource } = request
  const granted = grantedBy(cluster, request, object)
  if (granted === undefined) return
  const held = rulesOf(cluster, user, namespace)
  const lacking = granted.flatMap(split).filter((rule) => !held.some((one) => covers(one, rule)))
  if (lacking.length === 0) return
  const text = `is attempting to grant RBAC permissions not currently held:\n${printedAll(lacking)}`
  const subject = object.metadata.name ?? name
  throw forbidden({ group: RBAC_GROUP, name: resource }, subject, `${shown(user)} ${text}`)
}

/** The rules that the object would grant, or undefined when this user may grant anything. */
function grantedBy(
  cluster: Cluster,
  request: ResourceRequest,
  object: KubernetesObject & Partial<Role & Binding>,
): readonly PolicyRule[] | undefined {
  const { roleRef } = object
  if (roleRef === undefined)
    return isAllowed(cluster, request, 'escalate', request.resource, object.metadata.name ?? '')
      ? undefined
      : (object.rules ?? [])
  const resource = roleRef.kind === 'Role' ? 'roles' : 'clusterroles'
  if (isAllowed(cluster, request, 'bind', resource, roleRef.name)) return undefined
  const rules = rulesOfRole(cluster, roleRef, request.namespace)
  if (rules === undefined)
    throw notFound({ group: RBAC_GROUP, name: resource.slice(0, -1) }, roleRef.name)
  return rules
}

function isAllowed(
  cluster: Cluster,
  { user, namespace }: ResourceRequest,
  verb: string,
  resource: string,
  name: string,
): boolean {
  const attributes = { verb, group: RBAC_GROUP, resource, subresource: '', namespace, name }
  return authorize(cluster, user, attributes).allowed
}

/** One rule per verb, group, resource, name and path: each of them may be held by another rule. */
function split(rule: PolicyRule): PolicyRule[] {
  const { apiGroups = [], resources = [], resourceNames, nonResourceURLs = [] } = rule
  const names = resourceNames?.map((name) => ({ resourceNames: [name] })) ?? [{}]
  const places = apiGroups.flatMap((group) =>
    resources.flatMap((one) =>
      names.map((name): Omit<PolicyRule, 'verbs'> =>
        Object.assign({ apiGroups: [group], resources: [one] }, name),
      ),
    ),
  )
  const paths = nonResourceURLs.map((url) => ({ nonResourceURLs: [url] }))
  return [...places, ...paths].flatMap((place) =>
    rule.verbs.map((verb) => ({ ...place, verbs: [verb] })),
  )
}

/** Whether one rule that is held allows all of one split rule. */
function covers(held: PolicyRule, wanted: PolicyRule): boolean {
  const urls = wanted.nonResourceURLs
  if (!containsAll(held.verbs, wanted.verbs)) return false
  if (urls !== undefined)
    return urls.every((url) =>
      (held.nonResourceURLs ?? []).some((one) => one === '*' || one === url),
    )
  const isNamed =
    held.resourceNames === undefined || includesAll(held.resourceNames, wanted.resourceNames)
  return (
    isNamed &&
    containsAll(held.apiGroups ?? [], wanted.apiGroups ?? []) &&
    containsAll(held.resources ?? [], wanted.resources ?? [])
  )
}

function containsAll(held: readonly string[], wanted: readonly string[]): boolean {
  return held.includes('*') || wanted.every((one) => held.includes(one))
}

function includesAll(held: readonly string[], wanted: readonly string[] | undefined): boolean {
  return wanted !== undefined && wanted.every((one) => held.includes(one))
}

function shown({ username, groups }: User): string {
  return `user ${JSON.stringify(username)} (groups=${quoted(groups)})`
}

/** Verbs on the same thing stand together again. */
function printedAll(rules: readonly PolicyRule[]): string {
  const verbsOf = new Map<string, string[]>()
  for (const rule of rules) {
    const place = placeOf(rule)
    verbsOf.set(place, [...(verbsOf.get(place) ?? []), ...rule.verbs])
  }
  return [...verbsOf].map(([place, verbs]) => `{${place}, Verbs:${quoted(verbs)}}`).join('\n')
}

function placeOf({ apiGroups, resources, resourceNames, nonResourceURLs }: PolicyRule): string {
  const lists = {
    APIGroups: apiGroups,
    Resources: resources,
    ResourceNames: resourceNames,
    NonResourceURLs: nonResourceURLs,
  }
  return Object.entries(lists)
    .flatMap(([key, list]) => (list === undefined ? [] : [`${key}:${quoted(list)}`]))
    .join(', ')
}

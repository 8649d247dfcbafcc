/**
 * What the caller may do, as the API server itself judges it: asked before anything is changed.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
 */
import type { Allowance } from '../http/budget.ts'
import { badResponse } from '../http/call.ts'
import { isRecord, textsOf } from '../lib/record.ts'
import type { KubernetesClient } from './client.ts'

/** Something to do, in RBAC's words. */
export interface Action {
  readonly verb: string
  /** Such as `secrets` or `serviceaccounts/token`. */
  readonly resource: string
  /** Absent: the core group. */
  readonly group?: string | undefined
  /** Absent: in all of them, or to an object of the cluster. */
  readonly namespace?: string | undefined
  /** Absent: to all of them. */
  readonly name?: string | undefined
}

/** One rule that applies to the caller; `*` stands for all. */
export interface Rule {
  readonly verbs: readonly string[]
  readonly groups: readonly string[]
  readonly resources: readonly string[]
  /** Empty: whatever the name. */
  readonly names: readonly string[]
}

/** The rules that apply to the caller in one namespace. */
export interface Rules {
  readonly rules: readonly Rule[]
  /** Whether an authorizer could not list its rules: what none of these allows may be allowed all the same. */
  readonly isIncomplete: boolean
}

type Json = Readonly<Record<string, unknown>>

/**
 * Asks whether the caller may do something (SelfSubjectAccessReview).
 *
 * @throws {@link SecretManagerError} SM_K8S_DENIED where even asking is refused, SM_K8S_*
 */
export async function mayI(
  client: KubernetesClient,
  allowance: Allowance,
  action: Action,
): Promise<boolean> {
  const spec = { resourceAttributes: attributesOf(action) }
  return isAllowed(client, await review(client, allowance, 'SelfSubjectAccessReview', spec))
}

/** Somebody as the API server knows them. */
export interface User {
  readonly name: string
  readonly groups: readonly string[]
}

/** A ServiceAccount as the API server knows it. */
export function serviceAccountUser(namespace: string, name: string): User {
  const groups = ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, AUTHENTICATED]
  return { name: `system:serviceaccount:${namespace}:${name}`, groups }
}

/** Group of everybody who has logged in. */
export const AUTHENTICATED = 'system:authenticated'

/**
 * Asks whether somebody else may do something (SubjectAccessReview).
 *
 * @throws {@link SecretManagerError} SM_K8S_DENIED where that may not be asked, SM_K8S_*
 * @see https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/subject-access-review-v1/
 */
export async function mayUser(
  client: KubernetesClient,
  allowance: Allowance,
  { name: user, groups }: User,
  action: Action,
): Promise<boolean> {
  const spec = { user, groups, resourceAttributes: attributesOf(action) }
  return isAllowed(client, await review(client, allowance, 'SubjectAccessReview', spec))
}

function attributesOf({
  verb,
  resource: path,
  group = '',
  namespace = '',
  name = '',
}: Action): Json {
  const [resource = '', subresource = ''] = path.split('/')
  return { verb, group, resource, subresource, namespace, name }
}

function isAllowed(client: KubernetesClient, { allowed }: Json): boolean {
  if (typeof allowed === 'boolean') return allowed
  throw unknown(client, 'allowed')
}

/**
 * Asks for all rules of the caller in a namespace (SelfSubjectRulesReview): one request in place of one
 * for each name.
 *
 * @throws {@link SecretManagerError} SM_K8S_DENIED where even asking is refused, SM_K8S_*
 */
export async function rulesIn(
  client: KubernetesClient,
  allowance: Allowance,
  namespace: string,
): Promise<Rules> {
  const kind = 'SelfSubjectRulesReview'
  const { resourceRules, incomplete } = await review(client, allowance, kind, { namespace })
  if (!Array.isArray(resourceRules) || typeof incomplete !== 'boolean')
    throw unknown(client, 'resourceRules')
  return { rules: resourceRules.filter(isRecord).map(ruleOf), isIncomplete: incomplete }
}

/** Whether `rules` of its namespace allow an action; `undefined` where only {@link mayI} can tell. */
export function allows({ rules, isIncomplete }: Rules, action: Action): boolean | undefined {
  if (rules.some((rule) => covers(rule, action))) return true
  return isIncomplete ? undefined : false
}

/** Asks with `spec`, and gives the `status` of the answer. */
async function review(
  client: KubernetesClient,
  allowance: Allowance,
  kind: string,
  spec: Json,
): Promise<Json> {
  const collection = `${kind.toLowerCase()}s`
  const operation = { verb: 'create', resource: `${collection}.${GROUP}` } as const
  const { json } = await client.request(allowance, operation, {
    method: 'POST',
    path: `/apis/${GROUP}/v1/${collection}`,
    headers: {},
    body: { apiVersion: `${GROUP}/v1`, kind, spec },
  })
  if (isRecord(json) && isRecord(json['status'])) return json['status']
  throw unknown(client, 'status')
}

const GROUP = 'authorization.k8s.io'

function unknown({ access }: KubernetesClient, field: string): Error {
  const backend = { name: 'kubernetes', url: access.server } as const
  return badResponse(backend, 201, `is a review without ${field}`)
}

/** Reads a rule, as reviews and Roles have it. */
export function ruleOf({ verbs, apiGroups, resources, resourceNames }: Json): Rule {
  return {
    verbs: textsOf(verbs),
    groups: textsOf(apiGroups),
    resources: textsOf(resources),
    names: textsOf(resourceNames),
  }
}

/** Whether a rule allows an action, as the RBAC authorizer matches. */
export function covers(rule: Rule, { verb, resource, group = '', name = '' }: Action): boolean {
  const isNamed = rule.names.length === 0 || rule.names.includes(name)
  return isNamed && has(rule.verbs, verb) && has(rule.groups, group) && hasResource(rule, resource)
}

function hasResource({ resources }: Rule, resource: string): boolean {
  const [, subresource] = resource.split('/')
  return has(resources, resource) || resources.includes(`*/${subresource ?? ''}`)
}

function has(texts: readonly string[], text: string): boolean {
  return texts.includes('*') || texts.includes(text)
}

/** The kinds of rbac.authorization.k8s.io; https://kubernetes.io/docs/reference/access-authn-authz/rbac/ */
import { always, listType, stringType, structType } from './decode.ts'
import { type KubernetesObject, OBJECT_META, type Resource, TYPE_META } from './objects.ts'
import { type FieldError, invalidValue, required, unsupportedValue } from './status.ts'
import { pathSegment } from './validation.ts'

/** The group of these kinds. */
export const RBAC_GROUP = 'rbac.authorization.k8s.io'

/** What a role allows: verbs on resources, or on paths that are not resources. */
export interface PolicyRule {
  verbs: string[]
  apiGroups?: string[]
  resources?: string[]
  resourceNames?: string[]
  nonResourceURLs?: string[]
}

/** A Role or a ClusterRole. */
export interface Role extends KubernetesObject {
  rules?: PolicyRule[] | null
}

/** Whom a binding gives a role. */
export interface Subject {
  kind: string
  apiGroup?: string
  name: string
  namespace?: string
}

/** Which role a binding gives. */
export interface RoleRef {
  apiGroup: string
  kind: string
  name: string
}

/** A RoleBinding or a ClusterRoleBinding. */
export interface Binding extends KubernetesObject {
  subjects?: Subject[]
  roleRef: RoleRef
}

const POLICY_RULE = structType<PolicyRule>(
  'PolicyRule',
  {
    verbs: always(listType(stringType())),
    apiGroups: listType(stringType()),
    resources: listType(stringType()),
    resourceNames: listType(stringType()),
    nonResourceURLs: listType(stringType()),
  },
  'v1.',
)

const SUBJECT = structType<Subject>(
  'Subject',
  {
    kind: always(stringType()),
    apiGroup: stringType(),
    name: always(stringType()),
    namespace: stringType(),
  },
  'v1.',
)

const ROLE_REF = structType<RoleRef>(
  'RoleRef',
  {
    apiGroup: always(stringType()),
    kind: always(stringType()),
    name: always(stringType()),
  },
  'v1.',
)

/** Roles of one namespace. */
export const ROLES: Resource<Role> = roles('roles', 'Role', true)
/** Roles of the cluster, also for paths. */
export const CLUSTER_ROLES: Resource<Role> = roles('clusterroles', 'ClusterRole', false)
/** Bindings within one namespace. */
export const ROLE_BINDINGS: Resource<Binding> = bindings('rolebindings', 'RoleBinding', true)
/** Bindings for the whole cluster. */
export const CLUSTER_ROLE_BINDINGS: Resource<Binding> = bindings(
  'clusterrolebindings',
  'ClusterRoleBinding',
  false,
)

function roles(name: string, kind: string, namespaced: boolean): Resource<Role> {
  return {
    group: RBAC_GROUP,
    version: 'v1',
    name,
    kind,
    namespaced,
    deleteGives: 'status',
    type: structType<Role>(kind, {
      ...TYPE_META,
      metadata: OBJECT_META,
      rules: listType(POLICY_RULE),
    }),
    // Without omitempty in Go: no rules are printed as null.
    complete: (object) => ({ ...object, rules: object.rules ?? null }),
    validate: ({ rules }) =>
      (rules ?? []).flatMap((rule, at) => ruleErrors(rule, `rules[${at}]`, namespaced)),
    validateName: pathSegment,
  }
}

function ruleErrors(rule: PolicyRule, field: string, namespaced: boolean): FieldError[] {
  const verbs = lacks(rule.verbs, `${field}.verbs`, 'verbs must contain at least one value')
  const urls = rule.nonResourceURLs ?? []
  if (urls.length === 0) {
    return [
      ...verbs,
      ...lacks(
        rule.apiGroups,
        `${field}.apiGroups`,
        'resource rules must supply at least one api group',
      ),
      ...lacks(
        rule.resources,
        `${field}.resources`,
        'resource rules must supply at least one resource',
      ),
    ]
  }
  const mixed = [rule.apiGroups, rule.resources, rule.resourceNames].some(
    (list) => list !== undefined,
  )
  const both = 'rules cannot apply to both regular resources and non-resource URLs'
  return [
    ...verbs,
    ...(namespaced
      ? [
          invalidValue(
            `${field}.nonResourceURLs`,
            urls,
            'namespaced rules cannot apply to non-resource URLs',
          ),
        ]
      : []),
    ...(mixed ? [invalidValue(`${field}.nonResourceURLs`, urls, both)] : []),
  ]
}

function lacks(list: string[] | undefined, field: string, text: string): FieldError[] {
  return list === undefined || list.length === 0 ? [required(field, text)] : []
}

function bindings(name: string, kind: string, namespaced: boolean): Resource<Binding> {
  return {
    group: RBAC_GROUP,
    version: 'v1',
    name,
    kind,
    namespaced,
    deleteGives: 'status',
    type: structType<Binding>(kind, {
      ...TYPE_META,
      metadata: OBJECT_META,
      subjects: listType(SUBJECT),
      roleRef: always(ROLE_REF),
    }),
    complete: completeBinding,
    validate: ({ roleRef, subjects = [] }) => [
      ...roleRefErrors(roleRef, namespaced ? ['Role', 'ClusterRole'] : ['ClusterRole']),
      ...subjects.flatMap((subject, at) => subjectErrors(subject, `subjects[${at}]`, namespaced)),
    ],
    validateChange: ({ roleRef: next }, { roleRef: previous }) =>
      isSameRole(next, previous)
        ? []
        : [invalidValue('roleRef', goNames(next), 'cannot change roleRef')],
    validateName: pathSegment,
  }
}

function completeBinding({ subjects, roleRef, ...object }: Binding): Binding {
  const all = subjects?.map((subject) => ({ ...subject, ...apiGroupOf(subject) }))
  const apiGroup = roleRef.apiGroup === '' ? RBAC_GROUP : roleRef.apiGroup
  return { ...object, ...(all ? { subjects: all } : {}), roleRef: { ...roleRef, apiGroup } }
}

function apiGroupOf({ kind, apiGroup }: Subject): { apiGroup?: string } {
  if (apiGroup !== undefined) return { apiGroup }
  return kind === 'User' || kind === 'Group' ? { apiGroup: RBAC_GROUP } : {}
}

function roleRefErrors({ kind, name }: RoleRef, kinds: string[]): FieldError[] {
  return [
    ...(kinds.includes(kind) ? [] : [unsupportedValue('roleRef.kind', kind, kinds)]),
    ...(name === '' ? [required('roleRef.name')] : []),
  ]
}

function subjectErrors(
  { kind, name, namespace }: Subject,
  field: string,
  namespaced: boolean,
): FieldError[] {
  const kinds = ['ServiceAccount', 'User', 'Group']
  const homeless = kind === 'ServiceAccount' && !namespaced && namespace === undefined
  return [
    ...(name === '' ? [required(`${field}.name`)] : []),
    ...(kinds.includes(kind) ? [] : [unsupportedValue(`${field}.kind`, kind, kinds)]),
    ...(homeless ? [required(`${field}.namespace`)] : []),
  ]
}

function isSameRole(a: RoleRef, b: RoleRef): boolean {
  return a.apiGroup === b.apiGroup && a.kind === b.kind && a.name === b.name
}

/** The real message prints the internal struct, whose fields have no JSON names. */
function goNames({ apiGroup, kind, name }: RoleRef): object {
  return { APIGroup: apiGroup, Kind: kind, Name: name }
}

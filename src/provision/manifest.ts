/** The objects that provision makes in Kubernetes, as they are sent. */
import { LABELS } from './names.ts'

/** A kind of object that provision makes. */
export type ObjectKind =
  | 'Namespace'
  | 'ServiceAccount'
  | 'Role'
  | 'RoleBinding'
  | 'ClusterRole'
  | 'ClusterRoleBinding'
  | 'ConfigMap'
  | 'CronJob'

/** An object as it is sent. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: ObjectKind
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
  }
  readonly rules?: readonly Rule[]
  readonly roleRef?: RoleRef
  readonly subjects?: readonly Subject[]
  readonly data?: Readonly<Record<string, string>>
  /** Less than what the API server makes of it. */
  readonly spec?: Readonly<Record<string, unknown>>
}

/** One rule of a Role. */
export interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly resourceNames?: readonly string[]
  readonly verbs: readonly string[]
}

interface RoleRef {
  readonly apiGroup: string
  readonly kind: string
  readonly name: string
}

interface Subject {
  readonly kind: 'ServiceAccount'
  readonly name: string
  readonly namespace: string
}

/** Tells one object from another. */
export function identityOf({ kind, metadata: { name, namespace } }: Manifest): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

/** Group of Roles and bindings. */
export const RBAC = 'rbac.authorization.k8s.io'

/** A ServiceAccount. */
export function accountManifest(name: string, namespace: string): Manifest {
  const metadata = { name, namespace, labels: LABELS }
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata }
}

/** A rule of the core group; without names it is for all. */
export function ruleFor(
  resource: string,
  verbs: readonly string[],
  names?: readonly string[],
): Rule {
  return {
    apiGroups: [''],
    resources: [resource],
    ...(names && { resourceNames: names }),
    verbs,
  }
}

/** A Role of one namespace, and its binding to a ServiceAccount that may be of another. */
export function grant(
  name: string,
  namespace: string,
  rules: readonly Rule[],
  account: { readonly namespace: string; readonly serviceAccount: string },
): readonly Manifest[] {
  const metadata = { name, namespace, labels: LABELS }
  const subject: Subject = {
    kind: 'ServiceAccount',
    name: account.serviceAccount,
    namespace: account.namespace,
  }
  const roleRef = { apiGroup: RBAC, kind: 'Role', name }
  return [
    { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata, rules },
    { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', metadata, roleRef, subjects: [subject] },
  ]
}

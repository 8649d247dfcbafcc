/**
 * What Kubernetes has to hold: ServiceAccounts, and Roles that name the objects they are for.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/rbac/
 */
import type { Definition } from '../config/definition.ts'
import type { AccessSpec, AppSpec, ClusterSpec, ProvisionFile } from '../config/provision-file.ts'
import { journalName } from '../rotation/journal.ts'
import { renewedIn, renewerName } from './renewal.ts'
import { JOBS, keysOf, LABELS, rbacName, reviewerName, type Job } from './names.ts'

/** A kind of object that provision makes. */
export type ObjectKind =
  | 'Namespace'
  | 'ServiceAccount'
  | 'Role'
  | 'RoleBinding'
  | 'ClusterRole'
  | 'ClusterRoleBinding'

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

/** The objects of one cluster, each after what it needs. */
export function manifestsOf(file: ProvisionFile, cluster: ClusterSpec): readonly Manifest[] {
  const apps = file.apps.filter(({ clusters }) => clusters.includes(cluster.name))
  const all = [
    ...(cluster.createNamespaces ? namespacesOf(apps).map(namespaceManifest) : []),
    ...apps.flatMap((app) => manifestsOfApp(app, file.transitMount)),
    ...reviewerManifests(cluster),
    ...renewerManifests(cluster),
  ]
  // Apps may share a ServiceAccount.
  return [...new Map(all.map((one) => [identityOf(one), one])).values()]
}

/** The namespaces that apps and their documents are in. */
export function namespacesOf(apps: readonly AppSpec[]): readonly string[] {
  const all = apps.flatMap((app) => [app.namespace, ...Object.keys(byNamespace(app))])
  return [...new Set(all)]
}

/** Tells one object from another. */
export function identityOf({ kind, metadata: { name, namespace } }: Manifest): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`
}

const RBAC = 'rbac.authorization.k8s.io'

function namespaceManifest(name: string): Manifest {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels: LABELS } }
}

function manifestsOfApp(app: AppSpec, transitMount: string): readonly Manifest[] {
  const jobs = JOBS.flatMap((job) => {
    const access = app[job]
    return access ? [{ job, access }] : []
  })
  return [
    ...jobs.map(({ access }) => accountManifest(access.serviceAccount, app.namespace)),
    ...jobs.flatMap(({ job, access }) => grants(app, job, access, transitMount)),
  ]
}

function accountManifest(name: string, namespace: string): Manifest {
  const metadata = { name, namespace, labels: LABELS }
  return { apiVersion: 'v1', kind: 'ServiceAccount', metadata }
}

/** A Role in each namespace that has something for the job. */
function grants(
  app: AppSpec,
  job: Job,
  access: AccessSpec,
  transitMount: string,
): readonly Manifest[] {
  const places = { [app.namespace]: [], ...byNamespace(app) }
  return Object.entries(places).flatMap(([namespace, definitions]) => {
    const rules = [
      ...documentRules(job, definitions),
      ...(namespace === app.namespace ? ownRules(app, job, access, transitMount) : []),
    ]
    return rules.length === 0 ? [] : grant(rbacName(app, job), namespace, rules, app, access)
  })
}

function byNamespace({
  secrets,
  namespace: home,
}: AppSpec): Readonly<Record<string, Definition[]>> {
  const places: Record<string, Definition[]> = {}
  for (const definition of secrets) {
    const place = definition.namespace ?? home
    places[place] = [...(places[place] ?? []), definition]
  }
  return places
}

const VERBS: Readonly<Record<Job, readonly string[]>> = {
  reader: ['get', 'watch'],
  writer: ['get', 'patch'],
  rotator: ['get', 'patch'],
}

function documentRules(job: Job, definitions: readonly Definition[]): readonly Rule[] {
  return (['SECRET', 'CONFIG_MAP'] as const).flatMap((type) => {
    const here = definitions.filter(({ readType }) => readType === type)
    if (here.length === 0) return []
    const names = [...new Set(here.map(({ secretName }) => secretName))].toSorted()
    const resource = type === 'SECRET' ? 'secrets' : 'configmaps'
    return [ruleFor(resource, VERBS[job], names)]
  })
}

/** In the namespace of the app itself. */
function ownRules(app: AppSpec, job: Job, access: AccessSpec, mount: string): readonly Rule[] {
  const journals = keysOf(app).map((transitKey) => journalName({ mount, transitKey }))
  return [
    // RBAC cannot match a name on create: the object has none yet.
    ...access.extra.map((verb) => ruleFor('secrets', [verb])),
    ...(job === 'rotator'
      ? [ruleFor('configmaps', ['get', 'patch'], journals), ruleFor('configmaps', ['create'])]
      : []),
    ...(app.tokenRequest
      ? [ruleFor('serviceaccounts/token', ['create'], [access.serviceAccount])]
      : []),
  ]
}

function ruleFor(resource: string, verbs: readonly string[], names?: readonly string[]): Rule {
  return {
    apiGroups: [''],
    resources: [resource],
    ...(names && { resourceNames: names }),
    verbs,
  }
}

function grant(
  name: string,
  namespace: string,
  rules: readonly Rule[],
  app: Pick<AppSpec, 'namespace'>,
  { serviceAccount }: Pick<AccessSpec, 'serviceAccount'>,
): readonly Manifest[] {
  const metadata = { name, namespace, labels: LABELS }
  const subject: Subject = {
    kind: 'ServiceAccount',
    name: serviceAccount,
    namespace: app.namespace,
  }
  const roleRef = { apiGroup: RBAC, kind: 'Role', name }
  return [
    { apiVersion: `${RBAC}/v1`, kind: 'Role', metadata, rules },
    { apiVersion: `${RBAC}/v1`, kind: 'RoleBinding', metadata, roleRef, subjects: [subject] },
  ]
}

/** It may request tokens for the reviewer, and see which cluster it is in. */
function renewerManifests(cluster: ClusterSpec): readonly Manifest[] {
  const renewed = renewedIn(cluster)
  if (renewed === undefined) return []
  const { namespace, serviceAccount } = renewed
  const name = renewerName(cluster.mount)
  const token = ruleFor('serviceaccounts/token', ['create'], [serviceAccount])
  const home = ruleFor('namespaces', ['get'], ['kube-system'])
  const places = { 'kube-system': [home], [namespace]: [token] }
  if (namespace === 'kube-system') places[namespace] = [token, home]
  return [
    accountManifest(name, namespace),
    ...Object.entries(places).flatMap(([place, rules]) =>
      grant(name, place, rules, { namespace }, { serviceAccount: name }),
    ),
  ]
}

/** It may ask who a token is of, and unlike with `system:auth-delegator` not who may do what. */
function reviewerManifests({ reviewer, mount }: ClusterSpec): readonly Manifest[] {
  if (reviewer === undefined) return []
  const { namespace, serviceAccount } = reviewer
  const name = reviewerName(mount)
  const metadata = { name, labels: LABELS }
  const rule = {
    apiGroups: ['authentication.k8s.io'],
    resources: ['tokenreviews'],
    verbs: ['create'],
  }
  return [
    accountManifest(serviceAccount, namespace),
    { apiVersion: `${RBAC}/v1`, kind: 'ClusterRole', metadata, rules: [rule] },
    {
      apiVersion: `${RBAC}/v1`,
      kind: 'ClusterRoleBinding',
      metadata,
      roleRef: { apiGroup: RBAC, kind: 'ClusterRole', name },
      subjects: [{ kind: 'ServiceAccount', name: serviceAccount, namespace }],
    },
  ]
}

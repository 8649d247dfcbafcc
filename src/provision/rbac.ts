/**
 * What Kubernetes has to hold: ServiceAccounts, and Roles that name the objects they are for.
 *
 * @see https://kubernetes.io/docs/reference/access-authn-authz/rbac/
 */
import type { Definition } from '../config/definition.ts'
import type { AccessSpec, AppSpec, ClusterSpec, ProvisionFile } from '../config/provision-file.ts'
import { journalName } from '../rotation/journal.ts'
import { accountManifest, grant, RBAC, ruleFor, type Manifest, type Rule } from './manifest.ts'
import { JOBS, keysOf, LABELS, rbacName, reviewerName, type Job } from './names.ts'
import type { VaultAddress } from './renewer-config.ts'
import { renewerManifests } from './renewer-manifests.ts'

/**
 * The objects of one cluster, each after what it needs.
 *
 * @param vault - for what runs in the cluster
 */
export function manifestsOf(
  file: ProvisionFile,
  cluster: ClusterSpec,
  vault: VaultAddress,
): readonly Manifest[] {
  const apps = file.apps.filter(({ clusters }) => clusters.includes(cluster.name))
  const all = [
    ...(cluster.createNamespaces ? namespacesOf(apps).map(namespaceManifest) : []),
    ...apps.flatMap((app) => manifestsOfApp(app, file.transitMount)),
    ...reviewerManifests(cluster),
    ...renewerManifests(cluster, vault),
  ]
  // Apps may share a ServiceAccount. What is not the same under one name is refused later.
  return [...new Map(all.map((one) => [JSON.stringify(one), one])).values()]
}

/** The namespaces that apps and their documents are in. */
export function namespacesOf(apps: readonly AppSpec[]): readonly string[] {
  const all = apps.flatMap((app) => [app.namespace, ...Object.keys(byNamespace(app))])
  return [...new Set(all)]
}

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
    return rules.length === 0
      ? []
      : grant(rbacName(app, job), namespace, rules, accountOf(app, access))
  })
}

function accountOf(
  { namespace }: AppSpec,
  { serviceAccount }: AccessSpec,
): { readonly namespace: string; readonly serviceAccount: string } {
  return { namespace, serviceAccount }
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

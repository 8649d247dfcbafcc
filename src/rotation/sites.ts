/** Everywhere that documents of a key lie: the clusters of the provision file, or what a person names. */
import type { Definition } from '../config/definition.ts'
import type { ClusterSpec, ProvisionFile } from '../config/provision-file.ts'
import type { Core } from '../core.ts'
import { SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { KubernetesClient } from '../kubernetes/client.ts'
import { resolveAccess } from '../kubernetes/config.ts'
import type { Runtime } from '../runtime.ts'
import { ClusterSite } from './cluster-site.ts'
import type { KeyName } from './site.ts'

/** What is looked through in the configured cluster. */
export interface Selection {
  readonly definitions: readonly Definition[]
  /** Namespaces; `true`: all; `own`: that of the pod or the context. */
  readonly scan: true | 'own' | readonly string[]
}

/** The clusters that are open, until they are closed. */
export class Clusters {
  readonly #core: Core
  readonly #runtime: Runtime
  /** By context; that of the configuration is not here. */
  readonly #clients = new Map<string, Promise<KubernetesClient>>()

  constructor(core: Core, runtime: Runtime) {
    this.#core = core
    this.#runtime = runtime
  }

  /** Gives the API server of a context; without one that of the configuration. */
  connect(context: string | undefined): (allowance: Allowance) => Promise<KubernetesClient> {
    const { settings, connections } = this.#core
    const { kubernetes } = settings
    if (context === undefined || context === kubernetes.context) {
      return (allowance) => connections.kubernetes(allowance)
    }
    const client = async (): Promise<KubernetesClient> => {
      const access = await resolveAccess({ ...kubernetes, context }, this.#runtime)
      if (access.origin === 'in-cluster') throw outOfReach(context)
      return new KubernetesClient(access, this.#runtime)
    }
    return () => {
      const known = this.#clients.get(context)
      if (known) return known
      const opening = client()
      this.#clients.set(context, opening)
      // What failed may work when it is asked for again.
      opening.catch(() => this.#clients.delete(context))
      return opening
    }
  }

  /** The namespace that a definition without one means, and whether it is but that of a context. */
  async ownNamespace(
    signal: AbortSignal,
  ): Promise<{ readonly namespace: string; readonly isGuess: boolean }> {
    const { settings, calls, connections } = this.#core
    const named = settings.kubernetes.namespace
    if (named !== undefined) return { namespace: named, isGuess: false }
    const { access } = await calls.run({ signal }, (allowance) => connections.kubernetes(allowance))
    const { namespace = 'default', origin } = access
    return { namespace, isGuess: origin !== 'in-cluster' }
  }

  /** The configured cluster, as far as it is selected. */
  async selected(
    key: KeyName,
    { definitions, scan }: Selection,
    signal: AbortSignal,
  ): Promise<ClusterSite> {
    const { namespace: own } = await this.ownNamespace(signal)
    return this.#site(key, {
      name: this.#core.settings.cluster,
      context: undefined,
      definitions: definitions.map((each) => within(own, each)),
      scan: scan === 'own' ? [own] : scan,
    })
  }

  /**
   * The clusters of a provision file, each with the documents of `key` that it names.
   *
   * @throws {@link SecretManagerError} SM_CONFIG_INVALID where it has none
   */
  inventoried(key: KeyName, { clusters, apps }: ProvisionFile): readonly ClusterSite[] {
    const ours = clusters.flatMap((cluster) => {
      const named = [...cluster.secrets, ...secretsOf(cluster, apps)]
      const definitions = named.filter(({ transitKey }) => transitKey === key.transitKey)
      const { scan } = cluster
      const isEmpty = definitions.length === 0 && scan !== true && scan.length === 0
      return isEmpty ? [] : [{ cluster, definitions }]
    })
    this.#refuseSame(ours.map(({ cluster }) => cluster))
    return ours.map(({ cluster, definitions }) => this.#site(key, { ...cluster, definitions }))
  }

  /** I21: of two clusters that are reached the same way, one is never looked at. */
  #refuseSame(clusters: readonly ClusterSpec[]): void {
    const { context: configured } = this.#core.settings.kubernetes
    const byContext = new Map<string | undefined, string>()
    for (const { name, context = configured } of clusters) {
      const other = byContext.get(context)
      if (other !== undefined) throw reachedTheSameWay(other, name)
      byContext.set(context, name)
    }
  }

  close(): void {
    for (const client of this.#clients.values()) {
      client.then(
        (open) => open.close(),
        () => undefined,
      )
    }
  }

  #site(
    key: KeyName,
    {
      name: cluster,
      context,
      definitions,
      scan,
    }: Pick<ClusterSpec, 'name' | 'context' | 'scan'> & Pick<Selection, 'definitions'>,
  ): ClusterSite {
    const { calls } = this.#core
    return new ClusterSite({
      cluster,
      key,
      connect: this.connect(context),
      calls,
      definitions,
      scan,
    })
  }
}

/** I21: a pod reaches its own cluster alone, which would be looked at in place of every other. */
function outOfReach(context: string): SecretManagerError {
  const message = `the context ${JSON.stringify(context)} cannot be followed: in a pod no kubeconfig is read`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'leave clusters[].context out for the cluster of the pod, or run it elsewhere',
  })
}

function reachedTheSameWay(one: string, other: string): SecretManagerError {
  const message = `the clusters ${one} and ${other} of the inventory are reached by the same context`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'give each its own: clusters[].context',
  })
}

/** A definition that leaves its namespace open means that of who asks. */
function within(own: string, definition: Definition): Definition {
  return { ...definition, namespace: definition.namespace ?? own }
}

function secretsOf({ name }: ClusterSpec, apps: ProvisionFile['apps']): readonly Definition[] {
  return apps.filter(({ clusters }) => clusters.includes(name)).flatMap(({ secrets }) => secrets)
}

/**
 * The one key that an inventory names.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where there are more, or none
 */
export function onlyKeyOf({ clusters, apps }: ProvisionFile): string {
  const named = [...clusters, ...apps].flatMap(({ secrets }) => secrets)
  const keys = new Set([...named, ...apps].map(({ transitKey }) => transitKey))
  const [only, second] = keys
  if (only !== undefined && second === undefined) return only
  const found = keys.size === 0 ? 'no Transit key' : [...keys].join(', ')
  throw new SecretManagerError('SM_CONFIG_INVALID', `the inventory names ${found}`, {
    hint: 'say which: --transit-key',
  })
}

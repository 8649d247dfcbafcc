/** A cluster as whoever provisions it: the few objects that provision makes, and what it tells of itself. */
import type { Core } from '../core.ts'
import { isSecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { CallRequest } from '../http/call.ts'
import { mayUser, serviceAccountUser, type Action } from '../kubernetes/access-review.ts'
import type { ClusterAccess } from '../kubernetes/access.ts'
import {
  pathOf,
  type KubernetesClient,
  type Place,
  type RequestedToken,
  type TokenRequestSpec,
} from '../kubernetes/client.ts'
import type { Operation } from '../kubernetes/errors.ts'
import { issuerOf, type Issuer } from '../kubernetes/issuer.ts'
import { isRecord } from '../lib/record.ts'
import { ClusterRights } from '../rotation/cluster-rights.ts'
import type { Fields } from './items.ts'
import type { Manifest, ObjectKind } from './manifest.ts'

/** Requests to one cluster, each a call of its own. */
export class ClusterCalls {
  readonly #core: Core
  readonly #connect: (allowance: Allowance) => Promise<KubernetesClient>
  readonly #signal: AbortSignal

  constructor(
    core: Core,
    connect: (allowance: Allowance) => Promise<KubernetesClient>,
    signal: AbortSignal,
  ) {
    this.#core = core
    this.#connect = connect
    this.#signal = signal
  }

  /** How the cluster is reached. @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE */
  access(): Promise<ClusterAccess> {
    return this.#run(async (client) => client.access)
  }

  /** Reads an object; `undefined` where there is none. @throws {@link SecretManagerError} SM_K8S_* */
  async get(kind: ObjectKind, name: string, namespace?: string): Promise<Fields | undefined> {
    try {
      const { operation, place } = at(kind, name, namespace)
      const path = pathOf({ ...place, name })
      return await this.#send({ ...operation, verb: 'get' }, { method: 'GET', path, headers: {} })
    } catch (error) {
      if (isSecretManagerError(error) && error.code === 'SM_K8S_NOT_FOUND') return undefined
      throw error
    }
  }

  /** Creates an object. @throws {@link SecretManagerError} SM_K8S_CONFLICT, SM_K8S_* */
  async create(manifest: Manifest): Promise<void> {
    const { name, namespace } = manifest.metadata
    const { operation, place } = at(manifest.kind, name, namespace)
    const request = { method: 'POST', path: pathOf(place), headers: {}, body: manifest } as const
    await this.#send({ ...operation, verb: 'create' }, request)
  }

  /** Changes an object by JSON merge patch. @throws {@link SecretManagerError} SM_K8S_CONFLICT, SM_K8S_* */
  async patch({ kind, metadata: { name, namespace } }: Manifest, body: object): Promise<void> {
    const { operation, place } = at(kind, name, namespace)
    const path = pathOf({ ...place, name })
    const headers = { 'content-type': 'application/merge-patch+json' }
    await this.#send({ ...operation, verb: 'patch' }, { method: 'PATCH', path, headers, body })
  }

  /** Deletes an object that may be gone already. @throws {@link SecretManagerError} SM_K8S_* */
  async remove({ kind, metadata: { name, namespace } }: Manifest): Promise<void> {
    const { operation, place } = at(kind, name, namespace)
    const path = pathOf({ ...place, name })
    try {
      await this.#send({ ...operation, verb: 'delete' }, { method: 'DELETE', path, headers: {} })
    } catch (error) {
      if (!isSecretManagerError(error) || error.code !== 'SM_K8S_NOT_FOUND') throw error
    }
  }

  /** Who signs its ServiceAccount tokens. @throws {@link SecretManagerError} SM_K8S_* */
  issuer(): Promise<Issuer> {
    return this.#run((client, allowance) => issuerOf(client, allowance))
  }

  /** Requests a token. @throws {@link SecretManagerError} SM_K8S_DENIED, SM_K8S_NOT_FOUND, SM_K8S_* */
  token(wanted: TokenRequestSpec): Promise<RequestedToken> {
    return this.#run((client, allowance) => client.requestToken(allowance, wanted))
  }

  /** What is needed and not granted, each in words. @throws {@link SecretManagerError} SM_K8S_* */
  missing(actions: readonly Action[]): Promise<readonly string[]> {
    return this.#run((client, allowance) => new ClusterRights(client).missing(allowance, actions))
  }

  /**
   * Asks whether a ServiceAccount may do something.
   *
   * @throws {@link SecretManagerError} SM_K8S_DENIED where we may not ask, SM_K8S_*
   */
  may(namespace: string, serviceAccount: string, action: Action): Promise<boolean> {
    const who = serviceAccountUser(namespace, serviceAccount)
    return this.#run((client, allowance) => mayUser(client, allowance, who, action))
  }

  #send(operation: Operation, request: CallRequest): Promise<Fields> {
    return this.#run(async (client, allowance) => {
      const { json } = await client.request(allowance, operation, request)
      return isRecord(json) ? json : {}
    })
  }

  #run<T>(work: (client: KubernetesClient, allowance: Allowance) => Promise<T>): Promise<T> {
    return this.#core.calls.run({ signal: this.#signal }, async (allowance) =>
      work(await this.#connect(allowance), allowance),
    )
  }
}

const RBAC = 'rbac.authorization.k8s.io'

/** Group and resource of each kind. */
const RESOURCES: Readonly<
  Record<ObjectKind, { readonly group: string; readonly resource: string }>
> = {
  Namespace: { group: '', resource: 'namespaces' },
  ServiceAccount: { group: '', resource: 'serviceaccounts' },
  ConfigMap: { group: '', resource: 'configmaps' },
  CronJob: { group: 'batch', resource: 'cronjobs' },
  Role: { group: RBAC, resource: 'roles' },
  RoleBinding: { group: RBAC, resource: 'rolebindings' },
  ClusterRole: { group: RBAC, resource: 'clusterroles' },
  ClusterRoleBinding: { group: RBAC, resource: 'clusterrolebindings' },
}

/** What has to be granted for `verb` on an object. */
export function actionFor(verb: string, { kind, metadata }: Manifest): Action {
  const { name, namespace } = metadata
  return {
    ...RESOURCES[kind],
    verb,
    namespace,
    // RBAC cannot match a name on create.
    name: verb === 'create' ? undefined : name,
  }
}

/** Where an object is, and what a refusal is told by. */
function at(
  kind: ObjectKind,
  name: string,
  namespace?: string,
): { readonly place: Place; readonly operation: Omit<Operation, 'verb'> } {
  const { group, resource } = RESOURCES[kind]
  const full = group === '' ? resource : `${resource}.${group}`
  return { place: { group, resource, namespace }, operation: { resource: full, name, namespace } }
}

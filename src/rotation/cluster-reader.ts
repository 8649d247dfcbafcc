/** Reads objects of a cluster: those that are named, and those in a namespace, by pages. */
import type { Calls } from '../calls.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import { isTooLarge, listPage, refuseAbsentNamespace, type ObjectPage } from '../kubernetes/list.ts'
import { nameOf, namespaceOf } from '../kubernetes/metadata.ts'
import type { Kind, KubernetesObject } from '../kubernetes/objects.ts'
import { inParallel } from '../lib/in-parallel.ts'
import type { Address } from './address.ts'

/** How a cluster is reached. */
export interface ClusterAccess {
  readonly connect: (allowance: Allowance) => Promise<KubernetesClient>
  readonly calls: Calls
}

/** An object, and where it is; `undefined`: there is none. */
export interface ReadObject<Content extends KubernetesObject | undefined> {
  readonly address: Address
  readonly object: Content
}

/** Objects of a namespace that were read at once. */
export interface ListedObjects {
  readonly objects: readonly ReadObject<KubernetesObject>[]
  /** Why what follows could not be looked at. */
  readonly unread: readonly SecretManagerError[]
  /** Objects on later pages, as far as that is known. */
  readonly remaining: number | undefined
}

/** Objects that were asked for by name. */
export interface NamedObjects {
  readonly objects: readonly ReadObject<KubernetesObject | undefined>[]
  /** Why some could not be looked at. */
  readonly unread: readonly SecretManagerError[]
}

/** Named objects that are asked for at once. */
const AT_ONCE = 8
/** Objects of one list; fewer where they are so large that the answer would be. */
const LISTED_PAGE = 250

/** Charts have thousands of theirs, of a megabyte each; neither holds a document. */
const FIELDS = 'type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token'

/** Reads one cluster. */
export class ClusterReader {
  readonly #access: ClusterAccess

  constructor(access: ClusterAccess) {
    this.#access = access
  }

  /** Reads one object; `undefined` where it is not there. @throws {@link SecretManagerError} SM_K8S_* */
  async get(address: Address, signal: AbortSignal): Promise<KubernetesObject | undefined> {
    const { kind, namespace, name } = address
    const { calls, connect } = this.#access
    try {
      return await calls.run({ signal }, async (allowance) =>
        (await connect(allowance)).get(allowance, kind, namespace, name),
      )
    } catch (error) {
      if (isSecretManagerError(error) && error.code === 'SM_K8S_NOT_FOUND') return undefined
      throw error
    }
  }

  /** Reads named objects, a request each. */
  async named(addresses: readonly Address[], signal: AbortSignal): Promise<NamedObjects> {
    const unread: SecretManagerError[] = []
    const objects = await inParallel(addresses, AT_ONCE, async (address) => {
      try {
        return { address, object: await this.get(address, signal) }
      } catch (error) {
        if (!isSecretManagerError(error) || signal.aborted) throw error
        unread.push(error)
        return undefined
      }
    })
    return { objects: objects.filter((each) => each !== undefined), unread }
  }

  /** Reads a namespace, or with `undefined` all of them. What cannot be read ends it, and is told. */
  async *listed(
    kind: Kind,
    namespace: string | undefined,
    signal: AbortSignal,
  ): AsyncGenerator<ListedObjects> {
    let limit = LISTED_PAGE
    let next: string | undefined
    for (;;) {
      const page = await this.#list(kind, namespace, limit, next, signal)
      if (page === 'too large') {
        limit = Math.ceil(limit / 2)
        continue
      }
      if (isSecretManagerError(page))
        return yield { objects: [], unread: [page], remaining: undefined }
      const objects = page.items.map((object) => {
        const address = { kind, namespace: namespaceOf(object), name: nameOf(object) }
        return { address, object }
      })
      yield { objects, unread: [], remaining: page.remaining }
      next = page.continue
      if (next === undefined) return
    }
  }

  async #list(
    kind: Kind,
    namespace: string | undefined,
    limit: number,
    next: string | undefined,
    signal: AbortSignal,
  ): Promise<ObjectPage | SecretManagerError | 'too large'> {
    const { calls, connect } = this.#access
    const query = {
      kind,
      limit,
      ...(namespace !== undefined && { namespace }),
      ...(next !== undefined && { continue: next }),
      ...(kind === 'Secret' && { fieldSelector: FIELDS }),
    }
    try {
      return await calls.run({ signal }, async (allowance) => {
        const client = await connect(allowance)
        const page = await listPage(client, allowance, query)
        const isEmpty = page.items.length === 0 && next === undefined
        if (isEmpty && namespace) await refuseAbsentNamespace(client, allowance, namespace)
        return page
      })
    } catch (error) {
      if (!isSecretManagerError(error) || signal.aborted) throw error
      return isTooLarge(error) && limit > 1 ? 'too large' : error
    }
  }
}

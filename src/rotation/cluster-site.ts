/** A cluster as a site: objects that are named, and those in namespaces that are looked through. */
import type { Calls } from '../calls.ts'
import type { Definition } from '../config/definition.ts'
import { inContext, isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import type { Action } from '../kubernetes/access-review.ts'
import { isTooLarge, listPage, refuseAbsentNamespace, type ObjectPage } from '../kubernetes/list.ts'
import { nameOf, namespaceOf } from '../kubernetes/metadata.ts'
import type { Kind, KubernetesObject } from '../kubernetes/objects.ts'
import { inParallel } from '../lib/in-parallel.ts'
import { addressOf, entriesOf, nameOfAddress, patchOf, type Address } from './cluster-object.ts'
import { actionsOn, ClusterRights, listActions } from './cluster-rights.ts'
import { documentsIn } from './documents.ts'
import { ownerOf } from './owner.ts'
import { scopeOf, type Scope } from './scope.ts'
import type { FoundObject, KeyName, Page, Site, Stored } from './site.ts'

/** What a cluster is looked through for. */
export interface ClusterParts {
  /** What documents are bound to. */
  readonly cluster: string
  readonly key: KeyName
  readonly connect: (allowance: Allowance) => Promise<KubernetesClient>
  readonly calls: Calls
  /** Documents that are known by name, each with its namespace, under this key. */
  readonly definitions: readonly Definition[]
  /** Namespaces that are listed; `true`: all. */
  readonly scan: true | readonly string[]
}

/** Named objects that are asked for at once. */
const AT_ONCE = 8
/** Named objects of one page. */
const NAMED_PAGE = 100
/** Objects of one list; fewer where they are so large that the answer would be. */
const LISTED_PAGE = 250

/** Charts have thousands of theirs, of a megabyte each; neither holds a document. */
const FIELDS = 'type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token'

/** One cluster. */
export class ClusterSite implements Site {
  readonly name: string
  readonly isCluster = true
  readonly scope: Scope
  readonly cluster: string
  readonly #parts: ClusterParts

  constructor(parts: ClusterParts) {
    this.name = `cluster ${parts.cluster}`
    this.scope = scopeOf(parts.definitions.map(addressOf), parts.scan)
    this.cluster = parts.cluster
    this.#parts = parts
  }

  /** The names of what is to be written in a namespace are known once it was looked through. */
  async missingRights(signal: AbortSignal): Promise<readonly string[]> {
    const { calls, connect, definitions, scan } = this.#parts
    const client = await calls.run({ signal }, (allowance) => connect(allowance))
    const rights = new ClusterRights(client)
    const missing = (actions: readonly Action[]): Promise<readonly string[]> =>
      calls.run({ signal }, (allowance) => rights.missing(allowance, actions))
    const namespaces = scan === true ? [undefined] : scan
    const before = await missing([
      ...definitions.flatMap((each) => actionsOn(addressOf(each), ['get', 'patch'])),
      ...namespaces.flatMap(listActions),
    ])
    if (before.length > 0) return before
    const found: string[] = []
    for (const namespace of namespaces) {
      for (const kind of ['Secret', 'ConfigMap'] as const) {
        for await (const { objects, unread } of this.#listed(kind, namespace, new Map(), signal)) {
          const [error] = unread
          if (error) throw inContext(error, 'nothing was changed')
          found.push(...(await missing(objects.flatMap(writesOn))))
        }
      }
    }
    return found
  }

  /** Those that are named first, a request each; a list then leaves them out. */
  async *pages(signal: AbortSignal): AsyncGenerator<Page> {
    const { scan, definitions } = this.#parts
    const named = new Map(definitions.map(addressOf).map((each) => [nameOfAddress(each), each]))
    const addresses = [...named.values()]
    for (let at = 0; at < addresses.length; at += NAMED_PAGE) {
      const page = await this.#named(addresses.slice(at, at + NAMED_PAGE), signal)
      yield { ...page, remaining: Math.max(addresses.length - at - NAMED_PAGE, 0) }
    }
    const namespaces = scan === true ? [undefined] : scan
    for (const namespace of namespaces) {
      yield* this.#listed('Secret', namespace, named, signal)
      yield* this.#listed('ConfigMap', namespace, named, signal)
    }
  }

  async #named(
    addresses: readonly Address[],
    signal: AbortSignal,
  ): Promise<Omit<Page, 'remaining'>> {
    const unread: SecretManagerError[] = []
    const objects = await inParallel(addresses, AT_ONCE, async (address) => {
      try {
        return this.#found(address, await this.#get(address, signal))
      } catch (error) {
        if (!isSecretManagerError(error) || signal.aborted) throw error
        unread.push(error)
        return undefined
      }
    })
    return { objects: objects.filter((each) => each !== undefined), unread }
  }

  async *#listed(
    kind: Kind,
    namespace: string | undefined,
    named: ReadonlyMap<string, Address>,
    signal: AbortSignal,
  ): AsyncGenerator<Page> {
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
      const objects = page.items.flatMap((item): FoundObject[] => {
        const address = { kind, namespace: namespaceOf(item), name: nameOf(item) }
        if (named.has(nameOfAddress(address))) return []
        const found = this.#found(address, item)
        return found.documents.length + found.problems.length > 0 ? [found] : []
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
    const { calls, connect } = this.#parts
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

  async #get(address: Address, signal: AbortSignal): Promise<KubernetesObject | undefined> {
    const { kind, namespace, name } = address
    const { calls, connect } = this.#parts
    try {
      return await calls.run({ signal }, async (allowance) =>
        (await connect(allowance)).get(allowance, kind, namespace, name),
      )
    } catch (error) {
      if (isSecretManagerError(error) && error.code === 'SM_K8S_NOT_FOUND') return undefined
      throw error
    }
  }

  #found(address: Address, object: KubernetesObject | undefined): FoundObject {
    const name = nameOfAddress(address)
    const { key, definitions } = this.#parts
    if (object === undefined) return { ...GONE, name, problems: [absent(name)] }
    const ours = definitions.filter((each) => nameOfAddress(addressOf(each)) === name)
    return {
      name,
      isImmutable: object.immutable,
      owner: ownerOf(object),
      ...documentsIn(entriesOf(address, object), key, ours),
      store: (texts, signal) => this.#store(address, object, texts, signal),
    }
  }

  async #store(
    address: Address,
    object: KubernetesObject,
    texts: ReadonlyMap<string, string>,
    signal: AbortSignal,
  ): Promise<Stored> {
    const { calls, connect } = this.#parts
    const { kind, namespace } = address
    const body = patchOf(address, object, texts)
    try {
      await calls.run({ signal }, async (allowance) =>
        (await connect(allowance)).patch(allowance, kind, namespace, body),
      )
      return { isWritten: true }
    } catch (error) {
      if (!isSecretManagerError(error) || !CHANGED.has(error.code)) throw error
      const now = await this.#get(address, signal)
      return { isWritten: false, now: now && this.#found(address, now) }
    }
  }
}

/** What a rewrap of it is; nothing where its source is rewrapped instead. */
function writesOn({ documents, owner }: FoundObject): readonly Action[] {
  const [first] = documents
  return first === undefined || owner !== undefined ? [] : actionsOn(first.place, ['patch'])
}

/** What a write meets where somebody else was there before. */
const CHANGED: ReadonlySet<string> = new Set(['SM_K8S_CONFLICT', 'SM_K8S_NOT_FOUND'])

const GONE = {
  isImmutable: false,
  owner: undefined,
  documents: [],
  store: (): Promise<Stored> => Promise.resolve({ isWritten: false, now: undefined }),
} as const

function absent(name: string): FoundObject['problems'][number] {
  const error = new SecretManagerError('SM_K8S_NOT_FOUND', `there is no ${name}`, {
    hint: 'check the name, the namespace and the context; or take it out of the inventory',
  })
  return { dataKey: undefined, error }
}

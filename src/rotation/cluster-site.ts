/** A cluster as a site: objects that are named, and those in namespaces that are looked through. */
import type { Definition } from '../config/definition.ts'
import { inContext, isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Action } from '../kubernetes/access-review.ts'
import type { KubernetesObject } from '../kubernetes/objects.ts'
import { addressOf, nameOfAddress, type Address } from './address.ts'
import { entriesOf, patchOf } from './cluster-object.ts'
import { ClusterReader, type ClusterAccess } from './cluster-reader.ts'
import { actionsOn, ClusterRights, listActions } from './cluster-rights.ts'
import { documentsIn } from './documents.ts'
import { extentOf, type Extent } from './extent.ts'
import { ownerOf } from './owner.ts'
import type { FoundObject, KeyName, Page, Site, SiteUse, Stored } from './site.ts'

/** What a cluster is looked through for. */
export interface ClusterParts extends ClusterAccess {
  /** What documents are bound to. */
  readonly cluster: string
  readonly key: KeyName
  /** Documents that are known by name, each with its namespace, under this key. */
  readonly definitions: readonly Definition[]
  /** Namespaces that are listed; `true`: all. */
  readonly scan: true | readonly string[]
}

/** Named objects of one page. */
const NAMED_PAGE = 100

const KINDS = ['Secret', 'ConfigMap'] as const

/** One cluster. */
export class ClusterSite implements Site {
  readonly name: string
  readonly isCluster = true
  readonly extent: Extent
  readonly cluster: string
  readonly #parts: ClusterParts
  readonly #reader: ClusterReader

  constructor(parts: ClusterParts) {
    this.name = `cluster ${parts.cluster}`
    this.extent = extentOf(parts.definitions.map(addressOf), parts.scan)
    this.cluster = parts.cluster
    this.#parts = parts
    this.#reader = new ClusterReader(parts)
  }

  async missingRights(use: SiteUse, signal: AbortSignal): Promise<readonly string[]> {
    const { calls, connect, definitions } = this.#parts
    const rights = new ClusterRights(await calls.run({ signal }, connect))
    const missing: Ask = (actions) =>
      calls.run({ signal }, (allowance) => rights.missing(allowance, actions))
    const verbs = use === 'rewrap' ? ['get', 'patch'] : ['get']
    const before = await missing([
      ...definitions.flatMap((each) => actionsOn(addressOf(each), verbs)),
      ...this.#namespaces().flatMap(listActions),
    ])
    return before.length > 0 || use === 'look' ? before : this.#unwritable(missing, signal)
  }

  /** The names of what is to be written in a namespace are known once it was looked through. */
  async #unwritable(missing: Ask, signal: AbortSignal): Promise<readonly string[]> {
    const found: string[] = []
    for await (const { objects, unread } of this.#scanned(new Map(), signal)) {
      const [error] = unread
      if (error) throw inContext(error, 'nothing was changed')
      found.push(...(await missing(objects.flatMap(writesOn))))
    }
    return found
  }

  /** Those that are named first, a request each; a list then leaves them out. */
  async *pages(signal: AbortSignal): AsyncGenerator<Page> {
    const { definitions } = this.#parts
    const named = new Map(definitions.map(addressOf).map((each) => [nameOfAddress(each), each]))
    const addresses = [...named.values()]
    for (let at = 0; at < addresses.length; at += NAMED_PAGE) {
      const page = await this.#reader.named(addresses.slice(at, at + NAMED_PAGE), signal)
      const objects = page.objects.map(({ address, object }) => this.#found(address, object))
      yield { ...page, objects, remaining: Math.max(addresses.length - at - NAMED_PAGE, 0) }
    }
    yield* this.#scanned(named, signal)
  }

  /** @yields what was looked through, but for what is named */
  async *#scanned(named: ReadonlyMap<string, Address>, signal: AbortSignal): AsyncGenerator<Page> {
    for (const namespace of this.#namespaces()) {
      for (const kind of KINDS) {
        for await (const page of this.#reader.listed(kind, namespace, signal)) {
          const others = page.objects.filter(({ address }) => !named.has(nameOfAddress(address)))
          const objects = others
            .map(({ address, object }) => this.#found(address, object))
            .filter(({ documents, problems }) => documents.length + problems.length > 0)
          yield { ...page, objects }
        }
      }
    }
  }

  /** `undefined`: all of them. */
  #namespaces(): readonly (string | undefined)[] {
    const { scan } = this.#parts
    return scan === true ? [undefined] : scan
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
      const now = await this.#reader.get(address, signal)
      return { isWritten: false, now: now && this.#found(address, now) }
    }
  }
}

/** Asks which of these are not granted. */
type Ask = (actions: readonly Action[]) => Promise<readonly string[]>

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

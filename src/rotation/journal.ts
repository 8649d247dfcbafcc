/**
 * The journal of a key's rotation: a ConfigMap that says how far the last one came, and when each site
 * was looked at. It is written compare-and-set, before the step that it names.
 */
import { createHash } from 'node:crypto'
import { isDeepStrictEqual } from 'node:util'

import type { Calls } from '../calls.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { Action } from '../kubernetes/access-review.ts'
import type { KubernetesClient } from '../kubernetes/client.ts'
import type { KubernetesObject } from '../kubernetes/objects.ts'
import { isDnsLabel } from '../lib/names.ts'
import { LABELS } from '../sources/target.ts'
import { ClusterRights } from './cluster-rights.ts'
import { journalIn, withoutSites, type Journal } from './journal-text.ts'
import type { KeyName } from './site.ts'

/** The journal as it was read. */
export interface JournalState {
  readonly journal: Journal | undefined
  /** Absent where there is no ConfigMap. */
  readonly resourceVersion: string | undefined
}

const DATA_KEY = 'journal.json'

/** Name of the ConfigMap. */
export function journalName({ mount, transitKey }: KeyName): string {
  // What looks like one with a digest gets one, too: no two keys may meet in one journal.
  const isPlain =
    mount === 'transit' && isDnsLabel(transitKey) && !/-[0-9a-f]{10}$/.test(transitKey)
  if (isPlain) return `secretmanager-rotation-${transitKey}`
  // Transit's names may have what those of Kubernetes may not.
  const plain = transitKey
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]/g, '-')
    .slice(0, 40)
  const digest = createHash('sha256').update(`${mount}\n${transitKey}`).digest('hex').slice(0, 10)
  return `secretmanager-rotation-${plain}-${digest}`
}

/** A place that a journal is, or may be, in. */
export interface JournalPlace {
  readonly namespace: string
  /** Where it is not the only one: the cluster, as the inventory names it. */
  readonly cluster: string | undefined
  /** Whether nobody named it: it is where a context happens to point. */
  readonly isGuess: boolean
  readonly connect: (allowance: Allowance) => Promise<KubernetesClient>
}

/** The way a journal is named in messages. */
export function whereOf({ namespace, cluster }: JournalPlace, name: string): string {
  const within = cluster === undefined ? '' : ` of cluster ${cluster}`
  return `ConfigMap ${namespace}/${name}${within}`
}

/** What the journal of a key is kept with. */
export interface JournalParts {
  readonly key: KeyName
  /** Finds where it lies; asked once, unless it fails. */
  readonly find: (signal: AbortSignal) => Promise<JournalPlace>
  readonly calls: Calls
  /** Names the Vault that the key is in; `undefined` where it cannot be told. */
  readonly vault: (signal: AbortSignal) => Promise<string | undefined>
}

/** Reads and writes the journal of one key. */
export class JournalStore {
  readonly name: string
  readonly #parts: JournalParts
  /** What was found out; a failure is no answer, and is asked again. */
  #place: JournalPlace | undefined
  #vault: string | undefined

  constructor(parts: JournalParts) {
    this.#parts = parts
    this.name = journalName(parts.key)
  }

  get key(): KeyName {
    return this.#parts.key
  }

  /** The way it is named in messages: in full once it was looked for. */
  get where(): string {
    return this.#place ? whereOf(this.#place, this.name) : `ConfigMap ${this.name}`
  }

  /**
   * Gives what is needed to keep it and not granted, each fit for a line of a message.
   *
   * @throws {@link SecretManagerError} where that cannot be asked
   */
  async missingRights(signal: AbortSignal): Promise<readonly string[]> {
    const { calls } = this.#parts
    const { namespace, connect } = await this.#at(signal)
    const rights = new ClusterRights(await calls.run({ signal }, connect))
    const missing = (actions: readonly Action[]): Promise<readonly string[]> =>
      calls.run({ signal }, (allowance) => rights.missing(allowance, actions))
    const configmap = { resource: 'configmaps', namespace, name: this.name }
    const unreadable = await missing([{ ...configmap, verb: 'get' }])
    const isThere = unreadable.length === 0 && (await this.#get(signal)) !== undefined
    // A name is not known yet when an object is made, so a rule that names it does not count.
    const create = { verb: 'create', resource: 'configmaps', namespace }
    const patch = { ...configmap, verb: 'patch' }
    return [...unreadable, ...(await missing(isThere ? [patch] : [create, patch]))]
  }

  /**
   * Reads it.
   *
   * @throws {@link SecretManagerError} SM_CONFIG_INVALID where it is not a journal of this key in this Vault, or there are
   * two; SM_K8S_*
   */
  async read(signal: AbortSignal): Promise<JournalState> {
    const object = await this.#get(signal)
    if (object === undefined) return { journal: undefined, resourceVersion: undefined }
    const journal = this.#parse(object.data.get(DATA_KEY))
    await this.#refuseOther(journal, signal)
    return { journal, resourceVersion: object.resourceVersion }
  }

  /**
   * Writes it, unless another run wrote since it was read.
   *
   * @throws {@link SecretManagerError} SM_K8S_CONFLICT, SM_K8S_*
   */
  async write(
    journal: Journal,
    { resourceVersion }: JournalState,
    signal: AbortSignal,
  ): Promise<JournalState> {
    const { calls } = this.#parts
    const { namespace, connect } = await this.#at(signal)
    const { name } = this
    const vault = await this.#identity(signal)
    const data = {
      [DATA_KEY]: JSON.stringify({ ...journal, ...(vault !== undefined && { vault }) }),
    }
    const metadata = { name, labels: LABELS }
    try {
      await calls.run({ signal }, async (allowance) => {
        const kubernetes = await connect(allowance)
        return resourceVersion === undefined
          ? kubernetes.create(allowance, 'ConfigMap', namespace, { metadata, data })
          : kubernetes.patch(allowance, 'ConfigMap', namespace, {
              metadata: { ...metadata, resourceVersion },
              data,
            })
      })
    } catch (error) {
      if (!isSecretManagerError(error) || error.code !== 'SM_K8S_CONFLICT') throw error
      // A write whose answer was lost is repeated, and then meets itself.
    }
    const now = await this.read(signal)
    // Whoever wrote since has taken over: going on from what they wrote would overwrite it.
    if (isDeepStrictEqual(now.journal, journalIn(data[DATA_KEY]))) return now
    throw otherRun(this.where)
  }

  /** Takes out what was looked at at these sites, which are gone. */
  async forget(names: readonly string[], signal: AbortSignal): Promise<void> {
    const state = await this.read(signal)
    const { journal } = state
    if (!journal || !names.some((name) => Object.hasOwn(journal.sites, name))) return
    await this.write(withoutSites(journal, names), state, signal)
  }

  async #at(signal: AbortSignal): Promise<JournalPlace> {
    return (this.#place ??= await this.#parts.find(signal))
  }

  async #identity(signal: AbortSignal): Promise<string | undefined> {
    return (this.#vault ??= await this.#parts.vault(signal))
  }

  async #get(signal: AbortSignal): Promise<KubernetesObject | undefined> {
    const { namespace, connect } = await this.#at(signal)
    try {
      return await this.#parts.calls.run({ signal }, async (allowance) =>
        (await connect(allowance)).get(allowance, 'ConfigMap', namespace, this.name),
      )
    } catch (error) {
      if (!isSecretManagerError(error) || error.code !== 'SM_K8S_NOT_FOUND') throw error
      return undefined
    }
  }

  /** What another Vault came to says nothing of the key of this name in ours. */
  async #refuseOther(journal: Journal | undefined, signal: AbortSignal): Promise<void> {
    if (journal?.vault === undefined) return
    const vault = await this.#identity(signal)
    if (vault === undefined || vault === journal.vault) return
    const message = `${this.where} is the journal of this key in another Vault`
    throw new SecretManagerError('SM_CONFIG_INVALID', message, {
      hint: 'check the address of Vault and the context; or name another place: --journal-namespace; if that Vault is gone, delete it',
    })
  }

  #parse(text: string | undefined): Journal | undefined {
    if (text === undefined) return undefined
    const journal = journalIn(text)
    const { mount, transitKey } = this.#parts.key
    if (journal?.mount === mount && journal.transitKey === transitKey) return journal
    const message = `${this.where} is not the journal of ${mount}/keys/${transitKey}`
    throw new SecretManagerError('SM_CONFIG_INVALID', message, {
      hint: 'look at it; delete it if nobody needs it, or name another place: --journal-namespace',
    })
  }
}

/** Tells that two runs want the same. */
export function otherRun(where: string): SecretManagerError {
  return new SecretManagerError('SM_K8S_CONFLICT', `another run wrote ${where} meanwhile`, {
    hint: 'wait until it is done: secretmanager status; then run this again',
  })
}

/** A rotation, a retirement and what both need, put together from the parts of a core. */
import type { Core } from '../core.ts'
import { inContext, isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { Runtime } from '../runtime.ts'
import { Keyring, type KeyFacts, type KeyMinima } from '../vault/keyring.ts'
import { JournalStore, type JournalParts, type JournalPlace } from './journal.ts'
import { needsOf, orAsRotator, refuseMissingRights, type Purpose } from './preflight.ts'
import { recrypter, rewrapper, type Recrypt } from './recrypt.ts'
import type { RetirementParts } from './retire.ts'
import type { RotationParts } from './rotate.ts'
import type { KeyName, Site, SiteUse } from './site.ts'

/** What is to be done, with what. */
export interface JobParts {
  readonly core: Core
  readonly runtime: Runtime
  readonly key: KeyName
  readonly sites: readonly Site[]
  /** Finds the journal; a text is its namespace in the configured cluster. */
  readonly journal: string | JournalParts['find']
  /** Decrypts and encrypts in place of a rewrap: for policies that do not know that. */
  readonly isCompat: boolean
}

const NOTHING = { ciphertext: 'vault:v1:AAAA', context: undefined }

/** A change of a key. */
export type Change = 'rotate' | 'minima' | 'trim'

/** A margin over the limit of one request. */
const MARGIN_MS = 1000

/** Everything that is done with one key. */
export class KeyJob {
  readonly journal: JournalStore
  readonly #parts: JobParts
  readonly #keyring: Keyring

  constructor(parts: JobParts) {
    const { core, key, journal: place } = parts
    const { calls, connections } = core
    const { vault: client, session } = connections
    this.#parts = parts
    this.#keyring = new Keyring({ client, session, mount: key.mount })
    const connect: JournalPlace['connect'] = (allowance) => connections.kubernetes(allowance)
    this.journal = new JournalStore({
      key,
      calls,
      find: (signal) =>
        typeof place === 'string'
          ? Promise.resolve({ namespace: place, isGuess: false, cluster: undefined, connect })
          : place(signal),
      vault: (signal) => identityOf(core, signal),
    })
  }

  /**
   * Refuses before anything is changed where a right is missing, in Vault or in a cluster.
   *
   * @param changes - what is changed besides documents
   * @throws {@link SecretManagerError} SM_VAULT_DENIED, SM_K8S_DENIED with all that is missing
   */
  async preflight(changes: readonly Change[], signal: AbortSignal): Promise<void> {
    const { sites, isCompat } = this.#parts
    await this.refuseMissing([...changes, isCompat ? 'compat' : 'rewrap'], signal)
    const { type } = await this.facts(signal)
    if (!SYMMETRIC.test(type)) throw unfit(this.journal.key, type)
    // A rewrap alone tells what it may not do object by object, and has done the rest.
    if (changes.length === 0) return
    const missing = [...(await this.journal.missingRights(signal))]
    // Who raises minima writes to no object.
    const use = changes.includes('rotate') ? 'rewrap' : 'look'
    for (const site of sites) missing.push(...(await missingAt(site, use, signal)))
    if (missing.length > 0) throw deniedByCluster(missing)
  }

  /** Whether Vault lets us rewrap. */
  async mayRewrap(signal: AbortSignal): Promise<boolean> {
    try {
      await this.refuseMissing(['rewrap'], signal)
      return true
    } catch (error) {
      if (isSecretManagerError(error) && error.code === 'SM_VAULT_DENIED') return false
      throw error
    }
  }

  /** Asks Vault alone. */
  async refuseMissing(purposes: readonly Purpose[], signal: AbortSignal): Promise<void> {
    const { core, key } = this.#parts
    const needs = needsOf(key, purposes)
    const isKnown = await this.#ask((it) => refuseMissingRights(core, it, needs), signal)
    if (isKnown || !purposes.includes('rewrap')) return
    // What opens under no key: who may rewrap is told so, and nothing else comes of it.
    await this.recryptTo(1)([NOTHING], signal).catch((error: unknown) => {
      throw orAsRotator(core, error)
    })
  }

  facts(signal: AbortSignal): Promise<KeyFacts> {
    const { transitKey } = this.#parts.key
    return this.#ask((it) => this.#keyring.facts(it, transitKey), signal)
  }

  recryptTo(latest: number): Recrypt {
    const { core, key, runtime, isCompat } = this.#parts
    const { transitKey } = key
    if (isCompat) return recrypter(core, transitKey)(latest)
    return rewrapper(core, this.#keyring, transitKey, runtime)(latest)
  }

  configure(minima: KeyMinima, signal: AbortSignal): Promise<void> {
    const { transitKey } = this.#parts.key
    return this.#ask((it) => this.#keyring.configure(it, transitKey, minima), signal)
  }

  trim(minAvailableVersion: number, signal: AbortSignal): Promise<void> {
    const { transitKey } = this.#parts.key
    return this.#ask((it) => this.#keyring.trim(it, transitKey, minAvailableVersion), signal)
  }

  rotation(): RotationParts {
    const { core, key, runtime, sites } = this.#parts
    const { attempt } = core.settings
    return {
      runtime,
      journal: this.journal,
      sites,
      facts: (signal) => this.facts(signal),
      rotate: (signal) =>
        this.#ask((it) => core.connections.transit.rotate(it, key.transitKey), signal),
      recryptTo: (latest) => this.recryptTo(latest),
      askMs: attempt.timeoutMs,
      patienceMs: attempt.timeoutMs + MARGIN_MS,
      preflight: (signal) => this.preflight(['rotate'], signal),
    }
  }

  retirement(): RetirementParts {
    const { runtime, sites } = this.#parts
    return {
      runtime,
      journal: this.journal,
      sites,
      facts: (signal) => this.facts(signal),
      configure: (minima, signal) => this.configure(minima, signal),
      recryptTo: (latest) => this.recryptTo(latest),
    }
  }

  async #ask<T>(work: (allowance: Allowance) => Promise<T>, signal: AbortSignal): Promise<T> {
    const { core } = this.#parts
    try {
      return await core.calls.run({ signal }, work)
    } catch (error) {
      throw orAsRotator(core, error)
    }
  }
}

/** The types of keys that documents are encrypted with: others know no batches, or do not encrypt. */
const SYMMETRIC = /^(?:aes|x?chacha20)/

function unfit({ mount, transitKey }: KeyName, type: string): SecretManagerError {
  const message = `nothing was changed: ${mount}/keys/${transitKey} is of type ${type}, under which there are no documents of ours`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'name a key of type aes256-gcm96, aes128-gcm96 or chacha20-poly1305: vault list transit/keys',
  })
}

/**
 * What a Vault calls itself, the same by whatever address it is reached. Anybody may ask.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/system/seal-status
 */
async function identityOf(
  { calls, connections, settings }: Core,
  signal: AbortSignal,
): Promise<string | undefined> {
  const { cluster_id: id } = await calls.run({ signal }, (allowance) =>
    connections.vault.request(allowance, { method: 'GET', path: 'sys/seal-status' }),
  )
  const { namespace = '' } = settings.vault
  return typeof id === 'string' && id !== '' ? `${id}/${namespace}` : undefined
}

async function missingAt(
  site: Site,
  use: SiteUse,
  signal: AbortSignal,
): Promise<readonly string[]> {
  try {
    return await site.missingRights(use, signal)
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    throw inContext(error, `nothing was changed: ${site.name} could not be asked`)
  }
}

function deniedByCluster(missing: readonly string[]): SecretManagerError {
  const message = `nothing was changed: this identity may not ${missing.join('; ')}`
  return new SecretManagerError('SM_K8S_DENIED', message, {
    hint: 'grant it by a Role and a RoleBinding; names as resourceNames are enough, but for create',
    problems: missing,
  })
}

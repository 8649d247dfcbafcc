/**
 * Documents as they are stored: opened and sealed by what the definition says. What a document says of
 * itself is a claim that must agree with it before anything is called.
 */
import type { Definition } from '../config/definition.ts'
import { inContext, isSecretManagerError, SecretManagerError, withFacts } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { MAX_DOCUMENT_BYTES } from '../lib/json.ts'
import {
  checkClaims,
  contextOf,
  hintForPlace,
  refuseRawAfterSealed,
  refuseRollback,
  type ExpectedClaims,
} from '../sealed/binding.ts'
import {
  formatSealed,
  isSealed,
  nextRevision,
  parseSealed,
  refuseTooLarge,
} from '../sealed/format.ts'
import { refuseWrapped, unwrapDocument, wrapDocument } from '../sealed/plaintext.ts'
import { keyVersionOf, parseRaw } from '../sealed/raw.ts'
import type { Transit } from '../vault/transit.ts'
import { describe, type Place } from './place.ts'

/** A document that was opened. */
export interface Opened {
  /** As it is stored. */
  readonly stored: string
  /** The plaintext's exact bytes. */
  readonly document: Uint8Array
  /** Version of the Transit key that it is under. */
  readonly keyVersion: number
  /** Absent where it is raw. */
  readonly revision: number | undefined
}

/** What documents are opened and sealed with. */
export interface DocumentsParts {
  readonly transit: Transit
  /** Mount of Transit, a claim of every sealed document. */
  readonly mount: string
  readonly cluster: string
  /** Unix milliseconds. */
  readonly wallClock: () => number
}

/** Opens and seals the documents of one process, and remembers how far it has read. */
export class Documents {
  readonly #parts: DocumentsParts
  /** By place, the highest revision that was read: nothing older is opened. */
  readonly #seen = new Map<string, number>()

  constructor(parts: DocumentsParts) {
    this.#parts = parts
  }

  /**
   * Opens a stored document.
   *
   * @throws {@link SecretManagerError} SM_BINDING_MISMATCH, SM_ROLLBACK_REFUSED, SM_CT_*, SM_KEY_NOT_FOUND, SM_AUTH_*, SM_VAULT_*
   */
  open(
    allowance: Allowance,
    definition: Definition,
    place: Place,
    stored: string,
  ): Promise<Opened> {
    return definition.format === 'raw'
      ? this.#openRaw(allowance, definition, place, stored)
      : this.#openSealed(allowance, definition, place, stored)
  }

  /**
   * Refuses what cannot be stored, before any call.
   *
   * @throws {@link SecretManagerError} SM_TOO_LARGE, SM_CT_FORMAT
   */
  refuseUnfit(definition: Definition, document: Uint8Array): void {
    const where = `${definition.readKey} of ${definition.secretName}`
    const bytes = document.byteLength
    if (definition.format === 'sealed') {
      return refuseTooLarge(bytes, this.#claimsOf(definition), where)
    }
    refuseWrapped(document, where)
    if (bytes <= MAX_DOCUMENT_BYTES) return
    throw new SecretManagerError(
      'SM_TOO_LARGE',
      `the document for ${where} has ${bytes} bytes; at most ${MAX_DOCUMENT_BYTES} fit`,
    )
  }

  /**
   * Encrypts a document into what is to be stored.
   *
   * @param replaced - what is stored now
   * @throws {@link SecretManagerError} SM_BINDING_MISMATCH where the definition says raw and what is stored is sealed, or demands
   * a binding that the key cannot give; SM_KEY_NOT_FOUND, SM_AUTH_*, SM_VAULT_*
   */
  async seal(
    allowance: Allowance,
    definition: Definition,
    place: Place,
    document: Uint8Array,
    replaced: string | undefined,
  ): Promise<string> {
    const { transit, cluster, wallClock } = this.#parts
    const { transitKey } = place
    if (definition.format === 'raw') {
      if (replaced !== undefined && isSealed(replaced)) throw weaker(place)
      await this.#refuseMissingKey(allowance, transitKey)
      return transit.encrypt(allowance, transitKey, document)
    }
    await this.#refuseIgnoredBinding(allowance, definition, place)
    const previous = Math.max(claimedRevision(replaced), this.#seen.get(describe(place)) ?? 0)
    const revision = nextRevision(previous, wallClock())
    const context = contextOf(place, definition.binding, cluster)
    const wrapped = wrapDocument(revision, document)
    const ciphertext = await transit.encrypt(allowance, transitKey, wrapped, context)
    return formatSealed({ ...this.#claimsOf(definition), revision }, ciphertext)
  }

  async #openRaw(
    allowance: Allowance,
    { allowRollback }: Definition,
    place: Place,
    stored: string,
  ): Promise<Opened> {
    const where = describe(place)
    if (!allowRollback) refuseRawAfterSealed(this.#seen.get(where), where)
    const ciphertext = parseRaw(stored, where)
    const opening = this.#parts.transit.decrypt(allowance, place.transitKey, ciphertext)
    const document = await opening.catch((error: unknown) => {
      throw told(error, where, undefined)
    })
    if (!allowRollback) refuseRawAfterSealed(this.#seen.get(where), where)
    refuseWrapped(document, where)
    return { stored, document, keyVersion: keyVersionOf(ciphertext), revision: undefined }
  }

  async #openSealed(
    allowance: Allowance,
    definition: Definition,
    place: Place,
    stored: string,
  ): Promise<Opened> {
    const where = describe(place)
    const { binding, allowRollback } = definition
    const { transit, cluster } = this.#parts
    const { claims, ciphertext } = parseSealed(stored, where)
    const { revision } = claims
    checkClaims(claims, { ...this.#claimsOf(definition), binding }, where)
    if (!allowRollback) refuseRollback(this.#seen.get(where), revision, where)
    const context = contextOf(place, binding, cluster)
    const opening = transit.decrypt(allowance, place.transitKey, ciphertext, context)
    const plaintext = await opening.catch((error: unknown) => {
      throw told(error, where, hintForPlace(place, binding, cluster))
    })
    const document = unwrapDocument(plaintext, revision, where)
    // A later one may have been read meanwhile.
    const seen = this.#seen.get(where)
    if (!allowRollback) refuseRollback(seen, revision, where)
    this.#seen.set(where, Math.max(seen ?? 0, revision))
    return { stored, document, keyVersion: keyVersionOf(ciphertext), revision }
  }

  #claimsOf({
    transitKey,
    binding,
  }: Definition): ExpectedClaims & { readonly scope: typeof binding } {
    return { mount: this.#parts.mount, transitKey, binding, scope: binding }
  }

  /** Transit makes a key that it does not have, where the policy lets it: a typo would become a key. */
  async #refuseMissingKey(allowance: Allowance, transitKey: string): Promise<void> {
    try {
      await this.#parts.transit.readKey(allowance, transitKey)
    } catch (error) {
      // Raw documents were always written without that right.
      if (!isSecretManagerError(error) || error.code !== 'SM_VAULT_DENIED') throw error
    }
  }

  /** Transit ignores a context without a word where the key is not derived, and the document would claim what is not so. */
  async #refuseIgnoredBinding(
    allowance: Allowance,
    { binding, transitKey }: Definition,
    place: Place,
  ): Promise<void> {
    const { isDerived } = await this.#parts.transit.readKey(allowance, transitKey)
    if (isDerived || binding === 'none') return
    const message = `the Transit key ${transitKey} is not derived, so ${describe(place)} cannot be bound to its ${binding === 'strict' ? 'place' : 'namespace'}`
    throw new SecretManagerError('SM_BINDING_MISMATCH', message, {
      hint: `make a key that is: vault write transit/keys/NAME derived=true; or bind to nothing: binding: none`,
    })
  }
}

/** What cannot be read as sealed has no revision that counts: it is replaced. */
function claimedRevision(stored: string | undefined): number {
  if (stored === undefined || !isSealed(stored)) return 0
  try {
    return parseSealed(stored, 'the stored document').claims.revision
  } catch {
    return 0
  }
}

function weaker(place: Place): SecretManagerError {
  const message = `${describe(place)} is sealed, and the definition says raw`
  return new SecretManagerError('SM_BINDING_MISMATCH', message, {
    hint: 'leave format out, or delete the object first if it must become readable without its binding',
  })
}

function told(error: unknown, where: string, hint: string | undefined): unknown {
  if (!isSecretManagerError(error) || error.component !== 'ciphertext') return error
  const located = inContext(error, `cannot open ${where}`)
  return hint !== undefined && error.code === 'SM_CT_AUTH_FAILED'
    ? withFacts(located, { hint })
    : located
}

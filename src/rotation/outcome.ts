/** What becomes of a document, decided from what is known of it. Pure. */
import { inContext, SecretManagerError } from '../errors.ts'
import { formatSealed } from '../sealed/format.ts'
import { describe } from '../sources/place.ts'
import type { Rewrapped } from '../vault/keyring.ts'
import type { FoundObject, StoredDocument } from './site.ts'

/**
 * How far a rewrap goes. `rewrap`: all the way. `try`: writes nothing. `look`: does not even ask Vault. `prove`: has
 * each document that is current rewrapped once more and throws the result away, as only what opens can be.
 */
export type Mode = 'rewrap' | 'try' | 'look' | 'prove'

/** What became of a document. */
export type Outcome =
  /** Under the latest version already. */
  | { readonly state: 'current' }
  | { readonly state: 'rewrapped'; readonly to: number }
  /** Behind, and left so: nothing was to be written, or its source must change first. */
  | { readonly state: 'behind' }
  /** Somebody else wrote meanwhile, and what they wrote is current; or they took it away. */
  | { readonly state: 'overtaken' }
  /** Raw, and not of this key. */
  | { readonly state: 'foreign' }
  /** Raw, and nobody says or has found out of which key. */
  | { readonly state: 'unknown' }
  | { readonly state: 'failed'; readonly error: SecretManagerError }

const BEHIND: Outcome = { state: 'behind' }
const CURRENT: Outcome = { state: 'current' }

/** Tells of a document without asking Vault; `undefined` where it is to be asked. */
export function unasked(document: StoredDocument, latest: number, mode: Mode): Outcome | undefined {
  const isCurrent = document.keyVersion >= latest
  if (isCurrent) return mode === 'prove' ? undefined : settled(document, latest)
  if (mode === 'rewrap' || mode === 'try') return undefined
  if (!isUnattributed(document)) return BEHIND
  return mode === 'prove' ? undefined : { state: 'unknown' }
}

/** Reads Vault's answer: the text to store, or why there is none. */
export function answered(
  document: StoredDocument,
  result: Rewrapped | undefined,
): string | Outcome {
  if (result === undefined) throw new SecretManagerError('SM_INTERNAL', 'a document was lost')
  const { claims, place } = document
  if ('ciphertext' in result) {
    return claims ? formatSealed(claims, result.ciphertext) : result.ciphertext
  }
  const { error } = result
  if (isUnattributed(document)) {
    if (OTHER_KEY.has(error.code)) return { state: 'foreign' }
    // Of this key or another: it opens no more, and nothing is lost by what is retired now.
    if (error.code === 'SM_CT_TOO_OLD') return { state: 'unknown' }
  }
  return { state: 'failed', error: inContext(error, `cannot rewrap ${describe(place)}`) }
}

/** What Transit says of a ciphertext of another key. */
const OTHER_KEY: ReadonlySet<string> = new Set(['SM_CT_AUTH_FAILED', 'SM_CT_TOO_NEW'])

/** Tells of a document that Vault rewrapped and that is not to be written; `undefined` where it is. */
export function unwritten(
  { owner, isImmutable, name }: FoundObject,
  document: StoredDocument,
  latest: number,
  mode: Mode,
): Outcome | undefined {
  // Vault opened it, so that also one which does not say so is of this key.
  if (mode === 'prove') return isBehind(document, latest) ? BEHIND : CURRENT
  if (owner !== undefined) return BEHIND
  if (isImmutable) return { state: 'failed', error: immutable(name) }
  return mode === 'try' ? BEHIND : undefined
}

/** Of a document that is under the latest version. */
function settled(document: StoredDocument, latest: number): Outcome {
  if (isUnattributed(document)) return { state: 'unknown' }
  return isBehind(document, latest) ? BEHIND : CURRENT
}

/** What `kubectl apply` would bring back counts. */
function isBehind(
  { keyVersion, appliedVersion = Infinity }: StoredDocument,
  latest: number,
): boolean {
  return Math.min(keyVersion, appliedVersion) < latest
}

/** A raw document does not say whose it is. */
function isUnattributed({ claims, isNamed }: StoredDocument): boolean {
  return claims === undefined && !isNamed
}

function immutable(name: string): SecretManagerError {
  return new SecretManagerError('SM_K8S_REJECTED', `${name} is immutable`, {
    hint: 'delete it and create it again from its source, once that is rewrapped',
  })
}

/**
 * What ties a sealed document to its definition: the context that its key is derived with, and the
 * claims and revisions that are refused. `docs/format.md` lays it down.
 */
import { SecretManagerError } from '../errors.ts'
import type { Kind } from '../kubernetes/objects.ts'
import type { Claims, Scope } from './format.ts'

/** The entry that a definition names: one data key of one object. */
export interface BoundPlace {
  readonly kind: Kind
  readonly namespace: string
  readonly name: string
  readonly dataKey: string
}

/** What the definition demands of a document's claims. */
export interface ExpectedClaims {
  /** The configured mount of Transit, without slashes around it. */
  readonly mount: string
  readonly transitKey: string
  readonly binding: Scope
}

/**
 * Gives the `context` for Transit: `sm1`, and each field as u32be length and UTF-8. No two bindings
 * have the same.
 *
 * @param place - that of the definition, never of the document
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID for half a surrogate pair, which UTF-8 cannot tell from another
 */
export function contextOf(place: BoundPlace, binding: Scope, cluster: string): Uint8Array {
  const fields = Object.entries(fieldsOf(place, binding, cluster))
  return Buffer.concat([Buffer.from('sm1'), ...fields.map(([name, text]) => encode(name, text))])
}

/** In their order. */
function fieldsOf(
  { kind, namespace, name, dataKey }: BoundPlace,
  binding: Scope,
  cluster: string,
): Readonly<Record<string, string>> {
  switch (binding) {
    case 'strict':
      return { scope: binding, cluster, kind, namespace, name, dataKey }
    case 'namespace':
      return { scope: binding, cluster, namespace }
    case 'none':
      return { scope: binding }
  }
}

function encode(field: string, text: string): Uint8Array {
  if (/\p{Surrogate}/u.test(text)) {
    throw new SecretManagerError('SM_CONFIG_INVALID', `${field} is not well-formed Unicode`)
  }
  const bytes = Buffer.from(text)
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.byteLength)
  return Buffer.concat([length, bytes])
}

/**
 * Holds the claims of a document against its definition, before anything is called. Every difference
 * counts, in either direction.
 *
 * @throws {@link SecretManagerError} SM_BINDING_MISMATCH with what each side says
 */
export function checkClaims(claims: Claims, expected: ExpectedClaims, where: string): void {
  const differences = differencesOf(claims, expected)
  const [first] = differences
  if (!first) return
  const problems = differences.map(
    ({ claim, says, asked }) => `${claim} "${says}" where the definition has "${asked}"`,
  )
  const isWeaker = STRENGTH[claims.scope] < STRENGTH[expected.binding]
  throw new SecretManagerError(
    'SM_BINDING_MISMATCH',
    `${where} was sealed for another definition: ${problems.join('; ')}`,
    { hint: isWeaker ? WEAKER : hintOf(first), problems },
  )
}

function differencesOf(
  { mount, transitKey, scope }: Claims,
  expected: ExpectedClaims,
): readonly Compared[] {
  const { binding } = expected
  const compared: readonly Compared[] = [
    { claim: 'mount', says: mount, asked: expected.mount, setting: 'vault.transitMount' },
    { claim: 'Transit key', says: transitKey, asked: expected.transitKey, setting: 'transitKey' },
    { claim: 'binding', says: scope, asked: binding, setting: 'binding' },
  ]
  return compared.filter(({ says, asked }) => says !== asked)
}

interface Compared {
  readonly claim: string
  readonly says: string
  readonly asked: string
  readonly setting: string
}

const STRENGTH: Readonly<Record<Scope, number>> = { none: 0, namespace: 1, strict: 2 }

const WEAKER =
  'a document bound to less than the definition demands is never opened: anybody who can write the object may have put it there; seal it again for this place: secretmanager encrypt (under a Transit key that is not derived nothing can be bound: there the definition says binding: none)'

function hintOf({ asked, says, setting }: Compared): string {
  return `if "${asked}" is right, seal the document again: secretmanager encrypt; if "${says}" is, set ${setting} to it`
}

/**
 * Gives the hint for SM_CT_AUTH_FAILED: a document whose claims agree and which Transit cannot
 * authenticate was most often sealed for another place, because a release was moved or an object renamed.
 */
export function hintForPlace(place: BoundPlace, binding: Scope, cluster: string): string {
  if (binding === 'none')
    return 'it was changed, or encrypted by a key of this name in another Vault'
  const { kind, namespace, name, dataKey } = place
  if (binding === 'strict' && isHashSuffixed(name)) {
    return `"${name}" looks like a name from kustomize, whose suffix changes with the content, so nothing can be bound to it: set disableNameSuffixHash: true, or binding: namespace, and seal the document again: secretmanager encrypt`
  }
  const bound = binding === 'strict' ? `${dataKey} of ${kind} ${namespace}/${name}` : namespace
  return `it opens only where it was sealed for, and here that must be ${bound} in cluster "${cluster}": if it was renamed, copied or moved, or the setting cluster was changed, seal it again for this place: secretmanager encrypt; else it was tampered with`
}

/**
 * Kustomize's alphabet: hexadecimal digits without those that make words.
 *
 * @see https://github.com/kubernetes-sigs/kustomize/blob/master/api/hasher/hasher.go
 */
function isHashSuffixed(name: string): boolean {
  return /-[2456789bcdfghkmt]{10}$/.test(name)
}

/**
 * Refuses a document older than one that this process has read. The same revision again is a rewrap.
 *
 * @param seen - the highest revision read under this definition
 * @param revision - as it stands inside the encryption
 * @throws {@link SecretManagerError} SM_ROLLBACK_REFUSED
 */
export function refuseRollback(seen: number | undefined, revision: number, where: string): void {
  if (seen === undefined || revision >= seen) return
  const message = `${where} went back to revision ${revision}, after ${seen} was read`
  throw new SecretManagerError('SM_ROLLBACK_REFUSED', message)
}

/**
 * Refuses a raw document where this process has read the definition sealed: raw has no revision.
 *
 * @param seen - the highest revision read under this definition
 * @throws {@link SecretManagerError} SM_ROLLBACK_REFUSED
 */
export function refuseRawAfterSealed(seen: number | undefined, where: string): void {
  if (seen === undefined) return
  const message = `${where} is raw, after it was read as sealed revision ${seen}`
  throw new SecretManagerError('SM_ROLLBACK_REFUSED', message)
}

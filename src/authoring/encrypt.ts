/** Encrypts a document for its place: into the cluster, or into a manifest. */
import type { Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import type { Allowance } from '../http/budget.ts'
import { isSealed, parseSealed } from '../sealed/format.ts'
import { keyVersionOf } from '../sealed/raw.ts'
import { describe, type Place } from '../sources/place.ts'
import { locate } from '../sources/target.ts'

/** A document that was encrypted. */
export interface Encrypted {
  readonly place: Place
  /** Absent where it is raw. */
  readonly revision: number | undefined
  /** Version of the Transit key that it is under. */
  readonly keyVersion: number
}

/**
 * Encrypts `document` and stores it in the cluster, compare-and-set.
 *
 * @returns besides, whether there was no object before
 * @throws {@link SecretManagerError} SM_TOO_LARGE before any call, SM_K8S_REJECTED for an immutable object,
 * SM_K8S_CONFLICT, SM_BINDING_MISMATCH, SM_K8S_*, SM_VAULT_*
 */
export async function encryptToCluster(
  { source }: Core,
  allowance: Allowance,
  definition: Definition,
  document: Uint8Array,
): Promise<Encrypted & { readonly isNew: boolean }> {
  const { place, text, isNew } = await source.store(allowance, definition, document)
  return { ...encrypted(place, text), isNew }
}

/** What a text is to be put into. */
export interface Destination {
  /** The document that stands there; absent where there is none. */
  readonly stored: string | undefined
  readonly holding: (text: string) => Promise<string>
}

/**
 * Encrypts `document` into a manifest. Asks Vault alone; the kubeconfig is read where the namespace is left to it.
 *
 * @param destination - gives what the text is put into, for its place; the revision of the document there is exceeded
 * @returns besides, the manifest
 * @throws {@link SecretManagerError} SM_TOO_LARGE before any call, SM_BINDING_MISMATCH, SM_VAULT_*, what `destination` rejects with
 */
export async function encryptToManifest(
  core: Core,
  allowance: Allowance,
  definition: Definition,
  document: Uint8Array,
  destination: (place: Place) => Promise<Destination>,
): Promise<Encrypted & { readonly manifest: string }> {
  const { documents } = core.source
  documents.refuseUnfit(definition, document)
  const place = await locate(core, allowance, definition)
  const { stored, holding } = await destination(place)
  const text = await documents.seal(allowance, definition, place, document, stored)
  return { ...encrypted(place, text), manifest: await holding(text) }
}

/** What a text that was just written says of itself. */
export function encrypted(place: Place, text: string): Encrypted {
  if (!isSealed(text)) return { place, revision: undefined, keyVersion: keyVersionOf(text) }
  const { claims, ciphertext } = parseSealed(text, describe(place))
  return { place, revision: claims.revision, keyVersion: keyVersionOf(ciphertext) }
}

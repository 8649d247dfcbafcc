/** Makes a raw document, as the Python original writes it, a sealed one: in its place, byte for byte. */
import type { Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError, withFacts } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { checkClaims } from '../sealed/binding.ts'
import { isSealed, parseSealed } from '../sealed/format.ts'
import { parseRaw } from '../sealed/raw.ts'
import type { Opened } from '../sources/documents.ts'
import { describe, type Place } from '../sources/place.ts'
import { findTarget, writeTarget, type Target } from '../sources/target.ts'
import { encrypted, type Encrypted } from './encrypt.ts'

/** A stored document, as it was found. */
export type Found =
  | { readonly isSealed: true; readonly document: Encrypted }
  | { readonly isSealed: false; readonly target: Target; readonly stored: string }

/**
 * Looks at the document that is to be adopted. Vault is not asked.
 *
 * @throws {@link SecretManagerError} SM_K8S_NOT_FOUND, SM_KEY_MISSING, SM_K8S_REJECTED for an immutable object, SM_CT_FORMAT
 * for what is neither raw nor sealed, SM_BINDING_MISMATCH for one that is sealed otherwise than the definition says
 */
export async function findRaw(
  core: Core,
  allowance: Allowance,
  definition: Definition,
): Promise<Found> {
  const target = await findTarget(core, allowance, definition)
  const { place, stored } = target
  if (stored === undefined) throw absent(target)
  if (isSealed(stored)) {
    refuseOther(core, definition, describe(place), stored)
    return { isSealed: true, document: encrypted(place, stored) }
  }
  parseRaw(stored, describe(place))
  return { isSealed: false, target, stored }
}

/** How a document is adopted. */
export interface AdoptOptions {
  /** Transit key that it is under now; the new one is that of the definition. */
  readonly fromTransitKey: string
  /** Whether everything is done but the writing. */
  readonly dryRun: boolean
}

/**
 * Opens the raw document that was found, seals it as the definition says, and stores it, unless somebody
 * else wrote since. Siblings, labels, annotations and type of the object stay.
 *
 * @throws {@link SecretManagerError} SM_TOO_LARGE, SM_BINDING_MISMATCH where the new key cannot bind, SM_K8S_CONFLICT,
 * SM_CT_*, SM_KEY_NOT_FOUND, SM_K8S_*, SM_VAULT_*
 */
export async function adopt(
  core: Core,
  allowance: Allowance,
  definition: Definition,
  { target, stored }: Extract<Found, { isSealed: false }>,
  { fromTransitKey, dryRun }: AdoptOptions,
): Promise<Encrypted> {
  const { place } = target
  const text = await sealRaw(core, allowance, definition, place, stored, fromTransitKey)
  if (!dryRun) await writeTarget(target, allowance, text)
  return encrypted(place, text)
}

/**
 * Gives the sealed document for a raw one, after it was opened as a reader will: what replaces the only copy must be known
 * to open.
 *
 * @throws {@link SecretManagerError} SM_TOO_LARGE, SM_BINDING_MISMATCH where the new key cannot bind, SM_CT_*,
 * SM_KEY_NOT_FOUND, SM_VAULT_*
 */
export async function sealRaw(
  core: Core,
  allowance: Allowance,
  definition: Definition,
  place: Place,
  stored: string,
  fromTransitKey: string,
): Promise<string> {
  const { documents } = core.source
  const sealed: Definition = { ...definition, format: 'sealed' }
  const { document } = await openRaw(core, allowance, sealed, place, stored, fromTransitKey)
  documents.refuseUnfit(sealed, document)
  const text = await documents.seal(allowance, sealed, place, document, stored)
  const proof = await documents.open(allowance, sealed, place, text)
  if (Buffer.compare(proof.document, document) === 0) return text
  const message = `${describe(place)} was sealed, and then opened as something else; nothing was written`
  throw new SecretManagerError('SM_CT_AUTH_FAILED', message, {
    hint: 'look at what answers for Vault: it does not give back what it was given',
  })
}

async function openRaw(
  { source }: Core,
  allowance: Allowance,
  definition: Definition,
  place: Place,
  stored: string,
  transitKey: string,
): Promise<Opened> {
  const raw: Definition = { ...definition, format: 'raw', transitKey }
  try {
    return await source.documents.open(allowance, raw, { ...place, transitKey }, stored)
  } catch (error) {
    const isSameKey = transitKey === definition.transitKey
    throw isSecretManagerError(error) && isSameKey && OTHER_KEY.has(error.code)
      ? withFacts(error, { hint: 'name the key that it was encrypted with: --from-transit-key' })
      : error
  }
}

/** What Vault says of a ciphertext of another key. */
const OTHER_KEY: ReadonlySet<string> = new Set(['SM_CT_AUTH_FAILED', 'SM_CT_TOO_NEW'])

/** Refuses a sealed document that the definition would not open. @throws {@link SecretManagerError} SM_BINDING_MISMATCH, SM_CT_FORMAT */
export function refuseOther(
  { settings }: Core,
  { transitKey, binding }: Definition,
  where: string,
  stored: string,
): void {
  const expected = { mount: settings.vault.transitMount, transitKey, binding }
  checkClaims(parseSealed(stored, where).claims, expected, where)
}

function absent({ place, resourceVersion }: Target): SecretManagerError {
  const { kind, namespace, name } = place
  return resourceVersion === undefined
    ? new SecretManagerError('SM_K8S_NOT_FOUND', `there is no ${kind} ${namespace}/${name}`)
    : new SecretManagerError(
        'SM_KEY_MISSING',
        `there is no ${describe(place)}, or it is not base64`,
      )
}

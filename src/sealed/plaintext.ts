/** What stands inside the encryption of a sealed document. `docs/format.md` lays it down, byte for byte. */
import { SecretManagerError } from '../errors.ts'

/** Mark and version (8 bytes), revision (u64, big endian). */
export const HEADER_BYTES = 16

/** No text begins so, in ASCII or in UTF-8: a raw document that is text is never taken for a sealed one. */
const MARK = Uint8Array.of(0xff, 0x73, 0x65, 0x61, 0x6c, 0x65, 0x64)
const VERSION = 1

/** How a document that was changed is mended. */
export const MEND = 'restore the object, or seal the document again: secretmanager encrypt'

/** Gives what is encrypted of a document: mark and version, revision, the document's exact bytes. */
export function wrapDocument(revision: number, document: Uint8Array): Uint8Array {
  const plaintext = new Uint8Array(HEADER_BYTES + document.byteLength)
  plaintext.set(MARK)
  plaintext[MARK.length] = VERSION
  new DataView(plaintext.buffer).setBigUint64(8, BigInt(revision))
  plaintext.set(document, HEADER_BYTES)
  return plaintext
}

/**
 * Takes the document out of what was decrypted.
 *
 * @param revision - that of the claims
 * @returns the document's exact bytes, a view into `plaintext`
 * @throws {@link SecretManagerError} SM_CT_FORMAT where it is not the inside of a sealed document, or of another revision
 */
export function unwrapDocument(plaintext: Uint8Array, revision: number, where: string): Uint8Array {
  if (!isWrapped(plaintext) || plaintext[MARK.length] !== VERSION) throw notSealed(where)
  if (plaintext.byteLength < HEADER_BYTES) throw notSealed(where)
  const view = new DataView(plaintext.buffer, plaintext.byteOffset, plaintext.byteLength)
  const inside = view.getBigUint64(8)
  if (inside === BigInt(revision)) return plaintext.subarray(HEADER_BYTES)
  const message = `${where} claims revision ${revision}, and was sealed as revision ${inside}`
  throw new SecretManagerError('SM_CT_FORMAT', message, {
    hint: `the line was changed after it was sealed: ${MEND}`,
  })
}

/**
 * Refuses bytes that are the inside of a sealed document, in reading and in writing raw ones: the two
 * must not be taken for each other.
 *
 * @throws {@link SecretManagerError} SM_CT_FORMAT
 */
export function refuseWrapped(document: Uint8Array, where: string): void {
  if (!isWrapped(document)) return
  const message = `${where} is raw, and holds the inside of a sealed document`
  throw new SecretManagerError('SM_CT_FORMAT', message, {
    hint: `its claims were taken off: ${MEND}`,
  })
}

function isWrapped(bytes: Uint8Array): boolean {
  return MARK.every((byte, index) => bytes[index] === byte)
}

function notSealed(where: string): SecretManagerError {
  return new SecretManagerError('SM_CT_FORMAT', `what is encrypted in ${where} was not sealed`, {
    hint: `a raw ciphertext was given the looks of a sealed one: ${MEND}`,
  })
}

/** The Python original's format: a bare Transit ciphertext of the document's exact bytes. */
import { SecretManagerError } from '../errors.ts'
import { isTransitCiphertext } from '../vault/transit.ts'
import { isSealed } from './format.ts'

/**
 * Reads a stored raw document.
 *
 * @param text - as stored; white space around it, as editors leave it, is not part of it
 * @param where - named in the error
 * @returns the ciphertext, `vault:vN:…`
 * @throws {@link SecretManagerError} SM_CT_FORMAT
 */
export function parseRaw(text: string, where: string): string {
  const ciphertext = text.trim()
  if (isTransitCiphertext(ciphertext)) return ciphertext
  const what = ciphertext === '' ? 'is empty' : 'is not a Transit ciphertext (vault:vN:…)'
  throw new SecretManagerError('SM_CT_FORMAT', `${where} ${what}`, { hint: hintFor(ciphertext) })
}

/** Version of the Transit key that a document which {@link parseRaw} accepts is under. */
export function keyVersionOf(text: string): number {
  return Number(/^\s*vault:v(\d+):/.exec(text)?.[1])
}

function hintFor(text: string): string {
  if (isSealed(text))
    return 'it is sealed: leave format out of the definition (the Python original cannot read it)'
  return text.startsWith('{')
    ? 'it looks like plaintext JSON: whoever can read the object can read the secrets; encrypt it and change them'
    : 'write it with createSecrets, or check readKey'
}

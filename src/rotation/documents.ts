/** Which entries of an object are documents of a key. Claims and definitions decide; nothing is called. */
import type { Definition } from '../config/definition.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { checkClaims, type BoundPlace } from '../sealed/binding.ts'
import { isSealed, parseSealed } from '../sealed/format.ts'
import { keyVersionOf, parseRaw } from '../sealed/raw.ts'
import { describe } from '../sources/place.ts'
import type { KeyName, Problem, StoredDocument } from './site.ts'

/** An entry of an object, as it is stored. */
export interface StoredEntry {
  readonly place: BoundPlace
  /** Absent where it cannot be read, such as what is no base64. */
  readonly text: string | undefined
  /** The same in the copy that `kubectl apply` keeps of its source. */
  readonly applied?: string | undefined
}

/** What was found in one object. */
export interface Found {
  readonly documents: readonly StoredDocument[]
  readonly problems: readonly Problem[]
}

/**
 * Finds the documents of `key` among the entries of one object. What belongs to other keys, or is no
 * document, is left out.
 *
 * @param definitions - those of this object, under this key: what they name must be there
 */
export function documentsIn(
  entries: readonly StoredEntry[],
  key: KeyName,
  definitions: readonly Definition[],
): Found {
  const documents: StoredDocument[] = []
  const problems: Problem[] = []
  for (const entry of entries) {
    const { dataKey } = entry.place
    const definition = definitions.find(({ readKey }) => readKey === dataKey)
    try {
      const document = documentOf(entry, key, definition)
      if (document) documents.push(document)
    } catch (error) {
      if (!isSecretManagerError(error)) throw error
      problems.push({ dataKey, error })
    }
  }
  const keys = new Set(entries.map(({ place }) => place.dataKey))
  const missing = definitions.filter(({ readKey }) => !keys.has(readKey))
  return { documents, problems: [...problems, ...missing.map(({ readKey }) => absent(readKey))] }
}

function documentOf(
  { place, text, applied }: StoredEntry,
  key: KeyName,
  definition: Definition | undefined,
): StoredDocument | undefined {
  const where = describe(place)
  if (text === undefined) {
    if (definition === undefined) return undefined
    throw new SecretManagerError('SM_CT_FORMAT', `${where} is not base64`)
  }
  const read = isSealed(text)
    ? sealedIn(text, where, key, definition)
    : rawIn(text, where, definition)
  if (read === undefined) return undefined
  return {
    ...read,
    place,
    keyVersion: keyVersionOf(read.ciphertext),
    isNamed: definition !== undefined,
    appliedVersion: versionIn(applied),
  }
}

type Read = Pick<StoredDocument, 'format' | 'ciphertext' | 'claims'>

/** A malformed document is a problem even where nobody named it: it may be of this key. */
function sealedIn(
  text: string,
  where: string,
  { mount, transitKey }: KeyName,
  definition: Definition | undefined,
): Read | undefined {
  const { claims, ciphertext } = parseSealed(text, where)
  if (definition !== undefined) {
    const isNative = definition.format === 'sealed'
    const binding = isNative ? definition.binding : claims.scope
    checkClaims(claims, { mount, transitKey, binding }, where)
  }
  const isOurs = claims.mount === mount && claims.transitKey === transitKey
  return isOurs ? { format: 'sealed', ciphertext, claims } : undefined
}

function rawIn(text: string, where: string, definition: Definition | undefined): Read | undefined {
  // Refused in the words of a reader.
  if (definition?.format === 'sealed') parseSealed(text, where)
  if (definition === undefined && !/^\s*vault:v\d/.test(text)) return undefined
  return { format: 'raw', ciphertext: parseRaw(text, where), claims: undefined }
}

/** Version of the key in a text that may be anything. */
function versionIn(text: string | undefined): number | undefined {
  const version = /(?:^|:)vault:v([1-9]\d{0,8}):/.exec(text ?? '')?.[1]
  return version === undefined ? undefined : Number(version)
}

function absent(dataKey: string): Problem {
  const message = `there is no entry "${dataKey}"`
  return { dataKey, error: new SecretManagerError('SM_KEY_MISSING', message) }
}

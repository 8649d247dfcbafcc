/** The last two words of the pipeline: a document is parsed, and published as values that show in no output. */
import type { Definition } from '../config/definition.ts'
import { validate } from '../config/standard-schema.ts'
import { inContext, isSecretManagerError } from '../errors.ts'
import { parseDictionary } from '../lib/json.ts'
import { sealValues } from '../values.ts'

/**
 * Parses a document, checks it against the definition's schema if there is one, and seals the result.
 *
 * @throws {@link SecretManagerError} SM_PAYLOAD_INVALID, SM_TOO_LARGE, SM_SCHEMA_INVALID, never with a word of the document
 */
export async function publish(document: Uint8Array, definition: Definition): Promise<object> {
  try {
    const dictionary = parseDictionary(document)
    const { schema } = definition
    return schema ? await validate(schema, dictionary) : sealValues(dictionary)
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    throw inContext(error, `cannot read ${definition.readKey} of ${definition.secretName}`)
  }
}

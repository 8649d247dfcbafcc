/** How what is kept is read: by the words of the pipeline, as far as the stored document changed. */
import type { Runtime } from '../runtime.ts'
import { publish } from '../sources/dictionary.ts'
import type { KubevaultSource } from '../sources/kubevault.ts'
import type { EntryParts } from './parts.ts'

/** What tells one kind of value from another. */
type Kind<T> = Pick<EntryParts<T>, 'load' | 'wipe'>

/** Dictionaries; the document's bytes are wiped as soon as one is made of them. */
export function dictionariesOf(source: KubevaultSource): Kind<object> {
  return {
    load: async (allowance, definition, known) => {
      const read = await source.read(allowance, definition, known)
      if (!('document' in read)) return read
      const { stored, document, keyVersion, revision } = read
      try {
        const published = publish(document, definition)
        const value = await allowance.within(published, `the schema of ${definition.secretName}`)
        return { stored, keyVersion, revision, value }
      } finally {
        document.fill(0)
      }
    },
    // Its strings are the engine's: forgetting them is all that can be done.
    wipe: () => undefined,
  }
}

/** Documents byte for byte. Whoever is given one copies it; until then it must not be wiped. */
export function documentsOf(source: KubevaultSource, runtime: Runtime): Kind<Uint8Array> {
  return {
    load: async (allowance, definition, known) => {
      const read = await source.read(allowance, definition, known)
      if (!('document' in read)) return read
      const { stored, document: value, keyVersion, revision } = read
      return { stored, keyVersion, revision, value }
    },
    wipe: (document) => void runtime.after(0, () => document.fill(0)),
  }
}

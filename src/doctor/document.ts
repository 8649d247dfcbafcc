/** The stored document: facts for the checks of what is read. */
import { parseSealed, type SealedText } from '../sealed/format.ts'
import { parseRaw } from '../sealed/raw.ts'
import type { Opened } from '../sources/documents.ts'
import { describe, type Place } from '../sources/place.ts'
import { fact, type World } from './world.ts'

/** Where the document is. @throws as the read */
export const place: (world: World) => Promise<Place> = fact((world) =>
  world.call((allowance) => world.core.source.locate(allowance, world.definition)),
)

/** What is stored there. @throws as the read */
export const stored: (world: World) => Promise<string> = fact(async (world) => {
  const where = await place(world)
  return world.call((allowance) => world.core.source.fetch(allowance, where))
})

/** The document, taken apart: without claims where it is raw. @throws SM_CT_FORMAT */
export const parsed: (
  world: World,
) => Promise<Partial<SealedText> & Pick<SealedText, 'ciphertext'>> = fact(async (world) => {
  const text = await stored(world)
  const where = describe(await place(world))
  if (world.definition.format === 'sealed') return parseSealed(text, where)
  return { ciphertext: parseRaw(text, where) }
})

/** The document, opened as a read opens it. @throws as the read */
export const opened: (world: World) => Promise<Opened> = fact(async (world) => {
  const [where, text] = [await place(world), await stored(world)]
  return world.call((allowance) =>
    world.core.source.documents.open(allowance, world.definition, where, text),
  )
})

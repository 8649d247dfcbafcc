/** Documents of every kind and size: what goes in comes out, byte for byte, or is refused before anything is called. */
import { expect, test } from 'vitest'

import { diffDocument } from '../../src/authoring/diff.ts'
import { problemOf, readDraft, storeDraft } from '../../src/authoring/edit.ts'
import { encryptToCluster } from '../../src/authoring/encrypt.ts'
import { setEntry, unsetEntries } from '../../src/authoring/entries.ts'
import { rollBack } from '../../src/authoring/rollback.ts'
import type { Definition } from '../../src/config/definition.ts'
import type { Core } from '../../src/core.ts'
import { largestDocument } from '../../src/sealed/format.ts'
import { deskIn, type Desk } from './authoring-desk.ts'
import { failure, type KubevaultUnderTest } from './kubevault-fixture.ts'

/** The most that a raw document may have. */
const MOST_RAW_BYTES = 786_395

const PAYLOADS: ReadonlyMap<string, Uint8Array> = new Map([
  ['an empty dictionary', Buffer.from('{}')],
  ['no bytes at all', Buffer.of()],
  ['every byte there is', Uint8Array.from({ length: 2048 }, (_, at) => (at * 7) % 256)],
  ['a string that is no UTF-8', Buffer.from('{"canary": "\xFF\xFE"}', 'latin1')],
  ['a byte order mark and CRLF', Buffer.from('\uFEFF{"a":\r\n1}\r\n')],
])

/** Runs within the suite of authoring. */
export function payloadsStatements(world: () => KubevaultUnderTest): void {
  const rows = [...PAYLOADS]

  test.each(rows)('X1: encrypt: %s, byte for byte, sealed and raw', async (_what, payload) => {
    const desk = await deskIn(world())
    for (const definition of [desk.rawDefinition, desk.definition]) {
      await desk.run((core, it) => encryptToCluster(core, it, definition, payload))
      expect(Buffer.from(await desk.read(definition))).toEqual(Buffer.from(payload))
    }
  })

  test.each(rows)('X1: rollback to %s, byte for byte', async (_what, payload) => {
    const desk = await deskIn(world())
    await desk.put(payload)
    const old = { text: await desk.line(), where: 'the input' }
    await desk.put('{"now": 1}')
    await desk.core((core) => rollBack(core, desk.definition, old))
    expect(Buffer.from(await desk.read())).toEqual(Buffer.from(payload))
  })

  test.each(rows)('X1: an editor gets %s, byte for byte', async (_what, payload) => {
    const desk = await deskIn(world())
    await desk.put(payload)
    const draft = await desk.core((core) => readDraft(core, desk.definition))
    expect(Buffer.from(draft.document)).toEqual(Buffer.from(payload))
    await desk.core((core) => storeDraft(core, desk.definition, draft, Buffer.from('{"b": 2}')))
    expect(Buffer.from(await desk.read()).toString()).toBe('{"b": 2}')
  })

  test.each<readonly [string, (core: Core, definition: Definition) => Promise<unknown>]>([
    ['set', (core, definition) => setEntry(core, definition, 'b', '1')],
    ['unset', (core, definition) => unsetEntries(core, definition, ['canary'])],
    ['diff', (core, definition) => diffDocument(core, definition, Buffer.from('{}'))],
  ])('X1: %s refuses what is no dictionary, and leaves it', async (_name, work) => {
    const desk = await deskIn(world())
    for (const what of ['every byte there is', 'a string that is no UTF-8']) {
      const payload = PAYLOADS.get(what) ?? Buffer.of()
      await desk.put(payload)
      const error = await failure(desk.core((core) => work(core, desk.definition)))
      expect(error).toMatchObject({ code: 'SM_PAYLOAD_INVALID', exitCode: 6 })
      expect(JSON.stringify(error)).not.toContain('canary')
      expect(Buffer.from(await desk.read())).toEqual(Buffer.from(payload))
    }
  })

  test('an empty dictionary is filled, and emptied again', async () => {
    const desk = await deskIn(world())
    await desk.put('{}')
    const { definition } = desk
    const text = async (): Promise<string> => Buffer.from(await desk.read()).toString()
    expect(await desk.core((core) => setEntry(core, definition, 'a', '1'))).toBe('added')
    expect(await text()).toBe('{"a": 1}')
    const differences = await desk.core((core) => diffDocument(core, definition, Buffer.from('{}')))
    expect(differences).toEqual({ added: [], changed: [], removed: ['a'], isNew: false })
    expect(await desk.core((core) => unsetEntries(core, definition, ['a']))).toEqual(['a'])
    expect(await text()).toBe('{}')
    const missing = await failure(desk.core((core) => unsetEntries(core, definition, ['a'])))
    expect(missing).toMatchObject({ code: 'SM_KEY_MISSING', exitCode: 4 })
  })

  test('X1: the largest raw document fits; one byte more is refused before any call', async () => {
    const desk = await deskIn(world())
    const most = Buffer.alloc(MOST_RAW_BYTES, 255)
    await desk.run((core, it) => encryptToCluster(core, it, desk.rawDefinition, most))
    expect(Buffer.compare(await desk.read(desk.rawDefinition), most)).toBe(0)
    await refusedBeforeAnyCall(desk, desk.rawDefinition, Buffer.alloc(MOST_RAW_BYTES + 1))
  })

  test('X1: the largest sealed document fits; one byte more is refused before any call', async () => {
    const desk = await deskIn(world())
    const { transitMount: mount, transitKey } = desk.plan
    const size = largestDocument({ mount, transitKey, scope: 'strict' })
    await desk.put(new Uint8Array(size).fill(255))
    expect(Buffer.compare(await desk.read(), new Uint8Array(size).fill(255))).toBe(0)
    await refusedBeforeAnyCall(desk, desk.definition, Buffer.alloc(size + 1))
  })

  test('X1: an entry that makes it too large is refused before it is encrypted', async () => {
    const desk = await deskIn(world())
    const { definition } = desk
    await desk.put('{"a": 1}')
    const requests: string[] = []
    const long = JSON.stringify('x'.repeat(MOST_RAW_BYTES - 20))
    const work = desk.core(
      (core) => setEntry(core, definition, 'b', long),
      (request) => void requests.push(request),
    )
    expect(await failure(work)).toMatchObject({ code: 'SM_TOO_LARGE', exitCode: 6 })
    expect(requests.filter((each) => /^PATCH|\/encrypt\//.test(each))).toEqual([])
    expect(Buffer.from(await desk.read()).toString()).toBe('{"a": 1}')
    const edited = Buffer.from(`{"b": ${long}}`)
    const problem = await desk.core((core) => Promise.resolve(problemOf(core, definition, edited)))
    expect(problem?.code).toBe('SM_TOO_LARGE')
  })
}

async function refusedBeforeAnyCall(
  desk: Desk,
  definition: Definition,
  document: Uint8Array,
): Promise<void> {
  const requests: string[] = []
  const work = desk.core(
    (core) => core.calls.run(undefined, (it) => encryptToCluster(core, it, definition, document)),
    (request) => void requests.push(request),
  )
  expect(await failure(work)).toMatchObject({ code: 'SM_TOO_LARGE', exitCode: 6 })
  expect(requests).toEqual([])
}

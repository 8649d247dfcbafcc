/** Changes of documents beside others who write: nobody's write is lost, and nothing else of the object changes. */
import { expect, test } from 'vitest'

import { readDraft, storeDraft } from '../../src/authoring/edit.ts'
import { encryptToCluster } from '../../src/authoring/encrypt.ts'
import { setEntry, unsetEntries } from '../../src/authoring/entries.ts'
import { diffDocument } from '../../src/authoring/diff.ts'
import { manifestText } from '../../src/authoring/manifest.ts'
import { rollBack } from '../../src/authoring/rollback.ts'
import type { Core } from '../../src/core.ts'
import { deskIn, type Before, type Desk } from './authoring-desk.ts'
import { failure, type KubevaultUnderTest } from './kubevault-fixture.ts'

const OLD = '{"a": "canary-old"}'
const NOW = '{"a": "canary-now",\r\n "n": 12345678901234567890}'
const EDITED = '{"edited": true}'

/** A command that writes: what it does to {@link NOW}, and what comes of it. */
interface Writer {
  readonly name: string
  readonly write: (core: Core, desk: Desk, old: string) => Promise<unknown>
  readonly result: string
  /** Whether it is done again on what somebody else wrote meanwhile: it says what changes, not what there is to be. */
  readonly isMerging: boolean
}

const WRITERS: readonly Writer[] = [
  {
    name: 'encrypt',
    write: (core, { definition }) =>
      core.calls.run(undefined, (it) =>
        encryptToCluster(core, it, definition, Buffer.from(EDITED)),
      ),
    result: EDITED,
    isMerging: false,
  },
  {
    name: 'set',
    write: (core, { definition }) => setEntry(core, definition, 'b', '"new"'),
    result: `${NOW.slice(0, -1)},\r\n "b": "new"}`,
    isMerging: true,
  },
  {
    name: 'unset',
    write: (core, { definition }) => unsetEntries(core, definition, ['a']),
    result: '{"n": 12345678901234567890}',
    isMerging: true,
  },
  {
    name: 'edit',
    write: async (core, { definition }) => {
      const draft = await readDraft(core, definition)
      return storeDraft(core, definition, draft, Buffer.from(EDITED))
    },
    result: EDITED,
    isMerging: false,
  },
  {
    name: 'rollback',
    write: (core, { definition }, old) =>
      rollBack(core, definition, { text: old, where: 'the input' }),
    result: OLD,
    isMerging: false,
  },
]

/** Runs within the suite of authoring. */
export function changesStatements(world: () => KubevaultUnderTest): void {
  const rows = WRITERS.map((writer) => [writer.name, writer] as const)

  test.each(rows)('I3: %s keeps siblings, labels, annotations and type', async (_name, writer) => {
    const { desk, old } = await prepared(world())
    await desk.core((core) => writer.write(core, desk, old))
    expect(Buffer.from(await desk.read()).toString()).toBe(writer.result)
    expect(await desk.object()).toMatchObject({
      type: 'example.com/custom',
      metadata: {
        labels: { team: 'a', 'kubevault.secretmanager/managed': 'true' },
        annotations: { note: 'b' },
      },
      data: { sibling: 'AAEC' },
    })
  })

  test.each(rows)(
    'I7: %s stores a revision above the one that it replaces',
    async (_name, writer) => {
      const { desk, old } = await prepared(world())
      const before = revisionOf(await desk.line())
      await desk.core((core) => writer.write(core, desk, old))
      expect(revisionOf(await desk.line())).toBeGreaterThan(before)
    },
  )

  test.each(rows)('K6: %s that loses each race is a conflict', async (_name, writer) => {
    const { desk, old } = await prepared(world())
    const line = await desk.line()
    let races = 0
    const first: Before = async (request) => {
      if (!isWrite(request)) return
      races += 1
      await desk.patch({ data: { sibling: Buffer.from(String(races)).toString('base64') } })
    }
    const error = await failure(desk.core((core) => writer.write(core, desk, old), first))
    expect(error).toMatchObject({ code: 'SM_K8S_CONFLICT', exitCode: 7 })
    expect(JSON.stringify(error)).not.toContain('canary')
    expect(races).toBeGreaterThan(0)
    expect(await desk.line()).toBe(line)
    const { data } = await desk.object()
    expect(Buffer.from(data['sibling'] ?? '', 'base64').toString()).toBe(String(races))
  })

  test.each(rows)(
    'I1: %s does not overwrite a document that somebody else wrote meanwhile',
    async (_name, writer) => {
      const { desk, old } = await prepared(world())
      const before = once(isWrite, () =>
        desk.core((core) => setEntry(core, desk.definition, 'theirs', '1')).then(() => undefined),
      )
      const work = desk.core((core) => writer.write(core, desk, old), before)
      if (writer.isMerging) await work
      else expect(await failure(work)).toMatchObject({ code: 'SM_K8S_CONFLICT', exitCode: 7 })
      const now = JSON.parse(Buffer.from(await desk.read()).toString())
      const ours = writer.name === 'set' ? { b: 'new' } : {}
      const kept = writer.name === 'unset' ? {} : { a: 'canary-now' }
      expect(now).toEqual({ ...kept, n: expect.any(Number), theirs: 1, ...ours })
    },
  )

  test('I1: an edit takes a sibling that somebody else wrote meanwhile with it', async () => {
    const { desk, old } = await prepared(world())
    const before = once(isWrite, () => desk.patch({ data: { sibling: 'BBBB' } }))
    const edit = WRITERS.find(({ name }) => name === 'edit')
    await desk.core((core) => edit?.write(core, desk, old) ?? Promise.reject(), before)
    expect(Buffer.from(await desk.read()).toString()).toBe(EDITED)
    expect((await desk.object()).data['sibling']).toBe('BBBB')
  })

  test('I1: of many who set an entry each, none is lost', async () => {
    const { desk } = await prepared(world())
    const entries = ['b', 'c', 'd', 'e']
    const results = await Promise.allSettled(
      entries.map((name) => desk.core((core) => setEntry(core, desk.definition, name, '1'))),
    )
    const now = JSON.parse(Buffer.from(await desk.read()).toString())
    const written = entries.filter((_name, at) => results[at]?.status === 'fulfilled')
    const refused = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
    expect(written.length).toBeGreaterThan(0)
    expect(Object.keys(now)).toEqual(expect.arrayContaining(['a', 'n', ...written]))
    expect(Object.keys(now)).toHaveLength(2 + written.length)
    for (const error of refused) expect(error).toMatchObject({ code: 'SM_K8S_CONFLICT' })
  })

  test('rollback into a manifest exceeds the cluster, which takes it as it is', async () => {
    const { desk, old } = await prepared(world())
    const line = await desk.line()
    const requests: string[] = []
    const rollback = (core: Core): ReturnType<typeof rollBack> =>
      rollBack(
        core,
        desk.definition,
        { text: old, where: 'the input' },
        {
          manifest: (place) =>
            Promise.resolve({
              stored: undefined,
              holding: (text) => manifestText(place, text, 'json'),
            }),
        },
      )
    const done = await desk.core(rollback, (request) => void requests.push(request))
    expect(requests.filter(isWrite)).toEqual([])
    expect(await desk.line()).toBe(line)
    expect(done).toMatchObject({ isNew: false, from: revisionOf(line), content: revisionOf(old) })
    expect(done.to).toBeGreaterThan(revisionOf(line))
    const { data } = JSON.parse(done.manifest ?? '') as { data: object }
    await desk.patch({ data })
    expect(revisionOf(await desk.line())).toBe(done.to)
    expect(Buffer.from(await desk.read()).toString()).toBe(OLD)
  })

  test('diff names what differs, and writes nothing', async () => {
    const { desk } = await prepared(world())
    const { metadata } = await desk.object()
    const other = Buffer.from('{"n": 12345678901234567891, "b": "canary-b"}')
    const requests: string[] = []
    const differences = await desk.core(
      (core) => diffDocument(core, desk.definition, other),
      (request) => void requests.push(request),
    )
    expect(differences).toEqual({ added: ['b'], changed: ['n'], removed: ['a'], isNew: false })
    const same = await desk.core((core) =>
      diffDocument(core, desk.definition, Buffer.from(NOW.replaceAll(/\s/g, ''))),
    )
    expect(same).toEqual({ added: [], changed: [], removed: [], isNew: false })
    expect(requests.filter((each) => isWrite(each) || each.includes('/encrypt/'))).toEqual([])
    expect((await desk.object()).metadata.resourceVersion).toBe(metadata.resourceVersion)
  })

  test.each(['set', 'unset', 'edit'])('%s that changes nothing writes nothing', async (name) => {
    const { desk } = await prepared(world())
    const { metadata } = await desk.object()
    await desk.core(async (core) => {
      const { definition } = desk
      if (name === 'set') await setEntry(core, definition, 'a', '"canary-now"')
      else if (name === 'unset') await unsetEntries(core, definition, ['b'], { ifPresent: true })
      else await storeDraft(core, definition, await readDraft(core, definition), Buffer.from(NOW))
    })
    expect((await desk.object()).metadata.resourceVersion).toBe(metadata.resourceVersion)
  })
}

/** A decorated object with {@link NOW} in it, and the line of {@link OLD} that was there before. */
async function prepared(
  world: KubevaultUnderTest,
): Promise<{ readonly desk: Desk; readonly old: string }> {
  const desk = await deskIn(world)
  await desk.create({
    type: 'example.com/custom',
    metadata: { name: 'app', labels: { team: 'a' }, annotations: { note: 'b' } },
    data: { sibling: 'AAEC' },
  })
  await desk.put(OLD)
  const old = await desk.line()
  await desk.put(NOW)
  return { desk, old }
}

function revisionOf(line: string): number {
  return Number(/^sealed:v1:[^:]*:[^:]*:[^:]*:(\d+):/.exec(line)?.[1])
}

function isWrite(request: string): boolean {
  return /^(?:POST|PATCH|PUT) .*\/secrets/.test(request)
}

function once(is: (request: string) => boolean, happens: () => Promise<void>): Before {
  let isDone = false
  return async (request) => {
    if (isDone || !is(request)) return
    isDone = true
    await happens()
  }
}

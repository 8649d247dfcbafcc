/** Q7: whenever a rotation ends, whoever writes meanwhile. */
import fc from 'fast-check'
import { expect, test } from 'vitest'

import { rotate } from '../../src/rotation/rotate.ts'
import { embeddedWorld } from '../contracts/embedded-world.ts'
import { rotationDesk, type RotationDesk, type Via } from '../contracts/rotation-desk.ts'
import { Crash, optionsOf } from './rotation-world.ts'

/** The process ends after so many requests: none of those after it is sent, and of the last one no answer is seen. */
function endsAfter(most: number, isSent: boolean): Via {
  let count = 0
  return async (request, send) => {
    count += 1
    if (count < most) return send(request)
    if (count === most && isSent) await send(request)
    throw new Crash()
  }
}

/** What somebody else does to an object before some request of the run. */
interface Write {
  readonly before: number
  readonly object: number
  readonly kind: 'document' | 'sibling' | 'delete'
}

const OBJECTS = 3

interface Model {
  /** Version of the key at the start. */
  readonly version: number
  readonly desk: RotationDesk
  /** By object: what the last acknowledged write of its document was; absent where it was deleted. */
  readonly documents: Map<number, string>
  readonly siblings: Map<number, string>
  writes: number
  /** Ends when every write so far has. The requests of a run overlap; the writes between them must not. */
  written: Promise<void>
}

async function modelOf(desk: RotationDesk): Promise<Model> {
  const documents = new Map<number, string>()
  for (let at = 0; at < OBJECTS; at += 1) {
    const text = await desk.seal({ name: `app-${at}` }, `{"by":${at}}`)
    await desk.secret(`app-${at}`, { 'app.json': text, sibling: 'first' })
    documents.set(at, `{"by":${at}}`)
  }
  const version = Number((await desk.keyFacts())['latest_version'])
  return { version, desk, documents, siblings: new Map(), writes: 0, written: Promise.resolve() }
}

/** Takes away what is left, so that the next one finds nothing. */
async function clear({ desk, documents }: Model): Promise<void> {
  for (const object of documents.keys()) await desk.remove('Secret', `app-${object}`)
  await desk.kubernetes('DELETE', desk.journalPath)
}

/** Writes as a person would, by what they read: who is refused reads again. */
async function write(model: Model, { object, kind }: Write): Promise<void> {
  const { desk, documents, siblings } = model
  const name = `app-${object}`
  if (!documents.has(object)) return
  model.writes += 1
  if (kind === 'delete') {
    await desk.remove('Secret', name)
    documents.delete(object)
    return
  }
  const content = kind === 'document' ? `{"by":"writer ${model.writes}"}` : `s${model.writes}`
  const text = kind === 'document' ? await desk.seal({ name }, content, { revision: 8 }) : content
  const entry = kind === 'document' ? 'app.json' : 'sibling'
  const encoded = Buffer.from(text).toString('base64')
  for (let isRefused = true; isRefused;) {
    const now = await desk.get('Secret', name)
    const object_ = { ...now, data: { ...now.data, [entry]: encoded } }
    isRefused = await desk.replace('Secret', object_).then(
      () => false,
      (error: unknown) => {
        expect(String(error)).toContain(': 409 ')
        return true
      },
    )
  }
  if (kind === 'document') documents.set(object, content)
  else siblings.set(object, content)
}

/** Lets each write happen before its request, one after the other, then passes the request on. */
function beside(model: Model, writes: readonly Write[], via: Via): Via {
  let count = 0
  return async (request, send) => {
    count += 1
    for (const each of writes) {
      if (each.before === count) model.written = model.written.then(() => write(model, each))
    }
    await model.written
    return via(request, send)
  }
}

/** I1, I2 and I3: what is stored is what was written last, and it opens. */
async function holds({ desk, documents, siblings }: Model): Promise<void> {
  const facts = await desk.keyFacts()
  for (const [object, content] of documents) {
    const name = `app-${object}`
    const opened = await desk.open({ name }, await desk.line(name))
    expect(Buffer.from(opened.document, 'base64').toString()).toBe(content)
    expect(opened.version).toBeGreaterThanOrEqual(facts['min_decryption_version'] ?? Infinity)
    expect(await desk.line(name, 'sibling')).toBe(siblings.get(object) ?? 'first')
  }
}

const write_: fc.Arbitrary<Write> = fc.record({
  before: fc.integer({ min: 1, max: 40 }),
  object: fc.nat(OBJECTS - 1),
  kind: fc.constantFrom('document', 'document', 'sibling', 'sibling', 'delete'),
})

const run = fc.record({
  end: fc.integer({ min: 1, max: 45 }),
  isSent: fc.boolean(),
  writes: fc.array(write_, { maxLength: 4 }),
})

test('Q7: after any crashes and beside any writers: I1, I2, I3, and I4: one version for each rotation that ended', async () => {
  const desk = await rotationDesk(embeddedWorld())
  let runs = 0
  await fc.assert(
    fc.asyncProperty(fc.array(run, { minLength: 1, maxLength: 2 }), async (given) => {
      runs += 1
      const model = await modelOf(desk)
      let ended = model.version
      for (const { end, isSent, writes } of given) {
        const via = beside(model, writes, endsAfter(end, isSent))
        await desk
          .job({ via }, ({ job, runtime }) =>
            rotate({ ...job.rotation(), runtime, patienceMs: 1 }, optionsOf()),
          )
          .catch((error: unknown) => expect(error).toBeInstanceOf(Crash))
        await model.written
        const journal = await desk.journal()
        if (journal?.phase === 'done') ended = Number((await desk.keyFacts())['latest_version'])
        await holds(model)
      }
      const isOpen = (await desk.journal())?.phase !== 'done'
      const last = await desk.job({}, ({ job }) =>
        rotate({ ...job.rotation(), patienceMs: 1 }, optionsOf()),
      )
      await holds(model)
      expect(last.isDone).toBe(true)
      // Whatever was not ended was gone on with.
      expect(last.to).toBe(ended + 1)
      expect(isOpen || last.from === ended).toBe(true)
      expect((await desk.journal())?.phase).toBe('done')
      const look = await desk.look('look')
      for (const { document, outcome } of look.entries) {
        expect([document?.keyVersion, outcome.state]).toEqual([last.to, 'current'])
      }
      expect(look.entries).toHaveLength(model.documents.size)
      await clear(model)
    }),
    { numRuns: 100, endOnFailure: true },
  )
  expect(runs).toBeGreaterThanOrEqual(100)
}, 600_000)

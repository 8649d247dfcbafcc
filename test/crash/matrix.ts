/** A command is killed at its first point, at its second, and so on; run again it must end where an undisturbed one does. */
import { isDeepStrictEqual } from 'node:util'

import { expect } from 'vitest'

import type { Journal } from '../../src/rotation/journal-text.ts'
import type { Place, Situation, State } from './place.ts'
import type { Subject } from './subjects.ts'

/** What became of a run. */
export interface Ran {
  /** Whether it was killed; else it ended by itself. */
  readonly isDead: boolean
  readonly code: number | null
  readonly stderr: string
  /** The points that it came to, the one that it died at last. */
  readonly points: readonly string[]
}

/** How the command is run. */
export interface Runner {
  /** Kills it at its `at`-th point, from 1. */
  readonly run: (subject: Subject, situation: Situation, at: number) => Promise<Ran>
  /** Runs it as a person would. */
  readonly again: (subject: Subject, situation: Situation) => Promise<Ran>
  /** Looks at what only this way of running can leave behind. */
  readonly inspect?: (killed: Ran) => Promise<void>
}

/** Which points are tried. */
export interface Shard {
  readonly first: number
  readonly step: number
}

export const EVERY: Shard = { first: 1, step: 1 }

/** What was tried. */
export interface Tried {
  readonly points: number
  readonly converged: number
}

/** Tries them all. @throws with the exact point at which something does not hold */
export async function crashMatrix(
  subject: Subject,
  place: Place,
  runner: Runner,
  { first, step }: Shard = EVERY,
): Promise<Tried> {
  const reference = await undisturbed(subject, place, runner)
  let converged = 0
  for (let at = first; ; at += step) {
    const situation = await place.begin(subject.stock)
    const killed = await runner.run(subject, situation, at)
    const point = `${subject.name}, point ${at}: ${killed.points.at(-1)}`
    if (!killed.isDead) {
      await explained(point, () => expectOk(killed))
      return { points: (at - first) / step, converged }
    }
    await explained(point, async () => {
      const now = await situation.look()
      expectIntact(now, situation, reference, subject)
      await runner.inspect?.(killed)
      const again = await runner.again(subject, situation)
      if (isEqual(now, reference.after)) expectDone(again, subject)
      else expectOk(again)
      expectConverged(await situation.look(), now, reference, subject)
    })
    converged += 1
  }
}

/** How it is where nobody is killed. */
interface Reference {
  readonly before: State
  readonly after: State
}

async function undisturbed(subject: Subject, place: Place, runner: Runner): Promise<Reference> {
  const situation = await place.begin(subject.stock)
  const before = await situation.look()
  expectOk(await runner.again(subject, situation))
  const after = await situation.look()
  expect(after.latest).toBe(before.latest + (subject.isRotating === true ? 1 : 0))
  expect(plain(after)).not.toEqual(plain(before))
  return { before, after }
}

function expectOk({ code, stderr }: Ran): void {
  expect({ code, stderr }).toEqual({ code: 0, stderr })
}

/** There was nothing left to do: it says so, in whichever way. */
function expectDone(again: Ran, { refusal }: Subject): void {
  if (refusal === undefined) return expectOk(again)
  const { code, stderr } = again
  expect({ code, stderr }).toEqual({
    code: refusal.code,
    stderr: expect.stringContaining(refusal.says),
  })
}

/** At the moment of the kill. I2 is that `now` could be had: every document was opened for it. */
function expectIntact(
  now: State,
  { made }: Situation,
  { before, after }: Reference,
  subject: Subject,
): void {
  // I4
  const most = before.latest + (subject.isRotating === true ? 1 : 0)
  expect(now.latest).toBeLessThanOrEqual(most)
  expect(Object.keys(now.documents)).toEqual(Object.keys(before.documents))
  for (const [name, seen] of Object.entries(now.documents)) {
    const [old, end] = [before.documents[name], after.documents[name]]
    const isUntouched = old?.resourceVersion === end?.resourceVersion
    const { content, rest, version, revision, resourceVersion } = seen
    // I1, I3, and that what was current is not written to.
    expect({ name, content, rest, resourceVersion }).toEqual({
      name,
      content: expect.toBeOneOf([old?.content, end?.content]),
      rest: expect.toBeOneOf([old?.rest, end?.rest]),
      resourceVersion: isUntouched ? made.get(name) : resourceVersion,
    })
    expect(version).toBeGreaterThanOrEqual(now.minDecryption)
    // I22
    expect(revision).toBeGreaterThanOrEqual(old?.revision ?? 0)
  }
  // Ciphertext, under a name that nobody takes for a manifest.
  for (const file of now.leftovers) expect(file).toMatch(/^\.(?:one|two)\.yaml\..*\.tmp$/)
}

function expectConverged(
  end: State,
  now: State,
  { before, after }: Reference,
  { isRotating = false }: Subject,
): void {
  expect(plain(end)).toEqual(plain(after))
  // Killed after its last word it was done: to run it again then is to want another version.
  const wasDone = isRotating && now.latest > before.latest && now.journal?.phase === 'done'
  const more = (isRotating ? 1 : 0) + (wasDone ? 1 : 0)
  // I4
  expect(end.latest).toBe(before.latest + more)
}

function isEqual(one: State, other: State): boolean {
  return isDeepStrictEqual(plain(one), plain(other))
}

/** Without times and ids; versions by how far they are behind. */
function plain(state: State): object {
  const { latest, minDecryption, minEncryption, minAvailable, journal, documents } = state
  const seen = Object.entries(documents).map(([name, { version, isSealed, content, rest }]) => {
    return [name, { behind: latest - version, isSealed, content, rest }]
  })
  return {
    minDecryption,
    minEncryption,
    minAvailable,
    journal: journal && plainJournal(journal, latest),
    documents: Object.fromEntries(seen) as object,
  }
}

function plainJournal({ phase, from, retirement, sites }: Journal, latest: number): object {
  const looks = Object.values(sites).map(({ site, isComplete, documents, oldest }) => {
    return { site, isComplete, documents, behind: oldest === null ? null : latest - oldest }
  })
  const minima = retirement && {
    phase: retirement.phase,
    from: retirement.from,
    to: retirement.to,
  }
  return { phase, behind: latest - from, retirement: minima, looks }
}

async function explained(point: string, work: () => Promise<void> | void): Promise<void> {
  try {
    await work()
  } catch (error) {
    throw new Error(`${point}\n${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  }
}

/** Processes that stand still for longer than a token lives. */
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { monotonicMs, type Arrival } from './front.ts'
import { buildProgram, startProgram, type Program } from './program.ts'
import type { PausedJob, PausedLine } from './programs/paused.ts'
import { processWorld, type ProcessWorld } from './world.ts'

/** Longer than the token lives, and than any request may take. */
const [STOPPED_MS, TOKEN_TTL] = process.env['CI'] ? [5000, '4s'] : [3500, '3s']
const READERS = 100
/** As `programs/paused.ts` has it. */
const REFRESH_MS = 2000
const NAMES = ['app-0', 'app-1', 'app-2', 'app-3', 'app-4']

/** Begins to stop a process; what it gives is called when it may go on. */
type Stop = (program: Program<PausedLine>) => Promise<() => void>

const bySignal: Stop = async (program) => {
  program.signal('SIGSTOP')
  return () => program.signal('SIGCONT')
}

const byItself: Stop = async (program) => {
  program.tell(`block ${STOPPED_MS}`)
  await program.until(({ kind }) => kind === 'blocked', 60_000)
  return () => undefined
}

/** Both at once: most of it is waiting. */
const STOPS: readonly Stop[] = [bySignal, byItself]

test(`P2: after SIGSTOP and SIGCONT, or an event loop that is blocked, ${READERS} readers cost one login and no burst`, async () => {
  await Promise.all(
    STOPS.map(async (stop) => {
      const { world, program } = await started()
      await quiet(world)
      const stoppedAt = monotonicMs()
      const goOn = await stop(program)
      await store(world, 2)
      await pause(STOPPED_MS)
      goOn()
      await program.until(isCurrent, 60_000)
      const { logins, decrypts, reads } = countOf(world, stoppedAt)
      expect(logins).toBe(1)
      expect(decrypts).toBeLessThanOrEqual(NAMES.length)
      expect(reads).toBeLessThanOrEqual(2 * NAMES.length)
      await endWell(program)
    }),
  )
})

test('P2: a stop while a login is under way costs no read', async () => {
  await Promise.all(
    STOPS.map(async (stop) => {
      const { world, program } = await started()
      await quiet(world)
      const before = loginsOf(world)
      world.vault.fault((arrival) => (isLogin(arrival) ? { kind: 'delay', ms: 700 } : undefined))
      await store(world, 2)
      await until(() => loginsOf(world) > before)
      const goOn = await stop(program)
      await pause(STOPPED_MS)
      goOn()
      await program.until(isCurrent, 60_000)
      // The answer to the first was there, but nobody looked in time.
      expect(loginsOf(world) - before).toBeLessThanOrEqual(2)
      await endWell(program)
    }),
  )
})

function isCurrent(line: PausedLine): boolean {
  return line.kind === 'tick' && line.oldest === 2
}

function isLogin({ path }: Arrival): boolean {
  return path.endsWith('/login')
}

function loginsOf({ vault }: ProcessWorld): number {
  return vault.arrivals.filter(isLogin).length
}

async function started(): Promise<{
  readonly world: ProcessWorld
  readonly program: Program<PausedLine>
}> {
  const world = await processWorld({ tokenTtl: TOKEN_TTL })
  await store(world, 1)
  const { place, definition } = world
  const job: PausedJob = {
    place,
    kubeconfig: world.kubeconfig('m0'),
    definitions: NAMES.map(definition),
    readers: READERS,
  }
  const program = startProgram<PausedLine>(await buildProgram('paused'), job)
  await program.until(({ kind }) => kind === 'ready', 60_000)
  return { world, program }
}

async function store(world: ProcessWorld, version: number): Promise<void> {
  for (const name of NAMES) await world.store(name, { version })
}

/** Waits until a refresh of everything has just passed. */
async function quiet({ kubernetes }: ProcessWorld): Promise<void> {
  const before = kubernetes.arrivals.length
  await until(() => kubernetes.arrivals.length >= before + NAMES.length)
  await pause(300)
}

function countOf(
  { vault, kubernetes }: ProcessWorld,
  since: number,
): Readonly<Record<'logins' | 'decrypts' | 'reads', number>> {
  const isSince = ({ at }: Arrival): boolean => at >= since
  const [asked, reads] = [vault.arrivals.filter(isSince), kubernetes.arrivals.filter(isSince)]
  const logins = asked.filter(isLogin)
  // Before a busy machine tells that all is current, the next refreshes may have begun.
  const burst = reads.filter(({ at }) => at < (reads[0]?.at ?? 0) + REFRESH_MS)
  return {
    logins: logins.length,
    decrypts: asked.length - logins.length,
    reads: burst.length,
  }
}

async function endWell(program: Program<PausedLine>): Promise<void> {
  expect(await program.end(60_000)).toEqual({ code: 0, signal: null })
  expect(program.lines.at(-1)).toMatchObject({ failed: [] })
  expect(program.stderr()).toBe('')
}

async function until(isSo: () => boolean): Promise<void> {
  for (let turn = 0; !isSo(); turn += 1) {
    if (turn > 1000) throw new Error('nothing happens')
    await pause(20)
  }
}

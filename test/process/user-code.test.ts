/** P4: what a user's own code does wrong stays the user's: reads and refreshes go on. */
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { expect, test } from 'vitest'

import { buildProgram, startProgram, type Program } from './program.ts'
import type { Case, UserCodeJob, UserCodeLine } from './programs/user-code.ts'
import { processWorld, type ProcessWorld } from './world.ts'

interface Fixture {
  readonly world: ProcessWorld
  readonly program: Program<UserCodeLine>
}

test.each([
  ['schemas', 'schema', ['SM_SCHEMA_INVALID']],
  ['logins', 'login', ['SM_EXEC_FAILED', 'SM_AUTH_BAD_LEASE']],
] as const)('P4: %s that fail cost no read, and are called again', async (_name, part, codes) => {
  const { world, program } = await started(part, true)
  await every(program, ({ version }) => version === 1)
  program.tell('break')
  // Of a token that serves for a second nothing is left.
  await pause(1500)
  await world.store('app', { version: 2 })
  const isTold = ({ trouble }: Case): boolean => codes.some((code) => code === trouble)
  const broken = await every(program, isTold)
  expect(broken.map(({ version }) => version)).toEqual(broken.map(() => 1))
  program.tell('mend')
  const mended = await every(program, ({ version, trouble }) => version === 2 && !trouble)
  expect(mended.length).toBeGreaterThan(4)
  expect(mended.map(({ failed }) => failed)).toEqual(mended.map(() => 0))
  expect(await program.end(60_000)).toEqual({ code: 0, signal: null })
  expect(program.lines.at(-1)?.uncaught).toBe(0)
  expect(program.stderr()).toBe('')
})

test('P4: listeners that throw and reject reach the process, and neither a read nor a refresh', async () => {
  const { world, program } = await started('listen', true)
  await every(program, ({ version }) => version === 1)
  program.tell('break')
  await program.until(({ uncaught }) => uncaught > 10, 60_000)
  await world.store('app', { version: 2 })
  const [last] = await every(program, ({ version }) => version === 2)
  expect(last).toEqual({ version: 2, failed: 0 })
  expect(program.lines.at(-1)?.isOurs).toBe(true)
  expect(await program.end(60_000)).toEqual({ code: 0, signal: null })
})

test('P4: a process that handles no uncaught exception ends with that of a listener', async () => {
  const { program } = await started('listen', false)
  await every(program, ({ version }) => version === 1)
  program.tell('break')
  await expect(program.until(() => false, 60_000)).rejects.toThrow('ended')
  expect(program.ended()).toEqual({ code: 1, signal: null })
  expect(program.stderr()).toContain('Error: CANARY of the user\n')
})

async function started(part: UserCodeJob['part'], isGuarded: boolean): Promise<Fixture> {
  const world = await processWorld({ tokenTtl: '2s' })
  await world.store('app', { version: 1 })
  const { place, definition } = world
  const job: UserCodeJob = {
    place,
    jwt: readFileSync(place.jwtFile, 'utf8'),
    kubeconfig: world.kubeconfig('m0'),
    definition: definition('app'),
    part,
    isGuarded,
  }
  return { world, program: startProgram(await buildProgram('user-code'), job) }
}

/** Waits until all cases are so, and gives them. */
async function every(
  program: Program<UserCodeLine>,
  isSo: (one: Case) => boolean,
): Promise<readonly Case[]> {
  const line = await program.until(({ cases }) => {
    const all = Object.values(cases)
    return all.length > 0 && all.every(isSo)
  }, 60_000)
  return Object.values(line.cases)
}

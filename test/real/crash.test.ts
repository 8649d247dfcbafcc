/** P1, D1: commands that are killed at every point at which they wait, on real servers. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { buildCrashing, openRoom, processRunner } from '../crash/child.ts'
import { crashMatrix, EVERY, type Shard } from '../crash/matrix.ts'
import { placeOn } from '../crash/place.ts'
import {
  ADOPT,
  ADOPT_FILES,
  EDIT,
  RETIRE,
  RETIRE_TRIM,
  REWRAP,
  REWRAP_FILES,
  ROLLBACK,
  ROTATE,
  ROTATE_COMPAT,
  SET,
  UNRETIRE,
  type Subject,
} from '../crash/subjects.ts'
import { serversPresent } from './servers.ts'
import { sharedServers } from './shared.ts'
import { worldOf } from './world.ts'

type Seeded = readonly [seed: number, shard: Shard]

const ALL: Seeded = [1, EVERY]
const THIRDS: readonly Seeded[] = [
  [2, { first: 1, step: 3 }],
  [3, { first: 2, step: 3 }],
]

/** Every point for one order of answers; a third each, and not the same, for two more. */
const SUBJECTS = [ROTATE, ROTATE_COMPAT, REWRAP, UNRETIRE, EDIT, SET, ROLLBACK, ADOPT]
/** They do one thing after the other, in whatever order answers come; and with `--trim` it is what `retire` does, and more. */
const ONCE = [ADOPT_FILES, REWRAP_FILES, RETIRE_TRIM]

const rows = [
  ...rowsOf(SUBJECTS, [ALL, ...THIRDS]),
  ...rowsOf([RETIRE], [[1, { first: 3, step: 3 }], ...THIRDS]),
  ...rowsOf(ONCE, [ALL]),
].toSorted(([, one], [, other]) => one - other)

function rowsOf(
  subjects: readonly Subject[],
  seeds: readonly Seeded[],
): readonly (readonly [string, number, Subject, Shard])[] {
  return seeds.flatMap(([seed, shard]) =>
    subjects.map((subject) => [subject.name, seed, subject, shard] as const),
  )
}

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  let directory: string
  let program: string
  const tried: string[] = []

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'secretmanager-crashing-'))
    program = await buildCrashing(directory)
  })
  afterAll(() => {
    rmSync(directory, { recursive: true, force: true })
    console.log(`killed, run again, and ended as if undisturbed:\n${tried.join('\n')}`)
  })

  // Most of a run is waiting: for a process to start, for another run's patience.
  describe.concurrent('P1, D1, I1 to I4: SIGKILL at each point, then again', () => {
    test.each(rows)('%s, seed %i', { timeout: 900_000 }, async (name, seed, subject, shard) => {
      const { vault, kubernetes } = sharedServers()
      const room = openRoom()
      try {
        const world = worldOf(vault, kubernetes)
        const place = await placeOn(world, join(room.directory, 'deploy'))
        const runner = processRunner(program, place, room, seed)
        const { points, converged } = await crashMatrix(subject, place, runner, shard)
        tried.push(`${name}, seed ${seed}: ${converged} of ${points} points`)
        expect(converged).toBe(points)
      } finally {
        room.close()
      }
    })
  })
})

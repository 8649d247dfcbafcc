/** A run that ends in the middle, on the embedded servers: cut off from them, or dead. */
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { TransportFailure, type Runtime } from '../../src/runtime.ts'
import { given, runWith } from '../cli/authoring-world.ts'
import { hurried } from '../cli/world.ts'
import { embeddedWorld } from '../contracts/embedded-world.ts'
import { crashMatrix, type Ran, type Runner } from './matrix.ts'
import { placeOn, type Place } from './place.ts'
import { nameOf, pointed, type Reach } from './points.ts'
import {
  ADOPT,
  RETIRE,
  RETIRE_TRIM,
  REWRAP,
  ROLLBACK,
  ROTATE,
  ROTATE_COMPAT,
  SET,
  UNRETIRE,
  type Subject,
} from './subjects.ts'

/** What happens from a point on. `cut off`: every request fails. `dead`: nothing goes on, as after SIGKILL. */
type End = 'cut off' | 'dead'

const SUBJECTS = [
  ...[REWRAP, ROTATE, ROTATE_COMPAT, RETIRE, RETIRE_TRIM, UNRETIRE],
  ...[ADOPT, SET, ROLLBACK],
]

const rows = SUBJECTS.flatMap((subject) =>
  (['cut off', 'dead'] as const).map((end) => [subject.name, end, subject] as const),
)

const world = embeddedWorld()

describe('P1, I1 to I4: a run that ends at any point, and is repeated, ends as an undisturbed one', () => {
  test.each(rows)('%s, %s', { timeout: 600_000 }, async (_name, end, subject) => {
    const place = await placeOn(world, join(tmpdir(), 'secretmanager-no-files'))
    const { points, converged } = await crashMatrix(subject, place, runnerOn(place, end))
    expect(converged).toBe(points)
    expect(points).toBeGreaterThan(5)
  })
})

function runnerOn(place: Place, end: End): Runner {
  const files = { '/kubeconfig': place.kubeconfig, '/config.json': configOf(place) }
  const runtimeFor = ({ role }: Subject): Runtime =>
    hurried(world.runtime(files, { VAULT_TOKEN: place.tokens[role] }))
  return {
    again: async (subject, situation) => {
      const args = [...subject.args(situation), '--config', '/config.json']
      return ran(args, runtimeFor(subject), subject.stdin?.(situation))
    },
    run: async (subject, situation, at) => {
      const args = [...subject.args(situation), '--config', '/config.json']
      const points: string[] = []
      const death = dying(end, at, points)
      const runtime = death.of(runtimeFor(subject))
      const ended = await Promise.race([ran(args, runtime, subject.stdin?.(situation)), death.died])
      const isDead = points.length >= at
      return { ...ended, isDead, points: points.slice(0, at) }
    },
  }
}

function configOf({ config }: Place): string {
  return JSON.stringify({ ...config, kubernetes: { kubeconfig: '/kubeconfig' } })
}

interface Death {
  of(runtime: Runtime): Runtime
  readonly died: Promise<Ran>
}

function dying(end: End, at: number, points: string[]): Death {
  const { promise: died, resolve: die } = deferred<Ran>()
  const reach: Reach = (point) => {
    if (end === 'cut off' && point.effect !== 'send') return Promise.resolve()
    points.push(nameOf(point))
    if (points.length < at) return Promise.resolve()
    if (end === 'cut off') {
      return Promise.reject(new TransportFailure('unreachable', 'the cable is out', 'ECONNREFUSED'))
    }
    die({ isDead: true, code: null, stderr: '', points })
    return new Promise<never>(() => undefined)
  }
  const of = (runtime: Runtime): Runtime =>
    pointed(
      {
        ...runtime,
        after: (ms, task, keepsAlive) =>
          runtime.after(ms, () => (end === 'dead' && points.length >= at) || task(), keepsAlive),
      },
      reach,
    )
  return { of, died }
}

function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => undefined
  const promise = new Promise<T>((done) => {
    resolve = done
  })
  return { promise, resolve }
}

async function ran(args: readonly string[], runtime: Runtime, stdin = ''): Promise<Ran> {
  const { code, stderr } = await runWith(given(stdin), args, runtime)
  return { isDead: false, code, stderr, points: [] }
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

import { parseDefinition } from '../../src/config/definition.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { CHECKS } from '../../src/doctor/checks.ts'
import { diagnose, type Result } from '../../src/doctor/run.ts'
import {
  critical,
  finding,
  Missing,
  notChecked,
  ok,
  warning,
  type Verdict,
} from '../../src/doctor/verdict.ts'
import { closeWorld, createWorld, fact, type Check, type World } from '../../src/doctor/world.ts'
import { SecretManagerError } from '../../src/errors.ts'
import { fakeRuntime } from '../fake-runtime.ts'

const page = readFileSync(join(import.meta.dirname, '../../docs/doctor.md'), 'utf8')

describe('the table of checks', () => {
  test('each has an id of its own', () => {
    const ids = CHECKS.map(({ id }) => id)
    expect(new Set(ids).size).toBe(ids.length)
  })

  test.each(CHECKS.map((check) => [check.id, check] as const))(
    '%s stands behind those that it needs, and in docs/doctor.md',
    (id, { needs = [] }) => {
      const before = CHECKS.slice(
        0,
        CHECKS.findIndex((check) => check.id === id),
      )
      const ids = new Set(before.map((check) => check.id))
      expect(needs.filter((need) => !ids.has(need))).toEqual([])
      expect(page).toContain(`\`${id}\``)
    },
  )

  test('docs/doctor.md names no check that there is not', () => {
    const named = [...page.matchAll(/^\| (`[^|]+`) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([a-z]+(?:\.[a-z-]+)+)`/g)].map(([, id = '']) => id),
    )
    const ids = new Set(CHECKS.map(({ id }) => id))
    expect(named.filter((id) => !ids.has(id))).toEqual([])
  })
})

const world = (): World =>
  createWorld({
    settings: parseConfig({ vault: { url: 'https://v', auth: { method: 'jwt', role: 'app' } } }),
    definition: parseDefinition({ secretName: 'app', readKey: 'a', transitKey: 'app' }),
    runtime: fakeRuntime(),
    asOperator: false,
    signal: new AbortController().signal,
  })

async function results(checks: readonly Check[]): Promise<readonly Result[]> {
  const all: Result[] = []
  for await (const result of diagnose(world(), checks)) all.push(result)
  return all
}

function checkOf(id: string, verdict: Verdict | Error, needs: readonly string[] = []): Check {
  const run = (): Promise<Verdict> =>
    verdict instanceof Error ? Promise.reject(verdict) : Promise.resolve(verdict)
  return { id, title: id, needs, run }
}

describe('what stands in the way of what', () => {
  test.each<[string, Verdict, string]>([
    ['ok', ok('fine'), 'ok'],
    ['a warning', warning('works', 'mend'), 'ok'],
    ['what nobody could look at', notChecked('read on x'), 'ok'],
    ['a finding', finding('broken', 'mend'), 'not checked'],
    ['what is critical', critical('open', 'mend'), 'not checked'],
  ])('%s', async (_what, verdict, outcome) => {
    const [, second] = await results([checkOf('a', verdict), checkOf('b', ok('fine'), ['a'])])
    expect(second?.outcome).toBe(outcome)
  })

  test('the first failure is named, however far behind it stands', async () => {
    const all = await results([
      checkOf('a', finding('broken', 'mend')),
      checkOf('b', ok('fine'), ['a']),
      checkOf('c', ok('fine'), ['b']),
    ])
    expect(all[2]).toMatchObject({ outcome: 'not checked', reason: 'a' })
  })

  test('what is critical stands only in the way of who asked for it: the read itself works', async () => {
    const all = await results([
      checkOf('a', critical('open', 'mend')),
      checkOf('b', ok('fine'), ['a']),
      checkOf('c', ok('fine'), ['b']),
    ])
    expect(all.map(({ outcome }) => outcome)).toEqual(['critical', 'not checked', 'ok'])
  })

  test('a failure of ours is a finding with its hint, a want is what is needed', async () => {
    const error = new SecretManagerError('SM_VAULT_SEALED', 'vault is sealed')
    const [first, second] = await results([
      checkOf('a', error),
      checkOf('b', new Missing('read on x')),
    ])
    expect(first).toMatchObject({ outcome: 'finding', mend: 'unseal Vault: vault operator unseal' })
    expect(second).toMatchObject({ outcome: 'not checked', reason: 'read on x' })
  })

  test('a bug of ours is none of the findings', async () => {
    await expect(results([checkOf('a', new TypeError('a bug'))])).rejects.toThrow('a bug')
  })

  test('who gives up hears nothing more', async () => {
    const aborted = new SecretManagerError('SM_ABORTED', 'the caller gave up')
    await expect(results([checkOf('a', aborted)])).rejects.toBe(aborted)
  })
})

test('a fact is found once, whoever asks, and anew in another world', async () => {
  let times = 0
  const number = fact(() => Promise.resolve((times += 1)))
  const [first, second] = [world(), world()]
  expect(await Promise.all([number(first), number(first), number(second)])).toEqual([1, 1, 2])
  await Promise.all([closeWorld(first), closeWorld(second)])
})

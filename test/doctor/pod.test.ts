import { describe, expect, test } from 'vitest'

import { POD } from '../../src/doctor/checks/pod.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { resultsOf } from './world.ts'

const URL = 'https://vault.example:8200'
const AUTH = { method: 'kubernetes', role: 'app' } as const

async function subPath(mountinfo: string | undefined, settings: { at?: string; jwt?: string }) {
  const { at, jwt } = settings
  const config = {
    vault: { url: URL, auth: jwt === undefined ? AUTH : { ...AUTH, jwtFile: jwt } },
    kubernetes: at === undefined ? {} : { mountedAt: at },
  }
  const files = mountinfo === undefined ? {} : { '/proc/self/mountinfo': mountinfo }
  const told = await resultsOf(POD, config, fakeRuntime({ files }))
  return told['pod.sub-path']
}

const line = (root: string, at: string): string =>
  `31 30 0:1 / / rw - overlay overlay rw\n36 35 0:2 ${root} ${at} ro - tmpfs tmpfs rw\n`

describe('a file that is mounted by subPath never changes', () => {
  test.each<[string, string, { at?: string; jwt?: string }]>([
    ['the entry alone', line('/a.json', '/etc/sealed/a.json'), { at: '/etc/sealed' }],
    ['below a folder of the object', line('/x', '/etc/sealed/app/a.json'), { at: '/etc/sealed' }],
    [
      'one version of the volume',
      line('/..2026_11_24_05_10_00.1', '/etc/sealed'),
      { at: '/etc/sealed' },
    ],
    ['the token', line('/token', '/run/token'), { jwt: '/run/token' }],
    ['a path with spaces', line('/t', String.raw`/run/my\040token`), { jwt: '/run/my token' }],
  ])('%s', async (_how, mountinfo, settings) => {
    expect(await subPath(mountinfo, settings)).toMatchObject({
      outcome: 'finding',
      mend: expect.stringContaining('without subPath'),
    })
  })

  test.each<[string, string, { at?: string; jwt?: string }]>([
    ['a whole volume', line('/', '/etc/sealed'), { at: '/etc/sealed' }],
    ['another file', line('/..2026_11_24', '/etc/other'), { at: '/etc/sealed' }],
  ])('%s does', async (_how, mountinfo, settings) => {
    expect(await subPath(mountinfo, settings)).toMatchObject({ outcome: 'ok' })
  })

  test('nothing is mounted, or nobody can tell', async () => {
    expect(await subPath(line('/', '/'), {})).toMatchObject({
      outcome: 'not checked',
      reason: 'a mounted ciphertext or token',
    })
    expect(await subPath(undefined, { at: '/etc/sealed' })).toMatchObject({
      outcome: 'not checked',
      reason: '/proc/self/mountinfo of the container',
    })
  })
})

test('Redis is not there yet', async () => {
  const told = await resultsOf(POD, { vault: { url: URL, auth: AUTH } }, fakeRuntime())
  expect(told['updates.redis']).toMatchObject({
    outcome: 'not checked',
    reason: 'updates.redis, which is not configured',
  })
})

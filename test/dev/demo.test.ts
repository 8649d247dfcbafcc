import { describe, expect, onTestFinished, test } from 'vitest'

import { runCommandLine } from '../../src/cli/program.ts'
import { startDemo, type DemoRotator, type DemoWorld } from '../../src/dev/demo.ts'
import { SAMPLE } from '../../src/dev/serve-stack.ts'
import { createTransport } from '../../src/http/transport.ts'
import { SecretManager } from '../../src/manager.ts'
import { rotate } from '../../src/rotation/rotate.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { reveal } from '../../src/values.ts'

describe('the world of the demo', () => {
  test('tells the app from a stranger, who may do as much in Kubernetes', async () => {
    const { config, definition, pod } = await ready()
    await using app = new SecretManager(config, { runtime: await pod('app') })
    expect(reveal(await app.readSecrets(definition))).toEqual(SAMPLE)
    await using stranger = new SecretManager(config, { runtime: await pod('stranger') })
    expect(await stranger.readK8sSecret(definition)).toMatch(
      /^sealed:v1:transit:app:strict:\d+:vault:v1:/,
    )
    await expect(stranger.readSecrets(definition)).rejects.toMatchObject({ code: 'SM_AUTH_DENIED' })
  })

  test('its rotator brings the document to a new version, which the app reads, and cannot decrypt', async () => {
    const world = await ready()
    const { config, definition, pod } = world
    const { job, sites } = await rotatorOf(world)
    await using app = new SecretManager(config, { runtime: await pod('app') })
    expect(await rotate(job.rotation(), OPTIONS)).toMatchObject({ from: 1, to: 2, isDone: true })
    expect(sites.map(({ name }) => name)).toEqual(['cluster default'])
    expect(await world.stored()).toMatch(/^sealed:v1:transit:app:strict:\d+:vault:v2:/)
    expect(reveal(await app.readSecrets(definition))).toEqual(SAMPLE)
    await expect(job.refuseMissing(['compat'], OPTIONS.signal)).rejects.toMatchObject({
      code: 'SM_VAULT_DENIED',
    })
  })

  test('an old document can be applied again, and a new one has what is added', async () => {
    const world = await ready()
    const { config, definition, pod } = world
    const old = await world.stored()
    await world.seal({ another: 'entry' })
    await using app = new SecretManager(config, { runtime: await pod('app') })
    expect(reveal(await app.readSecrets(definition))).toEqual({ ...SAMPLE, another: 'entry' })
    await world.apply(old)
    expect(await world.stored()).toBe(old)
  })
})

test('the demo shows each step with its time, while the service reads, and no value', async () => {
  const lines: string[] = []
  const sheet = {
    line: (text: string): void => void lines.push(text),
    bytes: () => undefined,
    isTerminal: false,
    hasColor: false,
    width: undefined,
  }
  const code = await runCommandLine(['demo'], {
    runtime: systemRuntime(createTransport),
    output: { data: sheet, notes: sheet },
    interrupt: new AbortController().signal,
  })
  expect({ code, last: lines.at(-1) }).toEqual({ code: 0, last: 'demo ok' })
  const text = lines.join('\n')
  for (const step of ['seal anew', 'rotate', 'rewrap', 'status', 'retire']) {
    expect(text).toMatch(new RegExp(`^✓ ${step}.* \\(\\d+\\.\\d+ s\\)$`, 'm'))
  }
  const order = ['✓ rotate', 'not retired: ', '✓ rewrap', '✓ status', '✓ retire']
  const places = order.map((each) => text.indexOf(each))
  expect(places).toEqual(places.toSorted((a, b) => a - b))
  expect(text).toMatch(/the service read [1-9]\d* times meanwhile, 0 failed/)
  for (const value of [...Object.values(SAMPLE), 'sample-9876543210']) {
    expect(text).not.toContain(value)
  }
})

const OPTIONS = {
  signal: new AbortController().signal,
  minAgeMs: 0,
  verify: true,
  onStep: () => undefined,
  onEntry: () => undefined,
  onPage: () => undefined,
  onUnread: () => undefined,
} as const

async function rotatorOf(world: DemoWorld): Promise<DemoRotator> {
  const rotator = await world.rotator()
  onTestFinished(() => rotator.close())
  return rotator
}

async function ready(): Promise<DemoWorld> {
  const world = await startDemo(systemRuntime(createTransport))
  onTestFinished(() => world.close())
  await world.provision()
  await world.seal()
  return world
}

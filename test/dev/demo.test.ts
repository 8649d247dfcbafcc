import { describe, expect, onTestFinished, test } from 'vitest'

import { startDemo, type DemoWorld } from '../../src/dev/demo.ts'
import { SAMPLE } from '../../src/dev/serve-stack.ts'
import { createTransport } from '../../src/http/transport.ts'
import { SecretManager } from '../../src/manager.ts'
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

  test('a rotated key opens what was sealed before, and seals with its new version', async () => {
    const world = await ready()
    const { config, definition, pod } = world
    await using app = new SecretManager(config, { runtime: await pod('app') })
    await world.rotate()
    expect(reveal(await app.readSecrets(definition))).toEqual(SAMPLE)
    expect(await world.stored()).toMatch(/^sealed:v1:transit:app:strict:\d+:vault:v1:.*…$/)
    await world.seal()
    expect(await world.stored()).toMatch(/^sealed:v1:transit:app:strict:\d+:vault:v2:.*…$/)
    expect(reveal(await app.readSecrets(definition))).toEqual(SAMPLE)
  })
})

async function ready(): Promise<DemoWorld> {
  const world = await startDemo(systemRuntime(createTransport))
  onTestFinished(() => world.close())
  await world.provision()
  await world.seal()
  return world
}

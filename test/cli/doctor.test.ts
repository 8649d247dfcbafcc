import { expect, test } from 'vitest'
import { cliWorld, OPENED, run, SERVERS } from './world.ts'

test('a sound set-up', async () => {
  const world = await cliWorld()
  await world.put('app', '{"redis_url":"redis://canary:6379"}')
  const ran = await run(['doctor', 'app', ...SERVERS, ...OPENED], { runtime: world.runtime })
  console.log(ran.stdout, ran.stderr)
  expect(ran.code).toBe(0)
})

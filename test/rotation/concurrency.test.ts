/** The load of test/real/concurrency.test.ts within one process; who looks on gets turns when the others leave some. */
import { test } from 'vitest'

import { embeddedWorld } from '../contracts/embedded-world.ts'
import { expectNoneLost, lineOf, rest, type Observed } from '../contracts/rotation-concurrency.ts'
import { rotationDesk, type RotationDesk, type Stored } from '../contracts/rotation-desk.ts'

test('I1 and I2: 3,000 writes beside a rewrap, rotations and retirements: none is lost, and everything opens', async () => {
  await expectNoneLost(await rotationDesk(embeddedWorld()), { writes: 3000, observe })
}, 300_000)

async function observe(desk: RotationDesk, isOver: () => boolean): Promise<Observed> {
  const observed = { looks: 0, unreadable: 0 }
  while (!isOver()) {
    observed.looks += 1
    observed.unreadable += await unreadable(desk)
    await rest(10)
  }
  return observed
}

/** I2: what stands still while the minimum is read is under no version below it. */
async function unreadable(desk: RotationDesk): Promise<number> {
  const path = `/api/v1/namespaces/${desk.plan.namespace}/secrets`
  const list = async (): Promise<readonly Stored[]> =>
    ((await desk.kubernetes('GET', path)) as { items: readonly Stored[] }).items
  const before = await list()
  const minimum = Number((await desk.keyFacts())['min_decryption_version'])
  const below = before.filter((each) => versionOf(each) < minimum)
  if (below.length === 0) return 0
  const after = new Set((await list()).map(({ metadata }) => metadata.resourceVersion))
  return below.filter(({ metadata }) => after.has(metadata.resourceVersion)).length
}

function versionOf(object: Stored): number {
  return Number(/vault:v(\d+):/.exec(lineOf(object))?.[1])
}

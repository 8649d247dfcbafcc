/** Rewrapping, rotating and retiring, on embedded and on real servers. */
import { afterAll, beforeAll, describe } from 'vitest'

import type { KubevaultUnderTest } from './kubevault-fixture.ts'
import { racesContract } from './rotation-races.ts'
import { retireContract } from './rotation-retire.ts'
import { rewrapContract } from './rotation-rewrap.ts'
import { rotateContract } from './rotation-rotate.ts'

/** Runs the suite against what `open` gives. */
export function rotationContract(name: string, open: () => Promise<KubevaultUnderTest>): void {
  describe(`rotation on ${name}`, () => {
    let world: KubevaultUnderTest
    beforeAll(async () => {
      world = await open()
    }, 60_000)
    afterAll(() => world.close())

    describe('rewrap', () => {
      rewrapContract(() => world)
    })
    describe('races', () => {
      racesContract(() => world)
    })
    describe('rotate', () => {
      rotateContract(() => world)
    })
    describe('retire', () => {
      retireContract(() => world)
    })
  })
}

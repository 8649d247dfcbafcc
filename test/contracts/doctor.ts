/** Set-ups that are sound, and set-ups that are broken in one way each: doctor must tell them apart. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { BROKEN } from './doctor-rows.ts'
import { diagnose, DOCUMENT, serviceOn, type DoctorUnderTest } from './doctor-setup.ts'

/** Runs the suite against what `open` gives. */
export function doctorContract(name: string, open: () => Promise<DoctorUnderTest>): void {
  describe(`doctor on ${name}`, () => {
    let world: DoctorUnderTest
    beforeAll(async () => {
      world = await open()
    }, 60_000)
    afterAll(() => world.close())

    test.each(['kubernetes', 'jwt'] as const)(
      'a sound set-up by %s has no finding',
      async (auth) => {
        const service = await serviceOn(world, () => ({ auth }))
        await service.store(DOCUMENT)
        const { code, found, checks } = await diagnose(service)
        expect({ code, found }).toEqual({ code: 0, found: [] })
        const unasked = checks
          .filter(({ outcome }) => outcome === 'not checked')
          .map(({ id }) => id)
        const other =
          auth === 'jwt'
            ? ['auth.ca', 'auth.host', 'auth.reviewer', 'auth.reviewer-term']
            : ['auth.keys', 'auth.reviewer-term']
        const unserved = ['vault.audit', 'vault.audit-raw', 'pod.sub-path', 'updates.redis']
        expect(unasked.filter((id) => ![...other, ...unserved].includes(id))).toEqual([])
      },
    )

    test('without rights to look at it, a sound set-up has no finding either, and says what it needs', async () => {
      const service = await serviceOn(world)
      await service.store(DOCUMENT)
      const { code, found, check } = await diagnose(service, [])
      expect({ code, found }).toEqual({ code: 0, found: [] })
      expect(check('role.exists')).toMatchObject({
        outcome: 'not checked',
        reason: `read on auth/${service.plan.authMount}/role/${service.plan.role} (or --as-operator)`,
      })
      expect(check('document.payload')).toMatchObject({
        outcome: 'ok',
        reason: 'a dictionary of 2 entries',
      })
    })

    test.each(BROKEN.map((row) => [row.name, row] as const))('%s', async (_name, row) => {
      const own = row.fresh && (await world.fresh(row.fresh))
      try {
        const service = await serviceOn(own ?? world, row.plan)
        if (row.document !== null) await service.store(row.document ?? DOCUMENT)
        await row.arrange?.(service)
        const { code, found, check } = await diagnose(service, row.flags)
        const told = check(row.id)
        expect(told).toMatchObject({ outcome: row.outcome ?? 'finding' })
        expect(told.reason).toMatch(row.words)
        expect(told.mend).toMatch(row.mend ?? /\w/)
        const beside = found.filter((id) => id !== row.id && !row.also?.includes(id))
        expect({ code, beside }).toEqual({ code: 8, beside: [] })
      } finally {
        await own?.close()
      }
    })
  })
}

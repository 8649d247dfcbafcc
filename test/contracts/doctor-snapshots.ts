/** A Vault that is restored from an older snapshot: what doctor says of it, and that what it says is so. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { journalName } from '../../src/rotation/journal.ts'
import type { Ran } from '../cli/world.ts'
import {
  asAdministrator,
  runCommand,
  diagnose,
  DOCUMENT,
  serviceOn,
  type Service,
  type Watched,
} from './doctor-setup.ts'

const RESTORED = ['key.snapshot', 'document.version']

/** Runs the suite against what `open` gives: servers whose Transit restores backups. */
export function snapshotContract(name: string, open: () => Promise<Watched>): void {
  describe(`an older snapshot of ${name}`, () => {
    let world: Watched
    beforeAll(async () => {
      world = await open()
    }, 60_000)
    afterAll(() => world.close())

    test('is told, and the newer one mends it', async () => {
      const { service, restore } = await rotated()
      expect(await told(service)).toEqual([])
      await restore('older')
      expect(await told(service)).toEqual(RESTORED)
      await restore('newer')
      expect(await told(service)).toEqual([])
    })

    test('is told where documents were put back, too: the journal remembers', async () => {
      const { service, restore, before } = await rotated()
      await restore('older')
      await service.storeText(before)
      expect(await told(service)).toEqual(['key.snapshot'])
    })

    test('a rotation then makes another key with the same number, under which nothing opens', async () => {
      const { service, restore } = await rotated()
      await restore('older')
      await service.vault('POST', `${keyOf(service)}/rotate`, {})
      expect(await told(service)).toEqual(['document.opens'])
    })

    test('without a newer one, what it says to do mends it', async () => {
      const { service, restore } = await rotated()
      await restore('older')
      const { namespace, transitKey } = service.plan
      const flags = ['-n', namespace, '--auth-method', 'token', '--json']
      const status = await asPerson(service, 'status', ['--transit-key', transitKey, ...flags])
      expect(status.stdout).toContain('"ahead"')
      await service.store(DOCUMENT)
      const refused = await asPerson(service, 'rotate', ['--transit-key', transitKey, ...flags])
      expect(refused).toMatchObject({ code: 6 })
      expect(refused.stderr).toMatch(
        /the key has gone back: ConfigMap \S+ has v2 of it, and Vault v1/,
      )
      expect(refused.stderr).toContain('delete the journal')
      await service.kubernetes('DELETE', journalOf(service))
      await rotate(service)
      expect(await told(service)).toEqual([])
    })

    /** A service whose key was rotated, with snapshots of before and after. */
    async function rotated() {
      const keySettings = { derived: true, exportable: true, allow_plaintext_backup: true }
      const service = await serviceOn(world, () => ({ keySettings }))
      await service.store(DOCUMENT)
      const before = await service.stored()
      const older = await backupOf(service)
      await rotate(service)
      const snapshots = { older, newer: await backupOf(service) }
      const { transitMount, transitKey } = service.plan
      const restore = async (which: keyof typeof snapshots): Promise<void> => {
        const body = { backup: snapshots[which], force: true }
        await service.vault('POST', `${transitMount}/restore/${transitKey}`, body)
      }
      return { service, restore, before }
    }
  })
}

async function rotate(service: Service): Promise<void> {
  const { namespace, transitKey } = service.plan
  const flags = ['-n', namespace, '--transit-key', transitKey, '--auth-method', 'token']
  const { code, stderr } = await asPerson(service, 'rotate', flags)
  expect({ code, stderr }).toMatchObject({ code: 0 })
}

/** From outside of the cluster, with all rights. */
async function asPerson(service: Service, name: string, flags: readonly string[]): Promise<Ran> {
  const { env } = service
  asAdministrator(service)
  const ran = await runCommand(service, name, flags)
  service.env = env
  return ran
}

async function backupOf(service: Service): Promise<string> {
  const { transitMount, transitKey } = service.plan
  const { data } = await service.vault('GET', `${transitMount}/backup/${transitKey}`)
  return String((data as unknown as Record<string, string>)['backup'])
}

function keyOf({ plan }: Service): string {
  return `${plan.transitMount}/keys/${plan.transitKey}`
}

/** Where the rotation of `rotate` keeps it. */
function journalOf({ plan: { namespace, transitMount: mount, transitKey } }: Service): string {
  return `/api/v1/namespaces/${namespace}/configmaps/${journalName({ mount, transitKey })}`
}

/** That a key may be taken out is how the test restores it. */
async function told(service: Service): Promise<readonly string[]> {
  const { found } = await diagnose(service)
  return found.filter((id) => id !== 'key.exportable' && !id.startsWith('vault.audit'))
}

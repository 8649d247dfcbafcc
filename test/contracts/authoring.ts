/** Writing documents and adopting raw ones, on embedded and on real servers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'

import { adopt, findRaw } from '../../src/authoring/adopt.ts'
import { adoptInFile, findRawInFile } from '../../src/authoring/adopt-files.ts'
import { encryptToCluster, encryptToManifest } from '../../src/authoring/encrypt.ts'
import { manifestText } from '../../src/authoring/manifest.ts'
import type { Definition } from '../../src/config/definition.ts'
import type { Core } from '../../src/core.ts'
import type { Allowance } from '../../src/http/budget.ts'
import { changesStatements } from './authoring-changes.ts'
import { deskIn, OLD_KEY } from './authoring-desk.ts'
import { payloadsStatements } from './authoring-payloads.ts'
import { failure, type KubevaultUnderTest } from './kubevault-fixture.ts'

const PAYLOAD = Uint8Array.from({ length: 2048 }, (_, at) => (at * 7) % 256)

/** Runs the suite against what `open` gives. */
export function authoringContract(name: string, open: () => Promise<KubevaultUnderTest>): void {
  describe(`authoring on ${name}`, () => {
    let world: KubevaultUnderTest
    beforeAll(async () => {
      world = await open()
    }, 60_000)
    afterAll(() => world.close())

    changesStatements(() => world)
    payloadsStatements(() => world)

    test('encrypt makes the object, then changes its one entry; a service reads it byte for byte', async () => {
      const desk = await deskIn(world)
      const first = await desk.run((core, it) =>
        encryptToCluster(core, it, desk.definition, PAYLOAD),
      )
      expect(first).toMatchObject({ isNew: true, keyVersion: 1 })
      await desk.patch({ data: { sibling: 'AAEC' }, metadata: { annotations: { note: 'b' } } })
      const second = await desk.run((core, it) =>
        encryptToCluster(core, it, desk.definition, Buffer.from('{}')),
      )
      expect(second.isNew).toBe(false)
      expect(second.revision).toBeGreaterThan(first.revision ?? 0)
      expect(await desk.object()).toMatchObject({
        type: 'Opaque',
        metadata: {
          annotations: { note: 'b' },
          labels: { 'kubevault.secretmanager/managed': 'true' },
        },
        data: { sibling: 'AAEC' },
      })
      expect(Buffer.from(await desk.read())).toEqual(Buffer.from('{}'))
    })

    test('a manifest is accepted by the API server as it is, and read', async () => {
      const desk = await deskIn(world)
      const { manifest } = await desk.run((core, it) =>
        encryptToManifest(core, it, desk.definition, PAYLOAD, (place) =>
          Promise.resolve({
            stored: undefined,
            holding: (text) => manifestText(place, text, 'yaml'),
          }),
        ),
      )
      await desk.create(parse(manifest))
      expect(Buffer.from(await desk.read())).toEqual(Buffer.from(PAYLOAD))
    })

    test('I1: of many writers at once each writes or is told that it did not', async () => {
      const desk = await deskIn(world)
      await desk.run((core, it) => encryptToCluster(core, it, desk.definition, Buffer.from('{}')))
      const results = await Promise.allSettled(
        Array.from({ length: 8 }, (_, at) =>
          desk.run((core, it) =>
            encryptToCluster(core, it, desk.definition, Buffer.from(`{"by":${at}}`)),
          ),
        ),
      )
      const written = results.flatMap((each, at) => (each.status === 'fulfilled' ? [at] : []))
      const refused = results.flatMap((each) => (each.status === 'rejected' ? [each.reason] : []))
      expect(written.length).toBeGreaterThan(0)
      for (const error of refused)
        expect(error).toMatchObject({ code: 'SM_K8S_CONFLICT', exitCode: 7 })
      const { by } = JSON.parse(Buffer.from(await desk.read()).toString())
      expect(written).toContain(by)
    })

    test('adopt seals a raw document in its place; again it finds it sealed', async () => {
      const desk = await deskIn(world)
      await desk.create(await desk.raw(PAYLOAD, { annotations: { note: 'b' } }))
      const adopted = await desk.run((core, it) => adoptIn(core, it, desk.definition))
      expect(adopted.revision).toBeGreaterThan(1_700_000_000_000)
      expect(await desk.object()).toMatchObject({
        metadata: { annotations: { note: 'b' } },
        data: { sibling: 'AAEC' },
      })
      expect(Buffer.from(await desk.read())).toEqual(Buffer.from(PAYLOAD))
      const again = await desk.run((core, it) => findRaw(core, it, desk.definition))
      expect(again).toEqual({ isSealed: true, document: adopted })
    })

    test('K6: adopt that loses the race is a conflict, and theirs stays', async () => {
      const desk = await deskIn(world)
      await desk.create(await desk.raw(PAYLOAD))
      const before = await desk.line()
      const work = desk.core(
        (core) => core.calls.run(undefined, (it) => adoptIn(core, it, desk.definition)),
        (request) =>
          request.startsWith('PATCH') ? desk.patch({ data: { sibling: 'BBBB' } }) : undefined,
      )
      expect(await failure(work)).toMatchObject({ code: 'SM_K8S_CONFLICT', exitCode: 7 })
      expect(await desk.line()).toBe(before)
      expect((await desk.object()).data['sibling']).toBe('BBBB')
    })

    test('adopt in a file: the API server takes it as it is, a service reads it', async () => {
      const desk = await deskIn(world)
      const { metadata, data } = await desk.raw(PAYLOAD)
      const text = `# ours\r\n${stringify({ apiVersion: 'v1', kind: 'Secret', metadata, data }, { lineWidth: 0 })}`
      const requests: string[] = []
      const done = await desk.core(
        async (core) => {
          const selection = { definition: desk.definition, isNamed: false }
          const found = await findRawInFile(core, 'a.yaml', Buffer.from(text), selection)
          return adoptInFile(core, found, OLD_KEY)
        },
        (request) => void requests.push(request),
      )
      expect(done).toMatchObject({ failures: [], adopted: [{ document: { keyVersion: 1 } }] })
      const now = Buffer.from(done.bytes).toString()
      expect(now.replace(/json: .*/, '')).toBe(text.replace(/json: .*/, ''))
      expect(requests.filter((each) => each.includes('/secrets'))).toEqual([])
      await desk.create(parse(now))
      expect(Buffer.from(await desk.read())).toEqual(Buffer.from(PAYLOAD))
    })

    test('an old key that is not named is asked for by its flag', async () => {
      const desk = await deskIn(world)
      await desk.create(await desk.raw(PAYLOAD))
      const { transitKey } = desk.plan
      const error = await failure(
        desk.run((core, it) => adoptIn(core, it, desk.definition, transitKey)),
      )
      expect(error.code).toBe('SM_CT_AUTH_FAILED')
      expect(error.hint).toContain('--from-transit-key')
    })

    test('an immutable object is refused', async () => {
      const desk = await deskIn(world)
      await desk.create({ ...(await desk.raw(PAYLOAD)), immutable: true })
      for (const work of [
        (core: Core, it: Allowance) => encryptToCluster(core, it, desk.definition, PAYLOAD),
        (core: Core, it: Allowance) => adoptIn(core, it, desk.definition),
      ]) {
        const error = await failure(desk.run(work))
        expect(error).toMatchObject({
          code: 'SM_K8S_REJECTED',
          message: expect.stringContaining('immutable'),
        })
      }
    })
  })
}

async function adoptIn(
  core: Core,
  allowance: Allowance,
  definition: Definition,
  fromTransitKey: string = OLD_KEY,
): ReturnType<typeof adopt> {
  const found = await findRaw(core, allowance, definition)
  if (found.isSealed) throw new TypeError('it is sealed already')
  return adopt(core, allowance, definition, found, { fromTransitKey, dryRun: false })
}

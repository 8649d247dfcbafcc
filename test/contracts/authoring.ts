/** Writing documents and adopting raw ones, on embedded and on real servers. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SecretManager } from 'secretmanager'
import { parse } from 'yaml'

import { adopt, findRaw } from '../../src/authoring/adopt.ts'
import { encryptToCluster, encryptToManifest } from '../../src/authoring/encrypt.ts'
import { manifestText } from '../../src/authoring/manifest.ts'
import { parseDefinition, type Definition } from '../../src/config/definition.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { closeCore, createCore, type Core } from '../../src/core.ts'
import { encryptRaw } from '../../src/dev/operator.ts'
import { named, nativePlan, type KubevaultPlan } from '../../src/dev/plan.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import { expect2xx } from '../../src/dev/wire.ts'
import type { Allowance } from '../../src/http/budget.ts'
import { largestDocument } from '../../src/sealed/format.ts'
import {
  failure,
  nativeConfig,
  podOf,
  unique,
  type KubevaultUnderTest,
} from './kubevault-fixture.ts'

const PAYLOAD = Uint8Array.from({ length: 2048 }, (_, at) => (at * 7) % 256)
const OLD_KEY = 'aes256-key'

/** Runs the suite against what `open` gives. */
export function authoringContract(name: string, open: () => Promise<KubevaultUnderTest>): void {
  describe(`authoring on ${name}`, () => {
    let world: KubevaultUnderTest
    beforeAll(async () => {
      world = await open()
    }, 60_000)
    afterAll(() => world.close())

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

    test('P: the largest document fits', async () => {
      const desk = await deskIn(world)
      const { transitMount: mount, transitKey } = desk.plan
      const most = new Uint8Array(largestDocument({ mount, transitKey, scope: 'strict' })).fill(255)
      await desk.run((core, it) => encryptToCluster(core, it, desk.definition, most))
      expect(Buffer.compare(await desk.read(), most)).toBe(0)
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

interface Desk {
  readonly plan: KubevaultPlan
  readonly definition: Definition
  /** Does what an author's process would. */
  run<T>(work: (core: Core, allowance: Allowance) => Promise<T>): Promise<T>
  /** The document, as a service reads it. */
  read(): Promise<Uint8Array>
  object(): Promise<unknown>
  create(object: object): Promise<void>
  patch(change: object): Promise<void>
  /** A Secret as the Python original writes it, with a sibling. */
  raw(document: Uint8Array, metadata?: object): Promise<object>
}

/** A namespace, two keys, and a ServiceAccount that may write. */
async function deskIn(world: KubevaultUnderTest): Promise<Desk> {
  const plan = planOf(world)
  await provisionKubevault(world.vault, world.kubernetes, plan)
  const old = `/v1/${plan.transitMount}/keys/${OLD_KEY}`
  const { rootToken, adminToken } = plan
  expect2xx('POST', old, await world.vault('POST', old, { token: rootToken, body: {} }))
  const { runtime } = await podOf(world, plan)
  const config = nativeConfig(world, plan)
  const where = { secretName: 'app', readKey: 'secrets.json', transitKey: plan.transitKey }
  const path = `/api/v1/namespaces/${plan.namespace}/secrets`
  const call = async (method: string, below: string, body?: object): Promise<unknown> => {
    const answer = await world.kubernetes(method, `${path}${below}`, { token: adminToken, body })
    expect2xx(method, path, answer)
    return answer.body
  }
  return {
    plan,
    definition: parseDefinition(where),
    run: async (work) => {
      const core = createCore(parseConfig(config), runtime)
      try {
        return await core.calls.run(undefined, (allowance) => work(core, allowance))
      } finally {
        await closeCore(core)
      }
    },
    read: async () => {
      await using service = new SecretManager(config, { runtime })
      return await service.readBytes(where)
    },
    object: () => call('GET', '/app'),
    create: async (object) =>
      void (await call('POST', '', { apiVersion: 'v1', kind: 'Secret', ...object })),
    patch: async (change) => {
      const now = (await call('GET', '/app')) as { data: object; metadata: object }
      const { data, metadata } = change as { data: object; metadata: object }
      await call('PUT', '/app', {
        ...now,
        data: { ...now.data, ...data },
        metadata: { ...now.metadata, ...metadata },
      })
    },
    raw: async (document, metadata = {}) => {
      const text = await rawOf(world, plan, document)
      const data = { sibling: 'AAEC', 'secrets.json': Buffer.from(text).toString('base64') }
      return { metadata: { name: 'app', ...metadata }, data }
    },
  }
}

function planOf(world: KubevaultUnderTest): KubevaultPlan {
  const name = unique()
  const transitMount = `transit-${name}`
  const { transitKey } = named(name)
  const plan = nativePlan(world.servers, { ...named(name), transitMount })
  const policy = [
    `path "${transitMount}/decrypt/*" { capabilities = ["update"] }`,
    `path "${transitMount}/encrypt/${transitKey}" { capabilities = ["update"] }`,
    `path "${transitMount}/keys/${transitKey}" { capabilities = ["read"] }`,
  ].join('\n')
  const verbs = ['get', 'create', 'patch']
  const rules = [{ apiGroups: [''], resources: ['secrets'], verbs }, ...plan.rules.slice(1)]
  return { ...plan, policy, rules }
}

/** The operator's request takes text; here are bytes. */
async function rawOf(
  world: KubevaultUnderTest,
  plan: KubevaultPlan,
  document: Uint8Array,
): Promise<string> {
  const vault: typeof world.vault = (method, path, options) =>
    world.vault(method, path, {
      ...options,
      body: { plaintext: Buffer.from(document).toString('base64') },
    })
  return encryptRaw(vault, { ...plan, transitKey: OLD_KEY }, '')
}

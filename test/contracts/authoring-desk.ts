/** An author's place of work on servers of any kind: a namespace, two keys, and a ServiceAccount that may write. */
import { SecretManager } from 'secretmanager'

import { encryptToCluster } from '../../src/authoring/encrypt.ts'
import { parseDefinition, type Definition } from '../../src/config/definition.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { closeCore, createCore, type Core } from '../../src/core.ts'
import { encryptRaw } from '../../src/dev/operator.ts'
import { named, nativePlan, type KubevaultPlan } from '../../src/dev/plan.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import { expect2xx } from '../../src/dev/wire.ts'
import type { Allowance } from '../../src/http/budget.ts'
import type { Runtime } from '../../src/runtime.ts'
import { nativeConfig, podOf, unique, type KubevaultUnderTest } from './kubevault-fixture.ts'

/** The key that raw documents are under. */
export const OLD_KEY = 'aes256-key'

/** What happens before a request is sent; a request is method and path. */
export type Before = (request: string) => Promise<void> | undefined

/** As far as tests look at it. */
export interface StoredObject {
  readonly type?: string
  readonly metadata: { readonly resourceVersion: string }
  readonly data: Readonly<Record<string, string>>
}

export interface Desk {
  readonly plan: KubevaultPlan
  readonly definition: Definition
  /** That of documents as the Python original writes them. */
  readonly rawDefinition: Definition
  /** Does what an author's process would, within one call. */
  run<T>(work: (core: Core, allowance: Allowance) => Promise<T>): Promise<T>
  /** The same for what makes calls by itself. */
  core<T>(work: (core: Core) => Promise<T>, before?: Before): Promise<T>
  /** Encrypts a document and stores it. */
  put(document: string | Uint8Array): Promise<void>
  /** The document, as a service reads it. */
  read(definition?: Definition): Promise<Uint8Array>
  object(): Promise<StoredObject>
  /** The document, as it is stored. */
  line(): Promise<string>
  create(object: object): Promise<void>
  patch(change: { readonly data?: object; readonly metadata?: object }): Promise<void>
  /** A Secret as the Python original writes it, with a sibling. */
  raw(document: Uint8Array, metadata?: object): Promise<{ metadata: object; data: object }>
}

/** Makes one that shares nothing with any other. */
export async function deskIn(world: KubevaultUnderTest): Promise<Desk> {
  const plan = planOf(world)
  await provisionKubevault(world.vault, world.kubernetes, plan)
  const old = `/v1/${plan.transitMount}/keys/${OLD_KEY}`
  const { rootToken, adminToken } = plan
  expect2xx('POST', old, await world.vault('POST', old, { token: rootToken, body: {} }))
  const { runtime } = await podOf(world, plan)
  const config = nativeConfig(world, plan)
  const names = { secretName: 'app', readKey: 'secrets.json' }
  const definition = parseDefinition({ ...names, transitKey: plan.transitKey })
  const path = `/api/v1/namespaces/${plan.namespace}/secrets`
  const call = async (method: string, below: string, body?: object): Promise<unknown> => {
    const answer = await world.kubernetes(method, `${path}${below}`, { token: adminToken, body })
    expect2xx(method, path, answer)
    return answer.body
  }
  const withCore: Desk['core'] = async (work, before) => {
    const core = createCore(parseConfig(config), before ? watched(runtime, before) : runtime)
    try {
      return await work(core)
    } finally {
      await closeCore(core)
    }
  }
  const object = async (): Promise<StoredObject> => (await call('GET', '/app')) as StoredObject
  const run: Desk['run'] = (work) =>
    withCore((core) => core.calls.run(undefined, (allowance) => work(core, allowance)))
  return {
    plan,
    definition,
    rawDefinition: parseDefinition({ ...names, transitKey: OLD_KEY, format: 'raw' }),
    run,
    core: withCore,
    put: async (document) => {
      const bytes = typeof document === 'string' ? Buffer.from(document) : document
      await run((core, it) => encryptToCluster(core, it, definition, bytes))
    },
    read: async ({ transitKey, format } = definition) => {
      await using service = new SecretManager(config, { runtime })
      return await service.readBytes({ ...names, transitKey, format })
    },
    object,
    line: async () =>
      Buffer.from((await object()).data['secrets.json'] ?? '', 'base64').toString('latin1'),
    create: async (given) =>
      void (await call('POST', '', { apiVersion: 'v1', kind: 'Secret', ...given })),
    patch: async ({ data, metadata }) => {
      const now = await object()
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
    ...[transitKey, OLD_KEY].map(
      (key) => `path "${transitMount}/encrypt/${key}" { capabilities = ["update"] }`,
    ),
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

function watched(runtime: Runtime, before: Before): Runtime {
  return {
    ...runtime,
    transport: (options) => {
      const transport = runtime.transport(options)
      const send: typeof transport.send = async (request) => {
        await before(`${request.method} ${new URL(request.url).pathname}`)
        return transport.send(request)
      }
      return {
        send,
        connect: (url) => transport.connect(url),
        close: () => transport.close(),
      }
    },
  }
}

/** A key, its documents, and who may rotate it: on servers of any kind. */
import { expect } from 'vitest'
import { SecretManager } from 'secretmanager'

import { parseDefinition, type Definition } from '../../src/config/definition.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { closeCore, createCore, type Core } from '../../src/core.ts'
import { named, nativePlan, type KubevaultPlan } from '../../src/dev/plan.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import { expect2xx } from '../../src/dev/wire.ts'
import type { SecretManagerError } from '../../src/errors.ts'
import type { Kind } from '../../src/kubernetes/objects.ts'
import { ClusterSite, type ClusterParts } from '../../src/rotation/cluster-site.ts'
import { KeyJob } from '../../src/rotation/job.ts'
import { journalIn, type Journal } from '../../src/rotation/journal-text.ts'
import { journalName } from '../../src/rotation/journal.ts'
import { stocksOf, tour } from '../../src/rotation/look.ts'
import type { Mode } from '../../src/rotation/outcome.ts'
import type { Entry } from '../../src/rotation/rewrap.ts'
import type { KeyName, Site } from '../../src/rotation/site.ts'
import type { Stock } from '../../src/rotation/stock.ts'
import type { HttpRequest, HttpResponse, Runtime, Transport } from '../../src/runtime.ts'
import { contextOf, type BoundPlace } from '../../src/sealed/binding.ts'
import { formatSealed, parseSealed, type Scope } from '../../src/sealed/format.ts'
import { unwrapDocument, wrapDocument } from '../../src/sealed/plaintext.ts'
import { nativeConfig, podOf, unique, type KubevaultUnderTest } from './kubevault-fixture.ts'

/** Sends a request of who rotates, or something else in its place. */
export type Via = (
  request: HttpRequest,
  send: (request: HttpRequest) => Promise<HttpResponse>,
) => Promise<HttpResponse>

/** An object as it is stored, as far as tests look at it. */
export interface Stored {
  readonly type?: string
  readonly immutable?: boolean
  readonly metadata: Readonly<Record<string, unknown>> & { readonly resourceVersion: string }
  readonly data?: Readonly<Record<string, string>>
  readonly binaryData?: Readonly<Record<string, string>>
}

/** What a look, or a rewrap, came to. */
export interface Look {
  readonly entries: readonly Entry[]
  readonly unread: readonly SecretManagerError[]
  readonly stocks: readonly Stock[]
  /** Objects of each page. */
  readonly pages: readonly number[]
}

/** A job that is open. */
export interface Open {
  readonly core: Core
  readonly job: KeyJob
  readonly runtime: Runtime
  readonly sites: readonly Site[]
}

/** How a job is put together. */
export interface JobOptions {
  readonly definitions?: readonly Definition[]
  readonly scan?: ClusterParts['scan']
  readonly via?: Via | undefined
  readonly isCompat?: boolean
  /** Sites besides. */
  readonly others?: (open: Pick<Open, 'core'>) => readonly Site[]
}

export interface RotationDesk {
  readonly plan: KubevaultPlan
  readonly key: KeyName
  /** A definition of a document here. */
  define(name: string, changes?: object): Definition
  /** Seals a document under the latest version, or one that is given; without a scope it is raw. */
  seal(
    place: Partial<BoundPlace>,
    document: Uint8Array | string,
    options?: SealOptions,
  ): Promise<string>
  /** Opens what {@link seal} gave, as its reader would. */
  open(place: Partial<BoundPlace>, text: string, key?: string): Promise<Opened>
  /** The same, by the library, from the cluster. */
  read(name: string, reader?: SecretManager): Promise<Uint8Array>
  reader(): SecretManager
  create(kind: Kind, object: object): Promise<Stored>
  get(kind: Kind, name: string): Promise<Stored>
  /** @returns the object as it is stored then */
  replace(kind: Kind, object: object): Promise<Stored>
  remove(kind: Kind, name: string): Promise<void>
  /** A Secret with these texts. */
  secret(name: string, texts: Readonly<Record<string, string>>, more?: object): Promise<Stored>
  /** What an entry of a Secret holds. */
  line(name: string, dataKey?: string): Promise<string>
  rotateKey(): Promise<void>
  keyFacts(): Promise<Readonly<Record<string, number>>>
  configureKey(settings: object): Promise<void>
  journal(): Promise<Journal | undefined>
  /** Path of the ConfigMap of the journal. */
  readonly journalPath: string
  job<T>(options: JobOptions, work: (open: Open) => Promise<T>): Promise<T>
  look(mode: Mode, options?: JobOptions): Promise<Look>
  kubernetes(method: string, path: string, body?: object): Promise<unknown>
  vault(method: string, path: string, body?: object): Promise<unknown>
}

export interface SealOptions {
  readonly scope?: Scope | 'raw'
  readonly revision?: number
  readonly transitKey?: string
  readonly cluster?: string
}

export interface Opened {
  readonly document: string
  readonly revision: number | undefined
  readonly version: number
}

/** Changes of what {@link rotationDesk} sets up. */
export interface DeskOptions {
  readonly policy?: (key: KeyName) => string
  readonly rules?: readonly object[]
  readonly derived?: boolean
}

/** All that a rotation and a retirement need; it cannot decrypt. */
export function rotatorPolicy({ mount, transitKey }: KeyName): string {
  const key = `${mount}/keys/${transitKey}`
  return [
    `path "${key}" { capabilities = ["read"] }`,
    `path "${key}/rotate" { capabilities = ["update"] }`,
    `path "${key}/config" { capabilities = ["update"] }`,
    `path "${mount}/rewrap/${transitKey}" { capabilities = ["update"] }`,
    'path "sys/capabilities-self" { capabilities = ["update"] }',
  ].join('\n')
}

const RULES: readonly object[] = [
  { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get', 'list', 'patch'] },
  { apiGroups: [''], resources: ['configmaps'], verbs: ['create'] },
]

/** The right of the pattern itself: to request one's own token. */
const TOKENS = { apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] }

/** Makes one that shares nothing with any other. */
export async function rotationDesk(
  world: KubevaultUnderTest,
  options: DeskOptions = {},
): Promise<RotationDesk> {
  const { plan, key } = planOf(world, options)
  await provisionKubevault(world.vault, world.kubernetes, plan)
  const { runtime } = await podOf(world, plan)
  return deskOf(world, plan, key, runtime)
}

function planOf(
  world: KubevaultUnderTest,
  { policy = rotatorPolicy, rules = RULES, derived = true }: DeskOptions,
): { readonly plan: KubevaultPlan; readonly key: KeyName } {
  const name = unique()
  const key = { mount: `transit-${name}`, transitKey: name }
  const plan = nativePlan(world.servers, {
    ...named(name),
    transitMount: key.mount,
    policy: policy(key),
    rules: [...rules, TOKENS],
    tokenTtl: '60s',
    keySettings: { type: 'aes256-gcm96', derived },
  })
  return { plan, key }
}

function deskOf(
  world: KubevaultUnderTest,
  plan: KubevaultPlan,
  key: KeyName,
  runtime: Runtime,
): RotationDesk {
  const { namespace, adminToken, rootToken } = plan
  const { mount, transitKey } = key
  const kubernetes: RotationDesk['kubernetes'] = async (method, path, body) => {
    const answer = await world.kubernetes(method, path, { token: adminToken, body })
    expect2xx(method, path, answer)
    return answer.body as unknown
  }
  const vault = async (method: string, path: string, body?: object): Promise<never> => {
    const answer = await world.vault(method, `/v1/${path}`, { token: rootToken, body })
    expect2xx(method, path, answer)
    return answer.body?.data as never
  }
  const pathOf = (kind: Kind): string =>
    `/api/v1/namespaces/${namespace}/${kind === 'Secret' ? 'secrets' : 'configmaps'}`
  const placeOf = (place: Partial<BoundPlace>): BoundPlace => {
    return { kind: 'Secret', namespace, name: 'app', dataKey: 'app.json', ...place }
  }
  const contextIn = (place: Partial<BoundPlace>, scope: Scope, cluster = 'default'): string =>
    Buffer.from(contextOf(placeOf(place), scope, cluster)).toString('base64')
  const config = nativeConfig(world, plan)

  const job: RotationDesk['job'] = async (options, work) => {
    const { definitions = [], scan = [namespace], via, isCompat = false, others } = options
    const own = via ? through(runtime, via) : runtime
    const core = createCore(parseConfig(config), own)
    try {
      const site = new ClusterSite({
        ...{ cluster: 'default', key, definitions, scan, calls: core.calls },
        connect: (allowance) => core.connections.kubernetes(allowance),
      })
      const sites = [site, ...(others?.({ core }) ?? [])]
      const parts = { core, runtime: own, key, sites, journal: namespace, isCompat }
      return await work({ core, job: new KeyJob(parts), runtime: own, sites })
    } finally {
      await closeCore(core)
    }
  }

  const desk: RotationDesk = {
    ...{ plan, key, job, kubernetes, vault },
    journalPath: `${pathOf('ConfigMap')}/${journalName(key)}`,
    define: (secretName, changes = {}) =>
      parseDefinition({ secretName, namespace, readKey: 'app.json', transitKey, ...changes }),
    async seal(place, document, options = {}) {
      const { scope = 'strict', revision = 7, transitKey: under = transitKey, cluster } = options
      const bytes = Buffer.from(document)
      const body =
        scope === 'raw'
          ? { plaintext: bytes.toString('base64') }
          : {
              plaintext: Buffer.from(wrapDocument(revision, bytes)).toString('base64'),
              context: contextIn(place, scope, cluster),
            }
      const { ciphertext } = (await vault('POST', `${mount}/encrypt/${under}`, body)) as {
        ciphertext: string
      }
      return scope === 'raw'
        ? ciphertext
        : formatSealed({ mount, transitKey: under, scope, revision }, ciphertext)
    },
    async open(place, text, under = transitKey) {
      const sealed = text.startsWith('vault:') ? undefined : parseSealed(text, 'it')
      const ciphertext = sealed?.ciphertext ?? text
      const context = sealed && contextIn(place, sealed.claims.scope)
      const body = { ciphertext, ...(context !== undefined && { context }) }
      const answer = (await vault('POST', `${mount}/decrypt/${under}`, body)) as {
        plaintext: string
      }
      const bytes = Buffer.from(answer.plaintext, 'base64')
      const document = sealed ? unwrapDocument(bytes, sealed.claims.revision, 'it') : bytes
      return {
        document: Buffer.from(document).toString('base64'),
        revision: sealed?.claims.revision,
        version: Number(/vault:v(\d+)/.exec(text)?.[1]),
      }
    },
    reader: () => new SecretManager(readerConfig(config, rootToken), { runtime }),
    async read(name, reader) {
      const definition = { secretName: name, namespace, readKey: 'app.json', transitKey }
      if (reader) return reader.readBytes(definition, { fresh: true })
      await using own = desk.reader()
      return await own.readBytes(definition)
    },
    create: async (kind, object) =>
      (await kubernetes('POST', pathOf(kind), { apiVersion: 'v1', kind, ...object })) as Stored,
    get: async (kind, name) => (await kubernetes('GET', `${pathOf(kind)}/${name}`)) as Stored,
    async replace(kind, object) {
      const { metadata } = object as Stored
      const path = `${pathOf(kind)}/${String(metadata['name'])}`
      return (await kubernetes('PUT', path, object)) as Stored
    },
    remove: async (kind, name) => void (await kubernetes('DELETE', `${pathOf(kind)}/${name}`)),
    async secret(name, texts, more = {}) {
      const data = Object.entries(texts).map(([entry, text]) => [
        entry,
        Buffer.from(text).toString('base64'),
      ])
      const object = { metadata: { name }, data: Object.fromEntries(data), ...more }
      return desk.create('Secret', object)
    },
    async line(name, dataKey = 'app.json') {
      const { data = {} } = await desk.get('Secret', name)
      return Buffer.from(data[dataKey] ?? '', 'base64').toString()
    },
    rotateKey: async () => void (await vault('POST', `${mount}/keys/${transitKey}/rotate`, {})),
    keyFacts: () => vault('GET', `${mount}/keys/${transitKey}`),
    configureKey: async (settings) =>
      void (await vault('POST', `${mount}/keys/${transitKey}/config`, settings)),
    async journal() {
      const { journalPath } = desk
      const { status, body } = await world.kubernetes('GET', journalPath, { token: adminToken })
      return status === 404 ? undefined : journalIn(String(body.data['journal.json']))
    },
    look: (mode, options = {}) =>
      job(options, async ({ job: open, runtime: own, sites }) => {
        const signal = new AbortController().signal
        const { latestVersion: latest } = await open.facts(signal)
        const entries: Entry[] = []
        const unread: SecretManagerError[] = []
        const pages: number[] = []
        const taken = await tour(sites, {
          ...{ runtime: own, mode, latest, recrypt: open.recryptTo(latest), signal },
          onEntry: (entry) => void entries.push(entry),
          onPage: (objects) => void pages.push(objects),
          onUnread: (_site, error) => void unread.push(error),
        })
        return { entries, unread, pages, stocks: stocksOf(taken) }
      }),
  }
  return desk
}

/** Services may open what who rotates may not. */
function readerConfig(
  config: ReturnType<typeof nativeConfig>,
  rootToken: string,
): ReturnType<typeof nativeConfig> {
  return { ...config, vault: { ...config.vault, auth: { method: 'token', token: rootToken } } }
}

function through(runtime: Runtime, via: Via): Runtime {
  return {
    ...runtime,
    transport: (options) => {
      const transport: Transport = runtime.transport(options)
      return {
        send: (request) => via(request, (it) => transport.send(it)),
        connect: (url) => transport.connect(url),
        close: () => transport.close(),
      }
    },
  }
}

/** Each line of a report: object without its namespace, entry, what became of it; sorted. */
export function told({ entries }: Pick<Look, 'entries'>): readonly string[] {
  return entries
    .map(({ object, dataKey = '-', outcome }) => {
      const code = outcome.state === 'failed' ? ` ${outcome.error.code}` : ''
      return `${object.name.replace(/ .*\//, ' ')} ${dataKey}: ${outcome.state}${code}`
    })
    .toSorted()
}

/** Whether a request changes an object that is not the journal. */
export function isPatch({ method, url }: HttpRequest): boolean {
  return method === 'PATCH' && !url.includes('secretmanager-rotation-')
}

/** Everything that must be as it was but the given entries. */
export function apartFrom(object: Stored, entries: readonly string[]): object {
  const { metadata, data = {}, binaryData = {}, ...rest } = object
  const { resourceVersion: _version, managedFields: _fields, ...kept } = metadata
  const others = (map: Readonly<Record<string, string>>): object =>
    Object.fromEntries(Object.entries(map).filter(([entry]) => !entries.includes(entry)))
  return { ...rest, metadata: kept, data: others(data), binaryData: others(binaryData) }
}

/** The only failure of a report. */
export function onlyFailure({ entries }: Pick<Look, 'entries'>): SecretManagerError {
  const failures = entries.flatMap(({ outcome }) =>
    outcome.state === 'failed' ? [outcome.error] : [],
  )
  expect(failures).toHaveLength(1)
  return failures[0] as SecretManagerError
}

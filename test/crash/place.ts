/** A namespace and a mount on servers of any kind. Each run finds a key of its own there, and the same documents under it. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments, stringify } from 'yaml'
import { SecretManager } from 'secretmanager'

import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { named, nativePlan, type KubevaultPlan } from '../../src/dev/plan.ts'
import { provisionKubernetes } from '../../src/dev/provision.ts'
import { expect2xx } from '../../src/dev/wire.ts'
import type { SecretDefinition } from '../../src/config/types.ts'
import type { Journal } from '../../src/rotation/journal-text.ts'
import { contextOf, type BoundPlace } from '../../src/sealed/binding.ts'
import { formatSealed, isSealed, parseSealed } from '../../src/sealed/format.ts'
import { wrapDocument } from '../../src/sealed/plaintext.ts'
import { LABELS } from '../../src/sources/target.ts'
import { unique, type KubevaultUnderTest } from '../contracts/kubevault-fixture.ts'
import type { Wire } from '../contracts/wire.ts'

export const DATA_KEY = 'secrets.json'
export const OLD = '{"entry":"canary-old",\r\n "n": 12345678901234567890}'
export const NEW: string = OLD.replace('old', 'new')
const REVISION = 1_700_000_000_000

/** What a run finds. */
export interface Stock {
  /** `sealed`: under a derived key. `original`: raw. `adoptable`: raw, under the key `…-old`, beside a derived one. */
  readonly kind: 'sealed' | 'original' | 'adoptable'
  /** Whether all are under the latest version; else one is. */
  readonly isCurrent?: boolean
  /** Whether the versions before the latest are closed. */
  readonly isRetired?: boolean
  readonly where?: 'cluster' | 'files'
  /** Those that there are; default all. */
  readonly names?: readonly Name[]
}

/** A run's own key, and what can be seen of it. */
export interface Situation {
  readonly key: string
  /** Manifests. */
  readonly files: string
  /** A document of `a` with other content and an older revision; empty where there is none that is sealed. */
  readonly earlier: string
  /** resourceVersion of each object at the beginning, by its name. */
  readonly made: ReadonlyMap<string, unknown>
  look(): Promise<State>
}

/** What there is at one moment; each document was opened by a reader. */
export interface State {
  readonly latest: number
  readonly minDecryption: number
  readonly minEncryption: number
  /** Those before it were destroyed. */
  readonly minAvailable: number
  readonly journal: Journal | undefined
  readonly documents: Readonly<Record<string, Seen>>
  /** Files that were not there at the beginning. */
  readonly leftovers: readonly string[]
}

export interface Seen {
  readonly version: number
  readonly isSealed: boolean
  /** 0 where it is raw. */
  readonly revision: number
  readonly content: string
  /** Everything of its object, or its file, but the documents and what each write changes. */
  readonly rest: unknown
  readonly resourceVersion: unknown
}

/** The roles of commands. */
export type Role = 'rotator' | 'trimmer' | 'author' | 'original'

export interface Place {
  /** What a configuration file says; the token comes from the environment. */
  readonly config: object
  readonly kubeconfig: string
  readonly tokens: Readonly<Record<Role, string>>
  begin(stock: Stock): Promise<Situation>
}

interface Stored {
  readonly metadata: Record<string, unknown> & { readonly name: string }
  readonly data: Readonly<Record<string, string>>
}

/** Secrets, and one ConfigMap: `map`. */
type Name = 'a' | 'b' | 'current' | 'map'

const ALL: readonly Name[] = ['a', 'b', 'current', 'map']

/** Makes one that shares nothing with any other; `directory` is for files. */
export async function placeOn(given: KubevaultUnderTest, directory: string): Promise<Place> {
  const world = connected(given)
  const name = unique()
  const transitMount = `transit-${name}`
  const plan = nativePlan(world.servers, { ...named(name), transitMount })
  await provisionKubernetes(world.kubernetes, plan)
  const vault = caller(world, plan)
  await vault(`sys/mounts/${transitMount}`, { type: 'transit' })
  const kubeconfig = JSON.stringify(
    kubeconfigOf(world.kubernetesUrl, world.kubernetesCaPem || undefined, plan),
  )
  const caCert = world.vaultCaPem === '' ? {} : { caCert: { pem: world.vaultCaPem } }
  const server = { url: world.vaultUrl, transitMount, ...caCert }
  const tokens = await tokensOf(vault, plan)
  let count = 0
  return {
    kubeconfig,
    tokens,
    config: {
      vault: { ...server, auth: { method: 'token' } },
      // A resumed rotation waits so long, and a second more.
      timeout: '2s',
    },
    begin: async (stock) => {
      count += 1
      const set = new Setting(world, plan, `${plan.transitKey}-${count}`, directory, stock)
      const made = await set.prepare()
      const { key, earlier } = set
      return { key, files: directory, earlier, made, look: () => set.look() }
    },
  }
}

/** Requests on few connections: a hundred thousand handshakes would be most of the work. */
function connected(world: KubevaultUnderTest): KubevaultUnderTest {
  const wireTo = (origin: string, pem: string): Wire => {
    const ca = pem === '' ? undefined : ({ kind: 'text', pem } as const)
    const transport = world.runtime({}, {}).transport({ ca })
    return async (method, path, { token = '', body } = {}) => {
      const credential = path.startsWith('/v1/')
        ? { 'x-vault-token': token }
        : { authorization: `Bearer ${token}` }
      const { status, body: answer } = await transport.send({
        method,
        url: `${origin}${path}`,
        headers: { 'content-type': 'application/json', ...credential },
        body: body === undefined ? undefined : JSON.stringify(body),
        connectTimeoutMs: 30_000,
        timeoutMs: 30_000,
      })
      const text = Buffer.from(answer).toString()
      return { status, headers: {}, body: text === '' ? '' : (JSON.parse(text) as unknown) }
    }
  }
  return {
    ...world,
    vault: wireTo(world.vaultUrl, world.vaultCaPem),
    kubernetes: wireTo(world.kubernetesUrl, world.kubernetesCaPem),
  }
}

type CallVault = (path: string, body?: object) => Promise<Record<string, unknown>>

function caller({ vault }: KubevaultUnderTest, { rootToken: token }: KubevaultPlan): CallVault {
  return async (path, body) => {
    const method = body === undefined ? 'GET' : 'POST'
    const answer = await vault(method, `/v1/${path}`, { token, body })
    expect2xx(method, path, answer)
    return answer.body?.data ?? answer.body?.auth ?? {}
  }
}

/** I5: who rotates can neither decrypt nor encrypt. */
async function tokensOf(
  vault: CallVault,
  { transitMount: mount, policyName }: KubevaultPlan,
): Promise<Place['tokens']> {
  const rule = (path: string, capability = 'update'): string =>
    `path "${mount}/${path}" { capabilities = ["${capability}"] }`
  const [read, rotate] = [rule('keys/+', 'read'), rule('keys/+/rotate')]
  const documents = [rule('encrypt/+'), rule('decrypt/+')]
  const rotator = [read, rotate, rule('keys/+/config'), rule('rewrap/+')]
  const policies = {
    rotator,
    trimmer: [...rotator, rule('keys/+/trim')],
    author: [read, ...documents],
    original: [read, rotate, ...documents],
  }
  const tokens = Object.entries(policies).map(async ([role, rules]) => {
    const policy = `${policyName}-${role}`
    await vault(`sys/policies/acl/${policy}`, { policy: rules.join('\n') })
    const { client_token } = await vault('auth/token/create', { policies: [policy] })
    return [role, String(client_token)] as const
  })
  return Object.fromEntries(await Promise.all(tokens)) as Place['tokens']
}

class Setting {
  readonly key: string
  earlier = ''
  readonly #world: KubevaultUnderTest
  readonly #plan: KubevaultPlan
  readonly #directory: string
  readonly #stock: Stock
  readonly #vault: CallVault

  constructor(
    world: KubevaultUnderTest,
    plan: KubevaultPlan,
    key: string,
    directory: string,
    stock: Stock,
  ) {
    this.key = key
    this.#world = world
    this.#plan = plan
    this.#directory = directory
    this.#stock = stock
    this.#vault = caller(world, plan)
  }

  async prepare(): Promise<Situation['made']> {
    const { kind, isCurrent = false, isRetired = false, where = 'cluster' } = this.#stock
    await Promise.all([this.#objects('DELETE', 'secrets'), this.#objects('DELETE', 'configmaps')])
    const { transitMount: mount } = this.#plan
    await this.#vault(`${mount}/keys/${this.key}`, { derived: kind !== 'original' })
    if (kind === 'adoptable') await this.#vault(`${mount}/keys/${this.key}-old`, { derived: false })
    const places = this.#places()
    const old = isCurrent ? [] : places.filter(({ name }) => name !== 'current')
    if (kind === 'sealed') this.earlier = await this.#sealEarlier()
    const lines = await this.#encrypt(old)
    if (kind !== 'adoptable') await this.#vault(`${mount}/keys/${this.key}/rotate`, {})
    const rest = places.filter((each) => !old.includes(each))
    const objects = [...lines, ...(await this.#encrypt(rest))].map(objectOf)
    const minima = { min_decryption_version: 2, min_encryption_version: 2 }
    if (isRetired) await this.#vault(`${mount}/keys/${this.key}/config`, minima)
    if (where === 'files') {
      this.#write(objects)
      return new Map()
    }
    return new Map(await Promise.all(objects.map((object) => this.#create(object))))
  }

  async look(): Promise<State> {
    const [facts, secrets, maps] = await Promise.all([
      this.#vault(`${this.#plan.transitMount}/keys/${this.key}`),
      this.#objects('GET', 'secrets'),
      this.#objects('GET', 'configmaps'),
    ])
    const journal = maps.find(({ metadata }) => metadata.name.startsWith('secretmanager-rotation-'))
    const inFiles = this.#stock.where === 'files'
    const stored = inFiles ? this.#read() : [...secrets, ...maps].filter((each) => each !== journal)
    const text = journal?.data['journal.json']
    return {
      latest: Number(facts['latest_version']),
      minDecryption: Number(facts['min_decryption_version']),
      minEncryption: Number(facts['min_encryption_version']),
      minAvailable: Number(facts['min_available_version']),
      journal: text === undefined ? undefined : (JSON.parse(text) as Journal),
      documents: await this.#opened(stored),
      leftovers: inFiles ? readdirSync(this.#directory).filter((each) => !(each in FILES)) : [],
    }
  }

  #places(): readonly BoundPlace[] {
    const { namespace } = this.#plan
    return (this.#stock.names ?? ALL).map((name) => {
      const kind = name === 'map' ? 'ConfigMap' : 'Secret'
      return { kind, namespace, name, dataKey: DATA_KEY }
    })
  }

  async #sealEarlier(): Promise<string> {
    const [sealed] = await this.#encrypt(this.#places().slice(0, 1), NEW, REVISION - 1)
    return sealed?.[1] ?? ''
  }

  async #encrypt(
    places: readonly BoundPlace[],
    content = OLD,
    revision = REVISION,
  ): Promise<readonly (readonly [BoundPlace, string])[]> {
    if (places.length === 0) return []
    const { transitMount: mount } = this.#plan
    const isRaw = this.#stock.kind !== 'sealed'
    const document = isRaw ? Buffer.from(content) : wrapDocument(revision, Buffer.from(content))
    const plaintext = Buffer.from(document).toString('base64')
    const batch_input = places.map((place) => {
      const context = Buffer.from(contextOf(place, 'strict', 'default')).toString('base64')
      return { plaintext, ...(!isRaw && { context }) }
    })
    const key = this.#stock.kind === 'adoptable' ? `${this.key}-old` : this.key
    const { batch_results } = await this.#vault(`${mount}/encrypt/${key}`, { batch_input })
    const claims = { mount, transitKey: key, scope: 'strict', revision } as const
    return places.map((place, at) => {
      const { ciphertext } = (batch_results as { ciphertext: string }[])[at] ?? { ciphertext: '' }
      return [place, isRaw ? ciphertext : formatSealed(claims, ciphertext)]
    })
  }

  async #objects(method: string, resource: string): Promise<readonly Stored[]> {
    const path = `/api/v1/namespaces/${this.#plan.namespace}/${resource}`
    const answer = await this.#world.kubernetes(method, path, { token: this.#plan.adminToken })
    expect2xx(method, path, answer)
    return answer.body.items ?? []
  }

  async #create(object: { readonly kind: string }): Promise<readonly [string, unknown]> {
    const resource = object.kind === 'Secret' ? 'secrets' : 'configmaps'
    const path = `/api/v1/namespaces/${this.#plan.namespace}/${resource}`
    const { adminToken: token } = this.#plan
    const answer = await this.#world.kubernetes('POST', path, { token, body: object })
    expect2xx('POST', path, answer)
    const { name, resourceVersion } = answer.body.metadata
    return [name, resourceVersion]
  }

  #write(objects: readonly { readonly metadata: { readonly name: string } }[]): void {
    rmSync(this.#directory, { recursive: true, force: true })
    mkdirSync(this.#directory, { recursive: true })
    for (const [file, names] of Object.entries(FILES)) {
      const ours = objects.filter(({ metadata: { name } }) => names.includes(name))
      const documents = ours.map((each) => `# stays as it is\n${stringify(each)}`)
      writeFileSync(join(this.#directory, file), documents.join('---\n'))
    }
  }

  #read(): readonly Stored[] {
    return Object.keys(FILES).flatMap((file) => {
      const text = readFileSync(join(this.#directory, file), 'utf8')
      const objects = parseAllDocuments(text).map((each): unknown => each.toJS()) as Stored[]
      const documents = objects.map(({ data }) => data[DATA_KEY] ?? '')
      const rest = documents.reduce((left, document) => left.replace(document, 'DOCUMENT'), text)
      return objects.map(({ metadata, data }) => ({ data, metadata: { ...metadata, file: rest } }))
    })
  }

  /** I2: through the pipeline of every reader; the texts come from a volume. */
  async #opened(stored: readonly Stored[]): Promise<State['documents']> {
    const lines = new Map(stored.map((each) => [each.metadata.name, lineOf(each)]))
    const files = [...lines].map(([name, line]) => [`/mounted/${name}/${DATA_KEY}`, line] as const)
    const { rootToken: token, transitMount } = this.#plan
    const { vaultUrl: url, vaultCaPem } = this.#world
    const caCert = vaultCaPem === '' ? {} : { caCert: { pem: vaultCaPem } }
    const auth = { method: 'token', token } as const
    await using reader = new SecretManager(
      { vault: { url, transitMount, auth, ...caCert }, kubernetes: { mountedAt: '/mounted' } },
      { runtime: this.#world.runtime(Object.fromEntries(files), {}) },
    )
    const opened = stored.map(async ({ metadata: { name, ...metadata }, data, ...object }) => {
      const line = lines.get(name) ?? ''
      const content = await reader.readBytes({ secretName: name, ...this.#definition(name, line) })
      const version = Number(/vault:v(\d+):/.exec(line)?.[1])
      const seen: Seen = {
        version,
        isSealed: isSealed(line),
        revision: isSealed(line) ? parseSealed(line, name).claims.revision : 0,
        content: Buffer.from(content).toString(),
        rest: { ...object, metadata: stripped(metadata), data: { ...data, [DATA_KEY]: '' } },
        resourceVersion: metadata['resourceVersion'],
      }
      return [name, seen] as const
    })
    return Object.fromEntries(await Promise.all(opened))
  }

  #definition(name: string, line: string): Omit<SecretDefinition, 'secretName'> {
    const isOld = !isSealed(line) && this.#stock.kind === 'adoptable'
    return {
      namespace: this.#plan.namespace,
      readType: name === 'map' ? 'CONFIG_MAP' : 'SECRET',
      readKey: DATA_KEY,
      transitKey: isOld ? `${this.key}-old` : this.key,
      format: isSealed(line) ? 'sealed' : 'raw',
    }
  }
}

/** Manifests, and the objects in each. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  'one.yaml': ['a', 'current'],
  'two.yaml': ['map'],
}

function objectOf([{ kind, name, namespace }, line]: readonly [BoundPlace, string]): {
  readonly kind: string
  readonly metadata: { readonly name: string }
} {
  const labels = { ...LABELS, team: 'a' }
  const metadata = { name, namespace, labels, annotations: { note: 'kept' } }
  const base64 = Buffer.from(line).toString('base64')
  const object = { apiVersion: 'v1', kind, metadata }
  return kind === 'Secret'
    ? Object.assign(object, {
        type: 'example.com/custom',
        data: { sibling: 'AAEC', [DATA_KEY]: base64 },
      })
    : Object.assign(object, { data: { sibling: 'text', [DATA_KEY]: line } })
}

/** A ConfigMap has text. */
function lineOf({ metadata: { name }, data }: Stored): string {
  const text = data[DATA_KEY] ?? ''
  return name === 'map' ? text : Buffer.from(text, 'base64').toString('latin1')
}

/** Without what is another one for each run. */
function stripped({
  uid: _uid,
  creationTimestamp: _created,
  resourceVersion: _version,
  managedFields: _fields,
  ...rest
}: Record<string, unknown>): object {
  return rest
}

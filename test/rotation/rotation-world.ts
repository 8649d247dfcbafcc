/** A rotation with everything around it scripted but its journal, which an embedded API server keeps. */
import { parseConfig } from '../../src/config/schema.ts'
import { createCore } from '../../src/core.ts'
import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { nativePlan } from '../../src/dev/plan.ts'
import { createStack, KUBERNETES_ORIGIN } from '../../src/dev/stack.ts'
import { inProcessTransport } from '../../src/dev/transport.ts'
import { SecretManagerError } from '../../src/errors.ts'
import type { Journal } from '../../src/rotation/journal-text.ts'
import { JournalStore, type JournalPlace } from '../../src/rotation/journal.ts'
import type { Listeners } from '../../src/rotation/look.ts'
import type { Recrypt } from '../../src/rotation/recrypt.ts'
import type { RetirementParts } from '../../src/rotation/retire.ts'
import type { RotationOptions, RotationParts, RotationStep } from '../../src/rotation/rotate.ts'
import type { FoundObject, Page, Site, Stored } from '../../src/rotation/site.ts'
import { keyVersionOf } from '../../src/sealed/raw.ts'
import type { KeyFacts } from '../../src/vault/keyring.ts'
import type { HttpRequest, HttpResponse } from '../../src/runtime.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'

export const KEY = { mount: 'transit', transitKey: 'app' }

/** Stands between a part and what it does: fails before, fails after, or takes its time. */
export type Effect = <T>(name: string, perform: () => Promise<T>) => Promise<T>

/** How a world is made. */
export interface WorldOptions {
  readonly auto?: boolean
  readonly effect?: Effect
}

export interface RotationWorld {
  readonly runtime: FakeRuntime
  /** Of the key; a test may change it as another person would. */
  version: number
  /** Those of the key. */
  minima: Required<Pick<KeyFacts, 'minDecryptionVersion' | 'minEncryptionVersion'>>
  /** How often the key was rotated. */
  added: number
  /** How often the journal was noted as done. */
  done: number
  /** When versions of the key were made, as Vault says it. */
  createdAt: ReadonlyMap<number, number>
  /** What becomes of everything from now on. */
  effect: Effect
  /** Of the only document. */
  documentVersion: number
  /** What Vault calls itself. */
  vault: string | undefined
  parts(changes?: Partial<RotationParts>): RotationParts
  retirement(changes?: Partial<RetirementParts>): RetirementParts
  journal(): Promise<Journal | undefined>
  store(): JournalStore
  /** A request of the operator. */
  kubernetes: ReturnType<typeof createStack>['kubernetesWire']
  readonly adminToken: string
}

const perform: Effect = (_name, work) => work()

/** Makes one, with a key of version 1 and a document under it. */
export function rotationWorld({ auto = true, effect = perform }: WorldOptions = {}): RotationWorld {
  const stack = createStack()
  const plan = nativePlan(stack.servers)
  const transport = inProcessTransport(
    new Map([[KUBERNETES_ORIGIN, (request: Request) => stack.kubernetes.handle(request)]]),
  )()
  const send = async (request: HttpRequest): Promise<HttpResponse> => {
    const name = `${request.method} ${new URL(request.url).pathname}`
    const answer = await world.effect(name, async () => {
      const response = await transport.send(request)
      if (isDone(request, response)) world.done += 1
      return response
    })
    return answer
  }
  const kubeconfig = JSON.stringify(kubeconfigOf(KUBERNETES_ORIGIN, undefined, plan))
  const runtime = fakeRuntime({
    auto,
    files: { '/kubeconfig': kubeconfig },
    transport: () => ({ ...transport, send }),
  })
  const store = (): JournalStore => {
    const vault = { url: 'https://vault.test:8200', auth: { method: 'token', token: 'none' } }
    const kubernetes = { kubeconfig: '/kubeconfig' }
    const { calls, connections } = createCore(parseConfig({ vault, kubernetes }), runtime)
    const connect: JournalPlace['connect'] = (allowance) => connections.kubernetes(allowance)
    const place = { namespace: 'default', cluster: undefined, isGuess: false, connect }
    return new JournalStore({
      key: KEY,
      find: () => Promise.resolve(place),
      calls,
      vault: () => Promise.resolve(world.vault),
    })
  }
  const world: RotationWorld = {
    runtime,
    version: 1,
    minima: { minDecryptionVersion: 1, minEncryptionVersion: 0 },
    added: 0,
    done: 0,
    documentVersion: 1,
    createdAt: new Map(),
    vault: 'vault-a',
    effect,
    store,
    kubernetes: stack.kubernetesWire,
    adminToken: plan.adminToken,
    journal: async () => (await store().read(new AbortController().signal)).journal,
    parts: (changes = {}) => ({
      runtime,
      journal: store(),
      sites: [siteOf(world)],
      facts: () => world.effect('latest', () => Promise.resolve(factsOf(world))),
      rotate: () =>
        world.effect('rotate', () => {
          world.version += 1
          world.added += 1
          return Promise.resolve(world.version)
        }),
      recryptTo: (latest) => recryptTo(world, latest),
      askMs: 10_000,
      patienceMs: 11_000,
      preflight: () => world.effect('preflight', () => Promise.resolve()),
      ...changes,
    }),
    retirement: (changes = {}) => ({
      runtime,
      journal: store(),
      sites: [siteOf(world)],
      facts: () => world.effect('facts', () => Promise.resolve(factsOf(world))),
      configure: (minima) =>
        world.effect('configure', async () => {
          world.minima = { ...world.minima, ...minima } as typeof world.minima
        }),
      recryptTo: (latest) => recryptTo(world, latest),
      ...changes,
    }),
  }
  return world
}

function isDone({ method, body = '' }: HttpRequest, { status }: HttpResponse): boolean {
  const isWrite = method === 'PATCH' || method === 'POST'
  return isWrite && status < 300 && body.includes(String.raw`\"phase\":\"done\"`)
}

/** What is under a retired version does not open. */
function recryptTo(world: RotationWorld, latest: number): Recrypt {
  return async (items) =>
    items.map(({ ciphertext }) =>
      keyVersionOf(ciphertext) < world.minima.minDecryptionVersion
        ? { error: failureOf('SM_CT_TOO_OLD', 400) }
        : { ciphertext: `vault:v${latest}:AAAA`, keyVersion: latest },
    )
}

function factsOf({ version, minima, createdAt }: RotationWorld): KeyFacts {
  return {
    latestVersion: version,
    isDerived: true,
    type: 'aes256-gcm96',
    minAvailableVersion: 0,
    createdAt,
    deletionAllowed: false,
    exportable: false,
    supportsDecryption: true,
    ...minima,
  }
}

/** A site with one document. */
export function siteOf(world: RotationWorld): Site {
  const found = (): FoundObject => {
    const keyVersion = world.documentVersion
    const place = { kind: 'Secret', namespace: 'prod', name: 'app', dataKey: 'a' } as const
    return {
      name: 'Secret prod/app',
      isImmutable: false,
      owner: undefined,
      problems: [],
      documents: [
        {
          place,
          format: 'raw',
          ciphertext: `vault:v${keyVersion}:AAAA`,
          keyVersion,
          claims: undefined,
          isNamed: true,
          appliedVersion: undefined,
        },
      ],
      store: (texts) =>
        world.effect<Stored>('store', async () => {
          if (world.documentVersion !== keyVersion) return { isWritten: false, now: found() }
          world.documentVersion = Number(/v(\d+)/.exec(texts.get('a') ?? '')?.[1])
          return { isWritten: true }
        }),
    }
  }
  return {
    name: 'cluster default',
    extent: ['*'],
    isCluster: true,
    cluster: 'default',
    missingRights: () => Promise.resolve([]),
    async *pages(): AsyncGenerator<Page> {
      const objects = await world.effect('page', () => Promise.resolve([found()]))
      yield { objects, unread: [], remaining: 0 }
    },
  }
}

const NOBODY: Listeners = {
  onEntry: () => undefined,
  onPage: () => undefined,
  onUnread: () => undefined,
}

/** Options of a rotation; its steps go to `steps`. */
export function optionsOf(
  changes: Partial<RotationOptions> = {},
  steps: RotationStep[] = [],
): RotationOptions {
  return {
    ...NOBODY,
    signal: new AbortController().signal,
    minAgeMs: 0,
    verify: true,
    onStep: (step) => void steps.push(step),
    ...changes,
  }
}

/** The end of a process. No handler of ours takes it for a failure. */
export class Crash extends Error {
  constructor() {
    super('the process ended')
  }
}

/** Ends everything at the effect of this number, before it is performed or right after. */
export function crashAt(at: number, isAfter: boolean): Effect {
  let count = 0
  return async (_name, work) => {
    count += 1
    if (count < at) return work()
    if (count === at && isAfter) await work()
    throw new Crash()
  }
}

/** A failure as a client of Vault tells it. */
export function failureOf(
  code: ConstructorParameters<typeof SecretManagerError>[0],
  status?: number,
): SecretManagerError {
  return new SecretManagerError(code, 'as the test asked', { status })
}

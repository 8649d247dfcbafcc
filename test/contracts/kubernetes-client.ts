/**
 * What KubernetesClient, lists, metadata and access reviews make of an API server, as one suite for
 * kube-apiserver and the embedded one. Written from the answers of kube-apiserver 1.36.3.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { Budget, type Allowance } from '../../src/http/budget.ts'
import { allows, mayI, rulesIn } from '../../src/kubernetes/access-review.ts'
import { KubernetesClient } from '../../src/kubernetes/client.ts'
import { listPage, type ListRequest, type ObjectPage } from '../../src/kubernetes/list.ts'
import {
  annotationsOf,
  labelsOf,
  managersOf,
  nameOf,
  namespaceOf,
} from '../../src/kubernetes/metadata.ts'
import type { Transport } from '../../src/runtime.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import type { KubernetesUnderTest } from './kubernetes.ts'
import type { Wire, WireAnswer } from './wire.ts'

/** What a server can besides. */
export interface ClientContractOptions {
  /** Whether rules are enforced. Default true. */
  readonly rbac?: boolean
  /** Whether it takes server-side apply. Default true. */
  readonly apply?: boolean
}

/** A server that forgets old versions. */
export interface ForgetfulKubernetes extends KubernetesUnderTest {
  /** Brings it a little nearer to forgetting them. */
  forget(): Promise<void>
}

const URL_OF_SERVER = 'https://kubernetes.test'
const MERGE = { 'content-type': 'application/merge-patch+json' }
const APPLY = { 'content-type': 'application/apply-patch+yaml' }
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const REVIEWS = '/apis/authorization.k8s.io/v1'
const SEVEN = ['s1', 's2', 's3', 's4', 's5', 's6', 's7']
const [A, B, C] = ['YQ==', 'Yg==', 'Yw==']

/** Declares the suite; `open` is called once. */
export function kubernetesClientContract(
  title: string,
  open: () => Promise<KubernetesUnderTest>,
  { rbac = true, apply = true }: ClientContractOptions = {},
): void {
  describe(`Kubernetes client: ${title}`, () => {
    let world: World
    beforeAll(async () => {
      world = worldOf(await open())
    })
    afterAll(() => world.close())

    describe('a list', () => {
      test('comes in pages, in order, all of one version', async () => {
        const { ns } = await world.openSeven()
        const pages = await world.pages({ kind: 'Secret', namespace: ns, limit: 2 })
        expect(pages.map(namesOf)).toEqual([['s1', 's2'], ['s3', 's4'], ['s5', 's6'], ['s7']])
        expect(pages.map(({ remaining }) => remaining)).toEqual([5, 3, 1, undefined])
        expect(new Set(pages.map(({ resourceVersion }) => resourceVersion)).size).toBe(1)
      })

      test('has one page where the limit is not below its length', async () => {
        const { ns } = await world.openSeven()
        const pages = await world.pages({ kind: 'Secret', namespace: ns, limit: 7 })
        expect(pages.map(namesOf)).toEqual([SEVEN])
        expect(pages[0]?.continue).toBeUndefined()
      })

      test('of nothing is one empty page', async () => {
        const { ns } = await world.openNamespace()
        const pages = await world.pages({ kind: 'ConfigMap', namespace: ns, limit: 2 })
        expect(pages).toMatchObject([{ items: [], continue: undefined }])
      })

      test('goes on as it was, whatever came, went and changed: a write by it is a conflict', async () => {
        const { ns, path } = await world.openSeven()
        const request = { kind: 'Secret', namespace: ns, limit: 4 } as const
        const first = await world.list(request)
        await world.must('POST', `${path}/secrets`, { metadata: { name: 's55' } })
        await world.must('DELETE', `${path}/secrets/s6`)
        await world.must('PATCH', `${path}/secrets/s7`, { data: { a: B } }, MERGE)
        const second = await world.list({ ...request, continue: first.continue })
        expect(namesOf(second)).toEqual(['s5', 's6', 's7'])
        const stale = second.items.at(-1)
        expect(stale?.data.get('a')).toBe(A)
        const metadata = { name: 's7', resourceVersion: stale?.resourceVersion ?? '' }
        await expect(
          world.client.patch(world.allow(), 'Secret', ns, { metadata, data: { a: C } }),
        ).rejects.toMatchObject({ code: 'SM_K8S_CONFLICT', status: 409, attempts: 1 })
      })

      test('reaches over all namespaces, by namespace and name', async () => {
        const type = `test/t${randomBytes(5).toString('hex')}`
        const spaces = [await world.openNamespace(), await world.openNamespace()]
        for (const { path } of spaces) {
          for (const each of ['b', 'a', 'c']) {
            await world.must('POST', `${path}/secrets`, { metadata: { name: each }, type })
          }
        }
        const fieldSelector = `type=${type}`
        const pages = await world.pages({ kind: 'Secret', limit: 2, fieldSelector })
        const found = pages.flatMap(({ items }) => items)
        const sorted = spaces.map(({ ns }) => ns).toSorted()
        expect(found.map((item) => `${namespaceOf(item)}/${nameOf(item)}`)).toEqual(
          sorted.flatMap((ns) => [`${ns}/a`, `${ns}/b`, `${ns}/c`]),
        )
        expect(pages.every(({ items }) => items.length <= 2)).toBe(true)
        expect(pages.every(({ remaining }) => remaining === undefined)).toBe(true)
      })

      test('leaves out what its field selector does: the releases of Helm', async () => {
        const { ns, path } = await world.openSeven()
        for (const each of ['s2', 's9']) {
          const metadata = { name: `release.${each}` }
          await world.must('POST', `${path}/secrets`, { metadata, type: 'helm.sh/release.v1' })
        }
        const fieldSelector = 'type!=helm.sh/release.v1'
        const pages = await world.pages({ kind: 'Secret', namespace: ns, limit: 3, fieldSelector })
        const found = pages.flatMap(({ items }) => items)
        expect(found.map(nameOf)).toEqual(SEVEN)
        expect(new Set(found.map(({ type }) => type))).toEqual(new Set(['Opaque']))
        const all = await world.pages({ kind: 'Secret', namespace: ns, limit: 100 })
        expect(all.flatMap(({ items }) => items)).toHaveLength(9)
      })

      test('holds the same of each object as a read of it', async () => {
        const { ns, path } = await world.openNamespace()
        const metadata = { name: 'a', labels: { x: '1' }, annotations: { y: '2' } }
        const data = { t: 'text' }
        const binaryData = { b: B }
        await world.must('POST', `${path}/configmaps`, { metadata, data, binaryData })
        await world.must('POST', `${path}/secrets`, { metadata, data: { a: A }, immutable: true })
        for (const kind of ['ConfigMap', 'Secret'] as const) {
          const { items } = await world.list({ kind, namespace: ns, limit: 1 })
          expect(items).toEqual([await world.client.get(world.allow(), kind, ns, 'a')])
        }
        const [secret] = (await world.list({ kind: 'Secret', namespace: ns, limit: 1 })).items
        expect(secret).toMatchObject({ type: 'Opaque', immutable: true })
        const [map] = (await world.list({ kind: 'ConfigMap', namespace: ns, limit: 1 })).items
        expect(map).toMatchObject({ type: undefined, immutable: false })
      })

      test('a continue token that is none is refused', async () => {
        const request = { kind: 'Secret', limit: 2, continue: 'bm9uZQ' } as const
        await expect(world.list(request)).rejects.toMatchObject({
          code: 'SM_K8S_REJECTED',
          status: 400,
          message: `the API server at ${URL_OF_SERVER} refused to list secrets in all namespaces (400)`,
        })
      })

      const words = 'invalid continue token: continue key is not valid: '
      const token = { v: 'meta.k8s.io/v1', rv: 5, start: '/s1\0' }
      test.each([
        ['!!', `${words}illegal base64 data at input byte 0`],
        [encoded('junk'), `${words}invalid character 'j' looking for beginning of value`],
        [encoded('{}'), `${words}server does not recognize this encoded version `],
        [encoded({ ...token, v: 'x' }), `${words}server does not recognize this encoded version x`],
        [
          encoded({ ...token, rv: 0 }),
          `${words}incorrect encoded start resourceVersion (version meta.k8s.io/v1)`,
        ],
        [
          encoded({ ...token, start: '' }),
          `${words}encoded start key empty (version meta.k8s.io/v1)`,
        ],
        [encoded({ ...token, start: '../x' }), `${words}../x`],
        [
          `${encoded(token)}&resourceVersion=1`,
          'specifying resource version is not allowed when using continue',
        ],
      ])('continue=%s: 400', async (query, message) => {
        const path = `/api/v1/namespaces/default/secrets?limit=2&continue=${query}`
        const { status, body } = await world.admin('GET', path)
        expect([status, body.reason, body.message]).toEqual([400, 'BadRequest', message])
      })

      test('of a version that there has not been: 504', async () => {
        const future = encoded({ ...token, rv: 999_999_999 })
        const path = `/api/v1/namespaces/default/secrets?limit=2&continue=${future}`
        const { status, body } = await world.admin('GET', path)
        expect([status, body.reason]).toEqual([504, 'Timeout'])
        expect(body.message).toMatch(
          /^Timeout: Too large resource version: 999999999, current: \d+$/,
        )
      })
    })

    describe('metadata', () => {
      const openSecret = async (): Promise<{ ns: string; path: string }> => {
        const { ns, path } = await world.openNamespace()
        const metadata = { name: 'a', labels: { x: '1' }, annotations: { y: '2' } }
        const body = { metadata, data: { a: A, b: B } }
        await world.must('POST', `${path}/secrets?fieldManager=kubectl-create`, body)
        return { ns, path: `${path}/secrets/a` }
      }
      const managers = async (ns: string): Promise<readonly Writer[]> => {
        const object = await world.client.get(world.allow(), 'Secret', ns, 'a')
        return writersOf(object).toSorted((one, other) => (one.manager < other.manager ? -1 : 1))
      }

      test('names, labels and annotations are those of the object', async () => {
        const { ns } = await openSecret()
        const object = await world.client.get(world.allow(), 'Secret', ns, 'a')
        expect([nameOf(object), namespaceOf(object)]).toEqual(['a', ns])
        expect([...labelsOf(object)]).toEqual([['x', '1']])
        expect([...annotationsOf(object)]).toEqual([['y', '2']])
      })

      test('who creates owns every entry; what we create is ours', async () => {
        const { ns } = await openSecret()
        const operation = 'Update'
        expect(await managers(ns)).toEqual([
          { manager: 'kubectl-create', operation, keys: ['a', 'b'] },
        ])
        const body = { metadata: { name: 'own' }, data: { z: A } }
        await world.client.create(world.allow(), 'Secret', ns, body)
        const object = await world.client.get(world.allow(), 'Secret', ns, 'own')
        expect(writersOf(object)).toEqual([{ manager: 'secretmanager', operation, keys: ['z'] }])
        expect([...managersOf(object)]).toEqual(['secretmanager'])
      })

      test('a merge patch takes over what it changes, and nothing else', async () => {
        const { ns, path } = await openSecret()
        const headers = { ...MERGE, 'user-agent': 'patcher/1.0 (linux)' }
        await world.must('PATCH', path, { data: { a: C, b: B, c: C } }, headers)
        expect(await managers(ns)).toEqual([
          { manager: 'kubectl-create', operation: 'Update', keys: ['b'] },
          { manager: 'patcher', operation: 'Update', keys: ['a', 'c'] },
        ])
      })

      test('who owned nothing but what was removed is gone', async () => {
        const { ns, path } = await openSecret()
        await world.must('PATCH', `${path}?fieldManager=other`, { data: { c: C } }, MERGE)
        await world.must(
          'PATCH',
          `${path}?fieldManager=third`,
          { data: { a: null, c: null } },
          MERGE,
        )
        expect(await managers(ns)).toEqual([
          { manager: 'kubectl-create', operation: 'Update', keys: ['b'] },
        ])
      })

      test('a PUT owns what it changes', async () => {
        const { ns, path } = await openSecret()
        const body = { metadata: { name: 'a' }, data: { a: A, d: A } }
        await world.must('PUT', `${path}?fieldManager=putter`, body)
        expect(await managers(ns)).toEqual([
          { manager: 'kubectl-create', operation: 'Update', keys: ['a'] },
          { manager: 'putter', operation: 'Update', keys: ['d'] },
        ])
      })

      test.runIf(apply)('a server-side apply owns what it says, stringData too', async () => {
        const { ns, path } = await openSecret()
        const body = {
          ...{ apiVersion: 'v1', kind: 'Secret', metadata: { name: 'a' } },
          ...{ data: { a: C }, stringData: { s: 's' } },
        }
        await world.must('PATCH', `${path}?fieldManager=argocd&force=true`, body, APPLY)
        expect(await managers(ns)).toEqual([
          { manager: 'argocd', operation: 'Apply', keys: ['a', 's'] },
          { manager: 'kubectl-create', operation: 'Update', keys: ['b'] },
        ])
      })

      test('managedFields name every field and map that was set, by manager', async () => {
        const { path } = await world.openNamespace()
        const metadata = { name: 'a', labels: { x: '1' }, finalizers: ['sm.test/x'] }
        const body = { metadata, data: { t: 't' }, binaryData: { b: B }, immutable: true }
        const headers = { 'user-agent': `${'x'.repeat(200)}/1` }
        const { body: created } = await world.must('POST', `${path}/configmaps`, body, headers)
        const entry = { operation: 'Update', apiVersion: 'v1', fieldsType: 'FieldsV1' }
        const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
        const first = {
          'f:binaryData': { '.': {}, 'f:b': {} },
          'f:data': { '.': {}, 'f:t': {} },
          'f:immutable': {},
          'f:metadata': {
            'f:finalizers': { '.': {}, 'v:"sm.test/x"': {} },
            'f:labels': { '.': {}, 'f:x': {} },
          },
        }
        expect(created.metadata.managedFields).toEqual([
          { ...entry, manager: 'x'.repeat(128), time, fieldsV1: first },
        ])
        const change = {
          metadata: { labels: { y: '2' }, annotations: { q: 'w' }, finalizers: null },
        }
        const patched = await world.must(
          'PATCH',
          `${path}/configmaps/a?fieldManager=p`,
          change,
          MERGE,
        )
        const { managedFields } = patched.body.metadata
        expect(JSON.stringify(managedFields.map((one: object) => Object.entries(one)[5]))).toBe(
          JSON.stringify([
            [
              'fieldsV1',
              {
                'f:metadata': {
                  'f:annotations': { '.': {}, 'f:q': {} },
                  'f:labels': { 'f:y': {} },
                },
              },
            ],
            ['fieldsV1', { ...first, 'f:metadata': { 'f:labels': { '.': {}, 'f:x': {} } } }],
          ]),
        )
      })
    })

    describe('a merge patch', () => {
      test('by the version that was read: two entries at once, all else is kept', async () => {
        const { ns, path } = await world.openNamespace()
        const metadata = { name: 'a', labels: { x: '1' }, annotations: { y: '2' } }
        const body = { metadata, data: { a: A, b: B, c: C }, type: 'sm.test/type' }
        await world.must('POST', `${path}/secrets`, body)
        const before = await world.client.get(world.allow(), 'Secret', ns, 'a')
        const { resourceVersion } = before
        const patch = { metadata: { name: 'a', resourceVersion }, data: { a: B, b: C } }
        await world.client.patch(world.allow(), 'Secret', ns, patch)
        const after = await world.client.get(world.allow(), 'Secret', ns, 'a')
        expect(after.resourceVersion).not.toBe(resourceVersion)
        expect([...after.data]).toEqual([
          ['a', B],
          ['b', C],
          ['c', C],
        ])
        expect(after.type).toBe('sm.test/type')
        expect([...labelsOf(after)]).toEqual([['x', '1']])
        expect([...annotationsOf(after)]).toEqual([['y', '2']])
        expect(after.metadata['uid']).toBe(before.metadata['uid'])
        await expect(world.client.patch(world.allow(), 'Secret', ns, patch)).rejects.toMatchObject({
          code: 'SM_K8S_CONFLICT',
          status: 409,
        })
        const unchanged = await world.client.get(world.allow(), 'Secret', ns, 'a')
        expect(unchanged).toEqual(after)
      })
    })

    describe.runIf(rbac)('access reviews', () => {
      /** A ServiceAccount that may do to Secret `a` what `verbs` say. */
      const openWeb = async (
        verbs: readonly string[],
      ): Promise<{ ns: string; client: KubernetesClient }> => {
        const { ns, path } = await world.openNamespace()
        const client = await world.accountIn(path)
        const rules = [{ apiGroups: [''], resources: ['secrets'], resourceNames: ['a'], verbs }]
        await world.grant(ns, rules)
        const [verb = ''] = verbs
        const may = { verb, resource: 'secrets', namespace: ns, name: 'a' }
        await eventually(() => mayI(client, world.allow(), may))
        return { ns, client }
      }

      test('tell one name from another', async () => {
        const { ns, client } = await openWeb(['patch'])
        const may = (name: string | undefined, more: object = {}): Promise<boolean> => {
          const action = { verb: 'patch', resource: 'secrets', namespace: ns, name, ...more }
          return mayI(client, world.allow(), action)
        }
        expect(await may('a')).toBe(true)
        expect(await may('b')).toBe(false)
        expect(await may(undefined)).toBe(false)
        expect(await may('a', { verb: 'get' })).toBe(false)
        expect(await may('a', { resource: 'secrets/status' })).toBe(false)
        expect(await may('a', { group: 'apps' })).toBe(false)
        expect(await may('a', { namespace: undefined })).toBe(false)
      })

      test('of an administrator allow everything', async () => {
        const action = { verb: 'list', resource: 'secrets' }
        expect(await mayI(world.client, world.allow(), action)).toBe(true)
        const rules = await rulesIn(world.client, world.allow(), 'default')
        expect(allows(rules, action)).toBe(true)
      })

      test('list the rules of a namespace: the same verdicts by one request', async () => {
        const { ns, client } = await openWeb(['get', 'patch'])
        const rules = await rulesIn(client, world.allow(), ns)
        expect(rules.isIncomplete).toBe(false)
        expect(rules.rules).toContainEqual({
          verbs: ['get', 'patch'],
          groups: [''],
          resources: ['secrets'],
          names: ['a'],
        })
        const verdict = (verb: string, name: string): boolean | undefined =>
          allows(rules, { verb, resource: 'secrets', namespace: ns, name })
        expect([verdict('patch', 'a'), verdict('patch', 'b'), verdict('list', 'a')]).toEqual([
          true,
          false,
          false,
        ])
      })

      test('without a namespace there are no rules to list', async () => {
        const { status, body } = await world.admin('POST', `${REVIEWS}/selfsubjectrulesreviews`, {
          spec: {},
        })
        expect([status, body.message]).toEqual([400, 'no namespace on request'])
      })
    })

    test.runIf(!rbac)('without RBAC every review allows, and one rule allows all', async () => {
      const { ns, path } = await world.openNamespace()
      const client = await world.accountIn(path)
      const action = { verb: 'patch', resource: 'secrets', namespace: ns, name: 'b' }
      expect(await mayI(client, world.allow(), action)).toBe(true)
      expect(await rulesIn(client, world.allow(), ns)).toEqual({
        rules: [{ verbs: ['*'], groups: ['*'], resources: ['*'], names: [] }],
        isIncomplete: false,
      })
    })

    describe.runIf(rbac)('a refusal', () => {
      test('of a list in one namespace says what to grant, and granting it helps', async () => {
        const { ns, path } = await world.openNamespace()
        const client = await world.accountIn(path)
        const list = (): Promise<ObjectPage> =>
          listPage(client, world.allow(), { kind: 'ConfigMap', namespace: ns, limit: 1 })
        await expect(list()).rejects.toMatchObject({
          code: 'SM_K8S_DENIED',
          message: `the API server at ${URL_OF_SERVER} refused to list configmaps in namespace "${ns}" (403)`,
          hint: `grant it: kubectl -n ${ns} create role secretmanager-list-configmaps --verb=list --resource=configmaps && kubectl -n ${ns} create rolebinding secretmanager-list-configmaps --role=secretmanager-list-configmaps --serviceaccount=${ns}:web`,
        })
        await world.grant(ns, [{ apiGroups: [''], resources: ['configmaps'], verbs: ['list'] }])
        const action = { verb: 'list', resource: 'configmaps', namespace: ns }
        await eventually(() => mayI(client, world.allow(), action))
        expect(await list()).toMatchObject({ items: [] })
      })

      test('of a list in all namespaces says what to grant in the whole cluster', async () => {
        const { ns, path } = await world.openNamespace()
        const client = await world.accountIn(path)
        const result = listPage(client, world.allow(), { kind: 'Secret', limit: 1 })
        await expect(result).rejects.toMatchObject({
          code: 'SM_K8S_DENIED',
          message: `the API server at ${URL_OF_SERVER} refused to list secrets in all namespaces (403)`,
          hint: `grant it: kubectl create clusterrole secretmanager-list-secrets --verb=list --resource=secrets && kubectl create clusterrolebinding secretmanager-list-secrets --clusterrole=secretmanager-list-secrets --serviceaccount=${ns}:web`,
        })
      })
    })
  })
}

/** Declares what becomes of a list whose version the server has forgotten. */
export function forgottenListContract(
  name: string,
  open: () => Promise<ForgetfulKubernetes>,
): void {
  describe(`forgotten lists: ${name}`, () => {
    let server: ForgetfulKubernetes
    let world: World
    beforeAll(async () => {
      server = await open()
      world = worldOf(server)
    })
    afterAll(() => world.close())

    test('go on with what is there now, and say so', { timeout: 60_000 }, async () => {
      const { ns, path } = await world.openSeven()
      const request = { kind: 'Secret', namespace: ns, limit: 2 } as const
      const first = await world.list(request)
      expect(first).toMatchObject({ remaining: 5 })
      await world.must('DELETE', `${path}/secrets/s3`)
      await world.must('POST', `${path}/secrets`, { metadata: { name: 's44' } })
      let second: ObjectPage
      do {
        await server.forget()
        await world.must('PATCH', `${path}/secrets/s1`, { data: { n: A } }, MERGE)
        await world.must('PATCH', `${path}/secrets/s1`, { data: { n: null } }, MERGE)
        second = await world.list({ ...request, continue: first.continue })
      } while (second.resourceVersion === first.resourceVersion)
      expect(namesOf(second)).toEqual(['s4', 's44'])
      const third = await world.list({ ...request, limit: 10, continue: second.continue })
      expect(third).toMatchObject({ resourceVersion: second.resourceVersion, continue: undefined })
      expect(namesOf(third)).toEqual(['s5', 's6', 's7'])

      const url = `${path}/secrets?limit=2&continue=${first.continue}`
      const { status, body } = await world.admin('GET', url)
      expect([status, body.reason, body.code]).toEqual([410, 'Expired', 410])
      expect(body.message).toMatch(/^The provided continue parameter is too old to display a /)
      expect(Object.keys(body.metadata)).toEqual(['continue'])
      expect(Buffer.from(body.metadata.continue, 'base64url').toString()).toBe(
        '{"v":"meta.k8s.io/v1","rv":-1,"start":"s2\\u0000"}',
      )
    })
  })
}

interface World {
  readonly client: KubernetesClient
  allow(): Allowance
  list(request: ListRequest): Promise<ObjectPage>
  pages(request: ListRequest): Promise<ObjectPage[]>
  admin(method: string, path: string, body?: unknown, headers?: Headers): Promise<WireAnswer>
  must(method: string, path: string, body?: unknown, headers?: Headers): Promise<WireAnswer>
  openNamespace(): Promise<{ ns: string; path: string }>
  /** A namespace with seven Secrets, made in no order. */
  openSeven(): Promise<{ ns: string; path: string }>
  /** A client of the new ServiceAccount `web`. */
  accountIn(path: string): Promise<KubernetesClient>
  /** Binds a Role with `rules` to the ServiceAccount `web`. */
  grant(ns: string, rules: readonly object[]): Promise<void>
  close(): Promise<void>
}

type Headers = Readonly<Record<string, string>>

function worldOf(server: KubernetesUnderTest): World {
  const { wire, adminToken: token } = server
  const runtime = fakeRuntime({ auto: true, random: () => 0, transport: () => transportOf(wire) })
  const settings = { startupWaitMs: 5000, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } }
  const budget = new Budget(runtime, settings, new AbortController().signal)
  const clientWith = (bearer: string): KubernetesClient => {
    const access = {
      ...{ server: URL_OF_SERVER, transport: {}, origin: 'test' },
      ...{ namespace: undefined, identity: undefined },
      token: () => Promise.resolve(bearer),
    }
    return new KubernetesClient(access, runtime)
  }
  const world: World = {
    client: clientWith(token),
    allow: () => budget.begin(),
    list: (request) => listPage(world.client, budget.begin(), request),
    async pages(request) {
      const pages = [await world.list(request)]
      for (let next = pages[0]?.continue; next !== undefined; next = pages.at(-1)?.continue)
        pages.push(await world.list({ ...request, continue: next }))
      return pages
    },
    admin: (method, path, body, headers) => wire(method, path, { token, body, headers }),
    async must(method, path, body, headers) {
      const answer = await world.admin(method, path, body, headers)
      expect(answer.status, `${method} ${path}: ${JSON.stringify(answer.body)}`).toBeLessThan(300)
      return answer
    },
    async openNamespace() {
      const ns = `c${randomBytes(5).toString('hex')}`
      await world.must('POST', '/api/v1/namespaces', { metadata: { name: ns } })
      return { ns, path: `/api/v1/namespaces/${ns}` }
    },
    async openSeven() {
      const opened = await world.openNamespace()
      for (const name of SEVEN.toReversed()) {
        await world.must('POST', `${opened.path}/secrets`, { metadata: { name }, data: { a: A } })
      }
      return opened
    },
    async accountIn(path) {
      await world.must('POST', `${path}/serviceaccounts`, { metadata: { name: 'web' } })
      const issued = await world.must('POST', `${path}/serviceaccounts/web/token`, {})
      return clientWith(issued.body.status.token)
    },
    async grant(ns, rules) {
      const path = `${RBAC}/namespaces/${ns}`
      await world.must('POST', `${path}/roles`, { metadata: { name: 'r' }, rules })
      await world.must('POST', `${path}/rolebindings`, {
        metadata: { name: 'rb' },
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'r' },
        subjects: [{ kind: 'ServiceAccount', name: 'web', namespace: ns }],
      })
    },
    close: () => server.close(),
  }
  return world
}

/** The transport of a client, by a wire: the same for a server in this process and one that is not. */
function transportOf(wire: Wire): Transport {
  return {
    async send({ method, url, headers, body }) {
      const { pathname, search } = new URL(url)
      const answer = await wire(method, pathname + search, { headers, body })
      const text = typeof answer.body === 'string' ? answer.body : JSON.stringify(answer.body)
      return { ...answer, body: new TextEncoder().encode(text) }
    },
    connect: () => undefined,
    close: () => undefined,
  }
}

/** Who wrote which entries, by one kind of request. */
interface Writer {
  readonly manager: string
  readonly operation: string
  readonly keys: readonly string[]
}

function writersOf({ metadata }: ObjectPage['items'][number]): readonly Writer[] {
  const { managedFields } = metadata as unknown as { managedFields: ManagedFields[] }
  return managedFields.map(({ manager, operation, fieldsV1 }) => {
    const written = KEYED.flatMap((field) => Object.keys(fieldsV1[field] ?? {}))
    const keys = written.filter((key) => key.startsWith('f:')).map((key) => key.slice(2))
    return { manager, operation, keys }
  })
}

const KEYED = ['f:data', 'f:binaryData', 'f:stringData'] as const

interface ManagedFields extends Omit<Writer, 'keys'> {
  readonly fieldsV1: Readonly<Record<string, Readonly<Record<string, unknown>>>>
}

function namesOf({ items }: ObjectPage): string[] {
  return items.map(nameOf)
}

function encoded(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return Buffer.from(text).toString('base64url')
}

/** Rules reach the authorizer of a real server through a watch, a few milliseconds later. */
async function eventually(ask: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    if (await ask()) return
    await delay(10)
  }
  throw new Error('still not so')
}

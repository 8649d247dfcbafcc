/** Rewrap: every document under the latest version, and nothing else changed. */
import { expect, test } from 'vitest'

import type { Kind } from '../../src/kubernetes/objects.ts'
import { TransportFailure } from '../../src/runtime.ts'
import type { BoundPlace } from '../../src/sealed/binding.ts'
import type { KubevaultUnderTest } from './kubevault-fixture.ts'
import {
  apartFrom,
  isPatch,
  onlyFailure,
  rotationDesk,
  told,
  type JobOptions,
  type RotationDesk,
  type SealOptions,
  type Via,
} from './rotation-desk.ts'

/** Where a document is, and what it is. */
interface Planted extends SealOptions {
  readonly kind: Kind
  readonly name: string
  readonly dataKey: string
  readonly field: 'data' | 'binaryData'
  readonly document: string
}

const BINARY = Buffer.from(Uint8Array.from({ length: 256 }, (_, at) => at)).toString('latin1')

function planted(changes: Partial<Planted> & Pick<Planted, 'name'>): Planted {
  const document = `{"canary":"${changes.name}"}`
  return { kind: 'Secret', dataKey: 'app.json', field: 'data', document, ...changes }
}

/** Thirty documents of each kind there is. */
const PLANTED: readonly Planted[] = [
  ...numbered(10, (at) => planted({ name: `strict-${at}`, revision: 100 + at })),
  ...numbered(4, (at) => planted({ name: `namespace-${at}`, scope: 'namespace' })),
  ...numbered(4, (at) => planted({ name: `none-${at}`, scope: 'none' })),
  ...numbered(4, (at) => planted({ name: `map-${at}`, kind: 'ConfigMap' })),
  ...numbered(3, (at) => planted({ name: `binary-${at}`, kind: 'ConfigMap', field: 'binaryData' })),
  planted({ name: 'twice' }),
  planted({ name: 'twice', dataKey: 'second.json', scope: 'namespace' }),
  planted({ name: 'both', kind: 'ConfigMap' }),
  planted({ name: 'both', kind: 'ConfigMap', dataKey: 'bytes', field: 'binaryData' }),
  planted({ name: 'bytes', document: BINARY }),
]

function numbered<T>(count: number, make: (at: number) => T): readonly T[] {
  return Array.from({ length: count }, (_, at) => make(at))
}

function placeOf({ kind, name, dataKey }: Planted): Partial<BoundPlace> {
  return { kind, name, dataKey }
}

/** Stores documents in objects with siblings, labels, annotations and a type. */
async function plant(desk: RotationDesk, all: readonly Planted[]): Promise<void> {
  for (const name of new Set(all.map((each) => each.name))) {
    const here = all.filter((each) => each.name === name)
    const [first] = here
    if (!first) continue
    const data: Record<string, string> = { sibling: first.kind === 'Secret' ? 'AAEC' : 'as it is' }
    const binaryData: Record<string, string> = {}
    for (const each of here) {
      const text = await desk.seal(placeOf(each), Buffer.from(each.document, 'latin1'), each)
      const encoded = Buffer.from(text).toString('base64')
      if (each.field === 'binaryData') binaryData[each.dataKey] = encoded
      else data[each.dataKey] = each.kind === 'Secret' ? encoded : text
    }
    await desk.create(first.kind, {
      metadata: { name, labels: { team: 'a' }, annotations: { note: 'b' } },
      data,
      ...(first.kind === 'Secret' ? { type: 'example.com/custom' } : { binaryData }),
    })
  }
}

async function textOf(desk: RotationDesk, each: Planted): Promise<string> {
  const { data = {}, binaryData = {} } = await desk.get(each.kind, each.name)
  const value = (each.field === 'data' ? data : binaryData)[each.dataKey] ?? ''
  const isText = each.kind === 'ConfigMap' && each.field === 'data'
  return isText ? value : Buffer.from(value, 'base64').toString()
}

async function versions(desk: RotationDesk): Promise<readonly string[]> {
  const names = [...new Set(PLANTED.map(({ kind, name }) => `${kind} ${name}`))]
  return Promise.all(
    names.map(async (each) => {
      const [kind = '', name = ''] = each.split(' ')
      return (await desk.get(kind as Kind, name)).metadata.resourceVersion
    }),
  )
}

/** The tests of it. */
export function rewrapContract(world: () => KubevaultUnderTest): void {
  test('I3: thirty documents of each kind come to the latest version; nothing beside them changes', async () => {
    const desk = await rotationDesk(world())
    await plant(desk, PLANTED)
    const before = await Promise.all(PLANTED.map(({ kind, name }) => desk.get(kind, name)))
    const current = planted({ name: 'current' })
    await desk.rotateKey()
    await plant(desk, [current])
    const untouched = await desk.get('Secret', 'current')

    const look = await desk.look('rewrap')
    expect(look.entries.map(({ outcome }) => outcome.state).toSorted()).toEqual([
      'current',
      ...PLANTED.map(() => 'rewrapped'),
    ])
    expect(look.stocks).toMatchObject([{ documents: 31, oldest: 2, isComplete: true }])

    for (const [at, each] of PLANTED.entries()) {
      const text = await textOf(desk, each)
      expect(await desk.open(placeOf(each), text)).toEqual({
        document: Buffer.from(each.document, 'latin1').toString('base64'),
        revision: each.revision ?? 7,
        version: 2,
      })
      const entries = PLANTED.filter(({ name }) => name === each.name).map((it) => it.dataKey)
      const was = before[at]
      const is = await desk.get(each.kind, each.name)
      expect(was && apartFrom(is, entries)).toEqual(was && apartFrom(was, entries))
    }
    expect(await desk.get('Secret', 'current')).toEqual(untouched)
  })

  test('I3: a second run writes nothing, and asks Vault for nothing', async () => {
    const desk = await rotationDesk(world())
    await plant(desk, PLANTED)
    await desk.rotateKey()
    await desk.look('rewrap')
    const before = await versions(desk)
    const sent: string[] = []
    const via: Via = (request, send) => {
      sent.push(`${request.method} ${new URL(request.url).pathname}`)
      return send(request)
    }
    const second = await desk.look('rewrap', { via })
    expect(new Set(second.entries.map(({ outcome }) => outcome.state))).toEqual(
      new Set(['current']),
    )
    expect(await versions(desk)).toEqual(before)
    expect(sent.filter((each) => /^(?:PATCH|PUT)|\/rewrap\//.test(each))).toEqual([])
  })

  test('I5: who rewraps cannot decrypt, and never tries to', async () => {
    const desk = await rotationDesk(world())
    await plant(desk, PLANTED.slice(0, 3))
    await desk.rotateKey()
    const sent: string[] = []
    const via: Via = (request, send) => {
      sent.push(new URL(request.url).pathname)
      return send(request)
    }
    await desk.look('rewrap', { via })
    await desk.look('prove', { via })
    expect(sent.filter((path) => path.includes('/decrypt/'))).toEqual([])
    const compat = await desk
      .look('rewrap', { isCompat: true, via })
      .catch((error: unknown) => error)
    // Nothing is behind, so that not even --compat has anything to decrypt.
    expect(compat).not.toBeInstanceOf(Error)
    await desk.rotateKey()
    const denied = await desk.look('rewrap', { isCompat: true }).catch((error: unknown) => error)
    expect(denied).toMatchObject({ code: 'SM_VAULT_DENIED' })
  })

  test('I22: a reader that has seen a document takes the rewrapped one: its revision stays', async () => {
    const desk = await rotationDesk(world())
    const revision = Date.now()
    await desk.secret('app', { 'app.json': await desk.seal({}, '{"a":1}', { revision }) })
    await using reader = desk.reader()
    expect(Buffer.from(await desk.read('app', reader)).toString()).toBe('{"a":1}')
    await desk.rotateKey()
    await desk.look('rewrap')
    expect(Buffer.from(await desk.read('app', reader)).toString()).toBe('{"a":1}')
    expect(await desk.open({}, await desk.line('app'))).toMatchObject({ revision, version: 2 })
  })

  test('raw documents that are named are rewrapped, those of another key are left alone', async () => {
    const desk = await rotationDesk(world(), { derived: false })
    const { mount } = desk.key
    await desk.vault('POST', `${mount}/keys/other`, {})
    await desk.secret('ours', { 'app.json': await desk.seal({}, '{"a":1}', { scope: 'raw' }) })
    await desk.secret('found', { 'app.json': await desk.seal({}, '{"b":1}', { scope: 'raw' }) })
    const theirs = await desk.secret('theirs', {
      'app.json': await desk.seal({}, '{"c":1}', { scope: 'raw', transitKey: 'other' }),
    })
    await desk.rotateKey()
    const options = { definitions: [desk.define('ours', { format: 'raw' })] }
    const look = await desk.look('rewrap', options)
    expect(told(look)).toEqual([
      'Secret found app.json: rewrapped',
      'Secret ours app.json: rewrapped',
      'Secret theirs app.json: foreign',
    ])
    expect(look.stocks).toMatchObject([{ documents: 2, oldest: 2, isComplete: true }])
    expect(await desk.get('Secret', 'theirs')).toEqual(theirs)
    for (const [name, document] of [
      ['ours', '{"a":1}'],
      ['found', '{"b":1}'],
    ] as const) {
      const opened = await desk.open({ name }, await desk.line(name))
      expect(Buffer.from(opened.document, 'base64').toString()).toBe(document)
    }
    // What is proven is of the key, and what is not is in the way of nothing.
    const proven = await desk.look('prove', options)
    expect(told(proven)).toEqual([
      'Secret found app.json: current',
      'Secret ours app.json: current',
      'Secret theirs app.json: foreign',
    ])
    expect(proven.stocks).toMatchObject([{ documents: 2, oldest: 2, isComplete: true }])
  })

  test('under a key that is derived a raw document of another is no failure', async () => {
    const desk = await rotationDesk(world())
    await desk.vault('POST', `${desk.key.mount}/keys/other`, {})
    const raw = await desk.seal({}, '{"c":1}', { scope: 'raw', transitKey: 'other' })
    await desk.secret('theirs', { 'app.json': raw })
    await desk.rotateKey()
    expect(told(await desk.look('rewrap'))).toEqual(['Secret theirs app.json: foreign'])
  })

  test('what Argo CD, Flux or Helm keeps is left, and counts as behind', async () => {
    const desk = await rotationDesk(world())
    const owners = {
      argo: { annotations: { 'argocd.argoproj.io/tracking-id': 'shop:/Secret:a/b' } },
      flux: { labels: { 'kustomize.toolkit.fluxcd.io/name': 'apps' } },
      helm: { annotations: { 'meta.helm.sh/release-name': 'shop' } },
    }
    const before = []
    for (const [name, metadata] of Object.entries(owners)) {
      const texts = { 'app.json': await desk.seal({ name }, '{}') }
      before.push(await desk.secret(name, texts, { metadata: { name, ...metadata } }))
    }
    await desk.rotateKey()
    const look = await desk.look('rewrap')
    expect(told(look)).toEqual(Object.keys(owners).map((name) => `Secret ${name} app.json: behind`))
    expect(look.entries.map(({ object }) => object.owner?.tool)).toEqual([
      'Argo CD',
      'Flux',
      'Helm',
    ])
    expect(look.stocks).toMatchObject([{ documents: 3, oldest: 1, isComplete: true }])
    const after = await Promise.all(Object.keys(owners).map((name) => desk.get('Secret', name)))
    expect(after).toEqual(before)
  })

  test('the copy that kubectl apply keeps counts as behind, until it is applied anew', async () => {
    const desk = await rotationDesk(world())
    const annotation = 'kubectl.kubernetes.io/last-applied-configuration'
    const source = async (): Promise<object> => ({
      data: { 'app.json': Buffer.from(await desk.seal({}, '{}')).toString('base64') },
    })
    const applied = await source()
    const metadata = { name: 'app', annotations: { [annotation]: JSON.stringify(applied) } }
    await desk.create('Secret', { metadata, ...applied })
    await desk.rotateKey()
    const first = await desk.look('rewrap')
    expect(told(first)).toEqual(['Secret app app.json: rewrapped'])
    expect(first.stocks).toMatchObject([{ oldest: 1 }])
    for (const mode of ['rewrap', 'try', 'look', 'prove'] as const) {
      const again = await desk.look(mode)
      expect([mode, ...told(again)]).toEqual([mode, 'Secret app app.json: behind'])
      expect(again.stocks).toMatchObject([{ oldest: 1 }])
    }
    const anew = await source()
    const annotations = { [annotation]: JSON.stringify(anew) }
    await desk.replace('Secret', {
      ...anew,
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: 'app', annotations },
    })
    expect(told(await desk.look('rewrap'))).toEqual(['Secret app app.json: current'])
  })

  test('an immutable object fails with what to do; the others go on', async () => {
    const desk = await rotationDesk(world())
    const texts = async (name: string): Promise<Record<string, string>> => ({
      'app.json': await desk.seal({ name }, '{}'),
    })
    const before = await desk.secret('fixed', await texts('fixed'), { immutable: true })
    await desk.secret('loose', await texts('loose'))
    await desk.rotateKey()
    const look = await desk.look('rewrap')
    expect(told(look)).toEqual([
      'Secret fixed app.json: failed SM_K8S_REJECTED',
      'Secret loose app.json: rewrapped',
    ])
    expect(onlyFailure(look).hint).toContain('create it again from its source')
    expect(look.stocks).toMatchObject([{ isComplete: false, oldest: 1 }])
    expect(await desk.get('Secret', 'fixed')).toEqual(before)
  })

  test('what does not open fails alone, and is left as it is', async () => {
    const desk = await rotationDesk(world())
    await desk.secret('app', { 'app.json': await desk.seal({}, '{}') })
    // Moved from another place: its context is another.
    const moved = await desk.secret('moved', { 'app.json': await desk.seal({}, '{}') })
    const absent = [desk.define('gone'), desk.define('app', { readKey: 'other.json' })]
    await desk.rotateKey()
    const look = await desk.look('rewrap', { definitions: absent })
    expect(told(look)).toEqual([
      'Secret app app.json: rewrapped',
      'Secret app other.json: failed SM_KEY_MISSING',
      'Secret gone -: failed SM_K8S_NOT_FOUND',
      'Secret moved app.json: failed SM_CT_AUTH_FAILED',
    ])
    expect(look.stocks).toMatchObject([{ isComplete: false, oldest: 1 }])
    expect(await desk.get('Secret', 'moved')).toEqual(moved)
    expect(JSON.stringify(look.entries.map(({ outcome }) => outcome))).not.toContain('vault:v')
  })

  test.each<readonly [string, 'look' | 'try' | 'prove']>([
    ['a look', 'look'],
    ['a trial', 'try'],
    ['a proof', 'prove'],
  ])('%s writes nothing', async (_name, mode) => {
    const desk = await rotationDesk(world())
    const old = await desk.secret('old', { 'app.json': await desk.seal({ name: 'old' }, '{}') })
    await desk.rotateKey()
    const now = await desk.secret('now', { 'app.json': await desk.seal({ name: 'now' }, '{}') })
    expect(told(await desk.look(mode))).toEqual([
      'Secret now app.json: current',
      'Secret old app.json: behind',
    ])
    expect([await desk.get('Secret', 'old'), await desk.get('Secret', 'now')]).toEqual([old, now])
  })

  test('a proof finds what does not open, though its version is the latest', async () => {
    const desk = await rotationDesk(world())
    await desk.secret('moved', { 'app.json': await desk.seal({}, '{}') })
    expect(told(await desk.look('look'))).toEqual(['Secret moved app.json: current'])
    const proven = await desk.look('prove')
    expect(told(proven)).toEqual(['Secret moved app.json: failed SM_CT_AUTH_FAILED'])
    expect(proven.stocks).toMatchObject([{ isComplete: false }])
  })

  test('where listing is denied the site is not looked at completely; what is named is rewrapped', async () => {
    const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['get', 'patch'] }]
    const desk = await rotationDesk(world(), { rules })
    await desk.secret('app', { 'app.json': await desk.seal({}, '{}') })
    await desk.rotateKey()
    const look = await desk.look('rewrap', { definitions: [desk.define('app')] })
    expect(told(look)).toEqual(['Secret app app.json: rewrapped'])
    expect(look.unread.map(({ code }) => code)).toEqual(['SM_K8S_DENIED', 'SM_K8S_DENIED'])
    expect(look.stocks).toMatchObject([{ isComplete: false, documents: 1, oldest: 2 }])
  })

  test('one object that may not be written fails alone', async () => {
    const names = ['one', 'three']
    const rules = [
      { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get', 'list'] },
      { apiGroups: [''], resources: ['secrets'], resourceNames: names, verbs: ['patch'] },
    ]
    const desk = await rotationDesk(world(), { rules })
    for (const name of ['one', 'three', 'two'])
      await desk.secret(name, { 'app.json': await desk.seal({ name }, '{}') })
    await desk.rotateKey()
    const look = await desk.look('rewrap')
    expect(told(look)).toEqual([
      'Secret one app.json: rewrapped',
      'Secret three app.json: rewrapped',
      'Secret two app.json: failed SM_K8S_DENIED',
    ])
    expect(look.stocks).toMatchObject([{ isComplete: false, oldest: 1 }])
  })

  test('more objects than a page holds; a page that is too large is halved', async () => {
    const desk = await rotationDesk(world())
    const count = 262
    const names = numbered(count, (at) => `app-${String(at).padStart(3, '0')}`)
    const text = await desk.seal({}, '{}', { scope: 'none' })
    const put = async (name: string): Promise<void> =>
      void (await desk.secret(name, { 'app.json': text }))
    for (let at = 0; at < count; at += 16) await Promise.all(names.slice(at, at + 16).map(put))
    await desk.rotateKey()
    const limits: string[] = []
    const via: Via = (request, send) => {
      const { pathname, searchParams } = new URL(request.url)
      const limit = searchParams.get('limit')
      if (limit === null || !pathname.endsWith('/secrets')) return send(request)
      limits.push(limit)
      // As the transport tells of an answer above its limit.
      if (Number(limit) > 70 && limits.length < 6)
        throw new TransportFailure('too-large', 'too large')
      return send(request)
    }
    const look = await desk.look('rewrap', { via })
    expect(told(look)).toEqual(names.map((name) => `Secret ${name} app.json: rewrapped`))
    expect(look.pages.filter((size) => size > 0)).toEqual([63, 63, 63, 63, 10])
    expect(limits.slice(0, 3)).toEqual(['250', '125', '63'])
    expect(look.stocks).toMatchObject([{ documents: count, oldest: 2, isComplete: true }])
    const whole = await desk.look('look')
    expect(whole.pages.filter((size) => size > 0)).toEqual([250, 12])
  })

  test('a document that is named and found by a list is told of once', async () => {
    const desk = await rotationDesk(world())
    await desk.secret('app', { 'app.json': await desk.seal({}, '{}') })
    await desk.rotateKey()
    const definitions = [desk.define('app')]
    const options: JobOptions = { definitions, scan: [desk.plan.namespace] }
    let patches = 0
    const via: Via = (request, send) => {
      if (isPatch(request)) patches += 1
      return send(request)
    }
    expect(told(await desk.look('rewrap', { ...options, via }))).toEqual([
      'Secret app app.json: rewrapped',
    ])
    expect(patches).toBe(1)
  })
}

/** What the embedded API server does not keep: who controls an object. */
export function controllersContract(world: () => KubevaultUnderTest): void {
  test('what a controller keeps is left, and counts as behind', async () => {
    const desk = await rotationDesk(world())
    const uid = '00000000-0000-4000-8000-000000000000'
    const owner = { apiVersion: 'bitnami.com/v1alpha1', kind: 'SealedSecret', name: 'a', uid }
    const metadata = { name: 'app', ownerReferences: [{ ...owner, controller: true }] }
    const before = await desk.secret('app', { 'app.json': await desk.seal({}, '{}') }, { metadata })
    await desk.rotateKey()
    const look = await desk.look('rewrap')
    expect(told(look)).toEqual(['Secret app app.json: behind'])
    expect(look.entries[0]?.object.owner).toEqual({ tool: 'a controller', name: 'SealedSecret a' })
    expect(await desk.get('Secret', 'app')).toEqual(before)
  })
}

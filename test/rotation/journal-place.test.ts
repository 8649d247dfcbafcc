/** Where a journal may be, by what is looked through, and which of the places has it. */
import { describe, expect, test } from 'vitest'

import { Calls } from '../../src/calls.ts'
import { parseDefinition } from '../../src/config/definition.ts'
import { parseProvisionFile } from '../../src/config/provision-file.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { createCore } from '../../src/core.ts'
import { findJournal, placesOf } from '../../src/rotation/journal-place.ts'
import { whereOf, type JournalPlace } from '../../src/rotation/journal.ts'
import { Clusters } from '../../src/rotation/sites.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { clientOn } from '../kubernetes/client-on.ts'

const KEY = { mount: 'transit', transitKey: 'app' }
const { signal } = new AbortController()

const KUBECONFIG = JSON.stringify({
  'current-context': 'mine',
  contexts: [{ name: 'mine', context: { cluster: 'c', user: 'u', namespace: 'own' } }],
  clusters: [{ name: 'c', cluster: { server: 'https://kubernetes.test:6443' } }],
  users: [{ name: 'u', user: { token: 'none' } }],
})

async function placed(
  inventory: object | undefined,
  selection?: Parameters<typeof placesOf>[2]['selection'],
  namespace?: string,
): Promise<readonly string[]> {
  const runtime = fakeRuntime({ files: { '/kubeconfig': KUBECONFIG } })
  const vault = { url: 'https://vault.test:8200', auth: { method: 'token', token: 'none' } }
  const kubernetes = { kubeconfig: '/kubeconfig', ...(namespace !== undefined && { namespace }) }
  const clusters = new Clusters(createCore(parseConfig({ vault, kubernetes }), runtime), runtime)
  const file = inventory && parseProvisionFile(inventory, 'the file')
  const places = await placesOf(KEY, clusters, { inventory: file, selection }, signal)
  return places.map((each) => `${whereOf(each, 'j')}${each.isGuess ? ', by a guess' : ''}`)
}

const OTHER = { name: 'other', namespace: 'elsewhere' }
const APP = { name: 'app', namespace: 'prod' }
const SECRET = { secretName: 'a', namespace: 'team', transitKey: 'app' }
const WEST = { name: 'west', context: 'west' }
const EAST = { name: 'east', context: 'east' }

describe('of an inventory', () => {
  test.each([
    ['an app of the key', { apps: [OTHER, APP] }, ['prod']],
    ['an app with a Secret of the key', { apps: [{ ...OTHER, secrets: [SECRET] }] }, ['elsewhere']],
    [
      'apps before Secrets before what is scanned',
      { clusters: [{ scan: ['found'], secrets: [SECRET] }], apps: [APP] },
      ['prod', 'team', 'found'],
    ],
    ['nothing of the key', { clusters: [{ scan: true }], apps: [OTHER] }, []],
  ])('%s', async (_what, file, namespaces) => {
    const own = `ConfigMap own/j, by a guess`
    expect(await placed(file)).toEqual([...namespaces.map((each) => `ConfigMap ${each}/j`), own])
  })

  test('of several clusters the first that has something of the key, and it is named', async () => {
    const apps = [{ ...APP, clusters: ['east'] }]
    expect(await placed({ clusters: [WEST, EAST], apps })).toEqual([
      'ConfigMap prod/j of cluster east',
      'ConfigMap own/j, by a guess',
    ])
  })
})

describe('without one', () => {
  const named = [
    parseDefinition({ secretName: 'a', namespace: 'prod', readKey: 'b', transitKey: 'app' }),
  ]

  test.each([
    ['the context', { definitions: [], scan: 'own' as const }, ['own, by a guess']],
    ['the whole cluster', { definitions: [], scan: true as const }, ['own, by a guess']],
    ['a namespace', { definitions: [], scan: ['prod'] }, ['own, by a guess', 'prod']],
    ['the namespace of the context', { definitions: [], scan: ['own'] }, ['own']],
    ['objects', { definitions: named, scan: [] }, ['own, by a guess', 'prod']],
  ])('%s', async (_what, selection, places) => {
    const expected = places.map((each) => `ConfigMap ${each.replace(/^\w+/, '$&/j')}`)
    expect(await placed(undefined, selection)).toEqual(expected)
  })

  test('what the configuration says is no guess', async () => {
    expect(await placed(undefined, undefined, 'said')).toEqual(['ConfigMap said/j'])
  })
})

describe('the place that has it', () => {
  const journal = (uid: string): object => ({ metadata: { uid, resourceVersion: '1' } })

  /** By namespace, what an API server says. */
  async function found(
    answers: Readonly<Record<string, readonly [status: number, json?: object]>>,
  ): Promise<string> {
    const { client } = clientOn(({ url }) => {
      const namespace = /namespaces\/(\w+)/.exec(url)?.[1] ?? ''
      const [status = 404, json = {}] = answers[namespace] ?? []
      return { status, json }
    })
    const connect: JournalPlace['connect'] = () => Promise.resolve(client)
    const [first = '', ...more] = Object.keys(answers)
    const at = (namespace: string): JournalPlace => ({
      namespace,
      ...{ connect, cluster: undefined, isGuess: false },
    })
    const runtime = fakeRuntime({ auto: true })
    const attempt = { connectTimeoutMs: 2000, timeoutMs: 5000 }
    const calls = new Calls(runtime, { startupWaitMs: 5000, attempt })
    const place = await findJournal(KEY, [at(first), ...more.map(at)], calls, signal)
    return place.namespace
  }

  test.each([
    ['none: the first', { a: [404], b: [404] }, 'a'],
    ['one that is not the first', { a: [404], b: [200, journal('1')] }, 'b'],
    ['who may not look there has begun none there', { a: [404], b: [403], c: [403] }, 'a'],
    ['the same in two ways', { a: [200, journal('1')], b: [200, journal('1')] }, 'a'],
    ['the only place is not asked', { a: [500] }, 'a'],
  ] as const)('%s', async (_what, answers, namespace) => {
    expect(await found(answers)).toBe(namespace)
  })

  test('two are one too many, and a place that does not answer may have another', async () => {
    const two = found({ a: [200, journal('1')], b: [200, journal('2')] })
    await expect(two).rejects.toMatchObject({
      code: 'SM_CONFIG_INVALID',
      hint: expect.stringContaining('--journal-namespace'),
    })
    await expect(found({ a: [404], b: [501] })).rejects.toMatchObject({ component: 'kubernetes' })
  })
})

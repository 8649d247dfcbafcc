import { describe, expect, onTestFinished, test } from 'vitest'

import { KubernetesClient } from '../../src/kubernetes/client.ts'
import { isTooLarge, listPage, type ListRequest } from '../../src/kubernetes/list.ts'
import { TransportFailure } from '../../src/runtime.ts'
import type { Handler } from '../faults/in-process.ts'
import { flood, json, scriptedServer } from '../faults/scripted-server.ts'
import { socketRuntime } from '../faults/world.ts'
import { clientOn } from './client-on.ts'

const SECRETS: ListRequest = { kind: 'Secret', limit: 2 }
const gone = (next: unknown): Handler => {
  return () => ({ status: 410, json: { kind: 'Status', metadata: { continue: next } } })
}
const EMPTY = { metadata: { resourceVersion: '7' }, items: [] }

describe('a list', () => {
  test.each([
    [SECRETS, '/api/v1/secrets?limit=2'],
    [
      { kind: 'ConfigMap', namespace: 'prod', limit: 1 },
      '/api/v1/namespaces/prod/configmaps?limit=1',
    ],
    [
      {
        ...SECRETS,
        continue: 'a+b=',
        fieldSelector: 'type!=helm.sh/release.v1',
      },
      '/api/v1/secrets?limit=2&continue=a%2Bb%3D&fieldSelector=type%21%3Dhelm.sh%2Frelease.v1',
    ],
  ] as const)('%j asks %s', async (request, path) => {
    const { client, budget, sent } = clientOn(() => ({ status: 200, json: EMPTY }))
    await listPage(client, budget.begin(), request)
    expect(sent.map(({ url }) => url)).toEqual([`https://10.96.0.1:443${path}`])
  })

  test('of no namespace that can be is not asked for', async () => {
    const { client, budget, sent } = clientOn(() => ({ status: 200, json: EMPTY }))
    const result = listPage(client, budget.begin(), { ...SECRETS, namespace: '../x' })
    await expect(result).rejects.toMatchObject({ code: 'SM_CONFIG_INVALID' })
    expect(sent).toEqual([])
  })

  test('that is forgotten goes on by the token of the refusal, once', async () => {
    const { client, budget, sent } = clientOn((request) =>
      request.url.includes('continue=old') ? gone('new')(request) : { status: 200, json: EMPTY },
    )
    const page = await listPage(client, budget.begin(), { ...SECRETS, continue: 'old' })
    expect(page).toEqual({
      ...{ items: [], continue: undefined, remaining: undefined },
      resourceVersion: '7',
    })
    expect(sent.map(({ url }) => new URL(url).searchParams.get('continue'))).toEqual(['old', 'new'])
  })

  test.each([
    ['the token of the refusal is refused too', gone('new'), 2],
    ['the refusal has no token', gone(undefined), 1],
    ['the token is empty', gone(''), 1],
    ['the refusal is no Status', () => ({ status: 410 }), 1],
  ] as const)('ends in an error where %s', async (_case, handler, asked) => {
    const { client, budget, sent } = clientOn(handler)
    await expect(listPage(client, budget.begin(), SECRETS)).rejects.toMatchObject({
      code: 'SM_K8S_REJECTED',
      status: 410,
      hint: 'begin the list again',
    })
    expect(sent).toHaveLength(asked)
  })

  test.each([
    ['no items', { metadata: { resourceVersion: '7' } }],
    ['no version', { metadata: {}, items: [] }],
    ['an item without a version', { ...EMPTY, items: [{ metadata: {} }] }],
    ['an item that is none', { ...EMPTY, items: [null] }],
    ['nothing', undefined],
  ])('with %s is no list', async (_case, answer) => {
    const { client, budget } = clientOn(() => ({ status: 200, json: answer }))
    await expect(listPage(client, budget.begin(), SECRETS)).rejects.toMatchObject({
      code: 'SM_K8S_BAD_RESPONSE',
    })
  })

  test('above the limit of the transport is told by that, asked for once, and no outage', async () => {
    const { client, budget, sent } = clientOn(() => {
      throw new TransportFailure('too-large', 'an answer above 8388608 bytes')
    })
    const error: unknown = await listPage(client, budget.begin(), SECRETS).catch((thrown) => thrown)
    expect(error).toMatchObject({ code: 'SM_K8S_BAD_RESPONSE', attempts: 1 })
    expect(isTooLarge(error)).toBe(true)
    expect(sent).toHaveLength(1)
    expect(budget.status('kubernetes').state).not.toBe('failing')
  })

  test.each([
    [
      'a cut answer',
      () => Promise.reject(new TransportFailure('broken', 'the answer ended early')),
    ],
    ['413', () => ({ status: 413 })],
  ] as const)('%s is not too large', async (_case, handler) => {
    const { client, budget } = clientOn(handler)
    const error: unknown = await listPage(client, budget.begin(), SECRETS).catch((thrown) => thrown)
    expect(isTooLarge(error)).toBe(false)
  })

  test('9 MiB on a socket are too large; half of the objects then come at once', async () => {
    const server = await scriptedServer({
      'GET /api/v1/secrets': [flood(9 << 20), json(200, EMPTY)],
    })
    onTestFinished(() => server.close())
    const runtime = socketRuntime()
    const { client: other, budget } = clientOn(() => ({ status: 200 }))
    const client = new KubernetesClient({ ...other.access, server: server.url }, runtime)
    onTestFinished(() => client.close())
    const error: unknown = await listPage(client, budget.begin(), SECRETS).catch((thrown) => thrown)
    expect(isTooLarge(error)).toBe(true)
    expect(await listPage(client, budget.begin(), { ...SECRETS, limit: 1 })).toMatchObject({
      items: [],
    })
    expect(server.requests).toHaveLength(2)
  })

  test('nothing but a page that is too large is', () => {
    expect(
      [undefined, new Error('ANSWER_TOO_LARGE'), { causeClass: 'ANSWER_TOO_LARGE' }].map(
        isTooLarge,
      ),
    ).toEqual([false, false, false])
  })
})

describe('a 410 that is not of a list', () => {
  test('is a refusal like others', async () => {
    const { client, budget } = clientOn(gone('next'))
    const result = client.get(budget.begin(), 'Secret', 'prod', 'app')
    await expect(result).rejects.toMatchObject({ code: 'SM_K8S_REJECTED', status: 410 })
  })
})

import { describe, expect, test } from 'vitest'

import { KubernetesClient } from '../../src/kubernetes/client.ts'
import { TransportFailure, type Transport } from '../../src/runtime.ts'
import { inProcess, type Handler } from '../faults/in-process.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { clientOn } from './client-on.ts'

const ok: Handler = () => ({ status: 200, json: { metadata: { resourceVersion: '1' } } })

describe('get', () => {
  test.each([
    ['Secret', 'secrets'],
    ['ConfigMap', 'configmaps'],
  ] as const)('of a %s asks for it by name', async (kind, resource) => {
    const { client, budget, sent } = clientOn(ok)
    const object = await client.get(budget.begin(), kind, 'prod', 'app.v1')
    expect(object).toMatchObject({ resourceVersion: '1', immutable: false })
    expect(sent[0]).toMatchObject({
      method: 'GET',
      url: `https://10.96.0.1:443/api/v1/namespaces/prod/${resource}/app.v1`,
      headers: { authorization: 'Bearer api-token' },
    })
  })

  test('without a token there is no header', async () => {
    const { client, budget } = clientOn(ok)
    const server = inProcess(ok)
    const anonymous = new KubernetesClient(
      { ...client.access, token: () => Promise.resolve(undefined) },
      fakeRuntime({ transport: server.transport }),
    )
    await anonymous.get(budget.begin(), 'Secret', 'prod', 'app')
    expect(server.sent[0]?.headers).not.toHaveProperty('authorization')
  })

  test('I18: names such as __proto__ are entries like others', async () => {
    const data = '{"metadata":{"resourceVersion":"1"},"data":{"__proto__":"eA==","a":1}}'
    const { client, budget } = clientOn(() => ({
      status: 200,
      body: new TextEncoder().encode(data),
    }))
    const object = await client.get(budget.begin(), 'Secret', 'prod', 'app')
    expect([...object.data]).toEqual([['__proto__', 'eA==']])
    expect(Object.getPrototypeOf(object.data)).toBe(Map.prototype)
  })

  test.each([
    ['prod', '../configmaps/x'],
    ['prod', 'a/b'],
    ['prod', '..'],
    ['prod', ''],
    ['prod', 'A'],
    ['..', 'app'],
    ['a.b', 'app'],
    ['prod?', 'app'],
  ])('%j / %j is in no URL', async (namespace, name) => {
    const { client, budget, sent } = clientOn(ok)
    const result = client.get(budget.begin(), 'Secret', namespace, name)
    await expect(result).rejects.toMatchObject({ code: 'SM_CONFIG_INVALID' })
    expect(sent).toEqual([])
  })
})

describe('K3: a 401', () => {
  test('K3: asks for a fresh token, once', async () => {
    const { client, budget, fresh, sent } = clientOn(() => ({ status: 401 }))
    const result = client.get(budget.begin(), 'Secret', 'prod', 'app')
    await expect(result).rejects.toMatchObject({ code: 'SM_K8S_UNAUTHENTICATED' })
    expect(fresh).toEqual([false, true])
    expect(sent).toHaveLength(2)
  })

  test('K3: of many calls makes at most three more at once', async () => {
    const { client, budget, sent } = clientOn(() => ({ status: 401 }))
    const get = (): Promise<unknown> =>
      client.get(budget.begin(), 'Secret', 'prod', 'app').catch((error: unknown) => error)
    await Promise.all(Array.from({ length: 3 }, get))
    expect(sent).toHaveLength(6)
  })
})

describe('K3: a 401 to a client certificate', () => {
  test('K3: connects anew once, and leaves the requests of others alone', async () => {
    const opened: { closed: boolean }[] = []
    const transport = (): Transport => {
      const state = { closed: false }
      const number = opened.push(state)
      return {
        connect: () => undefined,
        close: () => void (state.closed = true),
        async send() {
          await Promise.resolve()
          if (state.closed) throw new TransportFailure('aborted', 'the connection is closed')
          return number === 1
            ? { status: 401, headers: {}, body: new Uint8Array() }
            : { status: 200, headers: {}, body: new TextEncoder().encode(EMPTY_OBJECT) }
        },
      }
    }
    const { budget, client } = clientOn(ok)
    const pem = { kind: 'text', pem: '' } as const
    const renewing = new KubernetesClient(
      { ...client.access, transport: { clientCert: pem, clientKey: pem } },
      fakeRuntime({ auto: true, transport }),
    )
    const get = (): Promise<unknown> => renewing.get(budget.begin(), 'Secret', 'prod', 'app')
    await Promise.all([get(), get(), get()])
    expect(opened).toHaveLength(2)
    renewing.close()
    expect(opened.map(({ closed }) => closed)).toEqual([true, true])
  })
})

const EMPTY_OBJECT = '{"metadata":{"resourceVersion":"1"}}'

describe('what a status stands for', () => {
  test.each([
    [400, 'SM_K8S_REJECTED', 1],
    [403, 'SM_K8S_DENIED', 1],
    [404, 'SM_K8S_NOT_FOUND', 1],
    [409, 'SM_K8S_CONFLICT', 1],
    [413, 'SM_TOO_LARGE', 1],
    [422, 'SM_K8S_REJECTED', 1],
    [429, 'SM_K8S_RATE_LIMITED', 8],
    [500, 'SM_K8S_5XX', 8],
    [503, 'SM_K8S_5XX', 8],
  ])('%i is %s after %i attempts', async (status, code, attempts) => {
    const { client, budget, sent } = clientOn(() => ({ status }))
    const body = { metadata: { name: 'app', resourceVersion: '1' } }
    const result = client.patch(budget.begin(), 'Secret', 'prod', body)
    await expect(result).rejects.toMatchObject({ code, status, attempts })
    expect(sent).toHaveLength(attempts)
  })

  test('the hint of a 403 on create names no object: RBAC could not match it', async () => {
    const { client, budget } = clientOn(() => ({ status: 403 }))
    const result = client.create(budget.begin(), 'ConfigMap', 'prod', { metadata: { name: 'app' } })
    await expect(result).rejects.toMatchObject({
      hint: expect.stringMatching(/--verb=create --resource=configmaps &&/),
    })
  })
})

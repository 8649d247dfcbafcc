import {
  SpanStatusCode,
  type Attributes,
  type BatchObservableCallback,
  type Meter,
  type SpanStatus,
  type Tracer,
} from '@opentelemetry/api'
import { SecretManager } from 'secretmanager'
import { createTestStack, type TestStack } from 'secretmanager/testing'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

import { recordTelemetry } from '../examples/opentelemetry/telemetry.ts'

const CANARY = 'canary-5f1d0c'
const APP = {
  'secretmanager.secret.name': 'app-secrets',
  'secretmanager.secret.key': 'secrets.json',
}

describe('examples/opentelemetry', () => {
  test('a read is requests, a login and a refresh, timed', async () => {
    const { sm, stack, recorded } = await world()
    const before = Date.now()
    await sm.readSecrets(stack.definition('app-secrets'))
    const { measurements, spans } = recorded
    expect(attributesOf(measurements, 'secretmanager.request.duration')).toEqual(
      expect.arrayContaining([
        request('kubernetes', 'GET', 200),
        request('kubernetes', 'POST', 201),
        request('vault', 'POST', 200),
      ]),
    )
    const login = { 'secretmanager.auth.method': 'kubernetes' }
    const refresh = { ...APP, 'secretmanager.refresh.outcome': 'changed' }
    expect(attributesOf(measurements, 'secretmanager.login.duration')).toEqual([login])
    expect(attributesOf(measurements, 'secretmanager.refresh.duration')).toEqual([refresh])
    expect(spans.map(({ name, attributes }) => ({ name, attributes }))).toEqual([
      { name: 'secretmanager login', attributes: login },
      { name: 'secretmanager refresh', attributes: refresh },
    ])
    for (const { start, end } of spans) {
      expect(start).toBeGreaterThanOrEqual(before - 1)
      expect(end).toBeGreaterThanOrEqual(start)
      expect(end).toBeLessThanOrEqual(Date.now())
    }
    for (const { value } of measurements) expect(value).toBeLessThan(5)
  })

  test('gauges follow the status: nothing yet, fresh, stale, fresh again', async () => {
    const { sm, stack, recorded, refuse, allow } = await world()
    const read = (): Promise<object> => sm.readSecrets(stack.definition('app-secrets'))
    expect(recorded.collect()).toEqual([gauge('ready', 0)])
    await read()
    expect(recorded.collect()).toEqual(served({ stale: 0, age: 0 }))
    await refuse()
    stack.advance(1000)
    await read()
    await vi.waitFor(() => expect(recorded.collect()).toEqual(served({ stale: 1, age: 1 })))
    await allow()
    stack.advance(60_000)
    await read()
    await vi.waitFor(() => expect(recorded.collect()).toEqual(served({ stale: 0, age: 0 })))
  })

  test('what fails has its code, in metrics and spans alike; what is dropped is counted', async () => {
    const { sm, stack, recorded, refuse } = await world({ onDenied: 'drop' })
    await sm.readSecrets(stack.definition('app-secrets'))
    await refuse()
    stack.advance(1000)
    await sm.readSecrets(stack.definition('app-secrets')).catch(() => undefined)
    const denied = { 'error.type': 'SM_VAULT_DENIED' }
    const { measurements, spans } = recorded
    await vi.waitFor(() =>
      expect(attributesOf(measurements, 'secretmanager.dropped')).toEqual([{ ...APP, ...denied }]),
    )
    expect(attributesOf(measurements, 'secretmanager.request.duration')).toContainEqual({
      ...request('vault', 'POST', 403),
      'error.type': '403',
    })
    const failed = { ...APP, 'secretmanager.refresh.outcome': 'failed', ...denied }
    expect(attributesOf(measurements, 'secretmanager.refresh.duration')).toContainEqual(failed)
    const [last] = spans.slice(-1)
    expect(last?.status?.code).toBe(SpanStatusCode.ERROR)
    expect(last?.attributes).toEqual({
      ...failed,
      'secretmanager.vault.request_id': expect.any(String),
    })
  })

  test('an attempt that has to be repeated is counted; a request without an answer is an error', async () => {
    const { sm, stack, recorded } = await world()
    stack.disconnect('vault')
    const reading = sm.readSecrets(stack.definition('app-secrets'))
    await vi.waitFor(() =>
      expect(attributesOf(recorded.measurements, 'secretmanager.retries')).toContainEqual({
        'secretmanager.backend': 'vault',
        'error.type': 'SM_VAULT_UNREACHABLE',
      }),
    )
    stack.reconnect('vault')
    await reading
    expect(attributesOf(recorded.measurements, 'secretmanager.request.duration')).toContainEqual({
      'secretmanager.backend': 'vault',
      'http.request.method': 'POST',
      'error.type': '_OTHER',
    })
  })

  test('I10: nothing that was read, and no credential, is in what is recorded', async () => {
    const { sm, stack, recorded, refuse } = await world()
    await sm.readSecrets(stack.definition('app-secrets'))
    await refuse()
    stack.advance(1000)
    await sm.readSecrets(stack.definition('app-secrets'), { fresh: true }).catch(() => undefined)
    recorded.collect()
    const text = JSON.stringify(recorded)
    expect(text).toContain('SM_VAULT_DENIED')
    for (const encoding of ['utf8', 'base64', 'hex'] as const)
      expect(text).not.toContain(Buffer.from(CANARY).toString(encoding))
    expect(text).not.toMatch(/\bhv[bsr]\.|\beyJ|vault:v\d/)
  })

  test('once stopped it records nothing', async () => {
    const { sm, stack, recorded, stop } = await world()
    stop()
    await sm.readSecrets(stack.definition('app-secrets'))
    expect(recorded.collect()).toEqual([])
    expect([recorded.measurements, recorded.spans]).toEqual([[], []])
  })
})

interface World {
  readonly sm: SecretManager
  readonly stack: TestStack
  readonly recorded: Recorded
  readonly stop: () => void
  /** Has Vault refuse the next decryption, of a dictionary that changed. */
  readonly refuse: () => Promise<void>
  readonly allow: () => Promise<void>
}

async function world(cache: { readonly onDenied?: 'drop' } = {}): Promise<World> {
  const stack = await createTestStack({ secrets: { 'app-secrets': { token: CANARY } } })
  const config = { ...stack.config, cache: { refreshAfter: '1s', ...cache } }
  const sm = new SecretManager(config, { runtime: stack.runtime })
  const { meter, tracer, recorded } = recorder()
  const stop = recordTelemetry(sm, { meter, tracer })
  onTestFinished(async () => {
    stop()
    await sm.close()
  })
  const path = '/v1/sys/policies/acl/app'
  const policy = 'path "transit/decrypt/app" { capabilities = ["update"] }'
  return {
    ...{ sm, stack, recorded, stop },
    refuse: async () => {
      await stack.store('app-secrets', { token: CANARY, more: CANARY })
      await stack.operator.vault('DELETE', path)
    },
    allow: async () => {
      await stack.operator.vault('PUT', path, { policy })
    },
  }
}

interface Measurement {
  readonly name: string
  readonly value: number
  readonly attributes: Attributes
}

interface RecordedSpan {
  readonly name: string
  readonly attributes: Attributes
  readonly start: number
  end: number
  status: SpanStatus | undefined
}

interface Recorded {
  readonly measurements: Measurement[]
  readonly spans: RecordedSpan[]
  /** What the gauges show now. */
  readonly collect: () => Measurement[]
}

/** As much of an SDK as is used, in memory. */
function recorder(): { meter: Meter; tracer: Tracer; recorded: Recorded } {
  const measurements: Measurement[] = []
  const spans: RecordedSpan[] = []
  const callbacks = new Set<BatchObservableCallback>()
  const instrument = (name: string): object => {
    const add = (value: number, attributes: Attributes = {}): void => {
      measurements.push({ name, value, attributes })
    }
    return { name, add, record: add }
  }
  const meter = {
    createHistogram: instrument,
    createCounter: instrument,
    createObservableGauge: instrument,
    addBatchObservableCallback: (callback: BatchObservableCallback) => callbacks.add(callback),
    removeBatchObservableCallback: (callback: BatchObservableCallback) =>
      callbacks.delete(callback),
  }
  const startSpan: Tracer['startSpan'] = (name, { startTime, attributes = {} } = {}) => {
    const start = Number(startTime)
    // A copy, as an SDK makes one.
    const span: RecordedSpan = {
      ...{ name, start, attributes: { ...attributes } },
      end: 0,
      status: undefined,
    }
    spans.push(span)
    const live = {
      setStatus: (status: SpanStatus) => (span.status = status),
      setAttribute: (key: string, value: string) => (span.attributes[key] = value),
      end: (time: number) => (span.end = time),
    }
    return live as unknown as ReturnType<Tracer['startSpan']>
  }
  const collect = (): Measurement[] => {
    const shown: Measurement[] = []
    const observe = (
      { name }: { name: string },
      value: number,
      attributes: Attributes = {},
    ): void => void shown.push({ name, value: Math.round(value), attributes })
    for (const callback of callbacks)
      void callback({ observe } as unknown as Parameters<BatchObservableCallback>[0])
    return shown
  }
  return {
    meter: meter as unknown as Meter,
    tracer: { startSpan } as unknown as Tracer,
    recorded: { measurements, spans, collect },
  }
}

function attributesOf(measurements: readonly Measurement[], name: string): Attributes[] {
  return measurements.filter((one) => one.name === name).map(({ attributes }) => attributes)
}

function request(backend: string, method: string, status: number): Attributes {
  return {
    'secretmanager.backend': backend,
    'http.request.method': method,
    'http.response.status_code': status,
  }
}

function gauge(name: string, value: number, attributes: Attributes = {}): Measurement {
  return { name: `secretmanager.${name}`, value, attributes }
}

function served({ stale, age }: { stale: number; age: number }): Measurement[] {
  return [gauge('ready', 1), gauge('stale', stale, APP), gauge('age', age, APP)]
}

/**
 * Metrics and spans of a SecretManager for OpenTelemetry. It needs `@opentelemetry/api` and nothing
 * else: without an SDK that collects them, all of this does nothing.
 *
 * Names that OpenTelemetry has are its own; the others begin with `secretmanager.`.
 *
 * @see https://opentelemetry.io/docs/specs/semconv/registry/attributes/
 */
import {
  metrics,
  SpanStatusCode,
  trace,
  type Attributes,
  type Meter,
  type Tracer,
} from '@opentelemetry/api'
import {
  listen,
  type Channels,
  type EventDefinition,
  type EventError,
  type SecretManager,
} from 'secretmanager'

/** Where to send it. Default: the providers that the SDK registered. */
export interface TelemetryOptions {
  readonly meter?: Meter
  readonly tracer?: Tracer
}

/**
 * Records what a SecretManager does, until the function that it gives is called. Channels are of the
 * process: call it once, also where there are several.
 */
export function recordTelemetry(sm: SecretManager, options: TelemetryOptions = {}): () => void {
  const meter = options.meter ?? metrics.getMeter('secretmanager')
  const tracer = options.tracer ?? trace.getTracer('secretmanager')
  const stops = [...countRequests(meter), ...timeWork(meter, tracer), ...observe(meter, sm)]
  return () => {
    for (const stop of stops) stop()
  }
}

type Stop = () => void

/** Every exchange with a server, each attempt that has to be repeated, and what a person should see. */
function countRequests(meter: Meter): Stop[] {
  const requests = meter.createHistogram('secretmanager.request.duration', { unit: 's' })
  const retries = meter.createCounter('secretmanager.retries', { unit: '{retry}' })
  const dropped = meter.createCounter('secretmanager.dropped', { unit: '{dictionary}' })
  const security = meter.createCounter('secretmanager.security.events', { unit: '{event}' })
  return [
    listen('request', (event) => requests.record(event.durationMs / 1000, requestOf(event))),
    listen('retry', ({ backend, code }) =>
      retries.add(1, { 'secretmanager.backend': backend, 'error.type': code }),
    ),
    listen('dropped', (event) => dropped.add(1, { ...definitionOf(event), ...errorOf(event) })),
    listen('security', ({ kind }) => security.add(1, { 'secretmanager.security.kind': kind })),
  ]
}

/** Logins, renewals and refreshes: each a histogram and a span that ends now. */
function timeWork(meter: Meter, tracer: Tracer): Stop[] {
  const stops = (['login', 'renewal', 'refresh'] as const).map((name) => {
    const duration = meter.createHistogram(`secretmanager.${name}.duration`, { unit: 's' })
    return listen(name, (event) => {
      const attributes = { ...workOf(event), ...errorOf(event) }
      duration.record(event.durationMs / 1000, attributes)
      span(tracer, `secretmanager ${name}`, { ...event, attributes })
    })
  })
  return stops
}

interface Work {
  readonly durationMs: number
  readonly attributes: Attributes
  readonly error?: EventError | undefined
}

function span(tracer: Tracer, name: string, { durationMs, attributes, error }: Work): void {
  const endTime = Date.now()
  const begun = tracer.startSpan(name, { startTime: endTime - durationMs, attributes })
  if (error) {
    begun.setStatus({ code: SpanStatusCode.ERROR, message: error.message })
    // Vault's audit log has the same.
    if (error.requestId) begun.setAttribute('secretmanager.vault.request_id', error.requestId)
  }
  begun.end(endTime)
}

/** What is asked at each collection, without a call to any server. */
function observe(meter: Meter, sm: SecretManager): Stop[] {
  const ready = meter.createObservableGauge('secretmanager.ready')
  const stale = meter.createObservableGauge('secretmanager.stale')
  const age = meter.createObservableGauge('secretmanager.age', { unit: 's' })
  const observed = [ready, stale, age]
  const collect: Parameters<Meter['addBatchObservableCallback']>[0] = (result) => {
    const status = sm.status()
    result.observe(ready, status.ready ? 1 : 0)
    for (const definition of status.definitions) {
      const attributes = definitionOf(definition)
      result.observe(stale, definition.freshness === 'stale' ? 1 : 0, attributes)
      if (definition.ageMs !== undefined) result.observe(age, definition.ageMs / 1000, attributes)
    }
  }
  meter.addBatchObservableCallback(collect, observed)
  return [() => meter.removeBatchObservableCallback(collect, observed)]
}

function requestOf({ backend, method, status }: Channels['request']): Attributes {
  return {
    'secretmanager.backend': backend,
    'http.request.method': method,
    ...(status === undefined
      ? { 'error.type': '_OTHER' }
      : {
          'http.response.status_code': status,
          ...(status >= 400 && { 'error.type': String(status) }),
        }),
  }
}

function workOf(event: Channels['login'] | Channels['refresh']): Attributes {
  if ('method' in event) return { 'secretmanager.auth.method': event.method }
  return { ...definitionOf(event), 'secretmanager.refresh.outcome': event.outcome }
}

function definitionOf({ secretName, namespace, readKey }: EventDefinition): Attributes {
  return {
    'secretmanager.secret.name': secretName,
    'secretmanager.secret.key': readKey,
    ...(namespace !== undefined && { 'secretmanager.secret.namespace': namespace }),
  }
}

/** Of an error its code: its message has names and addresses in it, of which there is no end. */
function errorOf({ error }: { readonly error?: EventError | undefined }): Attributes {
  return error ? { 'error.type': error.code } : {}
}

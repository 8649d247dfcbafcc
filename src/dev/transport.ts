/** A transport without sockets: requests go to handlers in this process, by origin. */
import {
  TransportFailure,
  type HttpRequest,
  type HttpResponse,
  type Transport,
} from '../runtime.ts'

/** Answers one request, as an embedded server does; its `signal` aborts when the client goes away. */
export type Handler = (request: Request) => Promise<Response>

/**
 * Opens transports to `handlers`.
 *
 * @param handlers - by origin, such as `https://vault.test:8200`; any other origin is unreachable
 */
export function inProcessTransport(handlers: ReadonlyMap<string, Handler>): () => Transport {
  return () => ({
    connect: () => undefined,
    close: () => undefined,
    send: (request) => send(handlers.get(new URL(request.url).origin), request),
  })
}

async function send(handle: Handler | undefined, request: HttpRequest): Promise<HttpResponse> {
  if (!handle) throw new TransportFailure('unreachable', 'nothing listens there', 'ECONNREFUSED')
  const { method, url, headers, body, signal } = request
  if (signal?.aborted) throw new TransportFailure('aborted', 'the call was aborted')
  const init = { method, headers, body: body ?? null, signal: signal ?? null }
  const response = await handle(new Request(url, { ...init, redirect: 'manual' }))
  return {
    status: response.status,
    headers: Object.fromEntries(response.headers),
    body: new Uint8Array(await response.arrayBuffer()),
  }
}

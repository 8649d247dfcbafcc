/** Servers without sockets, for what depends on time: a handler answers, a virtual clock passes. */
import {
  TransportFailure,
  type HttpRequest,
  type HttpResponse,
  type Transport,
} from '../../src/runtime.ts'

/** Answers one request; what it throws is what the transport fails with. */
export type Handler = (request: HttpRequest) => Answered | Promise<Answered>

export interface Answered {
  readonly status: number
  readonly json?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** In place of `json`. */
  readonly body?: Uint8Array
}

export interface InProcess {
  readonly transport: () => Transport
  readonly sent: readonly HttpRequest[]
}

export function inProcess(handler: Handler): InProcess {
  const sent: HttpRequest[] = []
  const send = async (request: HttpRequest): Promise<HttpResponse> => {
    if (request.signal?.aborted) throw new TransportFailure('aborted', 'the call was aborted')
    sent.push(request)
    const { status, json, headers = {}, body } = await handler(request)
    const text = json === undefined ? '' : JSON.stringify(json)
    return { status, headers, body: body ?? new TextEncoder().encode(text) }
  }
  return {
    sent,
    transport: () => ({ send, connect: () => undefined, close: () => undefined }),
  }
}

export function refusedConnection(): never {
  throw new TransportFailure('unreachable', 'nothing listens there', 'ECONNREFUSED')
}

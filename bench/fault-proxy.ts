/**
 * An HTTP proxy in front of a real server: it notes every request, and answers itself where a fault
 * says so. Over TLS it shows the server's own certificate, so that clients need no other CA.
 */
import { readFile } from 'node:fs/promises'
import http from 'node:http'
import https from 'node:https'
import type { AddressInfo, Socket } from 'node:net'

/** A server to stand in front of. */
export interface Upstream {
  readonly url: string
  readonly caPem: string
  /** Of the certificate that the server itself shows. */
  readonly certFile: string
  readonly keyFile: string
}

/** A request as it arrived. */
export interface Arrival {
  /** {@link monotonicMs}. */
  readonly at: number
  readonly method: string
  /** Without its query. */
  readonly path: string
  /** `X-Vault-Namespace`, which names the client here: the server has no namespaces and never sees it. */
  readonly client: string
  readonly token: string | undefined
}

/** A request and what came of it. */
export interface Seen extends Arrival {
  /** Of the answer, the server's or the fault's; 0 where none came. */
  readonly status: number
}

/** An answer in place of the server's. */
export interface Answer {
  readonly status: number
  readonly retryAfter?: string | undefined
}

/** What is answered in place of the server; `undefined` lets the request pass. */
export type Fault = (arrival: Arrival) => Answer | undefined

/** A proxy that runs. */
export interface FaultProxy {
  readonly url: string
  /** In the order of their answers. */
  readonly seen: readonly Seen[]
  /** Resolves when the first request arrives. */
  readonly first: Promise<Arrival>
  fault(fault: Fault): void
  /** Closes every connection and refuses new ones. */
  refuse(): Promise<void>
  /** Listens again, on the same port. */
  accept(): Promise<void>
  close(): Promise<void>
}

/** Milliseconds of the clock that all processes of a machine share. */
export function monotonicMs(): number {
  return Number(process.hrtime.bigint() / 1000n) / 1000
}

/**
 * Starts a proxy on a free port of loopback.
 *
 * @param options - `tls: false` spares clients the handshakes; the server still gets TLS. Default `true`
 */
export async function startFaultProxy(
  upstream: Upstream,
  { tls = true }: { readonly tls?: boolean } = {},
): Promise<FaultProxy> {
  const seen: Seen[] = []
  const open = new Set<Socket>()
  let fault: Fault = () => undefined
  let arrived: (arrival: Arrival) => void = () => undefined
  const first = new Promise<Arrival>((resolve) => {
    arrived = resolve
  })
  const agent = new https.Agent({ keepAlive: true, maxSockets: 64, ca: upstream.caPem })
  const onRequest: http.RequestListener = (incoming, outgoing) => {
    const arrival = arrivalOf(incoming)
    arrived(arrival)
    const answer = fault(arrival)
    outgoing.on('close', () => {
      seen.push({ ...arrival, status: outgoing.headersSent ? outgoing.statusCode : 0 })
    })
    if (answer) decline(incoming, outgoing, answer)
    else forward(incoming, outgoing, upstream.url, agent)
  }
  const server = tls
    ? https.createServer(await certificateOf(upstream), onRequest)
    : http.createServer(onRequest)
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  const port = await listen(server, 0)
  const refuse = async (): Promise<void> => {
    const closed = new Promise<void>((resolve) => {
      server.close(() => resolve())
    })
    for (const socket of open) socket.destroy()
    await closed
  }
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    seen,
    first,
    fault: (next) => void (fault = next),
    refuse,
    accept: async () => void (await listen(server, port)),
    close: async () => {
      agent.destroy()
      if (server.listening) await refuse()
    },
  }
}

async function certificateOf({ certFile, keyFile }: Upstream): Promise<https.ServerOptions> {
  return { cert: await readFile(certFile), key: await readFile(keyFile) }
}

function arrivalOf({ method = '', url = '', headers }: http.IncomingMessage): Arrival {
  const token = headers['x-vault-token']
  return {
    at: monotonicMs(),
    method,
    path: url.split('?')[0] ?? '',
    client: String(headers['x-vault-namespace'] ?? ''),
    token: typeof token === 'string' ? token : undefined,
  }
}

function decline(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  { status, retryAfter }: Answer,
): void {
  incoming.resume()
  incoming.on('end', () => {
    outgoing.writeHead(status, {
      'content-type': 'application/json',
      ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
    })
    outgoing.end('{"errors":[]}')
  })
}

/** Bodies go on in one piece: streams would cost more than all else here, and they are small. */
function forward(
  incoming: http.IncomingMessage,
  outgoing: http.ServerResponse,
  base: string,
  agent: https.Agent,
): void {
  const { host: _host, 'x-vault-namespace': _client, ...headers } = incoming.headers
  const target = new URL(incoming.url ?? '/', base)
  const request = https.request(target, { method: incoming.method, headers, agent }, (answer) => {
    const { 'transfer-encoding': _chunked, ...kept } = answer.headers
    whole(answer, (body) => {
      outgoing.writeHead(answer.statusCode ?? 502, { ...kept, 'content-length': body.length })
      outgoing.end(body)
    })
  })
  request.on('error', () => outgoing.destroy())
  outgoing.on('close', () => {
    if (!outgoing.writableFinished) request.destroy()
  })
  whole(incoming, (body) => request.end(body))
}

function whole(message: http.IncomingMessage, use: (body: Buffer) => void): void {
  const chunks: Buffer[] = []
  message.on('data', (chunk: Buffer) => chunks.push(chunk))
  message.on('error', () => undefined)
  message.on('end', () => use(Buffer.concat(chunks)))
}

/** The longest queue that the system allows: a fleet connects at once. */
function listen(server: http.Server | https.Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject)
    server.listen({ port, host: '127.0.0.1', backlog: 4096 }, () => {
      server.off('error', reject)
      resolve((server.address() as AddressInfo).port)
    })
  })
}

/** The most requests that arrived in any one second. */
export function peakPerSecond(arrivals: readonly Arrival[]): number {
  const times = arrivals.map(({ at }) => at).toSorted((a, b) => a - b)
  let oldest = 0
  let peak = 0
  for (const [index, at] of times.entries()) {
    while (at - (times[oldest] ?? at) >= 1000) oldest += 1
    peak = Math.max(peak, index - oldest + 1)
  }
  return peak
}

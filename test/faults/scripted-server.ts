/**
 * A loopback server that plays Vault or an API server and does to each request what a script says:
 *
 * ```ts
 * const vault = await scriptedServer({ 'POST /v1/auth/kubernetes/login': [reset(), json(200, LOGIN)] })
 * ```
 *
 * The last step of a script repeats. Whatever has no script is answered with 404.
 */
import http from 'node:http'
import https from 'node:https'
import net, { type AddressInfo, type Socket } from 'node:net'

export { freePort } from '../real/servers/process.ts'

/** What is done to one request. */
export type Step = (exchange: Exchange) => void

export interface Exchange {
  readonly request: RecordedRequest
  readonly response: http.ServerResponse
  readonly socket: Socket
}

/** A request as it arrived, whole. */
export interface RecordedRequest {
  /** Monotonic milliseconds. */
  readonly at: number
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Of all connections to this server, the how manieth. */
  readonly connection: number
}

/** By `METHOD /path`; the path is without its query. */
export type Scripts = Readonly<Record<string, Step | readonly Step[]>>

export interface ScriptedServerOptions {
  readonly tls?: https.ServerOptions | undefined
  /** Milliseconds before each step. */
  readonly delayMs?: number | undefined
}

export interface ScriptedServer {
  readonly url: string
  readonly port: number
  readonly requests: readonly RecordedRequest[]
  /** Requests to one `METHOD /path`. */
  to(route: string): readonly RecordedRequest[]
  /** Replaces scripts; those not named stay. */
  script(scripts: Scripts): void
  /** Connections that are open now. */
  readonly open: ReadonlySet<Socket>
  /** Connections so far. */
  connections(): number
  /** Everything that ever arrived, as one text. */
  heard(): string
  /** Only of a TLS server. */
  setCertificate(options: https.ServerOptions): void
  close(): Promise<void>
}

export async function scriptedServer(
  scripts: Scripts = {},
  { tls, delayMs = 0 }: ScriptedServerOptions = {},
): Promise<ScriptedServer> {
  const current = new Map<string, Step[]>()
  const requests: RecordedRequest[] = []
  const numbers = new Map<Socket, number>()
  const open = new Set<Socket>()
  const script = (more: Scripts): void => {
    for (const [route, steps] of Object.entries(more)) current.set(route, [steps].flat())
  }
  const onRequest: http.RequestListener = (incoming, response) => {
    const at = performance.now()
    const chunks: Buffer[] = []
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk))
    incoming.on('error', () => undefined)
    incoming.on('end', () => {
      const { method = '', url = '', socket } = incoming
      const path = url.split('?')[0] ?? ''
      const headers = Object.fromEntries(
        Object.entries(incoming.headers).map(([name, value]) => [name, String(value)]),
      )
      const body = Buffer.concat(chunks).toString()
      const connection = numbers.get(socket) ?? 0
      const request = { at, method, path, headers, body, connection }
      requests.push(request)
      const steps = current.get(`${method} ${path}`) ?? []
      const step = (steps.length > 1 ? steps.shift() : steps[0]) ?? json(404, { errors: [] })
      setTimeout(() => step({ request, response, socket }), delayMs)
    })
  }
  const server = tls ? https.createServer(tls, onRequest) : http.createServer(onRequest)
  server.on(tls ? 'secureConnection' : 'connection', (socket: Socket) => {
    numbers.set(socket, numbers.size + 1)
    // What the client does to a connection is what many tests are about.
    socket.on('error', () => undefined)
  })
  server.on('connection', (socket: Socket) => {
    open.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => open.delete(socket))
  })
  server.on('tlsClientError', () => undefined)
  script(scripts)
  await listening(server)
  const { port } = server.address() as AddressInfo
  return {
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    port,
    requests,
    to: (route) => requests.filter(({ method, path }) => `${method} ${path}` === route),
    script,
    open,
    connections: () => numbers.size,
    heard: () => JSON.stringify(requests),
    setCertificate: (options) => {
      if (server instanceof https.Server) server.setSecureContext(options)
    },
    close: () => closed(server, open),
  }
}

/** A server that accepts connections, hears what comes, and does `reply` with each; by default nothing. */
export async function rawServer(
  reply: (socket: Socket) => void = () => undefined,
): Promise<Pick<ScriptedServer, 'url' | 'port' | 'open' | 'heard' | 'close'>> {
  const open = new Set<Socket>()
  const heard: Buffer[] = []
  const server = net.createServer((socket) => {
    open.add(socket)
    socket.on('close', () => open.delete(socket))
    socket.on('error', () => undefined)
    socket.on('data', (chunk) => heard.push(chunk))
    reply(socket)
  })
  await listening(server)
  const { port } = server.address() as AddressInfo
  return {
    url: `https://127.0.0.1:${port}`,
    port,
    open,
    heard: () => Buffer.concat(heard).toString('latin1'),
    close: () => closed(server, open),
  }
}

function listening(server: net.Server): Promise<void> {
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
}

function closed(server: net.Server, open: ReadonlySet<Socket>): Promise<void> {
  for (const socket of open) socket.destroy()
  return new Promise((resolve) => {
    server.close(() => resolve())
  })
}

// ---------------------------------------------------------------- steps

export function json(status: number, body: unknown, headers: http.OutgoingHttpHeaders = {}): Step {
  return text(status, JSON.stringify(body), { 'content-type': 'application/json', ...headers })
}

export function text(
  status: number,
  body: string | Uint8Array,
  headers: http.OutgoingHttpHeaders = {},
): Step {
  return ({ response }) => void response.writeHead(status, headers).end(body)
}

export function html(status: number): Step {
  return text(status, '<html><body>Welcome to the portal</body></html>', {
    'content-type': 'text/html',
  })
}

export function empty(status: number): Step {
  return text(status, '', { 'content-length': 0 })
}

export function redirect(location: string, status = 307): Step {
  return text(status, '', { location, 'content-length': 0 })
}

export function retryAfter(status: number, value: string): Step {
  return json(status, { errors: ['slow down'] }, { 'retry-after': value })
}

export function delay(ms: number, step: Step): Step {
  return (exchange) => void setTimeout(step, ms, exchange)
}

/** RST instead of an answer. */
export function reset(): Step {
  return ({ socket }) => void socket.resetAndDestroy()
}

/** FIN instead of an answer. */
export function hangUp(): Step {
  return ({ socket }) => void socket.destroy()
}

/** Never an answer. */
export function hang(): Step {
  return () => undefined
}

/** The first half of an answer, then the connection is gone. */
export function half(body: unknown = { data: { plaintext: 'QUFBQQ==' } }): Step {
  const whole = JSON.stringify(body)
  return ({ response, socket }) => {
    const headers = { 'content-type': 'application/json', 'content-length': whole.length }
    response.writeHead(200, headers).write(whole.slice(0, whole.length / 2))
    setTimeout(() => socket.destroy(), 5)
  }
}

/** One byte at a time, for ever. */
export function drip(everyMs: number): Step {
  return ({ response, socket }) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    const timer = setInterval(() => response.write(' '), everyMs)
    socket.on('close', () => clearInterval(timer))
  }
}

/** What no HTTP parser accepts. */
export function garbage(): Step {
  return ({ socket }) => void socket.end('\x00\x01 SSH-2.0-OpenSSH_9.7\r\n\r\n')
}

/** More than any answer of ours. */
export function flood(bytes: number): Step {
  return ({ response }) => {
    response.writeHead(200, { 'content-type': 'application/json' })
    response.on('error', () => undefined)
    response.end(Buffer.alloc(bytes, 0x20))
  }
}

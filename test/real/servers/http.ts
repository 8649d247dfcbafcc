/** The harness's own requests: plain data, over TCP, TLS or a Unix socket. */
import http from 'node:http'
import https from 'node:https'

/** One request of the harness. */
export interface ControlRequest {
  readonly method?: string | undefined
  /** Path and query. */
  readonly path: string
  /** `http://127.0.0.1:1`, `https://…`, or the path of a Unix socket. */
  readonly base: string
  readonly ca?: string | undefined
  readonly headers?: Readonly<Record<string, string>> | undefined
  readonly body?: unknown
}

/** Its answer; `body` is parsed where it is JSON, else text. */
export interface ControlAnswer {
  readonly status: number
  readonly body: unknown
}

/** Sends one request on a connection of its own. @throws when nothing answers within 10 s */
export function ask(request: ControlRequest): Promise<ControlAnswer> {
  const body = request.body === undefined ? undefined : JSON.stringify(request.body)
  const headers = { 'content-type': 'application/json', ...request.headers }
  const common = {
    method: request.method ?? 'GET',
    path: request.path,
    headers,
    timeout: 10_000,
    agent: false,
  }
  return new Promise((resolve, reject) => {
    const call = open(request, common, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk))
      response.on('error', reject)
      response.on('end', () => {
        const text = Buffer.concat(chunks).toString()
        resolve({ status: response.statusCode ?? 0, body: parsed(text) })
      })
    })
    call.on('timeout', () => call.destroy(new Error(`no answer from ${request.base}`)))
    call.on('error', reject)
    call.end(body)
  })
}

/** Like {@link ask}, for what must succeed. @throws on any other status than 2xx */
export async function demand(request: ControlRequest): Promise<Readonly<Record<string, unknown>>> {
  const { status, body } = await ask(request)
  if (status < 200 || status > 299) {
    throw new Error(`${request.method ?? 'GET'} ${request.path}: ${status} ${JSON.stringify(body)}`)
  }
  return typeof body === 'object' && body !== null ? { ...body } : {}
}

function open(
  { base, ca }: ControlRequest,
  common: http.RequestOptions,
  answer: (response: http.IncomingMessage) => void,
): http.ClientRequest {
  if (base.startsWith('/')) return http.request({ ...common, socketPath: base }, answer)
  const { protocol, hostname, port } = new URL(base)
  const target = { ...common, hostname, port }
  if (protocol === 'http:') return http.request(target, answer)
  return https.request({ ...target, ...(ca === undefined ? {} : { ca }) }, answer)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

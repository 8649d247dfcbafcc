/** One request to a server, real or embedded, so that a contract need not know which it talks to. */
import http from 'node:http'
import https from 'node:https'
import { createSecureContext } from 'node:tls'

/** What a request carries besides method and path. */
export interface WireOptions {
  /** `X-Vault-Token` for paths below `/v1/`, else a bearer token. */
  readonly token?: string | undefined
  /** A string goes as it is, anything else as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>> | undefined
}

/** An answer; `body` is parsed where it is JSON, else text; header names are lower case. */
export interface WireAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | undefined>>
  // oxlint-disable-next-line typescript/no-explicit-any -- contracts look deep into answers
  readonly body: any
}

/** Sends one request; `path` begins with `/` and may have a query. */
export type Wire = (method: string, path: string, options?: WireOptions) => Promise<WireAnswer>

/** How a server is reached. */
export interface UrlOptions {
  readonly ca?: string | undefined
  /** Whether connections are used again. Default `false`: each request has its own. */
  readonly keepAlive?: boolean
}

/** Requests to a server on a socket. */
export function wireOfUrl(url: string, { ca, keepAlive = false }: UrlOptions = {}): Wire {
  const { protocol, hostname, port } = new URL(url)
  // Also connections of their own take up the session of the one before: a handshake is what costs.
  const agent = new (protocol === 'https:' ? https : http).Agent({ keepAlive })
  const trust = ca === undefined ? {} : { ca, secureContext: createSecureContext({ ca }) }
  return (method, path, options = {}) =>
    new Promise((resolve, reject) => {
      const settings = {
        method,
        hostname,
        port,
        path,
        headers: headersOf(path, options),
        agent,
      }
      const answer = (response: http.IncomingMessage): void => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const headers = Object.entries(response.headers).map(([name, value]) => [
            name,
            String(value),
          ])
          const body = parsed(Buffer.concat(chunks).toString())
          resolve({ status: response.statusCode ?? 0, headers: Object.fromEntries(headers), body })
        })
      }
      const request =
        protocol === 'https:'
          ? https.request({ ...settings, ...trust }, answer)
          : http.request(settings, answer)
      request.setTimeout(30_000, () => request.destroy(new Error(`no answer: ${method} ${path}`)))
      request.on('error', reject)
      request.end(bodyOf(options))
    })
}

/** Requests to a handler in this process; `base` is the origin it believes it is served on. */
export function wireOfHandler(handle: (request: Request) => Promise<Response>, base: string): Wire {
  return async (method, path, options = {}) => {
    const body = bodyOf(options)
    const init = {
      method,
      headers: headersOf(path, options),
      ...(body === undefined ? {} : { body }),
    }
    const response = await handle(new Request(new URL(path, base), init))
    const headers = Object.fromEntries(response.headers.entries())
    return { status: response.status, headers, body: parsed(await response.text()) }
  }
}

function headersOf(path: string, { token, headers }: WireOptions): Record<string, string> {
  const credential = path.startsWith('/v1/')
    ? { 'x-vault-token': token ?? '' }
    : { authorization: `Bearer ${token ?? ''}` }
  return {
    'content-type': 'application/json',
    ...(token === undefined ? {} : credential),
    ...headers,
  }
}

function bodyOf({ body }: WireOptions): string | undefined {
  return typeof body === 'string' || body === undefined ? body : JSON.stringify(body)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

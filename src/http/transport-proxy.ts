/**
 * An https agent whose connections lead through a proxy.
 *
 * Libraries for this hand the refusal of a proxy to the caller as if the server had answered: whoever
 * sits between here and the proxy could then answer in the server's name, without its certificate.
 *
 * @see https://www.rfc-editor.org/rfc/rfc9110#name-connect
 */
import { request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http'
import { Agent, request as httpsRequest, type AgentOptions, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'

import { systemCode } from '../errors.ts'
import { TransportFailure } from '../runtime.ts'

/** Longest that a proxy may take, in milliseconds; the request that waits for it has limits of its own. */
const CONNECT_LIMIT_MS = 5000

type Connected = (error: Error | null, socket: Duplex) => void

/** Asks a proxy to CONNECT, and speaks TLS with the server through what it opens. */
export class ProxyAgent extends Agent {
  readonly #proxy: URL
  /** Still without an answer of the proxy. */
  readonly #asking = new Set<ClientRequest>()

  constructor(proxy: string, tls: AgentOptions) {
    super(tls)
    this.#proxy = new URL(proxy)
  }

  override createConnection(options: RequestOptions, connected?: Connected): undefined {
    const asking = ask(this.#proxy, options)
    const fail = (failure: TransportFailure): void => {
      asking.destroy()
      // The callback's type wants a socket even where there is none.
      Reflect.apply(connected ?? ignore, undefined, [failure])
    }
    const timer = setTimeout(() => fail(proxyFailure('does not answer')), CONNECT_LIMIT_MS)
    this.#asking.add(asking)
    asking.on('close', () => {
      clearTimeout(timer)
      this.#asking.delete(asking)
    })
    asking.on('error', (error) => fail(proxyFailure('cannot be reached', systemCode(error))))
    asking.on('connect', ({ statusCode }: IncomingMessage, socket: Duplex) => {
      if (statusCode !== 200) {
        socket.destroy()
        return fail(proxyFailure(`refused to connect (${statusCode})`))
      }
      const through = { ...options, socket }
      const secure = super.createConnection(through)
      if (secure) connected?.(null, secure)
    })
    asking.end()
  }

  override destroy(): void {
    for (const asking of this.#asking) asking.destroy()
    super.destroy()
  }
}

function ask(proxy: URL, { host, port }: RequestOptions): ClientRequest {
  const target = `${host?.includes(':') ? `[${host}]` : host}:${port}`
  const options = {
    method: 'CONNECT',
    host: proxy.hostname.replace(/^\[|\]$/g, ''),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    path: target,
    headers: { host: target, ...credentials(proxy) },
    agent: false,
  }
  return proxy.protocol === 'https:'
    ? httpsRequest({ ...options, rejectUnauthorized: true })
    : httpRequest(options)
}

function credentials({ username, password }: URL): Record<string, string> {
  if (username === '' && password === '') return {}
  const pair = `${decoded(username)}:${decoded(password)}`
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` }
}

/** A `%` that escapes nothing stands for itself, as people write passwords. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

function proxyFailure(what: string, causeClass?: string): TransportFailure {
  return new TransportFailure('unreachable', `the proxy ${what}`, causeClass)
}

function ignore(): void {
  // Node always passes a callback.
}

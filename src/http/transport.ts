/**
 * HTTP/1.1 over `node:https` in plain objects: with `transport-*.ts` the only place of the core that
 * holds sockets and timers.
 *
 * Built-in fetch takes no CA and replays the token header on a redirect to another host; undici needs
 * a newer Node and costs more than the whole read. A redirect is an answer here like any other.
 */
import type { Agent, ClientRequest, RequestOptions } from 'node:http'
import { request as openSecure } from 'node:https'
import type { SecureContext } from 'node:tls'

import { systemCode } from '../errors.ts'
import { isAddress } from '../lib/ip.ts'
import {
  TransportFailure,
  type HttpRequest,
  type HttpResponse,
  type Runtime,
  type Transport,
  type TransportOptions,
} from '../runtime.ts'
import type { Probe, Prober, ProbeLimits } from './probe.ts'
import { AGENT, WarmAgent, type Target } from './transport-agent.ts'
import { exchange, STALE_CONNECTION } from './transport-exchange.ts'
import { isUntrusted } from './transport-failure.ts'
import { Trust } from './transport-trust.ts'

/** Opens a transport on real sockets. */
export function createTransport(options: TransportOptions, runtime: Runtime): Transport {
  return new NodeTransport(options, runtime)
}

interface Connections {
  readonly agent: Agent
  readonly secureContext: SecureContext | undefined
  readonly open: (url: URL, options: RequestOptions) => ClientRequest
}

class NodeTransport implements Transport, Prober {
  readonly #options: TransportOptions
  readonly #trust: Trust
  /** Agents whose trust was renewed; their idle connections end with the transport. */
  readonly #replaced: Agent[] = []
  #plain: Promise<Connections> | undefined
  #secure: Promise<Connections> | undefined
  #closed = false

  constructor(options: TransportOptions, runtime: Runtime) {
    this.#options = options
    this.#trust = new Trust(options, runtime)
  }

  async send(request: HttpRequest): Promise<HttpResponse> {
    const url = new URL(request.url)
    const connections = await this.#connectionsFor(url)
    try {
      return await this.#exchange(url, request, connections)
    } catch (failure) {
      if (!(await this.#mayRepeat(failure, request, connections))) throw failure
      return this.#exchange(url, request, await this.#connectionsFor(url))
    }
  }

  connect(url: string): void {
    const { protocol, hostname, port } = new URL(url)
    if (protocol !== 'https:' || this.#options.proxy !== undefined || this.#closed) return
    const target = {
      host: bare(hostname),
      port: Number(port || 443),
      servername: this.#serverName(hostname),
    }
    this.#warm(target, true)
  }

  async probe(url: string, { timeoutMs }: ProbeLimits): Promise<Probe> {
    // Loaded on use: only a diagnosis asks.
    const { probe } = await import('./transport-probe.ts')
    const { protocol, hostname, port } = new URL(url)
    const isSecure = protocol === 'https:'
    const servername = this.#serverName(hostname)
    const host = bare(hostname)
    const target = { host, port: Number(port || (isSecure ? 443 : 80)), servername }
    return probe(target, timeoutMs, isSecure ? this.#trust : undefined)
  }

  close(): void {
    this.#closed = true
    // In a moment: for a process that ends now the system does it, in a tenth of the time.
    setTimeout(() => this.#destroy(), 0).unref()
  }

  #destroy(): void {
    for (const agent of this.#replaced) agent.destroy()
    for (const connections of [this.#plain, this.#secure]) {
      connections?.then(
        ({ agent }) => agent.destroy(),
        () => undefined,
      )
    }
  }

  /** What fails here is met again, and reported, by the request that follows. */
  #warm(target: Target, mayRenew: boolean): void {
    const begin = (connections: Connections): void => {
      const { agent } = connections
      if (this.#closed || !(agent instanceof WarmAgent)) return
      agent.warm(target, (error) => {
        if (mayRenew && isUntrusted(systemCode(error))) this.#warmAgain(target, connections)
      })
    }
    this.#connections().then(begin, () => undefined)
  }

  /** Looks for more trusted CAs before there is a request: it finds the connection open all the same. */
  #warmAgain(target: Target, { agent, secureContext }: Connections): void {
    const again = async (): Promise<void> => {
      if (!(await this.#trust.renew(secureContext, true))) return
      await this.#replace(agent)
      this.#warm(target, false)
    }
    again().catch(() => undefined)
  }

  /** Only where nothing was processed: the handshake failed, or the server had closed an idle connection. */
  async #mayRepeat(
    failure: unknown,
    { once }: HttpRequest,
    { agent, secureContext }: Connections,
  ): Promise<boolean> {
    if (!(failure instanceof TransportFailure)) return false
    if (failure.causeClass === STALE_CONNECTION) return once !== true
    const untrusted = isUntrusted(failure.causeClass)
    // A client certificate is refused late, after the request was sent, and by some without a word.
    const hungUp = failure.causeClass === 'ECONNRESET' && this.#options.clientCert !== undefined
    if ((failure.kind !== 'tls' && !hungUp) || (once === true && !untrusted)) return false
    if (!(await this.#trust.renew(secureContext, untrusted))) return false
    await this.#replace(agent)
    return true
  }

  /** Leaves the connections of `agent` to the requests that are on them. */
  async #replace(agent: Agent): Promise<void> {
    if ((await this.#secure)?.agent !== agent) return
    this.#secure = undefined
    this.#replaced.push(agent)
  }

  #exchange(url: URL, request: HttpRequest, connections: Connections): Promise<HttpResponse> {
    if (this.#closed) throw new TransportFailure('aborted', 'the connection is closed')
    const { method, body = '' } = request
    const headers = { ...request.headers, 'content-length': String(Buffer.byteLength(body)) }
    const { open, ...rest } = connections
    const tls = { servername: this.#serverName(url.hostname), rejectUnauthorized: true }
    return exchange(() => open(url, { method, headers, ...rest, ...tls }), url, request)
  }

  #connectionsFor({ protocol }: URL): Promise<Connections> {
    if (protocol === 'https:') return this.#connections()
    this.#plain ??= openPlain()
    return this.#plain
  }

  #connections(): Promise<Connections> {
    this.#secure ??= this.#openConnections().catch((error: unknown) => {
      // A certificate file may appear later.
      this.#secure = undefined
      throw error
    })
    return this.#secure
  }

  async #openConnections(): Promise<Connections> {
    const secureContext = await this.#trust.context()
    const tls = { ...AGENT, rejectUnauthorized: true, ...(secureContext && { secureContext }) }
    if (this.#options.proxy === undefined)
      return { agent: new WarmAgent(tls), secureContext, open: openSecure }
    // Loaded on use: most reads have no proxy.
    const { ProxyAgent } = await import('./transport-proxy.ts')
    return { agent: new ProxyAgent(this.#options.proxy, tls), secureContext, open: openSecure }
  }

  /** SNI carries names only (RFC 6066 §3); an address is checked against the certificate all the same. */
  #serverName(hostname: string): string {
    return this.#options.serverName ?? (isAddress(bare(hostname)) ? '' : hostname)
  }
}

/** Loaded on use: plain http is for loopback, and for a mesh that encrypts by itself. */
async function openPlain(): Promise<Connections> {
  const { Agent, request: open } = await import('node:http')
  return { agent: new Agent(AGENT), secureContext: undefined, open }
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

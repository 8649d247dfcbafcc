/** An https agent whose next connection can be opened before there is a request for it. */
import { Agent, type AgentOptions, type RequestOptions } from 'node:https'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'

/** Idle connections are kept for re-use, a few per backend; they do not keep the process alive. */
export const AGENT: AgentOptions = { keepAlive: true, maxSockets: 16, maxFreeSockets: 4 }

/** Where to connect to. */
export interface Target {
  readonly host: string
  readonly port: number
  readonly servername: string
}

type Connected = (error: Error | null, socket: Duplex) => void

/** Starts TCP and TLS while the caller still waits for something else: round trips that nobody waits for. */
export class WarmAgent extends Agent {
  readonly #tls: AgentOptions
  #warm: Warm | undefined

  constructor(tls: AgentOptions) {
    super(tls)
    this.#tls = tls
  }

  /**
   * Opens a connection for the next request, unless there is one already.
   *
   * @param failed - told why it could not be opened; the request that finds it gone opens its own
   */
  warm(target: Target, failed: (error: unknown) => void): void {
    if (this.#warm || hasOpen(this.sockets) || hasOpen(this.freeSockets)) return
    const socket = super.createConnection({ ...this.#tls, ...target })
    if (!(socket instanceof TLSSocket)) return
    socket.once('error', failed)
    socket.unref()
    this.#warm = { socket, target, failed }
  }

  override createConnection(
    options: RequestOptions,
    connected?: Connected,
  ): Duplex | null | undefined {
    return this.#take(options) ?? super.createConnection(options, connected)
  }

  override destroy(): void {
    this.#warm?.socket.destroy()
    super.destroy()
  }

  /** After a redirect the next request may be for another server. */
  #take({ host, port }: RequestOptions): TLSSocket | undefined {
    if (!this.#warm) return undefined
    const { socket, target, failed } = this.#warm
    if (!socket.destroyed && (target.host !== host || target.port !== Number(port)))
      return undefined
    this.#warm = undefined
    if (socket.destroyed) return undefined
    socket.off('error', failed)
    socket.ref()
    return socket
  }
}

interface Warm {
  readonly socket: TLSSocket
  readonly target: Target
  readonly failed: (error: unknown) => void
}

function hasOpen(sockets: NodeJS.ReadOnlyDict<readonly unknown[]>): boolean {
  return Object.values(sockets).some((list) => list !== undefined && list.length > 0)
}

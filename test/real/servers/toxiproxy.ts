/** toxiproxy: a TCP proxy that delays, cuts and resets. */
import { requireBinary } from './binaries.ts'
import { ask, demand } from './http.ts'
import { freePort, removeDirectory, serverDirectory, startProcess } from './process.ts'

/** A toxiproxy that runs. @see https://github.com/Shopify/toxiproxy#http-api */
export interface ToxiproxyServer {
  readonly apiUrl: string
  readonly logFile: string
  /** Proxies a free loopback port to `upstream`: a URL, or `host:port`. */
  proxy(upstream: string): Promise<ToxicProxy>
  /** Removes all toxics and enables all proxies. */
  reset(): Promise<void>
  stop(): Promise<void>
}

/** One proxied port. */
export interface ToxicProxy {
  readonly port: number
  /** The upstream's URL with this proxy's address in place of its own. */
  readonly url: string
  /** Adds a toxic; gives a function that removes it. Times in milliseconds, sizes in bytes. */
  toxic(toxic: Toxic): Promise<() => Promise<void>>
  /** Closes all connections and refuses new ones. */
  disable(): Promise<void>
  enable(): Promise<void>
  remove(): Promise<void>
}

/** A fault. `stream` `downstream`, the default, is from the server to the client. */
export interface Toxic {
  readonly type:
    | 'latency'
    | 'bandwidth'
    | 'timeout'
    | 'reset_peer'
    | 'slow_close'
    | 'slicer'
    | 'limit_data'
  readonly attributes?: Readonly<Record<string, number>> | undefined
  readonly stream?: 'upstream' | 'downstream' | undefined
  /** Share of connections that it meets, 0 to 1. Default 1. */
  readonly toxicity?: number | undefined
}

/** Starts toxiproxy on a free port. */
export async function startToxiproxy(): Promise<ToxiproxyServer> {
  const command = requireBinary('toxiproxy')
  const directory = await serverDirectory('toxiproxy')
  const apiUrl = `http://127.0.0.1:${await freePort()}`
  const args = ['-host', '127.0.0.1', '-port', new URL(apiUrl).port]
  const ready = async (): Promise<boolean> =>
    (await ask({ base: apiUrl, path: '/version' })).status === 200
  const server = await startProcess({ name: 'toxiproxy', command, args, directory, ready })
  return {
    apiUrl,
    logFile: server.logFile,
    proxy: (upstream) => createProxy(apiUrl, upstream),
    reset: async () => void (await demand({ method: 'POST', base: apiUrl, path: '/reset' })),
    stop: async () => {
      await server.stop()
      await removeDirectory(directory)
    },
  }
}

async function createProxy(base: string, upstream: string): Promise<ToxicProxy> {
  const port = await freePort()
  const name = `p${port}`
  const target = upstream.includes('://') ? new URL(upstream) : undefined
  const call = async (method: string, path: string, body?: unknown): Promise<void> =>
    void (await demand({ method, base, path, body }))
  const listen = `127.0.0.1:${port}`
  await call('POST', '/proxies', {
    name,
    listen,
    upstream: target?.host ?? upstream,
    enabled: true,
  })
  const setEnabled = (enabled: boolean): Promise<void> =>
    call('POST', `/proxies/${name}`, { enabled })
  let count = 0
  return {
    port,
    url: target ? `${target.protocol}//${listen}` : listen,
    toxic: async ({ type, attributes = {}, stream = 'downstream', toxicity = 1 }) => {
      const toxic = `t${count++}`
      await call('POST', `/proxies/${name}/toxics`, {
        name: toxic,
        type,
        stream,
        toxicity,
        attributes,
      })
      return () => call('DELETE', `/proxies/${name}/toxics/${toxic}`)
    },
    disable: () => setEnabled(false),
    enable: () => setEnabled(true),
    remove: () => call('DELETE', `/proxies/${name}`),
  }
}

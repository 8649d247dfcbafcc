/**
 * Which proxy the environment wants for an address: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY`, read
 * as Go's `httpproxy` reads them, upper case before lower case.
 *
 * @see https://pkg.go.dev/golang.org/x/net/http/httpproxy
 */
import { isLoopback } from './names.ts'

/** A proxy and the variable that names it. */
export interface ProxyFound {
  readonly proxy: string
  readonly from: string
}

/**
 * Finds the proxy for `url`; `undefined` for a direct connection. This host is never behind a proxy.
 *
 * @param env - gives a variable, `undefined` when it is unset or empty
 */
export function proxyFromEnvironment(
  url: string,
  env: (name: string) => string | undefined,
): ProxyFound | undefined {
  const { protocol, hostname, port } = new URL(url)
  const isTls = protocol === 'https:'
  const found = firstOf(isTls ? ['HTTPS_PROXY', 'https_proxy'] : ['HTTP_PROXY', 'http_proxy'], env)
  if (found === undefined || isLoopback(hostname)) return undefined
  const excluded = firstOf(['NO_PROXY', 'no_proxy'], env)?.text.split(',') ?? []
  const host = { name: hostname, port: port || (isTls ? '443' : '80') }
  if (excluded.some((entry) => matches(entry.trim().toLowerCase(), host))) return undefined
  return { proxy: withScheme(found.text), from: found.name }
}

function firstOf(
  names: readonly string[],
  env: (name: string) => string | undefined,
): { readonly name: string; readonly text: string } | undefined {
  for (const name of names) {
    const text = env(name)
    if (text) return { name, text }
  }
  return undefined
}

/** `proxy` with the scheme that is meant where none is written. */
export function withScheme(proxy: string): string {
  return proxy.includes('://') ? proxy : `http://${proxy}`
}

interface Host {
  readonly name: string
  readonly port: string
}

/** One entry of `NO_PROXY`: `*`, or a host with or without a port. */
function matches(entry: string, { name, port }: Host): boolean {
  if (entry === '*') return true
  if (name.startsWith('[')) {
    return [name, `${name}:${port}`, name.slice(1, -1)].includes(entry)
  }
  const [, host = entry, wantedPort = port] = /^(.+):(\d+)$/.exec(entry) ?? []
  return wantedPort === port && matchesHost(host, name)
}

/** An IPv4 network, a domain with what is below it, or (`.` or `*.` before it) only what is below. */
function matchesHost(entry: string, name: string): boolean {
  if (entry === '') return false
  if (entry.includes('/')) return isInNetwork(name, entry)
  const domain = entry.startsWith('*.') ? entry.slice(1) : entry
  if (domain.startsWith('.')) return name.endsWith(domain)
  return name === domain || name.endsWith(`.${domain}`)
}

function isInNetwork(name: string, network: string): boolean {
  const [base = '', bits = ''] = network.split('/')
  const address = ipv4(name)
  const start = ipv4(base)
  if (address === undefined || start === undefined || !/^\d{1,2}$/.test(bits)) return false
  const size = 2 ** (32 - Number(bits))
  return Math.floor(address / size) === Math.floor(start / size)
}

function ipv4(text: string): number | undefined {
  if (!/^\d{1,3}(?:\.\d{1,3}){3}$/.test(text)) return undefined
  return text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

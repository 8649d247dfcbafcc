/**
 * Whether `host` is an address, not a name. Exact enough for what stands in a URL, which has been
 * parsed; `node:net` would be loaded for nothing else.
 */
export function isAddress(host: string): boolean {
  return host.includes(':') || /^\d{1,3}(?:\.\d{1,3}){3}$/.test(host)
}

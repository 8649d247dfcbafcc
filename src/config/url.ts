/** Addresses: of Vault, of IAM Credentials, of a proxy, of a host that a redirect may name. */
import { isLoopback, isPathSegments } from '../lib/names.ts'
import type { Reading } from './check.ts'
import { trimSlashes } from './rules.ts'

/** An address as we ask for it: an example, and what else is said of credentials in it. */
interface Asked {
  readonly example: string
  readonly instead: string
}

const VAULT: Asked = {
  example: 'such as https://vault.example:8200',
  instead: ': how to log in is said in vault.auth',
}
const IAM: Asked = { example: 'such as https://iamcredentials.googleapis.com', instead: '' }

/**
 * Reads the base address of Vault. Spaces around it and slashes at its end are forgiven: people copy
 * them along. What comes out has neither, and its host is as the URL standard writes it, so
 * `http://2130706433` is seen to be 127.0.0.1.
 */
export function readVaultUrl(value: unknown): Reading<string> {
  return readBase(value, VAULT)
}

/** Reads the base address of Google's IAM Credentials in the same way; plain http only to this host. */
export function readIamEndpoint(value: unknown): Reading<string> {
  const reading = readBase(value, IAM)
  if ('says' in reading || !isPlainHttpAbroad(reading.value)) return reading
  return { says: 'must begin with https:// (plain http only to this host)' }
}

/** Whether a checked `url` would carry tokens in the clear over a network. */
export function isPlainHttpAbroad(url: string): boolean {
  const { protocol, hostname } = new URL(url)
  return protocol === 'http:' && !isLoopback(hostname)
}

/** Reads the URL of a proxy. Credentials may be in it: that is how proxies are given theirs. */
export function readProxyUrl(value: unknown): Reading<string> {
  const says = 'must be the address of a proxy, such as http://proxy.example:3128'
  if (typeof value !== 'string' || !isVisible(value.trim())) return { says }
  const text = value.trim()
  const parts = split(text)
  if (parts === undefined || !URL.canParse(text)) return { says }
  const { pathname, search, hash } = new URL(text)
  return pathname === '/' && search === '' && hash === '' ? { value: trimSlashes(text) } : { says }
}

/** Reads `host:port`; IPv6 in brackets. The host comes out as the URL standard writes it, as it does of a redirect. */
export function readHostPort(value: unknown): Reading<string> {
  const says = 'must be host:port'
  if (typeof value !== 'string' || !/:\d+$/.test(value) || !isAuthority(value)) return { says }
  if (!URL.canParse(`https://${value}`)) return { says }
  const { hostname, port } = new URL(`https://${value}`)
  return { value: `${hostname}:${port || '443'}` }
}

function readBase(value: unknown, asked: Asked): Reading<string> {
  if (typeof value !== 'string') return { says: `must be an address ${asked.example}` }
  const parts = split(value.trim())
  if (parts === undefined) return { says: `must begin with https://, ${asked.example}` }
  const says = baseProblem(parts, asked)
  if (says !== undefined) return { says }
  const { origin, pathname } = new URL(value.trim())
  const prefix = trimSlashes(pathname)
  return { value: prefix === '' ? origin : `${origin}/${prefix}` }
}

interface Parts {
  readonly authority: string
  readonly rest: string
}

// Letters by hand: the flag `i` loads case tables, and a cold read waits for them.
const SCHEME = /^[Hh][Tt][Tt][Pp][Ss]?:\/\/([^/?#]*)(.*)$/s

function split(text: string): Parts | undefined {
  const [, authority, rest] = SCHEME.exec(text) ?? []
  return authority === undefined || rest === undefined ? undefined : { authority, rest }
}

function baseProblem({ authority, rest }: Parts, { instead }: Asked): string | undefined {
  if (!isVisible(authority + rest)) return 'must be visible ASCII text without spaces'
  if (authority.includes('@')) return `must not hold credentials${instead}`
  if (/[?#]/.test(rest)) return 'must not have a query or a fragment'
  if (!isAuthority(authority) || !URL.canParse(`https://${authority}`)) {
    return 'must name a host that exists, and a port up to 65535'
  }
  const prefix = trimSlashes(rest)
  if (prefix === '' || isPathSegments(prefix)) return undefined
  return 'may have a path of letters, digits, "_", "." and "-" only'
}

const isVisible = (text: string): boolean => /^[\x21-\x5b\x5d-\x7e]{1,2048}$/.test(text)

const isAuthority = (text: string): boolean =>
  /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)(?::\d+)?$/.test(text)

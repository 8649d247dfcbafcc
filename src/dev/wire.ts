/** Plain REST against a handler in this process or a server behind a socket: provisioning need not know which. */
import { isRecord } from '../lib/record.ts'
import type { Handler } from './transport.ts'

/** What a request carries besides method and path. */
export interface WireOptions {
  /** `X-Vault-Token` for paths below `/v1/`, else a bearer token. */
  readonly token?: string | undefined
  readonly body?: unknown
}

/** An answer; `body` is parsed where it is JSON. */
export interface WireAnswer {
  readonly status: number
  readonly body: unknown
}

/** Sends one request; `path` begins with `/`. */
export type Wire = (method: string, path: string, options?: WireOptions) => Promise<WireAnswer>

/** Requests to a handler; `base` is the origin that it believes it is served on. */
export function wireOf(handle: Handler, base: string): Wire {
  return async (method, path, { token = '', body } = {}) => {
    const credential = path.startsWith('/v1/') ? { 'x-vault-token': token } : bearer(token)
    const headers = { 'content-type': 'application/json', ...credential }
    const json = body === undefined ? {} : { body: JSON.stringify(body) }
    const response = await handle(new Request(new URL(path, base), { method, headers, ...json }))
    const text = await response.text()
    const isJson = response.headers.get('content-type')?.includes('json') === true
    const parsed: unknown = text !== '' && isJson ? JSON.parse(text) : text
    return { status: response.status, body: parsed }
  }
}

function bearer(token: string): Record<string, string> {
  return { authorization: `Bearer ${token}` }
}

/** @throws on any answer that is not a success, with its body: these servers hold nothing that matters */
export function expect2xx(method: string, path: string, { status, body }: WireAnswer): void {
  if (status < 200 || status > 299) {
    throw new Error(`${method} ${path}: ${status} ${JSON.stringify(body)}`)
  }
}

/** A string within an answer. @throws where there is none */
export function stringAt(body: unknown, section: string, field: string): string {
  const inner = isRecord(body) ? body[section] : undefined
  const value = isRecord(inner) ? inner[field] : undefined
  if (typeof value === 'string') return value
  throw new Error(`the answer has no ${section}.${field}`)
}

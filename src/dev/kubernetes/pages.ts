/**
 * Lists by pages: continue tokens, and the states of collections that later pages are read from.
 *
 * https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
 */
import { parseJson } from './body.ts'
import type { KubernetesObject } from './objects.ts'
import { badRequest, expired, tooLargeVersion } from './status.ts'

/** How long a state is kept that has been changed since, in milliseconds: as etcd's is. */
const KEPT_MS = 300_000
/** States that are kept at once: the oldest goes. */
const MAX_KEPT = 32

/** Objects of a collection in the order of their keys, and the version that they are of. */
export interface State {
  readonly objects: readonly KubernetesObject[]
  readonly version: string
}

/** Where a page begins, and in which state. */
export interface Start {
  readonly key: string
  readonly version: string
}

/** A collection as it is now. */
export interface Collection {
  readonly path: string
  readonly version: string
  readonly read: () => readonly KubernetesObject[]
}

/** The states that pages are still read from, by collection. */
export class States {
  readonly #kept = new Map<string, State & { readonly untilMs: number }>()

  /** Keeps a state that there are more pages of. */
  keep(path: string, state: State, nowMs: number): void {
    const key = `${path}@${state.version}`
    if (this.#kept.has(key)) return
    this.#kept.set(key, { ...state, untilMs: nowMs + KEPT_MS })
    const [oldest] = this.#kept.keys()
    if (this.#kept.size > MAX_KEPT && oldest !== undefined) this.#kept.delete(oldest)
  }

  /** The state that a page is read from; a first page is of the present. @throws Refusal 410, 504 */
  at({ path, version, read }: Collection, start: Start | undefined, nowMs: number): State {
    const wanted = start === undefined || start.version === '-1' ? version : start.version
    const kept = this.#kept.get(`${path}@${wanted}`)
    if (kept !== undefined && (wanted === version || nowMs < kept.untilMs)) return kept
    if (wanted === version) return { objects: read(), version }
    if (Number(wanted) > Number(version)) throw tooLargeVersion(wanted, version)
    throw expired(encode(start?.key ?? '', -1))
  }
}

/** The token of the page after `last`, the key of an object. */
export function continueAfter(last: string, version: string): string {
  return encode(`/${last}\0`, Number(version))
}

function encode(start: string, rv: number): string {
  return Buffer.from(JSON.stringify({ v: VERSION, rv, start })).toString('base64url')
}

const VERSION = 'meta.k8s.io/v1'

/** Reads `continue` of a query; `undefined` where there is none. @throws Refusal 400 */
export function startOf(query: URLSearchParams): Start | undefined {
  const token = query.get('continue') ?? ''
  if (token === '') return undefined
  if ((query.get('resourceVersion') ?? '') !== '')
    throw badRequest('specifying resource version is not allowed when using continue')
  return checked(decode(token))
}

function checked({ v = '', rv = 0, start = '' }: Token): Start {
  if (v !== VERSION) throw refuse(`server does not recognize this encoded version ${v}`)
  if (rv === 0) throw refuse(`incorrect encoded start resourceVersion (version ${VERSION})`)
  if (start === '') throw refuse(`encoded start key empty (version ${VERSION})`)
  const key = start.replace(/^\//, '')
  if (key.split('/').includes('..')) throw refuse(start)
  return { key, version: String(rv) }
}

interface Token {
  readonly v?: string
  readonly rv?: number
  readonly start?: string
}

function decode(token: string): Token {
  const { length } = /^[\w-]*/.exec(token)?.[0] ?? ''
  if (length < token.length) throw refuse(`illegal base64 data at input byte ${length}`)
  const value = parseJson(Buffer.from(token, 'base64url').toString(), refuse)
  if (typeof value !== 'object' || value === null) throw refuse('json: cannot unmarshal')
  const fields = new Map<string, unknown>(Object.entries(value))
  const [v, rv, start] = ['v', 'rv', 'start'].map((field) => fields.get(field))
  return {
    ...(typeof v === 'string' ? { v } : {}),
    ...(typeof rv === 'number' && Number.isSafeInteger(rv) ? { rv } : {}),
    ...(typeof start === 'string' ? { start } : {}),
  }
}

function refuse(text: string): Error {
  return badRequest(`invalid continue token: continue key is not valid: ${text}`)
}

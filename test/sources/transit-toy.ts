/** Transit as far as documents see it: keys that are derived or not, and contexts that must be the same. */
import type { Definition } from '../../src/config/settings.ts'
import type { HttpRequest } from '../../src/runtime.ts'
import { Documents, type Opened } from '../../src/sources/documents.ts'
import { placeOf } from '../../src/sources/place.ts'
import type { Answered } from '../faults/in-process.ts'
import { REFUSED, transitOn, type TransitWorld } from '../vault/transit-world.ts'

export const DEFINITION: Definition & { readonly namespace: string } = {
  secretName: 'app',
  namespace: 'prod',
  readType: 'SECRET',
  readKey: 'secrets.json',
  transitKey: 'app',
  format: 'sealed',
  binding: 'strict',
  allowRollback: false,
  schema: undefined,
}

export interface DocumentsWorld extends Pick<TransitWorld, 'sent' | 'runtime'> {
  readonly documents: Documents
  open(stored: string, changes?: Partial<Definition>): Promise<Opened>
  seal(document?: string, changes?: Partial<Definition>, replaced?: string): Promise<string>
  /** What the requests so far asked for, such as `GET keys/app`. */
  asked(): string[]
}

export interface DocumentsWorldOptions {
  readonly mount?: string
  readonly cluster?: string
  /** Transit keys, and whether each is derived. Default: `app` and `other` are, `flat` is not. */
  readonly keys?: Readonly<Record<string, boolean>>
  /** Answers in place of the toy, where it gives an answer; or holds it up. */
  readonly before?: (request: HttpRequest) => Promise<Answered | undefined>
}

export function documentsOn(options: DocumentsWorldOptions = {}): DocumentsWorld {
  const { mount = 'transit', cluster = 'default', before } = options
  const { keys = { app: true, other: true, flat: false } } = options
  const { transit, budget, runtime, sent } = transitOn(
    async (request) => (await before?.(request)) ?? answer(request, keys),
  )
  const wallClock = (): number => runtime.wallClock()
  const documents = new Documents({ transit, mount, cluster, wallClock })
  const defined = (changes: Partial<Definition> = {}) => {
    const definition = { ...DEFINITION, ...changes }
    return [definition, placeOf(definition, definition.namespace ?? 'prod')] as const
  }
  return {
    documents,
    sent,
    runtime,
    open: (stored, changes) => documents.open(budget.begin(), ...defined(changes), stored),
    seal: (document = '{}', changes, replaced) =>
      documents.seal(budget.begin(), ...defined(changes), Buffer.from(document), replaced),
    asked: () => sent.map(({ method, url }) => `${method} ${url.split('/transit/')[1]}`),
  }
}

interface Item {
  readonly plaintext?: string
  readonly ciphertext?: string
  readonly context?: string
  readonly reference?: string
}

function answer({ url, body = '{}' }: HttpRequest, keys: Readonly<Record<string, boolean>>) {
  const [operation, key = ''] = url.split('/').slice(-2)
  const isDerived = keys[key]
  if (isDerived === undefined) return { status: 404, json: { errors: [] } }
  if (operation === 'keys') {
    return { status: 200, json: { data: { latest_version: 1, derived: isDerived } } }
  }
  const { batch_input, ...item } = JSON.parse(body) as Item & { batch_input?: Item[] }
  const made = (batch_input ?? [item]).map((one) => resultOf(one, key, isDerived))
  const status = made.some(({ error }) => error !== undefined) ? 400 : 200
  if (batch_input) return { status, json: { data: { batch_results: made } } }
  const [{ error, ...data } = {}] = made
  return { status, json: error === undefined ? { data } : { errors: [error] } }
}

type Result = Item & { readonly error?: string | undefined }

function resultOf(item: Item, key: string, isDerived: boolean): Result {
  const { plaintext, ciphertext = '', context = '', reference } = item
  const seal = `${key}/${isDerived ? context : ''}/`
  const named = reference === undefined ? {} : { reference }
  if (plaintext !== undefined) {
    return { ciphertext: `vault:v1:${Buffer.from(seal + plaintext).toString('base64')}`, ...named }
  }
  const text = Buffer.from(ciphertext.split(':')[2] ?? '', 'base64').toString()
  if (!text.startsWith(seal)) return { plaintext: '', error: REFUSED['changed'], ...named }
  return { plaintext: text.slice(seal.length), ...named }
}

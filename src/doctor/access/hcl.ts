/**
 * HCL 1 and its form in JSON, as far as policies are written in them. What Vault might read in another
 * way is not read at all.
 *
 * @see https://github.com/hashicorp/hcl/tree/hcl1
 */
import { isSecretManagerError } from '../../errors.ts'
import { parseJson, type JsonObject, type JsonValue } from '../../lib/json.ts'
import { tokensOf, type Token } from './hcl-tokens.ts'

/** A value; of numbers, booleans and heredocs nothing is known but that they are no plain string. */
export type HclValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'literal' }
  | { readonly kind: 'list'; readonly values: readonly HclValue[] }
  | { readonly kind: 'object'; readonly items: readonly HclItem[] }

/** `key "label" { … }` or `key = value`. */
export interface HclItem {
  /** The key and its labels. */
  readonly keys: readonly string[]
  readonly value: HclValue
}

/** Reads the items of a text, in HCL or JSON; `undefined` for what cannot be understood. */
export function itemsOf(text: string): readonly HclItem[] | undefined {
  if (text.length > LONGEST) return undefined
  try {
    return /^\s*\{/.test(text) ? jsonItems(text) : hclItems(text)
  } catch (error) {
    if (error instanceof Unreadable) return undefined
    if (isSecretManagerError(error)) return undefined
    throw error
  }
}

/** In characters: far more than Vault's storages take, and far less than regular expressions fail at. */
const LONGEST = 4 * 1024 * 1024

/** Ends the reading of one policy. */
class Unreadable extends Error {}

/** Objects and lists inside each other: policies have four. */
const DEPTH = 32

function hclItems(text: string): readonly HclItem[] {
  const tokens = tokensOf(text)
  if (tokens === undefined) throw new Unreadable()
  return new HclReader(tokens).document()
}

class HclReader {
  readonly #tokens: readonly Token[]
  #at = 0
  #depth = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  document(): readonly HclItem[] {
    const items: HclItem[] = []
    while (this.#at < this.#tokens.length) items.push(this.#item())
    return items
  }

  #item(): HclItem {
    const keys: string[] = []
    for (let key = this.#key(); key !== undefined; key = this.#key()) keys.push(key)
    const isAssigned = this.#takes('=')
    // An assignment has one key, and a block one at least.
    const isItem = isAssigned ? keys.length === 1 : keys.length > 0 && this.#sees('{')
    if (!isItem) throw new Unreadable()
    const value = this.#value()
    this.#takes(',')
    return { keys, value }
  }

  #key(): string | undefined {
    const token = this.#tokens[this.#at]
    if (token?.kind !== 'word' && token?.kind !== 'string') return undefined
    this.#at += 1
    return token.text
  }

  #value(): HclValue {
    if (this.#takes('{')) return this.#within(() => ({ kind: 'object', items: this.#items() }))
    if (this.#takes('[')) return this.#within(() => ({ kind: 'list', values: this.#values() }))
    const token = this.#tokens[this.#at]
    this.#at += 1
    if (token?.kind === 'string') return { kind: 'text', text: token.text }
    if (token?.kind === 'literal') return { kind: 'literal' }
    throw new Unreadable()
  }

  #within(read: () => HclValue): HclValue {
    this.#depth += 1
    if (this.#depth > DEPTH) throw new Unreadable()
    const value = read()
    this.#depth -= 1
    return value
  }

  #items(): readonly HclItem[] {
    const items: HclItem[] = []
    while (!this.#takes('}')) items.push(this.#item())
    return items
  }

  #values(): readonly HclValue[] {
    const values: HclValue[] = []
    while (!this.#takes(']')) {
      if (this.#takes(',')) continue
      values.push(this.#value())
      if (!this.#sees(',') && !this.#sees(']')) throw new Unreadable()
    }
    return values
  }

  #sees(mark: string): boolean {
    const token = this.#tokens[this.#at]
    return token?.kind === 'mark' && token.text === mark
  }

  #takes(mark: string): boolean {
    if (!this.#sees(mark)) return false
    this.#at += 1
    return true
  }
}

/** `{"path": {"a": {…}}}` and `{"path": [{"a": {…}}]}` stand for `path "a" {…}`. */
function jsonItems(text: string): readonly HclItem[] {
  // No character has more bytes.
  const limits = { bytes: 3 * LONGEST, entries: 1_000_000, depth: DEPTH }
  const document = objectIn(parseJson(Buffer.from(text), limits))
  return Object.entries(document).flatMap(([key, value]) =>
    key === 'path' ? pathItems(value) : [{ keys: [key], value: valueOf(value) }],
  )
}

function pathItems(value: JsonValue): readonly HclItem[] {
  const blocks = Array.isArray(value) ? value : [value]
  return blocks.flatMap((block: JsonValue) =>
    Object.entries(objectIn(block)).map(([path, rule]) => {
      const entries = Object.values(objectIn(rule))
      // Vault takes the names of objects that hold objects alone for further labels.
      if (entries.length > 0 && entries.every(isObject)) throw new Unreadable()
      return { keys: ['path', path], value: valueOf(rule) }
    }),
  )
}

function objectIn(value: JsonValue): JsonObject {
  if (isObject(value)) return value
  throw new Unreadable()
}

function isObject(value: JsonValue): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function valueOf(value: JsonValue): HclValue {
  if (typeof value === 'string') return { kind: 'text', text: value }
  if (typeof value !== 'object' || value === null) return { kind: 'literal' }
  if (!isObject(value)) return { kind: 'list', values: value.map(valueOf) }
  const items = Object.entries(value).map(([key, one]) => ({ keys: [key], value: valueOf(one) }))
  return { kind: 'object', items }
}

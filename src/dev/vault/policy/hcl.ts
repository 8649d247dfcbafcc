/**
 * The part of HCL 1 that policies are written in: blocks, assignments, strings, heredocs, numbers,
 * booleans, lists, objects, comments; and JSON. https://github.com/hashicorp/hcl/tree/hcl1
 */
import { tokenize, type HclToken } from './hcl-tokens.ts'

/** A value with the place it was written at. */
export interface HclValue {
  readonly kind: 'literal' | 'list' | 'object'
  /** A string, number or boolean; of a list its plain values. */
  readonly plain: unknown
  /** Of an object: what is assigned in it, in order. */
  readonly items: readonly HclItem[]
  readonly line: number
  readonly column: number
}

/** `key "label" { … }` or `key = value`. */
export interface HclItem {
  readonly key: string
  readonly labels: readonly string[]
  readonly value: HclValue
  /** Line of the `=`, or 0 for a block, as the reference parser reports it. */
  readonly assignLine: number
}

interface Place {
  readonly line: number
  readonly column: number
}

/** Why a text is not HCL, as `At LINE:COLUMN: reason`. */
export class HclError extends Error {
  constructor(at: Place, reason: string) {
    super(`At ${at.line}:${at.column}: ${reason}`)
  }
}

/** Parses HCL, or JSON where the text starts like an object. @throws HclError */
export function parseHcl(text: string): readonly HclItem[] {
  if (text.trimStart().startsWith('{')) return parseJson(text)
  return new Parser(tokenize(text)).items('end')
}

class Parser {
  readonly #tokens: readonly HclToken[]
  #position = 0

  constructor(tokens: readonly HclToken[]) {
    this.#tokens = tokens
  }

  items(until: 'end' | '}'): readonly HclItem[] {
    const found: HclItem[] = []
    while (this.#peek().kind !== until) {
      if (this.#peek().kind === 'end') {
        const { line, column } = this.#peek()
        // The reference parser meets the end one column behind it.
        throw unclosed({ line, column: column + 1 })
      }
      found.push(this.#item())
      this.#skip(',')
    }
    this.#skip(until)
    return found
  }

  #item(): HclItem {
    const [key, ...labels] = [this.#key(), ...this.#labels()]
    const next = this.#peek()
    if (next.kind === '{') return { key, labels, value: this.#value(), assignLine: 0 }
    if (next.kind !== '=') {
      const reason = `key '${key}' expected start of object ('{') or assignment ('=')`
      throw new HclError(next, reason)
    }
    this.#skip('=')
    return { key, labels, value: this.#value(), assignLine: next.line }
  }

  #labels(): readonly string[] {
    const labels: string[] = []
    while (this.#peek().kind === 'string' || this.#peek().kind === 'identifier') {
      labels.push(this.#key())
    }
    return labels
  }

  #key(): string {
    const token = this.#take()
    if (token.kind === 'identifier' || token.kind === 'string') return String(token.value)
    throw new HclError(token, `expected: IDENT | STRING got: ${token.text}`)
  }

  #value(): HclValue {
    const token = this.#take()
    const at = { line: token.line, column: token.column }
    switch (token.kind) {
      case 'string':
      case 'number':
      case 'boolean':
        return { kind: 'literal', plain: token.value, items: [], ...at }
      case '[':
        return { kind: 'list', plain: this.#list(), items: [], ...at }
      case '{': {
        const items = this.items('}')
        return { kind: 'object', plain: plainObject(items), items, ...at }
      }
      default:
        throw new HclError(token, `Unknown token: ${token.text}`)
    }
  }

  #list(): readonly unknown[] {
    const values: unknown[] = []
    while (this.#peek().kind !== ']') {
      values.push(this.#value().plain)
      const next = this.#peek()
      if (next.kind !== ',' && next.kind !== ']') {
        // Like the reference parser, which gives up on the block around the list.
        throw unclosed(this.#end())
      }
      this.#skip(',')
    }
    this.#skip(']')
    return values
  }

  #peek(): HclToken {
    return this.#tokens[this.#position] ?? this.#end()
  }

  #end(): HclToken {
    return this.#tokens.at(-1) ?? { kind: 'end', text: 'EOF', line: 1, column: 1 }
  }

  #take(): HclToken {
    const token = this.#peek()
    this.#position += 1
    return token
  }

  #skip(kind: string): void {
    if (this.#peek().kind === kind) this.#position += 1
  }
}

function unclosed(at: Place): HclError {
  return new HclError(at, 'object expected closing RBRACE got: EOF')
}

function plainObject(items: readonly HclItem[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(items.map(({ key, value }) => [key, value.plain]))
}

function parseJson(text: string): readonly HclItem[] {
  try {
    const parsed: unknown = JSON.parse(text)
    return jsonItems(parsed).flatMap(flattenLabels)
  } catch {
    throw new HclError({ line: 1, column: 1 }, 'invalid JSON')
  }
}

function jsonItems(value: unknown): HclItem[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return []
  return Object.entries(value).map(([key, inner]) => ({
    key,
    labels: [],
    value: jsonValue(inner),
    assignLine: 1,
  }))
}

function jsonValue(value: unknown): HclValue {
  const at = { line: 1, column: 1 }
  if (Array.isArray(value)) return { kind: 'list', plain: value, items: [], ...at }
  if (typeof value !== 'object') return { kind: 'literal', plain: value, items: [], ...at }
  return { kind: 'object', plain: value, items: jsonItems(value), ...at }
}

/** `{"path": {"a": {…}}}` means `path "a" {…}`. */
function flattenLabels(item: HclItem): readonly HclItem[] {
  if (item.key !== 'path') return [item]
  return item.value.items.map(({ key, value }) => ({ ...item, labels: [key], value }))
}

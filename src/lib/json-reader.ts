import { SecretManagerError } from '../errors.ts'
import { hasLoneSurrogate, type JsonScalar, scalarOf, whyNoScalar } from './json-scalars.ts'

/** What JSON text can hold. */
export type JsonValue = JsonScalar | JsonObject | readonly JsonValue[]

/** A JSON object: without a prototype, so that every name, `__proto__` too, is an entry. */
export interface JsonObject {
  readonly [name: string]: JsonValue
}

// Strings, structural characters, and whatever else stands between white space, which nothing matches.
// One native call for the whole document: on a cold start interpreted steps are what costs.
const TOKEN = /"[^"\\]*(?:\\.[^"\\]*)*"?|[{}[\]:,]|[^\t\n\r "{}[\]:,]+/gs

/** Reads the tokens of one document; past the last one they are `undefined`. */
export class JsonReader {
  readonly #text: string
  readonly #tokens: readonly string[]
  readonly #mostEntries: number
  readonly #mostDepth: number
  /** Names and indices on the way to the current token. A name enters it after its colon: a string
   *  without one may be a value that a missing quote or comma has moved there. */
  readonly #path: (string | number)[] = []
  #at = 0
  #entries = 0

  constructor(text: string, mostEntries: number, mostDepth: number) {
    this.#text = text
    this.#tokens = text.match(TOKEN) ?? []
    this.#mostEntries = mostEntries
    this.#mostDepth = mostDepth
  }

  document(): JsonValue {
    const value = this.#value()
    if (this.#at < this.#tokens.length) throw this.#expected('the end of the document')
    return value
  }

  #value(): JsonValue {
    const token = this.#tokens[this.#at]
    if (token === '{') return this.#object()
    if (token === '[') return this.#array()
    return this.#scalar(token)
  }

  #object(): JsonObject {
    const object: Record<string, JsonValue> = Object.create(null)
    this.#enter()
    if (this.#take('}')) return object
    do {
      const name = this.#name()
      this.#path.push(name)
      if (name in object) throw this.#refused('this name comes twice')
      object[name] = this.#entry()
    } while (this.#take(','))
    if (!this.#take('}')) throw this.#expected('"," or "}"')
    return object
  }

  #array(): JsonValue[] {
    const array: JsonValue[] = []
    this.#enter()
    if (this.#take(']')) return array
    do {
      this.#path.push(array.length)
      array.push(this.#entry())
    } while (this.#take(','))
    if (!this.#take(']')) throw this.#expected('"," or "]"')
    return array
  }

  #enter(): void {
    if (this.#path.length >= this.#mostDepth) {
      throw this.#refused(`it is nested deeper than ${this.#mostDepth} levels`)
    }
    this.#at++
  }

  #name(): string {
    const token = this.#tokens[this.#at]
    if (!token?.startsWith('"')) throw this.#expected('a name in double quotes')
    const name = String(this.#scalar(token))
    if (!this.#take(':')) throw this.#expected('":"')
    return name
  }

  #entry(): JsonValue {
    if (++this.#entries > this.#mostEntries) {
      throw this.#refused(`it has more than ${this.#mostEntries} entries`)
    }
    const value = this.#value()
    this.#path.pop()
    return value
  }

  #take(token: string): boolean {
    if (this.#tokens[this.#at] !== token) return false
    this.#at++
    return true
  }

  #scalar(token: string | undefined): JsonScalar {
    const value = scalarOf(token)
    if (value === undefined) throw this.#notAValue(token)
    if (value === Infinity || value === -Infinity)
      throw this.#refused('this number is too large for a double')
    if (hasLoneSurrogate(token, value)) throw this.#refused('this string has half a surrogate pair')
    this.#at++
    return value
  }

  #notAValue(token: string | undefined): SecretManagerError {
    const why = token && whyNoScalar(token)
    return why ? this.#invalid(why) : this.#expected('a value')
  }

  #expected(what: string): SecretManagerError {
    const end = this.#at < this.#tokens.length ? '' : 'it ends here, '
    return this.#invalid(`${end}expected ${what}`)
  }

  #invalid(why: string): SecretManagerError {
    return this.#problem('is not valid JSON', why)
  }

  /** For what RFC 8259 allows and we do not. */
  #refused(why: string): SecretManagerError {
    return this.#problem('is refused', why)
  }

  #problem(what: string, why: string): SecretManagerError {
    const where = `at byte ${this.#byte()} (in ${pathOf(this.#path)})`
    return new SecretManagerError('SM_PAYLOAD_INVALID', `the document ${what} ${where}: ${why}`)
  }

  /** Where the current token begins: tokens do not carry it, as only an error asks. */
  #byte(): number {
    let token = 0
    for (const { index } of this.#text.matchAll(TOKEN)) {
      if (token++ === this.#at) return Buffer.byteLength(this.#text.slice(0, index))
    }
    return Buffer.byteLength(this.#text)
  }
}

/** `$.db["a key"][0]`, in printable ASCII: no name can imitate or rewrite a line of a log. */
function pathOf(path: readonly (string | number)[]): string {
  return `$${path.map(step).join('')}`
}

function step(part: string | number): string {
  if (typeof part === 'number') return `[${part}]`
  if (/^[A-Za-z_][\w-]{0,63}$/.test(part)) return `.${part}`
  const printable = part.slice(0, 64).replace(/[^ !#-[\]-~]/g, escape)
  return `["${printable}${part.length > 64 ? '...' : ''}"]`
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}

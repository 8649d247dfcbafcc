/**
 * Dictionaries whose entries are read by name and appear in no output.
 *
 * Entries are own but not enumerable, so what prints, copies or serialises an object finds none. Arrays
 * need more: tools loop over their indices without asking which are enumerable. A sealed array is empty,
 * with its length, and inherits its elements: `list[0]`, `list.map(…)` and `[...list]` find them there,
 * what looks for own elements does not.
 */

/** One value of a dictionary; integers that a `number` would round are a `bigint`. */
export type SecretValue =
  | string
  | number
  | bigint
  | boolean
  | null
  | { readonly [name: string]: SecretValue }
  | readonly SecretValue[]

/**
 * A decrypted dictionary: frozen, without a prototype, its entries read by name and appearing in no output.
 *
 * A value taken out is a plain string (or number, …) and is printed like any other. Two dictionaries look
 * equal to tools that compare entries: compare what {@link reveal} gives.
 */
export type SecretValues<T extends object = { readonly [name: string]: SecretValue }> = Readonly<T>

/**
 * Wraps a dictionary, and every plain object and array in it, so that no output shows its entries.
 *
 * The argument is copied, not changed. Other objects that a schema may have made (Date, URL, Map, a class)
 * are kept as they are. Symbol keys are left out.
 *
 * @throws TypeError when `plain` is neither a plain object nor an array, or contains itself
 */
export function sealValues<T extends object>(plain: T): SecretValues<T>
export function sealValues(plain: object): object {
  if (isSealed(plain)) return plain
  if (isPlain(plain)) return new Sealer().container(plain)
  throw new TypeError('secrets must be a plain object')
}

/**
 * Lists the names of the entries; nested ones are asked for by themselves.
 *
 * @throws TypeError when `secrets` is not a {@link SecretValues}
 */
export function names(secrets: object): string[] {
  refuseForeign(secrets)
  return Array.isArray(secrets) ? [...secrets.keys()].map(String) : namesOf(secrets)
}

/**
 * Copies the secrets, nested ones too, into ordinary objects and arrays that every output shows.
 *
 * @throws TypeError when `secrets` is not a {@link SecretValues}
 */
export function reveal<T extends object>(secrets: T): T
export function reveal(secrets: object): unknown {
  refuseForeign(secrets)
  return plainCopy(secrets)
}

// Registered, so that two copies of this package accept each other's dictionaries.
const BRAND = Symbol.for('secretmanager.values')

type Dictionary = Readonly<Record<string, unknown>>
type List = readonly unknown[]

function isSealed(value: unknown): value is Dictionary | List {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, BRAND)
}

/** Whether entries are all there is to it, also where the object comes from another realm. */
function isPlain(value: unknown): value is Dictionary | List {
  if (typeof value !== 'object' || value === null || isSealed(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype) === null
}

function isList(plain: Dictionary | List): plain is List {
  return Array.isArray(plain)
}

/** One walk: what is met twice is sealed once, what is met inside itself is refused. */
class Sealer {
  readonly #sealed = new Map<object, object | undefined>()

  container(plain: Dictionary | List): object {
    const known = this.#sealed.get(plain)
    if (known) return known
    if (this.#sealed.has(plain)) throw new TypeError('secrets must not contain themselves')
    this.#sealed.set(plain, undefined)
    const sealed = isList(plain) ? this.#list(plain) : this.#dictionary(plain)
    this.#sealed.set(plain, sealed)
    return sealed
  }

  #dictionary(plain: Dictionary): object {
    const sealed: object = Object.create(null, DICTIONARY_SYMBOLS)
    for (const name of Object.keys(plain)) this.#define(sealed, name, plain[name])
    return Object.freeze(sealed)
  }

  #list(plain: List): object {
    const elements: object = Object.create(LIST_PROTOTYPE)
    for (const [index, value] of plain.entries()) this.#define(elements, index, value)
    const sealed: unknown[] = []
    sealed.length = plain.length
    Object.setPrototypeOf(sealed, Object.freeze(elements))
    return Object.freeze(Object.defineProperty(sealed, BRAND, hidden(true)))
  }

  #define(target: object, name: string | number, value: unknown): void {
    const sealed = isPlain(value) ? this.container(value) : value
    // A getter, as console.dir and debuggers show the values of hidden properties, but do not call getters.
    Object.defineProperty(target, name, { get: () => sealed, enumerable: false })
  }
}

const hidden = (value: unknown): PropertyDescriptor => ({ value, enumerable: false })

/** Names of a dictionary are strings, so none of them can take the place of these. */
const DICTIONARY_SYMBOLS: PropertyDescriptorMap = {
  [BRAND]: hidden(true),
  [Symbol.for('nodejs.util.inspect.custom')]: hidden(describe),
  [Symbol.toPrimitive]: hidden(describe),
  // Assertion libraries clone what calls itself an Object, hidden entries included.
  [Symbol.toStringTag]: hidden('SecretValues'),
}

/** Between the elements of a list and the methods of all arrays. */
const LIST_PROTOTYPE: object = Object.freeze(
  Object.create(Array.prototype, {
    ...DICTIONARY_SYMBOLS,
    toString: hidden(describe),
    toLocaleString: hidden(describe),
    toJSON: hidden(() => []),
  }),
)

function describe(this: object): string {
  const count = Array.isArray(this) ? this.length : namesOf(this).length
  const entries = count === 1 ? '1 entry' : `${count} entries`
  return `SecretValues { ${entries}: names(secrets) lists them, reveal(secrets) copies them }`
}

function namesOf(dictionary: object): string[] {
  return Object.getOwnPropertyNames(dictionary)
}

function refuseForeign(secrets: object): void {
  if (!isSealed(secrets)) throw new TypeError('this is not a SecretValues')
}

/** Arrays are copied by iterating, dictionaries by definition: an assignment could reach `__proto__`. */
function plainCopy(value: unknown): unknown {
  if (!isSealed(value)) return value
  if (isList(value)) return Array.from(value, (element) => plainCopy(element))
  return Object.fromEntries(namesOf(value).map((name) => [name, plainCopy(value[name])]))
}

/**
 * Reads JSON into the shapes of the API as Go does: unknown fields are dropped and remembered, null
 * counts as absent, empty values are left out, and a wrong type is reported in Go's words, which
 * users meet in real clusters.
 */
import { canonicalBase64 } from './base64.ts'

/** Where in the document a value stands: `struct` is the innermost Go struct around it. */
export interface Place {
  readonly struct: string
  readonly path: string
  /** Receives the paths of fields that no struct knows. */
  readonly unknown: string[]
}

/** A Go type: how it is called and how JSON becomes a value of it. */
export interface GoType<T> {
  readonly go: string
  /** What null becomes inside a map or a list. */
  readonly zero: T
  /** @throws {@link DecodeError} */
  read(value: unknown, place: Place): T
  /** Whether a field of a struct with this value is left out, as by `omitempty`. */
  omits?(value: unknown): boolean
  /** A field of this type is there even when the document lacks it: Go without `omitempty`. */
  readonly always?: boolean
}

/** The value has not the type that its field demands; the message is Go's. */
export class DecodeError extends Error {}

/** Reads a whole object; `unknown` names the fields that were ignored. */
export function decode<T>(type: GoType<T>, value: unknown): { object: T; unknown: string[] } {
  const unknown: string[] = []
  return { object: type.read(value, { struct: type.go, path: '', unknown }), unknown }
}

/** A string, or a named string type such as `v1.SecretType`. */
export function stringType(go = 'string'): GoType<string> {
  const type = scalar<string>(go, '', (value) => typeof value === 'string')
  return { ...type, omits: (value) => value === '' }
}

/** The same type for a field without `omitempty`: its zero value stands where nothing is given. */
export function always<T>(type: GoType<T>): GoType<T> {
  return { ...type, always: true, omits: () => false }
}

/** `*bool`: kept when false, because absent means something else. */
export const boolType: GoType<boolean> = scalar(
  'bool',
  false,
  (value) => typeof value === 'boolean',
)

/** `int64`; a fraction is refused. */
export const intType: GoType<number> = scalar('int64', 0, (value): value is number =>
  Number.isInteger(value),
)

/** Any JSON, kept as it is: for parts that the embedded server stores without looking at them. */
// oxlint-disable-next-line typescript/no-generated-empty-object-type -- what unknown is without null
export const anyType: GoType<NonNullable<unknown>> = {
  go: 'interface {}',
  zero: {},
  read: (value) => value ?? {},
}

/** `[]byte`: base64 in JSON. */
export const bytesType: GoType<string> = {
  go: '[]uint8',
  zero: '',
  read(value, place) {
    if (typeof value !== 'string') throw mismatch('[]uint8', value, place)
    const text = canonicalBase64(value)
    if (typeof text === 'string') return text
    throw new DecodeError(`illegal base64 data at input byte ${text.corruptAt}`)
  },
}

/** `map[string]T`, with its keys sorted as Go's encoder prints them. */
export function mapType<T>(of: GoType<T>): GoType<Record<string, T>> {
  const go = `map[string]${of.go}`
  return {
    go,
    zero: {},
    read(value, place) {
      const entries = entriesOf(go, value, place)
      const read = entries.map(([key, one]): [string, T] => [key, readOrZero(of, one, place)])
      return record(read.toSorted(([a], [b]) => (a < b ? -1 : 1)))
    },
    omits: (value) => Object.keys(Object(value)).length === 0,
  }
}

/** `[]T`. */
export function listType<T>(of: GoType<T>): GoType<T[]> {
  const go = `[]${of.go}`
  return {
    go,
    zero: [],
    read(value, place) {
      if (!Array.isArray(value)) throw mismatch(go, value, place)
      return value.map((one: unknown) => readOrZero(of, one, place))
    },
    omits: (value) => Array.isArray(value) && value.length === 0,
  }
}

/** A Go struct; the order of `fields` is the order in which it is printed. */
export function structType<T extends object>(
  name: string,
  fields: { readonly [K in keyof T]-?: GoType<NonNullable<T[K]>> },
  prefix = '',
): GoType<T> {
  const go = prefix + name
  const types = new Map<string, GoType<unknown>>(Object.entries(fields))
  return {
    go,
    zero: assemble(types, new Map()),
    read: (value, place) => assemble(types, readFields(go, name, types, value, place)),
  }
}

function readFields(
  go: string,
  struct: string,
  types: ReadonlyMap<string, GoType<unknown>>,
  value: unknown,
  place: Place,
): Map<string, unknown> {
  const found = new Map<string, unknown>()
  for (const [key, one] of entriesOf(go, value, place)) {
    const path = place.path === '' ? key : `${place.path}.${key}`
    const type = types.get(key)
    if (type === undefined) place.unknown.push(path)
    else if (one !== null) {
      const read = type.read(one, { ...place, struct, path })
      if (!type.omits?.(read)) found.set(key, read)
    }
  }
  return found
}

/** The one place where what was read by the types of all fields becomes the struct that they make up. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- see the assertion in it
function assemble<T extends object>(
  types: ReadonlyMap<string, GoType<unknown>>,
  found: ReadonlyMap<string, unknown>,
): T {
  const present = [...types].filter(([key, { always: stays }]) => found.has(key) || stays === true)
  const entries = present.map(([key, { zero }]): [string, unknown] => [
    key,
    found.has(key) ? found.get(key) : zero,
  ])
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each field was read by its own type
  return record(entries) as T
}

function scalar<T>(go: string, zero: T, is: (value: unknown) => value is T): GoType<T> {
  return {
    go,
    zero,
    read(value, place) {
      if (!is(value)) throw mismatch(go, value, place)
      return value
    },
  }
}

function readOrZero<T>(type: GoType<T>, value: unknown, place: Place): T {
  return value === null ? type.zero : type.read(value, place)
}

function entriesOf(go: string, value: unknown, place: Place): [string, unknown][] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw mismatch(go, value, place)
  }
  return Object.entries(value)
}

/** Without a prototype, so that a key named `__proto__` is a key like any other. */
export function record<T>(entries: readonly (readonly [string, T])[]): Record<string, T> {
  const object: Record<string, T> = Object.create(null)
  for (const [key, value] of entries) object[key] = value
  return object
}

function mismatch(go: string, value: unknown, { struct, path }: Place): DecodeError {
  // Go names the number only where the type is right and the number is not.
  const found = go === 'int64' && typeof value === 'number' ? `number ${value}` : jsonKind(value)
  return new DecodeError(
    `json: cannot unmarshal ${found} into Go struct field ${struct}.${path} of type ${go}`,
  )
}

/** What Go calls a JSON value that it cannot use. */
export function jsonKind(value: unknown): string {
  if (Array.isArray(value)) return 'array'
  return typeof value === 'boolean' ? 'bool' : typeof value
}

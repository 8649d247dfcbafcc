/**
 * Request fields, read with the weak typing of Vault's framework: `"2"` is an integer, `5` is a
 * string, `"a, b"` is a list, and null is a field that was given without a value.
 */
import { parseSeconds } from './duration.ts'
import { refusal } from './failure.ts'

/**
 * Types of fields. `duration` gives whole seconds, `signed` those that may be negative, `map` texts by
 * name, `object` values of any type by name; `raw` is left to the backend.
 */
export type FieldType =
  | 'string'
  | 'int'
  | 'bool'
  | 'duration'
  | 'signed'
  | 'list'
  | 'map'
  | 'object'
  | 'raw'

/** Fields that a path knows; others are ignored with a warning. */
export type Schema = Readonly<Record<string, FieldType>>

/** The fields of one request. */
export interface Fields {
  /** Whether the path knows the field and the request gave it; a null counts as given. */
  readonly has: (name: string) => boolean
  readonly raw: (name: string) => unknown
  readonly string: (name: string) => string
  readonly int: (name: string) => number
  readonly bool: (name: string) => boolean
  readonly seconds: (name: string) => number
  readonly list: (name: string) => readonly string[]
  readonly map: (name: string) => Readonly<Record<string, string>> | undefined
}

/** Reads `data` by `schema`. @throws VaultFailure naming the first field that does not convert */
export function readFields(data: Readonly<Record<string, unknown>>, schema: Schema): Fields {
  for (const [name, type] of Object.entries(schema)) check(name, type, data[name])
  return {
    has: (name) => Object.hasOwn(schema, name) && Object.hasOwn(data, name),
    raw: (name) => data[name],
    string: (name) => toText(data[name] ?? ''),
    int: (name) => toInteger(data[name] ?? 0),
    bool: (name) => toBoolean(data[name] ?? false),
    seconds: (name) => parseSeconds(data[name] ?? 0),
    list: (name) => toList(data[name] ?? []),
    map: (name) => toMap(data[name]),
  }
}

const CONVERT: Readonly<Record<FieldType, (value: unknown) => unknown>> = {
  string: toText,
  int: toInteger,
  bool: toBoolean,
  duration: toDuration,
  signed: parseSeconds,
  list: toList,
  map: toMap,
  object: toObject,
  raw: (value) => value,
}

function check(name: string, type: FieldType, value: unknown): void {
  if (value === undefined || value === null) return
  try {
    CONVERT[type](value)
  } catch (error) {
    const reason = error instanceof Error ? error.message : ''
    throw refusal(`error converting input for field ${JSON.stringify(name)}: ${reason}`)
  }
}

function toText(value: unknown): string {
  if (typeof value === 'string') return value
  if (typeof value === 'number') return String(value)
  if (typeof value === 'boolean') return value ? '1' : '0'
  throw refusal(`'' expected type 'string', got unconvertible type '${goType(value)}'`)
}

function toInteger(value: unknown): number {
  if (typeof value === 'boolean') return value ? 1 : 0
  const text = toText(value)
  if (text === '') return 0
  if (/^[+-]?\d+$/.test(text)) return Number(text)
  throw refusal(`'' cannot parse value as 'int': strconv.ParseInt: invalid syntax`)
}

function toBoolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value
  if (typeof value === 'number') return value !== 0
  const text = toText(value)
  if (/^(?:1|t|T|true|TRUE|True)$/.test(text)) return true
  if (/^(?:|0|f|F|false|FALSE|False)$/.test(text)) return false
  throw refusal(`'' cannot parse value as 'bool': strconv.ParseBool: invalid syntax`)
}

function toDuration(value: unknown): number {
  const seconds = parseSeconds(value)
  if (seconds < 0) throw refusal(`cannot provide negative value '${seconds}'`)
  return seconds
}

function toList(value: unknown): readonly string[] {
  const items = Array.isArray(value) ? value.map(toText) : toText(value).split(',')
  return items.map((item) => item.trim()).filter((item) => item !== '')
}

function toMap(value: unknown): Readonly<Record<string, string>> | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw refusal(`'' expected a map, got '${goType(value)}'`)
  }
  return Object.fromEntries(Object.entries(value).map(([name, text]) => [name, toText(text)]))
}

function toObject(value: unknown): unknown {
  if (typeof value === 'object' && !Array.isArray(value)) return value
  const wanted = 'map[string]interface {}'
  throw refusal(`'' expected type '${wanted}', got unconvertible type '${goType(value)}'`)
}

/** Go's name for the type of a decoded JSON value, as Vault prints it. */
export function goType(value: unknown): string {
  if (typeof value === 'string') return 'string'
  if (typeof value === 'number') return 'json.Number'
  if (typeof value === 'boolean') return 'bool'
  return Array.isArray(value) ? '[]interface {}' : 'map[string]interface {}'
}

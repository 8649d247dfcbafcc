/** Reads a definition, in the native shape or in the Python original's, into {@link Definition}. */
import { isDataKey, isDnsSubdomain, isTransitKey } from '../lib/names.ts'
import {
  check,
  group,
  guarded,
  leaf,
  optional,
  withDefault,
  type Checked,
  type Reading,
} from './check.ts'
import { invalid } from './problems.ts'
import { namespace, oneOf, text, trueOrFalse } from './rules.ts'
import { checkSecretDef, isSecretDef } from './secretcfg.ts'
import type { Definition } from './settings.ts'
import type { SecretDef, SecretDefinition, StandardSchema } from './types.ts'

export type { Definition } from './settings.ts'

/**
 * Reads a definition of either shape. Who has its parts one by one passes them as an object.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every problem, its path, and no value
 */
export function parseDefinition(input: unknown): Definition {
  const { output, problems } = checkDefinition(input)
  if (output === undefined) throw invalid('definition', problems)
  return output
}

/**
 * The same for who asks with one object again and again: it is read anew only when it was changed.
 *
 * @returns the same definition for the same unchanged object
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID
 */
export function definitionOf(input: unknown): Definition {
  if (typeof input !== 'object' || input === null) return parseDefinition(input)
  const known = read.get(input)
  if (known !== undefined && isAsRead(input, known)) return known.definition
  const now = { keys: keysOf(input), parts: partsOf(input), definition: parseDefinition(input) }
  // A getter may have answered otherwise meanwhile: then nobody knows what was read.
  if (isAsRead(input, now)) read.set(input, now)
  return now.definition
}

/**
 * The same for the original's five values one by one.
 *
 * @returns the same definition for the same values, most of the time
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID
 */
export function positionalDefinition(...values: Positions): Definition {
  const [secret_name, within, read_type, read_key, transit_key] = values
  const list = positional.get(secret_name) ?? []
  for (const each of list) if (isEqual(each.values, values)) return each.definition
  const parts = { secret_name, namespace: within, read_type, read_key, transit_key }
  const definition = parseDefinition(parts)
  keep(list, { values, definition })
  return definition
}

/** The same without throwing, for who knows where each part came from. */
export function checkDefinition(input: unknown): Checked<Definition> {
  return guarded(() => (isSecretDef(input) ? checkSecretDef(input) : check(DEFINITION, input)))
}

const DEFINITION = group<SecretDefinition>()({
  secretName: text(
    'must be the name of a Secret or ConfigMap: at most 253 of a-z, 0-9, "-" and "."',
    isDnsSubdomain,
  ),
  namespace: optional(namespace),
  readType: withDefault(oneOf('must be SECRET or CONFIG_MAP', ['SECRET', 'CONFIG_MAP']), 'SECRET'),
  readKey: text(
    'must be a data key of the object: at most 253 letters, digits, "-", "_" and "."',
    isDataKey,
  ),
  transitKey: text(
    'must be the name of a Transit key: letters, digits, "_", "." and "-"',
    isTransitKey,
  ),
  format: withDefault(oneOf('must be sealed or raw', ['sealed', 'raw']), 'sealed'),
  binding: withDefault(
    oneOf('must be strict, namespace or none', ['strict', 'namespace', 'none']),
    'strict',
  ),
  allowRollback: withDefault(trueOrFalse, false),
  schema: optional(leaf(readStandardSchema)),
})

function readStandardSchema(value: unknown): Reading<StandardSchema> {
  return isStandardSchema(value) ? { value } : { says: 'must be a Standard Schema of version 1' }
}

/** A schema of zod is an object, one of arktype a function. */
function isStandardSchema(value: unknown): value is StandardSchema {
  if (value === null || (typeof value !== 'object' && typeof value !== 'function')) return false
  const standard: unknown = Reflect.get(value, '~standard')
  if (typeof standard !== 'object' || standard === null) return false
  return (
    Reflect.get(standard, 'version') === 1 &&
    typeof Reflect.get(standard, 'validate') === 'function'
  )
}

/** A definition, and what it was read from. */
interface Read {
  readonly keys: readonly unknown[]
  readonly parts: readonly unknown[]
  readonly definition: Definition
}

const read = new WeakMap<object, Read>()

function isAsRead(input: object, { keys, parts }: Read): boolean {
  return isEqual(keysOf(input), keys) && isEqual(partsOf(input), parts)
}

/** A value that equals nothing, for what throws when it is read. */
const UNREADABLE: readonly unknown[] = [Number.NaN]

function keysOf(input: object): readonly unknown[] {
  try {
    return Object.keys(input)
  } catch {
    return UNREADABLE
  }
}

/** Each by its name: a loop over names costs more than all else here. */
function partsOf(input: object & Parts): readonly unknown[] {
  try {
    return [
      input.secretName,
      input.namespace,
      input.readType,
      input.readKey,
      input.transitKey,
      input.format,
      input.binding,
      input.allowRollback,
      input.schema,
      input.secret_name,
      input.read_type,
      input.read_key,
      input.transit_key,
    ]
  } catch {
    return UNREADABLE
  }
}

type Parts = { readonly [Key in keyof SecretDefinition | keyof SecretDef]?: unknown }

function isEqual(a: readonly unknown[], b: readonly unknown[]): boolean {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** As callers gave them. */
type Positions = readonly [
  secret_name: unknown,
  namespace: unknown,
  read_type: unknown,
  read_key: unknown,
  transit_key: unknown,
]

/** More than a service ever asks for; who makes names up must not fill the memory. */
const MOST_KEPT = 1000

interface ReadOfFive {
  readonly values: Positions
  readonly definition: Definition
}

/** By the first of the five. */
const positional = new Map<unknown, ReadOfFive[]>()
let kept = 0

function keep(list: ReadOfFive[], one: ReadOfFive): void {
  if (kept >= MOST_KEPT) {
    positional.clear()
    kept = 0
    list.length = 0
  }
  list.push(one)
  positional.set(one.values[0], list)
  kept += 1
}

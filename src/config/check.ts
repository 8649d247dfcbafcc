/**
 * Runs a valibot schema and turns what it finds into our own words.
 *
 * valibot's messages quote values, so none of them is printed: each rule brings its own text, and
 * what forgot to is covered by one sentence that quotes nothing.
 */
import * as v from 'valibot'
import { closest } from '../lib/closest.ts'
import { joinPath, type Problem } from './problems.ts'

/** What came of a check: the output, or why there is none. */
export type Checked<Output> =
  | { readonly output: Output; readonly problems: readonly [] }
  | { readonly output: undefined; readonly problems: readonly Problem[] }

/** What to say of a key that the schema does not have; `undefined` lets it pass. */
export type StrangerRule = (key: string, known: readonly string[]) => string | undefined

/** Checks `input` and finds all that is wrong with it at once. */
export function check<Schema extends v.GenericSchema>(
  schema: Schema,
  input: unknown,
  stranger: StrangerRule = unknownKey,
): Checked<v.InferOutput<Schema>> {
  const problems: Problem[] = []
  const copy = readKnown(schema, input, '', stranger, problems)
  const result = v.safeParse(schema, copy, { message: 'is not valid' })
  problems.push(...(result.issues ?? []).map(asProblem))
  if (result.success && problems.length === 0) return { output: result.output, problems: [] }
  return { output: undefined, problems }
}

/** Runs a check of what a caller gave: reading an object can throw, and then that is what is wrong. */
export function guarded<Output>(run: () => Checked<Output>): Checked<Output> {
  try {
    return run()
  } catch {
    const says = 'must be plain data: reading a property of it throws'
    return { output: undefined, problems: [{ path: '', says }] }
  }
}

/** The ordinary rule: every stranger is a mistake. */
export function unknownKey(key: string, known: readonly string[]): string {
  const meant = closest(key, known)
  return meant === undefined
    ? 'is not a known setting'
    : `is not a known setting: did you mean ${meant}?`
}

type Group = v.GenericSchema & { readonly entries: Readonly<Record<string, v.GenericSchema>> }
type Wrapper = v.GenericSchema & { readonly wrapped: v.GenericSchema }

const isGroup = (schema: v.GenericSchema): schema is Group => 'entries' in schema
const isWrapper = (schema: v.GenericSchema): schema is Wrapper => 'wrapped' in schema

/**
 * Copies what the schema knows, own properties only, into objects without a prototype, and reports
 * the rest. An array where an object belongs becomes `null`: valibot would take it for an object.
 */
function readKnown(
  schema: v.GenericSchema,
  value: unknown,
  path: string,
  stranger: StrangerRule,
  problems: Problem[],
): unknown {
  if (isWrapper(schema)) return readKnown(schema.wrapped, value, path, stranger, problems)
  if (!isGroup(schema) || typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return null
  const keys = Object.keys(schema.entries)
  for (const key of Object.keys(value).filter((name) => !keys.includes(name))) {
    const says = stranger(key, keys)
    if (says !== undefined) problems.push({ path: joinPath(path, key), says })
  }
  const copy: Record<string, unknown> = Object.create(null)
  for (const [key, entry] of Object.entries(schema.entries)) {
    copy[key] = readKnown(entry, ownValue(value, key), joinPath(path, key), stranger, problems)
  }
  return copy
}

const ownValue = (value: object, key: string): unknown =>
  Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined

function asProblem(issue: v.GenericIssue): Problem {
  const path = (issue.path ?? []).reduce((above, { key }) => {
    return joinPath(above, typeof key === 'number' ? key : String(key))
  }, '')
  const missing = issue.received === 'undefined'
  return { path, says: missing ? `is required and ${issue.message}` : issue.message }
}

import { fault, refusal, VaultFailure } from '../core/failure.ts'
import { goType, type Fields } from '../core/fields.ts'

/** One thing to encrypt, decrypt or rewrap. */
export interface Item {
  readonly plaintext: string
  readonly ciphertext: string
  readonly context: string
  readonly associatedData: string
  readonly keyVersion: number
  readonly reference: string
}

/** What became of an item. */
export type Outcome<T> = { readonly value: T } | { readonly error: string }

/** Which field an item must have, and what Transit says when it has not. */
export interface Requirement {
  readonly field: 'plaintext' | 'ciphertext'
  readonly missing: string
  /** Encrypt and decrypt refuse badly typed items; rewrap converts what it can. */
  readonly strict: boolean
}

/** The items of a request, and whether it is a batch. @throws VaultFailure */
export function readItems(
  fields: Fields,
  requirement: Requirement,
): { items: readonly Item[]; isBatch: boolean } {
  const batch = fields.raw('batch_input') ?? undefined
  const items = batch === undefined ? [single(fields, requirement)] : readBatch(batch, requirement)
  const withContext = items.filter((item) => item.context !== '').length
  if (withContext !== 0 && withContext !== items.length) {
    throw refusal('context should be set either in all the request blocks or in none')
  }
  return { items, isBatch: batch !== undefined }
}

function single(fields: Fields, { field, missing }: Requirement): Item {
  // An empty plaintext can be encrypted; an empty ciphertext is none.
  const given = field === 'plaintext' ? fields.has(field) : fields.string(field) !== ''
  if (!given) throw refusal(missing)
  return {
    plaintext: fields.string('plaintext'),
    ciphertext: fields.string('ciphertext'),
    context: fields.string('context'),
    associatedData: fields.string('associated_data'),
    keyVersion: fields.int('key_version'),
    reference: '',
  }
}

function readBatch(batch: unknown, requirement: Requirement): readonly Item[] {
  if (!Array.isArray(batch)) {
    const quote = requirement.strict ? '' : "'' "
    throw unreadable(`${quote}source data must be an array or slice, got ${goType(batch)}`)
  }
  if (batch.length === 0) throw refusal('missing batch input to process')
  const problems: string[] = []
  const items = batch.map((item: unknown, index) => readItem(item, index, requirement, problems))
  if (problems.length > 0) throw unreadable(problems.join('\n'))
  return items
}

function unreadable(reason: string): VaultFailure {
  return fault(`failed to parse batch input: ${reason}`)
}

function readItem(
  item: unknown,
  index: number,
  { field, missing, strict }: Requirement,
  problems: string[],
): Item {
  if (typeof item !== 'object' || item === null || Array.isArray(item))
    throw notAMap(item, index, strict)
  const record: Readonly<Record<string, unknown>> = { ...item }
  const text = (name: string): string => {
    const value = record[name] ?? ''
    if (typeof value === 'string') return value
    if (strict) problems.push(mistyped(index, name, 'string', value))
    return typeof value === 'number' ? String(value) : ''
  }
  const version = record['key_version'] ?? 0
  if (typeof version !== 'number') problems.push(mistyped(index, 'key_version', 'int', version))
  if (strict && !Object.hasOwn(record, field)) problems.push(`'[${index}].${field}' ${missing}`)
  return {
    plaintext: text('plaintext'),
    ciphertext: text('ciphertext'),
    context: text('context'),
    associatedData: text('associated_data'),
    keyVersion: typeof version === 'number' ? version : 0,
    reference: text('reference'),
  }
}

function notAMap(item: unknown, index: number, strict: boolean): VaultFailure {
  if (strict) return unreadable(`[${index}] expected a map, got '${goType(item)}'`)
  return unreadable(
    'decoding failed due to the following error(s):\n\n' +
      `'[${index}]' expected a map or struct, got "string"`,
  )
}

function mistyped(index: number, name: string, wanted: string, value: unknown): string {
  const type = goType(value)
  return `'[${index}].${name}' expected type '${wanted}', got unconvertible type '${type}'`
}

/** Runs `work`, keeping a refusal as the outcome of this item alone. */
export function attempt<T>(work: () => T): Outcome<T> {
  try {
    return { value: work() }
  } catch (error) {
    if (error instanceof VaultFailure && !error.wrapped) return { error: error.message }
    throw error
  }
}

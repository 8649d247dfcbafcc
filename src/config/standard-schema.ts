/** Runs a Standard Schema over a dictionary. See https://standardschema.dev */
import { SecretManagerError } from '../errors.ts'
import { sealValues } from '../values.ts'
import { joinPath } from './problems.ts'
import type { StandardIssue, StandardSchema } from './types.ts'

/** More would not help a person. */
const MAX_ISSUES = 20

/**
 * Checks `dictionary` and seals what the schema makes of it.
 *
 * @throws {@link SecretManagerError} SM_SCHEMA_INVALID with the paths only: a schema's messages quote values
 */
export async function validate(schema: StandardSchema, dictionary: object): Promise<object> {
  const { issues, value } = await run(schema, dictionary)
  if (issues) throw invalid(`the schema refuses ${issues.join(', ')}`)
  return sealed(value)
}

/** A schema may give anything: an instance of a class, or an object whose getters throw with what they hold. */
function sealed(value: unknown): object {
  const refusal = invalid('the schema gives no plain dictionary')
  if (typeof value !== 'object' || value === null) throw refusal
  try {
    return sealValues(value)
  } catch {
    throw refusal
  }
}

interface Result {
  readonly value: unknown
  /** Where they are. */
  readonly issues: readonly string[] | undefined
}

/** Not only its function is the user's: what that gives may be nothing, or throw when it is looked at. */
async function run(schema: StandardSchema, dictionary: object): Promise<Result> {
  try {
    const result = await schema['~standard'].validate(dictionary)
    if (!result.issues) return { value: result.value, issues: undefined }
    return { value: undefined, issues: result.issues.slice(0, MAX_ISSUES).map(pathOf) }
  } catch {
    // A transform that throws may quote the value that it met.
    throw invalid('the schema failed while it ran')
  }
}

function pathOf({ path = [] }: StandardIssue): string {
  const keys = path.map((step) => (typeof step === 'object' ? step.key : step))
  const joined = keys.reduce<string>(
    (within, key) => joinPath(within, typeof key === 'symbol' ? String(key) : key),
    '',
  )
  return joined || 'the dictionary as a whole'
}

function invalid(message: string): SecretManagerError {
  return new SecretManagerError('SM_SCHEMA_INVALID', message)
}

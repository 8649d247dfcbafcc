/** Runs a Standard Schema over a dictionary. See https://standardschema.dev */
import { SecretManagerError } from '../errors.ts'
import type { StandardIssue, StandardSchema } from './types.ts'

/** More would not help a person. */
const MAX_ISSUES = 20

/**
 * Checks `dictionary` and gives what the schema makes of it.
 *
 * @throws {@link SecretManagerError} SM_SCHEMA_INVALID with the paths only: a schema's messages quote values
 */
export async function validate(schema: StandardSchema, dictionary: object): Promise<object> {
  const result = await run(schema, dictionary)
  if (result.issues)
    throw invalid(`the schema refuses ${result.issues.slice(0, MAX_ISSUES).map(pathOf).join(', ')}`)
  if (typeof result.value !== 'object' || result.value === null)
    throw invalid('the schema gives no dictionary')
  return result.value
}

type Result = Awaited<ReturnType<StandardSchema['~standard']['validate']>>

async function run(schema: StandardSchema, dictionary: object): Promise<Result> {
  try {
    return await schema['~standard'].validate(dictionary)
  } catch {
    // A transform that throws may quote the value that it met.
    throw invalid('the schema failed while it ran')
  }
}

function pathOf({ path = [] }: StandardIssue): string {
  const keys = path.map((step) => String(typeof step === 'object' ? step.key : step))
  return keys.length === 0 ? 'the dictionary as a whole' : keys.join('.')
}

function invalid(message: string): SecretManagerError {
  return new SecretManagerError('SM_SCHEMA_INVALID', message)
}

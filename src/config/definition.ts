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
import { namespace, oneOf, text } from './rules.ts'
import { checkSecretDef, isSecretDef } from './secretcfg.ts'
import type { Definition } from './settings.ts'
import type { SecretDefinition, StandardSchema } from './types.ts'

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
  format: oneOf('must be "raw": no other format is in this version', ['raw']),
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

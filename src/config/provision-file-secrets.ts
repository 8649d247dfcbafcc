import { isRecord } from '../lib/record.ts'
import { refuse, WRONG, type Rule } from './check.ts'
import { checkDefinition, type Definition } from './definition.ts'
import { joinPath, type Problem } from './problems.ts'
import type { SecretInput } from './provision-file-types.ts'
import { isSecretDef } from './secretcfg.ts'

/** Entry of a Secret that holds the document where nobody says otherwise. */
const DATA_KEY = 'secrets.json'

/** A list of definitions, each of either shape and with its namespace; native ones begin with `defaults`. */
export function definitionsWith(
  defaults: SecretInput,
): Rule<readonly SecretInput[], readonly Definition[]> {
  return {
    read(value, path, problems) {
      if (!Array.isArray(value))
        return refuse('must be a list of definitions', value, path, problems)
      const all = value.map((one: unknown, at) =>
        readDefinition(one, defaults, joinPath(path, at), problems),
      )
      const sound = all.filter((one) => one !== WRONG)
      return sound.length === all.length ? sound : WRONG
    },
  }
}

function readDefinition(
  value: unknown,
  defaults: SecretInput,
  path: string,
  problems: Problem[],
): Definition | typeof WRONG {
  const isNative = isRecord(value) && !isSecretDef(value)
  const { output, problems: found } = checkDefinition(
    isNative ? { readKey: DATA_KEY, ...defaults, ...value } : value,
  )
  problems.push(...found.map(({ path: key, says }) => ({ path: below(path, key), says })))
  if (output === undefined) return WRONG
  if (output.namespace !== undefined) return output
  problems.push({
    path: below(path, 'namespace'),
    says: 'is required: a file runs in no namespace',
  })
  return WRONG
}

/** Paths of a checker begin within what it was given. */
function below(path: string, key: string): string {
  return key === '' ? path : `${path}.${key}`
}

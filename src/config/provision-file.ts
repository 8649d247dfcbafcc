/**
 * The provision file: which clusters there are, which apps live in them, and where their documents lie.
 * `provision` sets this up; `rewrap`, `rotate`, `retire` and `status` take the same file as their inventory.
 */
import { isSecretManagerError, withFacts } from '../errors.ts'
import { isRecord } from '../lib/record.ts'
import type { Runtime } from '../runtime.ts'
import { guarded } from './check.ts'
import { readDataFile } from './file.ts'
import { invalid } from './problems.ts'
import { checkProvisionFile } from './provision-file-schema.ts'
import type { ProvisionFile } from './provision-spec.ts'
import { isSecretDef } from './secretcfg.ts'

export type {
  AccessSpec,
  AppSpec,
  ClusterSpec,
  ProvisionFile,
  RenewSpec,
  ReviewerSpec,
} from './provision-spec.ts'

/**
 * Reads a provision file that is parsed already.
 *
 * @param where - what the error calls it, such as `provision file "provision.yaml"`
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every problem, its path, and no value
 */
export function parseProvisionFile(value: unknown, where: string): ProvisionFile {
  const { output, problems } = guarded(() => checkProvisionFile(value))
  if (output === undefined) throw invalid(where, problems)
  return output
}

/**
 * Reads a provision file, in JSON or YAML.
 *
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, SM_CONFIG_INVALID
 */
export async function loadProvisionFile(path: string, runtime: Runtime): Promise<ProvisionFile> {
  const value = await readDataFile('provision', path, runtime)
  try {
    return parseProvisionFile(value, `provision file ${JSON.stringify(path)}`)
  } catch (error) {
    const other = otherFile(value)
    if (other === undefined || !isSecretManagerError(error)) throw error
    const hint = `it is a ${other}: name the provision file, which secretmanager init writes beside it`
    throw withFacts(error, { hint })
  }
}

/** The three files of an app are easily mistaken for one another. */
function otherFile(value: unknown): string | undefined {
  if (!isRecord(value)) return undefined
  if ('secretName' in value || isSecretDef(value)) return 'definition'
  const { vault } = value
  return isRecord(vault) && 'url' in vault ? 'configuration' : undefined
}

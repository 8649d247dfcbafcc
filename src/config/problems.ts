/** What is wrong with a configuration or a definition, said without its values. */
import { SecretManagerError } from '../errors.ts'

/** One thing that is wrong: where, and the rest of the sentence. */
export interface Problem {
  /** Such as `vault.auth.role`; empty for the whole. */
  readonly path: string
  /** Begins with a verb: `must be …`, `is required …`. */
  readonly says: string
}

/** Enough to mend; a file of another program can have thousands. */
const MOST = 100

/**
 * The error that tells all problems at once.
 *
 * @param what - `configuration`, or a definition, or where it was read from
 * @param origins - who said the value at a path, such as `VAULT_ADDR`
 */
export function invalid(
  what: string,
  problems: readonly Problem[],
  origins: ReadonlyMap<string, string> = new Map(),
): SecretManagerError {
  const sentences = problems.slice(0, MOST).map(({ path, says }) => {
    const origin = origins.get(path)
    return [path || 'it', origin && `(from ${origin})`, says].filter(Boolean).join(' ')
  })
  const more = problems.length > MOST ? [`and ${problems.length - MOST} more problems`] : []
  const all = [...sentences, ...more]
  const message = `the ${what} is not valid: ${all.join('; ')}`
  return new SecretManagerError('SM_CONFIG_INVALID', message, { problems: all })
}

/** The path of `key` within `path`; what is not a plain name is quoted and cut short. */
export function joinPath(path: string, key: string | number): string {
  if (typeof key === 'number') return `${path}[${key}]`
  const name = /^[A-Za-z0-9_.-]{1,64}$/.test(key) ? key : JSON.stringify(key.slice(0, 64))
  return path === '' ? name : `${path}.${name}`
}

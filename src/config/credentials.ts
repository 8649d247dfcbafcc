import { isRecord } from '../lib/record.ts'

const CREDENTIALS: ReadonlySet<string> = new Set(['token', 'roleId', 'secretId'])

/**
 * A copy of a configuration in which credentials are read by name and appear in no output: consoles,
 * JSON and spread pass them over.
 */
export function withHiddenCredentials<Config extends object>(config: Config): Config {
  const vault: unknown = Reflect.get(config, 'vault')
  const auth = isRecord(vault) ? vault['auth'] : undefined
  if (!isRecord(vault) || !isRecord(auth)) return config
  const entries = Object.entries(auth)
  if (!entries.some(([key]) => CREDENTIALS.has(key))) return config
  const hidden: object = {}
  for (const [key, value] of entries) {
    Object.defineProperty(hidden, key, { value, enumerable: !CREDENTIALS.has(key) })
  }
  return { ...config, vault: { ...vault, auth: hidden } }
}

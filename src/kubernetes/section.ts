/**
 * One mapping of a kubeconfig, read field by field from unknown data. Every complaint says in which
 * file, under which name, and never quotes the value.
 *
 * `null` and `''` count as absent: kubectl writes `args: null`, templates leave `token: ""`.
 */
import { SecretManagerError } from '../errors.ts'

/** A mapping, with the words that say where it stands. */
export interface Section {
  /** Such as `kubeconfig /etc/app/kubeconfig: user "app"`. */
  readonly where: string
  /** The file it stands in: relative paths are relative to it. */
  readonly file: string
  readonly fields: ReadonlyMap<string, unknown>
}

/** Takes `value` as a mapping; nothing at all is an empty one. */
export function section(value: unknown, file: string, where: string): Section {
  if (value === undefined || value === null) return { where, file, fields: new Map() }
  if (typeof value !== 'object' || Array.isArray(value)) {
    throw invalid(where, 'must be a mapping', 'compare the file with one that kubectl wrote')
  }
  return { where, file, fields: new Map(Object.entries(value)) }
}

/** The mapping under `key`, or `undefined`. */
export function child(parent: Section, key: string): Section | undefined {
  const value = parent.fields.get(key) ?? undefined
  return value === undefined ? undefined : section(value, parent.file, `${parent.where}: ${key}`)
}

/** The text under `key`, or `undefined` where there is none. */
export function text({ fields, where }: Section, key: string): string | undefined {
  const value = fields.get(key) ?? ''
  if (typeof value !== 'string') {
    throw invalid(where, `${key} must be a string`, 'put the value into quotes')
  }
  return value === '' ? undefined : value
}

/** Like {@link text}, where its absence is an error. */
export function requiredText(parent: Section, key: string): string {
  const value = text(parent, key)
  if (value === undefined) throw invalid(parent.where, `has no ${key}`, `set ${key}`)
  return value
}

/** The switch under `key`; off where there is none. */
export function flag({ fields, where }: Section, key: string): boolean {
  const value = fields.get(key) ?? false
  if (typeof value === 'boolean') return value
  throw invalid(where, `${key} must be true or false`, 'write it without quotes')
}

/** The entries under `key`; none where there is no such list. */
export function list({ fields, where }: Section, key: string): readonly unknown[] {
  const value = fields.get(key) ?? []
  if (Array.isArray(value)) return value
  throw invalid(where, `${key} must be a list`, 'compare the file with one that kubectl wrote')
}

/** What is wrong with a configuration, and what to do about it. */
export function invalid(where: string, problem: string, hint: string): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', `${where}: ${problem}`, { hint })
}

/** A name from a file as it may stand in a message: quoted, on one line, of bounded length. */
export function quoted(name: string): string {
  return JSON.stringify(name.length > 128 ? `${name.slice(0, 128)}…` : name)
}

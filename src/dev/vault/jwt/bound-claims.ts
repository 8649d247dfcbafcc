import { audiencesOf, recordOf, type Claims } from './claims.ts'

/** A claim by its name, or by a JSON pointer, which begins with a slash. */
export function claimAt(claims: Claims, name: string): unknown {
  const value = name.startsWith('/') ? at(claims, name.slice(1).split('/')) : claims[name]
  if (name === 'aud' && value !== undefined) return audiencesOf(claims)
  // Vault compares whole numbers.
  return typeof value === 'number' ? Math.trunc(value) : value
}

function at(value: unknown, path: readonly string[]): unknown {
  const [name, ...rest] = path
  if (name === undefined) return value
  const key = name.replaceAll('~1', '/').replaceAll('~0', '~')
  if (Array.isArray(value)) return at(value[Number(key)], rest)
  return at(recordOf(value)?.[key], rest)
}

/** Vault's words where the claims are not those that the role binds. */
export function boundClaimsError(
  claims: Claims,
  bound: Claims,
  isGlob: boolean,
): string | undefined {
  for (const [name, wanted] of Object.entries(bound)) {
    const actual = claimAt(claims, name) ?? undefined
    if (actual === undefined) return `claim ${JSON.stringify(name)} is missing`
    const values = listOf(actual) ?? []
    const isMatch = (listOf(wanted) ?? []).some((value) =>
      values.some((item) => (isGlob ? globMatches(value, item) : value === item)),
    )
    if (!isMatch) {
      return `claim ${JSON.stringify(name)} does not match any associated bound claim values`
    }
  }
  return undefined
}

/** A list, or one value as a list of it; undefined for what is neither. */
export function listOf(value: unknown): readonly unknown[] | undefined {
  if (Array.isArray(value)) return value
  return typeof value === 'object' || value === undefined ? undefined : [value]
}

/** `*` anywhere stands for any text. */
function globMatches(pattern: unknown, value: unknown): boolean {
  if (typeof pattern !== 'string' || typeof value !== 'string') return false
  const parts = pattern
    .split('*')
    .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`))
  return new RegExp(`^${parts.join('.*')}$`, 's').test(value)
}

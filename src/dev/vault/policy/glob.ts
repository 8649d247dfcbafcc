/** Whether `value` matches `pattern`, which may start or end with `*` (Vault's GlobbedStringsMatch). */
export function matchesGlob(pattern: string, value: string): boolean {
  if (pattern.length < 2) return pattern === value
  const leading = pattern.startsWith('*')
  const trailing = pattern.endsWith('*')
  if (leading && trailing) return value.includes(pattern.slice(1, -1))
  if (leading) return value.endsWith(pattern.slice(1))
  if (trailing) return value.startsWith(pattern.slice(0, -1))
  return pattern === value
}

/**
 * What rules of policies grant together on one path: the most special rule decides, and `deny` wins
 * where several are for the same path.
 *
 * @see https://developer.hashicorp.com/vault/docs/concepts/policies#priority-matching
 */
import type { PathRule } from './policy-text.ts'

/** Whether something is granted; `maybe` where that depends on the token, or on the day. */
export type Grant = 'yes' | 'maybe' | 'no'

/** Whether the rules of all policies of a token let it write to `path`, which has no wildcards. */
export function mayUpdate(rules: readonly PathRule[], path: string): Grant {
  const certain = rules.filter(({ isCertain }) => isCertain)
  const possible = rules.filter((rule) => !rule.isCertain && couldMatch(rule.path, path))
  // Nothing is more special than the path itself: what is for it, too, can add to it or deny it.
  const exact = certain.filter((rule) => kindOf(rule.path) === 'exact' && rule.path === path)
  if (updates(deciding(certain, path))) {
    const isAtRisk = possible.some((rule) => (exact.length > 0 ? denies([rule]) : !updates([rule])))
    return isAtRisk ? 'maybe' : 'yes'
  }
  return !denies(exact) && possible.some((rule) => updates([rule])) ? 'maybe' : 'no'
}

function updates(rules: readonly PathRule[]): boolean {
  return !denies(rules) && rules.some(({ capabilities }) => capabilities.includes('update'))
}

function denies(rules: readonly PathRule[]): boolean {
  return rules.some(({ capabilities }) => capabilities.includes('deny'))
}

type Kind = 'exact' | 'prefix' | 'segments'

/** A path with a `+` for a segment is never taken for a prefix, and one without a wildcard is exact. */
function kindOf(path: string): Kind {
  if (path === '+' || path.includes('/+') || path.startsWith('+/')) return 'segments'
  return path.endsWith('*') ? 'prefix' : 'exact'
}

/** The rules for the one path that decides. */
function deciding(rules: readonly PathRule[], path: string): readonly PathRule[] {
  const matching = rules.filter((rule) => matches(rule.path, path))
  const [best] = matching.map((rule) => rule.path).toSorted(byPriority)
  return matching.filter((rule) => rule.path === best)
}

function matches(pattern: string, path: string): boolean {
  const kind = kindOf(pattern)
  if (kind === 'exact') return pattern === path
  return kind === 'prefix' ? path.startsWith(pattern.slice(0, -1)) : matchesSegments(pattern, path)
}

function matchesSegments(pattern: string, path: string): boolean {
  const isPrefix = pattern.endsWith('*')
  const own = withoutStar(pattern).split('/')
  const asked = path.split('/')
  if (isPrefix ? own.length > asked.length : own.length !== asked.length) return false
  return own.every((segment, at) => {
    const text = asked[at] ?? ''
    if (segment === '+' || segment === text) return true
    return isPrefix && at === own.length - 1 && text.startsWith(segment)
  })
}

function withoutStar(pattern: string): string {
  return pattern.endsWith('*') ? pattern.slice(0, -1) : pattern
}

/** The more special one first. */
function byPriority(a: string, b: string): number {
  return (
    firstWildcard(b) - firstWildcard(a) ||
    Number(a.endsWith('*')) - Number(b.endsWith('*')) ||
    wildcards(a) - wildcards(b) ||
    b.length - a.length ||
    (a < b ? 1 : -1)
  )
}

function firstWildcard(pattern: string): number {
  const kind = kindOf(pattern)
  if (kind === 'exact') return Infinity
  return kind === 'prefix' ? pattern.length - 1 : pattern.indexOf('+')
}

function wildcards(pattern: string): number {
  const segments = withoutStar(pattern).split('/')
  return segments.filter((segment) => segment === '+').length
}

/** A template stands for whatever an entity has: slashes and stars, too. */
function couldMatch(pattern: string, path: string): boolean {
  if (!pattern.includes('{{')) return matches(pattern, path)
  const texts = pattern.replace(/\*$/, '{{}}').split(/\{\{[^]*?\}\}|\+/)
  const last = texts.pop() ?? ''
  let at = 0
  for (const [index, text] of texts.entries()) {
    const found = index === 0 ? path.indexOf(text) : path.indexOf(text, at)
    if (found < 0 || (index === 0 && found > 0)) return false
    at = found + text.length
  }
  return path.length - last.length >= at && path.endsWith(last)
}

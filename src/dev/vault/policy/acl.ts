/**
 * Access decisions by the rules of all policies of a token, in Vault's order of priority.
 *
 * One rule decides: an exact path before any pattern; among patterns the one whose first wildcard
 * comes latest, then one without a trailing `*`, then fewer `+`, then the longer, then the greater.
 * Rules for the same path in several policies are merged, and `deny` wins the merge.
 */
import type { OperationKind } from '../core/operation.ts'
import { matchesGlob } from './glob.ts'
import type { Parameters, PathRule } from './policy.ts'

/** A request as policies see it. */
export interface Asked {
  readonly kind: OperationKind
  readonly path: string
  readonly data: Readonly<Record<string, unknown>>
}

/** Decides for one token. */
export interface Acl {
  allows(asked: Asked): boolean
  hasSudo(path: string): boolean
  /** As `sys/capabilities` prints them. */
  capabilities(path: string): readonly string[]
}

/** The access that the rules of all policies grant together. */
export function createAcl(rules: readonly PathRule[]): Acl {
  const merged = mergeByPath(rules)
  return {
    allows: (asked) => {
      const rule = findRule(merged, asked.path, asked.kind === 'list')
      return rule !== undefined && rule.capabilities.has(asked.kind) && parametersAllow(rule, asked)
    },
    hasSudo: (path) => findRule(merged, path, false)?.capabilities.has('sudo') ?? false,
    capabilities: (path) => printed(findRule(merged, path, true)),
  }
}

/** The access of a token that has the `root` policy. */
export const ROOT_ACL: Acl = {
  allows: () => true,
  hasSudo: () => true,
  capabilities: () => ['root'],
}

function printed(rule: PathRule | undefined): readonly string[] {
  const names = [...(rule?.capabilities ?? [])].toSorted()
  return names.length === 0 ? ['deny'] : names
}

function mergeByPath(rules: readonly PathRule[]): ReadonlyMap<string, PathRule> {
  const merged = new Map<string, PathRule>()
  for (const rule of rules) {
    const known = merged.get(rule.path)
    merged.set(rule.path, known ? merge(known, rule) : rule)
  }
  return merged
}

function merge(known: PathRule, more: PathRule): PathRule {
  if (known.capabilities.has('deny')) return known
  if (more.capabilities.has('deny')) return { ...more, allowed: undefined, denied: undefined }
  return {
    path: known.path,
    capabilities: new Set([...known.capabilities, ...more.capabilities]),
    allowed: mergeParameters(known.allowed, more.allowed),
    denied: mergeParameters(known.denied, more.denied),
    required: [...new Set([...known.required, ...more.required])],
  }
}

function mergeParameters(known?: Parameters, more?: Parameters): Parameters | undefined {
  if (!known || !more) return known ?? more
  const names = new Set([...Object.keys(known), ...Object.keys(more)])
  return Object.fromEntries(
    [...names].map((name) => {
      const both = [known[name], more[name]].filter((values) => values !== undefined)
      const any = both.some((values) => values.length === 0)
      return [name, any ? [] : both.flat()]
    }),
  )
}

function findRule(
  rules: ReadonlyMap<string, PathRule>,
  path: string,
  isList: boolean,
): PathRule | undefined {
  const bare = path.replace(/\/$/, '')
  // A list names a folder: rules may be written with or without its slash.
  const names = isList ? [path, bare] : [path]
  const exact = names.map((name) => rules.get(name)).find((rule) => rule && !isPattern(rule.path))
  if (exact) return exact
  return (isList && bestPattern(rules, bare)) || bestPattern(rules, path)
}

function isPattern(path: string): boolean {
  return path.endsWith('*') || path.split('/').includes('+')
}

function bestPattern(rules: ReadonlyMap<string, PathRule>, path: string): PathRule | undefined {
  const matching = [...rules.values()].filter(
    (rule) => isPattern(rule.path) && matches(rule.path, path),
  )
  return matching.toSorted((a, b) => compareSpecificity(a.path, b.path)).at(-1)
}

function matches(pattern: string, path: string): boolean {
  const isPrefix = pattern.endsWith('*')
  const wanted = (isPrefix ? pattern.slice(0, -1) : pattern).split('/')
  const given = path.split('/')
  if (isPrefix ? given.length < wanted.length : given.length !== wanted.length) return false
  return wanted.every((segment, index) => {
    const actual = given[index] ?? ''
    if (segment === '+') return true
    return isPrefix && index === wanted.length - 1 ? actual.startsWith(segment) : actual === segment
  })
}

/** Positive where `a` is the more specific pattern. */
function compareSpecificity(a: string, b: string): number {
  return (
    firstWildcard(a) - firstWildcard(b) ||
    Number(b.endsWith('*')) - Number(a.endsWith('*')) ||
    plusCount(b) - plusCount(a) ||
    a.length - b.length ||
    (a > b ? 1 : -1)
  )
}

function firstWildcard(pattern: string): number {
  const plus = pattern.indexOf('+')
  return plus === -1 ? pattern.length - 1 : plus
}

function plusCount(pattern: string): number {
  return pattern.split('/').filter((segment) => segment === '+').length
}

const WITH_PARAMETERS: ReadonlySet<OperationKind> = new Set(['read', 'create', 'update', 'patch'])

function parametersAllow({ required, denied, allowed }: PathRule, { kind, data }: Asked): boolean {
  if (!WITH_PARAMETERS.has(kind)) return true
  if (!required.every((name) => Object.hasOwn(data, name.toLowerCase()))) return false
  const given = Object.entries(data)
  if (given.length === 0) return true
  if (denied && (denied['*'] || given.some(([name, value]) => lists(denied, name, value)))) {
    return false
  }
  if (!allowed || Object.keys(allowed).length === 0) return true
  return given.every(([name, value]) =>
    allowed[name.toLowerCase()] ? lists(allowed, name, value) : allowed['*'] !== undefined,
  )
}

function lists(parameters: Parameters, name: string, value: unknown): boolean {
  const values = parameters[name.toLowerCase()]
  if (!values) return false
  return values.length === 0 || values.some((listed) => isEqual(listed, value))
}

function isEqual(listed: unknown, value: unknown): boolean {
  if (typeof listed === 'string' && typeof value === 'string') return matchesGlob(listed, value)
  // Vault compares its parsed policy with json.Number, which is never equal to a number.
  return typeof listed === 'boolean' && listed === value
}

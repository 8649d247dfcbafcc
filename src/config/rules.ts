/** The rules that configuration and definitions are made of, each with its own words. */
import { DURATION_FORMS, parseDuration } from '../lib/duration.ts'
import { isDnsLabel, isDnsSubdomain, isPathSegments, isRoleName } from '../lib/names.ts'
import { leaf, type Rule } from './check.ts'
import type { CacheSettings } from './settings.ts'
import type { Duration } from './types.ts'

/** Time limits where nobody says otherwise, in milliseconds; both shapes have the same. */
export const DEFAULT_LIMITS = {
  connectTimeoutMs: 2000,
  timeoutMs: 5000,
  startupWaitMs: 30_000,
} as const

/** How long values are kept where nobody says otherwise. */
export const DEFAULT_CACHE: CacheSettings = {
  refreshAfterMs: 300_000,
  keepAtMostMs: 86_400_000,
  onDenied: 'keepStale',
}

/** Name of the cluster that sealed documents are bound to, where nobody gives it one. */
export const DEFAULT_CLUSTER = 'default'

/** A text that `allows` lets pass. */
export function text(says: string, allows: (value: string) => boolean): Rule<string> {
  return leaf((value) => (typeof value === 'string' && allows(value) ? { value } : { says }))
}

/** One of a few words. */
export function oneOf<const Word extends string>(says: string, words: readonly Word[]): Rule<Word> {
  return leaf((value) => {
    const word = words.find((one) => one === value)
    return word === undefined ? { says } : { value: word }
  })
}

const DAY_MS = 86_400_000

/** For waits that a person may want to have no end; longer is a mistake. */
export const MONTH_MS: number = 30 * DAY_MS

/** A duration between `leastMs` and `mostMs`, which is a day where nothing can last longer. */
export function duration(leastMs: number, mostMs: number = DAY_MS): Rule<Duration, number> {
  const most = mostMs > DAY_MS ? `${mostMs / DAY_MS} days` : '24 h'
  const bounds = leastMs > 0 ? `, from ${leastMs} ms to ${most}` : `, at most ${most}`
  return leaf((value) => {
    const ms = parseDuration(value)
    if (ms === undefined) return { says: `must be ${DURATION_FORMS}` }
    return ms >= leastMs && ms <= mostMs
      ? { value: ms }
      : { says: `must be ${DURATION_FORMS}${bounds}` }
  })
}

/** Mount paths and Vault namespaces; people copy them with a slash at the end, as Vault prints them. */
export function mountPath(what: string): Rule<string> {
  const says = `must be ${what}: segments of letters, digits, "_", "." and "-", joined by "/"`
  return leaf((value) => {
    if (typeof value !== 'string') return { says }
    const path = trimSlashes(value)
    return isPathSegments(path) ? { value: path } : { says }
  })
}

/** `path` without the slashes around it. By hand: `/\/+$/` is quadratic. */
export function trimSlashes(path: string): string {
  let start = 0
  let end = path.length
  while (start < end && path[start] === '/') start++
  while (end > start && path[end - 1] === '/') end--
  return path.slice(start, end)
}

/** A path of a file or directory. */
export const filePath: Rule<string> = text(
  'must be a path',
  (value) => value !== '' && !value.includes('\0'),
)

/** Something that is sent as it is: visible ASCII. */
export const visibleText: Rule<string> = text('must be visible ASCII text', (value) =>
  /^[\x21-\x7e]{1,1024}$/.test(value),
)

/** A token or an id that is sent in a header or a body: visible ASCII, and longer than any server gives. */
export const credential: Rule<string> = text('must be visible ASCII text without spaces', (value) =>
  /^[\x21-\x7e]{1,8192}$/.test(value),
)

/** A host name to send as SNI. */
export const hostName: Rule<string> = text('must be a host name', (value) =>
  /^[A-Za-z0-9_.-]{1,253}$/.test(value),
)

export const role: Rule<string> = text(
  'must be the name of a role: letters, digits, "_", "." and "-"',
  isRoleName,
)

export const namespace: Rule<string> = text(
  'must be a Kubernetes namespace: at most 63 of a-z, 0-9 and "-"',
  isDnsLabel,
)

export const serviceAccount: Rule<string> = text(
  'must be the name of a ServiceAccount: at most 253 of a-z, 0-9, "-" and "."',
  isDnsSubdomain,
)

/** `true` or `false`, and nothing that only looks so. */
export const trueOrFalse: Rule<boolean> = leaf((value) =>
  typeof value === 'boolean' ? { value } : { says: 'must be true or false' },
)

/** Lays flags and environment over a file, in whichever of the two shapes the file is written. */
import { isRecord } from '../lib/record.ts'
import type { Checked } from './check.ts'
import type { Layer, Said } from './env.ts'
import { invalid, type Problem } from './problems.ts'

/** What the two shapes of one thing have in common. */
export interface Shapes<Native, Old> {
  /** `configuration` or `definition`. */
  readonly what: string
  readonly isOld: (input: unknown) => boolean
  /** The old key of each native path that has one. */
  readonly oldKeys: ReadonlyMap<string, string>
  readonly check: (input: unknown) => Checked<unknown>
  /** Whether {@link check} finds nothing. */
  readonly isValid: (input: unknown) => input is Native | Old
  readonly asNative: (valid: Native | Old) => Native
}

/** A file's content, and what is said besides it. */
export interface Layers {
  readonly base: unknown
  /** Wins over the file. */
  readonly above: Layer
  /** Fills what nobody else says. */
  readonly gaps: Layer
  /** Found before the merge. */
  readonly problems: readonly Problem[]
}

/**
 * Merges and checks. An old-shape file stays one as long as it can say everything; where more is
 * said than it has keys for, the same settings come out in the native shape.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID with every problem and who said it
 */
export function merge<Native, Old>(
  shapes: Shapes<Native, Old>,
  { base, above, gaps, problems }: Layers,
): Native | Old {
  if (!shapes.isOld(base)) return checked(shapes, lay(base, above, gaps), problems)
  const key = (path: string, { value }: Said): string | undefined =>
    typeof value === 'object' ? undefined : shapes.oldKeys.get(path)
  const old = lay(base, translated(above, key), translated(gaps, key))
  const result = checked(shapes, old, problems)
  const further = untranslated(above, key)
  const furtherGaps = untranslated(gaps, key)
  if (further.size + furtherGaps.size === 0) return result
  return checked(shapes, lay(shapes.asNative(result), further, furtherGaps), [])
}

interface Merged {
  readonly value: unknown
  readonly origins: ReadonlyMap<string, string>
}

function checked<Native, Old>(
  shapes: Shapes<Native, Old>,
  { value, origins }: Merged,
  before: readonly Problem[],
): Native | Old {
  const problems = [...before, ...shapes.check(value).problems]
  if (problems.length === 0 && shapes.isValid(value)) return value
  throw invalid(shapes.what, problems, origins)
}

type OldKey = (path: string, said: Said) => string | undefined

function translated(layer: Layer, key: OldKey): Layer {
  return new Map(
    [...layer].flatMap(([path, said]): [string, Said][] => {
      const old = key(path, said)
      return old === undefined ? [] : [[old, said]]
    }),
  )
}

function untranslated(layer: Layer, key: OldKey): Layer {
  return new Map([...layer].filter(([path, said]) => key(path, said) === undefined))
}

function lay(base: unknown, above: Layer, gaps: Layer): Merged {
  const origins = new Map<string, string>()
  let value = base
  for (const [path, said] of above) {
    value = withValue(value, path.split('.'), said.value)
    origins.set(path, said.from)
  }
  for (const [path, said] of gaps) {
    if (valueAt(value, path.split('.')) !== undefined) continue
    value = withValue(value, path.split('.'), said.value)
    origins.set(path, said.from)
  }
  return { value, origins }
}

/** The value at a path, through own properties only. */
export function valueAt(value: unknown, keys: readonly string[]): unknown {
  return keys.reduce<unknown>(
    (within, key) => (isRecord(within) && Object.hasOwn(within, key) ? within[key] : undefined),
    value,
  )
}

/** A copy with one value set. What is in the way and no object stays, for the check to report. */
function withValue(base: unknown, [key, ...rest]: readonly string[], value: unknown): unknown {
  if (key === undefined) return value
  if (base !== undefined && !isRecord(base)) return base
  // Without a prototype, so that a key named __proto__ is a key like any other.
  const copy: Record<string, unknown> = Object.create(null)
  Object.assign(copy, base)
  copy[key] = withValue(copy[key], rest, value)
  return copy
}

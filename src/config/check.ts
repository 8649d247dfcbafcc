/**
 * The checker of configuration and definitions: rules that read one value each, and groups of them.
 *
 * It is our own because a cold read runs it, and the same rules on valibot, bundled, cost twice its
 * time. A group is held against the hand-written interface it is for, so that drift between the two
 * is a compile error.
 */
import { closest } from '../lib/closest.ts'
import { isRecord } from '../lib/record.ts'
import { joinPath, type Problem } from './problems.ts'

/** Reads one value. */
export interface Reader<Output> {
  /** Gives the output, or adds to `problems` and gives {@link WRONG}. */
  readonly read: (value: unknown, path: string, problems: Problem[]) => Output | typeof WRONG
}

/** A reader that is pinned to a type: `Input` is what may be written, `Output` what it becomes. */
export interface Rule<Input, Output = Input> extends Reader<Output> {
  /** Never there. It makes `Input` invariant: a rule for less, or for more, is another type. */
  readonly accepts?: (input: Input) => Input
}

/** What a rule gives when there is no output. */
export const WRONG: unique symbol = Symbol('wrong')

/** What came of a check: the output, or why there is none. */
export type Checked<Output> =
  | { readonly output: Output; readonly problems: readonly [] }
  | { readonly output: undefined; readonly problems: readonly Problem[] }

/** Checks `input` and finds all that is wrong with it at once. */
export function check<Output>(reader: Reader<Output>, input: unknown): Checked<Output> {
  const problems: Problem[] = []
  const output = reader.read(input, '', problems)
  return output === WRONG || problems.length > 0
    ? { output: undefined, problems }
    : { output, problems: [] }
}

/** Runs a check of what a caller gave: reading an object can throw, and then that is what is wrong. */
export function guarded<Output>(run: () => Checked<Output>): Checked<Output> {
  try {
    return run()
  } catch {
    const says = 'must be plain data: reading a property of it throws'
    return { output: undefined, problems: [{ path: '', says }] }
  }
}

/** One rule for each key of `Shape`, no more and no less. */
export type Fields<Shape> = { readonly [Key in keyof Shape]-?: Rule<Shape[Key], unknown> }

/** What the rules of a group give, key by key. */
export type Outputs<Rules> = {
  readonly [Key in keyof Rules]: Rules[Key] extends Reader<infer Output> ? Output : never
}

/** What a rule gives. */
export type OutputOf<Any> = Any extends Reader<infer Output> ? Output : never

/** What to say of a key that the group does not have; `undefined` lets it pass. */
export type StrangerRule = (key: string, known: readonly string[]) => string | undefined

/** What a group does beyond reading its fields. */
export interface GroupOptions<Output> {
  /** Compares settings with each other; those that are wrong by themselves are absent. */
  readonly agree?: (sound: Partial<Output>) => readonly Problem[]
  /** Default: every stranger is a mistake. */
  readonly stranger?: StrangerRule
}

/** A group, and the keys that it has. */
export interface Group<Shape, Output> extends Rule<Shape, Output> {
  readonly keys: readonly string[]
}

/**
 * An object with the keys of `Shape`. Only its own properties count, so neither a prototype nor what
 * somebody did to `Object.prototype` can add a setting.
 */
export function group<Shape>() {
  return <const Rules extends Fields<Shape>>(
    rules: Rules & Readonly<Record<Exclude<keyof Rules, keyof Shape>, never>>,
    options: GroupOptions<Outputs<Rules>> = {},
  ): Group<Shape, Outputs<Rules>> => {
    const keys = Object.keys(rules)
    const { stranger = unknownKey, agree } = options
    return {
      keys,
      read(value, path, problems) {
        if (!isRecord(value)) return refuse('must be an object', value, path, problems)
        const before = problems.length
        reportStrangers(value, keys, stranger, path, problems)
        const output = readFields(rules, value, path, problems)
        const disagreements = agree?.(output) ?? []
        problems.push(
          ...disagreements.map(({ path: key, says }) => ({ path: joinPath(path, key), says })),
        )
        return isComplete(output, problems.length === before) ? output : WRONG
      },
    }
  }
}

/** A rule by a function that reads one value. */
export function leaf<Input, Output = Input>(
  read: (value: unknown) => Reading<Output>,
): Rule<Input, Output> {
  return {
    read(value, path, problems) {
      const reading = read(value)
      return 'value' in reading ? reading.value : refuse(reading.says, value, path, problems)
    },
  }
}

/** What a reader of one value answers: the value, or the end of a sentence about it. */
export type Reading<Output> = { readonly value: Output } | { readonly says: string }

/** May be left out. */
export function optional<Input, Output>(
  rule: Rule<Input, Output>,
): Rule<Input | undefined, Output | undefined> {
  return {
    read: (value, path, problems) =>
      value === undefined ? undefined : rule.read(value, path, problems),
  }
}

/** May be left out, and then gives `fallback`. */
export function withDefault<Input, Output>(
  rule: Rule<Input, Output>,
  fallback: Output,
): Rule<Input | undefined, Output> {
  return {
    read: (value, path, problems) =>
      value === undefined ? fallback : rule.read(value, path, problems),
  }
}

/** A list of what `rule` reads. */
export function listOf<Input, Output>(
  says: string,
  rule: Rule<Input, Output>,
): Rule<readonly Input[], readonly Output[]> {
  return {
    read(value, path, problems) {
      if (!Array.isArray(value)) return refuse(says, value, path, problems)
      const output: Output[] = []
      for (const [at, one] of value.entries()) {
        const read = rule.read(one, joinPath(path, at), problems)
        if (read !== WRONG) output.push(read)
      }
      return output.length === value.length ? output : WRONG
    },
  }
}

/** What `rule` reads, turned into what the rest of the program takes. */
export function becoming<Input, Output, Result>(
  rule: Rule<Input, Output>,
  turn: (output: Output) => Result,
): Rule<Input, Result> {
  return {
    read(value, path, problems) {
      const output = rule.read(value, path, problems)
      return output === WRONG ? WRONG : turn(output)
    },
  }
}

/** The ordinary rule for strangers: every one is a mistake. */
export function unknownKey(key: string, known: readonly string[]): string {
  const meant = closest(key, known)
  return meant === undefined
    ? 'is not a known setting'
    : `is not a known setting: did you mean ${meant}?`
}

/** Adds the problem of one value; where there is none, that it is required. */
export function refuse(
  says: string,
  value: unknown,
  path: string,
  problems: Problem[],
): typeof WRONG {
  problems.push({ path, says: value === undefined ? `is required and ${says}` : says })
  return WRONG
}

/** Adds a problem for each key that is not among `known`, as `stranger` wants. */
export function reportStrangers(
  value: object,
  known: readonly string[],
  stranger: StrangerRule,
  path: string,
  problems: Problem[],
): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue
    const says = stranger(key, known)
    if (says !== undefined) problems.push({ path: joinPath(path, key), says })
  }
}

function readFields<Rules extends Readonly<Record<string, Reader<unknown>>>>(
  rules: Rules,
  value: Readonly<Record<string, unknown>>,
  path: string,
  problems: Problem[],
): Partial<Outputs<Rules>> {
  const output: Record<string, unknown> = {}
  for (const key of Object.keys(rules)) {
    const given = Object.hasOwn(value, key) ? value[key] : undefined
    // Our own keys are plain names: no need to look at them as joinPath does.
    const read = rules[key]?.read(given, path === '' ? key : `${path}.${key}`, problems)
    if (read !== WRONG) output[key] = read
  }
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- each key was read by its own rule
  return output as Partial<Outputs<Rules>>
}

/** Whether every field was read, as nothing was found wrong. */
function isComplete<Output>(_output: Partial<Output>, isSound: boolean): _output is Output {
  return isSound
}

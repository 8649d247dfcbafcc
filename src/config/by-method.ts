/** Groups of settings that a key `method` tells from each other, as the ways to log in are. */
import { closest } from '../lib/closest.ts'
import { isRecord } from '../lib/record.ts'
import {
  refuse,
  reportStrangers,
  unknownKey,
  type Group,
  type OutputOf,
  type Rule,
} from './check.ts'

/** One group for each `method` of the interfaces that `Union` is of, no more and no less. */
export type Methods<Union extends HasMethod> = {
  readonly [Method in Union['method']]: Group<Extract<Union, HasMethod<Method>>, unknown>
}

/** What tells the interfaces of a union from each other. */
export interface HasMethod<Method extends string = string> {
  readonly method: Method
}

/** An object whose `method` says which of the groups it is. */
export function byMethod<Union extends HasMethod>() {
  return <const Groups extends Methods<Union>>(
    groups: Groups & Readonly<Record<Exclude<keyof Groups, Union['method']>, never>>,
  ): Rule<Union, OutputOf<Groups[keyof Groups]>> => {
    type Output = OutputOf<Groups[keyof Groups]>
    const known = new Map<unknown, Group<never, Output>>(Object.entries(groups))
    return {
      read(value, path, problems) {
        if (!isRecord(value)) return refuse('must be an object', value, path, problems)
        const method = Object.hasOwn(value, 'method') ? value['method'] : undefined
        const meant = known.get(method)
        if (meant !== undefined) return meant.read(value, path, problems)
        // Whatever is meant: what no method has is wrong.
        const keys = [...new Set([...known.values()].flatMap((each) => each.keys))]
        reportStrangers(value, keys, unknownKey, path, problems)
        return refuse(notAmong(method, Object.keys(groups)), method, `${path}.method`, problems)
      },
    }
  }
}

function notAmong(word: unknown, known: readonly string[]): string {
  const says = `must be ${anyOf(known)}`
  const meant = typeof word === 'string' ? closest(word, known) : undefined
  return meant === undefined ? says : `${says}: did you mean ${meant}?`
}

/** Words as a sentence offers them: `a`, `a or b`, `a, b or c`. */
export function anyOf(words: readonly string[]): string {
  return [words.slice(0, -1).join(', '), words.at(-1)].filter(Boolean).join(' or ')
}

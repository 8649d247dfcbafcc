/** Compares settings as servers give them with settings as we want them. */
import { textOf } from '../lib/record.ts'
import type { FieldChange } from './change.ts'
import type { Fields } from './items.ts'

/** The wanted settings that are otherwise; what is there besides does not count. */
export function differing(wanted: Fields, actual: Fields): readonly FieldChange[] {
  return Object.entries(wanted)
    .filter(([field, value]) => !isSame(value, actual[field]))
    .map(([field, value]) => ({ field, from: shown(actual[field]), to: shown(value) }))
}

/** Whether two values mean the same: lists of texts are sets, and nothing is what was never set. */
export function isSame(wanted: unknown, actual: unknown): boolean {
  if (isTexts(wanted)) {
    const list = isTexts(actual) ? actual : []
    const others = new Set(list.map(trimmed))
    return (
      new Set(wanted.map(trimmed)).size === others.size &&
      wanted.every((one) => others.has(trimmed(one)))
    )
  }
  if (typeof wanted === 'string') return trimmed(wanted) === trimmed(textOf(actual))
  if (typeof wanted === 'boolean') return wanted === (actual ?? false)
  return JSON.stringify(wanted) === JSON.stringify(actual)
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((one) => typeof one === 'string')
}

const trimmed = (text: string): string => text.trim()

/** Longer than what is compared at a glance. */
const LONGEST = 80

/** What a person sees of a value: none of these is secret, but keys and policies are long. */
function shown(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  const plain = typeof value === 'string' ? value : JSON.stringify(value)
  const text = isTexts(value) ? value.join(', ') : plain
  return text.length > LONGEST || text.includes('\n') ? undefined : text
}

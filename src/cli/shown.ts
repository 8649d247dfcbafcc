/** Names and values as lines for people. What could steer a terminal, or pass for another line, is escaped. */
import { reveal, type SecretValue } from '../values.ts'

/** A name as it is, or quoted where it would not stay on its line. */
export function shownName(name: string): string {
  return isPlain(name) ? name : quoted(name)
}

/** Text as it is, or quoted where it would not stay on its line; anything else as JSON, in full precision. */
export function shownValue(value: SecretValue): string {
  if (typeof value === 'string') return shownName(value)
  return json(typeof value === 'object' && value !== null ? reveal(value) : value)
}

/** Controls of C0 and C1, and what makes lines or turns the direction of writing. */
const UNSAFE = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu

function isPlain(text: string): boolean {
  return text.search(UNSAFE) < 0
}

function quoted(text: string): string {
  return JSON.stringify(text).replaceAll(
    UNSAFE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

function json(value: SecretValue): string {
  if (typeof value === 'string') return quoted(value)
  if (typeof value !== 'object' || value === null) return String(value)
  if (isList(value)) return `[${value.map(json).join(', ')}]`
  const entries = Object.entries(value).map(([name, part]) => `${quoted(name)}: ${json(part)}`)
  return `{${entries.join(', ')}}`
}

function isList(value: object): value is readonly SecretValue[] {
  return Array.isArray(value)
}

/**
 * Reads a `.env` file as a dictionary of strings.
 *
 * There is no standard, and readers drop or cut what they do not understand, without a word. So only what
 * all of them read alike is accepted, one assignment at a time, and Node says what its value is.
 */
import { parseEnv } from 'node:util'

/** An assignment in the file. */
interface Assignment {
  readonly name: string
  /** As it is written, quotes included. */
  readonly text: string
}

/** A line that is not accepted, from 1, and why. */
export class EnvProblem {
  readonly line: number
  readonly why: string

  constructor(line: number, why: string) {
    this.line = line
    this.why = why
  }
}

/** Reads the text of a `.env` file, or says which line is no assignment. */
export function readEnv(text: string): ReadonlyMap<string, string> | EnvProblem {
  const lines = text.replaceAll('\r\n', '\n').split('\n')
  const entries = new Map<string, string>()
  for (let at = 0; at < lines.length;) {
    const found = assignmentAt(lines, at)
    if (found instanceof EnvProblem) return found
    const problem = found && addTo(entries, found)
    if (problem !== undefined) return new EnvProblem(at + 1, problem)
    at += found?.text.split('\n').length ?? 1
  }
  return entries
}

const ASSIGNMENT = /^[ \t]*(?:export[ \t]+)?([A-Za-z_][\w.-]*)[ \t]*=[ \t]*(.*)$/s
const QUOTES = '"\'`'

/** The assignment that begins in a line, if one does. */
function assignmentAt(lines: readonly string[], at: number): Assignment | EnvProblem | undefined {
  const line = lines[at] ?? ''
  if (/^[ \t]*(?:#.*)?$/.test(line)) return undefined
  const [, name, value = ''] = ASSIGNMENT.exec(line) ?? []
  if (name === undefined) return new EnvProblem(at + 1, 'is no assignment NAME=value')
  if (QUOTES.includes(value.charAt(0)) && value !== '') return quoted(lines, at, name, value)
  if (/(?<!^|[ \t])#/.test(value)) return new EnvProblem(at + 1, 'has # in a value without quotes')
  if (value.includes('\r')) return new EnvProblem(at + 1, 'has a carriage return inside')
  return { name, text: `${name}=${value}` }
}

/** A value in quotes may go over lines; behind it only a comment may stand. */
function quoted(
  lines: readonly string[],
  at: number,
  name: string,
  value: string,
): Assignment | EnvProblem {
  const quote = value.charAt(0)
  const text = [value, ...lines.slice(at + 1)].join('\n')
  const end = text.indexOf(quote, 1)
  if (end < 0) return new EnvProblem(at + 1, 'opens a quote that is not closed')
  const inside = text.slice(0, end + 1)
  const behind = text.slice(end + 1).split('\n', 1)[0] ?? ''
  if (!/^[ \t]*(?:#.*)?$/.test(behind)) return new EnvProblem(at + 1, 'has text behind a quote')
  if (inside.includes('\r')) return new EnvProblem(at + 1, 'has a carriage return inside')
  return { name, text: `${name}=${inside}` }
}

/** Why the assignment cannot be an entry, if it cannot. Its value is what Node says, where that sees the same one name. */
function addTo(entries: Map<string, string>, { name, text }: Assignment): string | undefined {
  if (entries.has(name)) return 'names an entry again'
  // Node 20 drops it, later ones do not: nowhere may it depend on that.
  if (name === '__proto__') return 'cannot be read'
  const [found, ...others] = Object.entries(parseEnv(text))
  if (found?.[0] !== name || others.length > 0) return 'cannot be read'
  entries.set(name, found[1] ?? '')
  return undefined
}

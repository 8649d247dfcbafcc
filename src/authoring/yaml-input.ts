/** Reads YAML as a dictionary, without what JSON cannot say and without guesses. */
import type { Plain } from './json-text.ts'

/** Reads one document of YAML 1.2, or says why it is none: in our words, because the library quotes the text. */
export async function readYaml(
  text: string,
): Promise<{ readonly value: Plain } | { readonly why: string }> {
  // Loaded on use: it costs more than all else of a command.
  const { parseDocument } = await import('yaml')
  try {
    // With less of a log a second document would be taken for the first, without a word.
    const document = parseDocument(text, { logLevel: 'error', intAsBigInt: true, merge: true })
    // A tag that nobody knows is a warning, and would be dropped.
    const [problem] = [...document.errors, ...document.warnings]
    if (problem) return { why: sentence(problem.code, problem.linePos?.[0].line) }
    const content: unknown = document.toJS({ mapAsMap: true, maxAliasCount: 100 })
    return { value: plain(content) }
  } catch (error) {
    if (error instanceof NotJson) return { why: error.why }
    return { why: 'it is nested too deeply, or its aliases do not resolve' }
  }
}

/** What YAML can say and JSON cannot. */
class NotJson extends Error {
  readonly why: string

  constructor(why: string) {
    super(why)
    this.why = why
  }
}

function plain(value: unknown): Plain {
  if (value instanceof Map) {
    return new Map([...value].map(([name, each]) => [nameOf(name), plain(each)]))
  }
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value === 'number' && !Number.isFinite(value)) {
    throw new NotJson('it has a number that JSON cannot say')
  }
  if (isScalar(value)) return value
  throw new NotJson('it has a value that JSON cannot say')
}

function isScalar(value: unknown): value is string | number | bigint | boolean | null {
  return value === null || ['string', 'number', 'bigint', 'boolean'].includes(typeof value)
}

/** 1, 0x1 and "1" would become one name. */
function nameOf(name: unknown): string {
  if (typeof name === 'string') return name
  throw new NotJson('it has a name that is no text: put it in quotes')
}

function sentence(code: string, line: number | undefined): string {
  const why = code.toLowerCase().replaceAll('_', ' ')
  return line === undefined ? why : `${why} at line ${line}`
}

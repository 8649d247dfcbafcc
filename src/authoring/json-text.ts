/** Writes what was read of another notation as JSON, without loss: what JSON cannot say is refused. */

/** What a document of another notation holds; dictionaries are maps, so that every name is a name like any other. */
export type Plain =
  | string
  | number
  | bigint
  | boolean
  | null
  | readonly Plain[]
  | ReadonlyMap<string, Plain>

/** JSON text of a dictionary, in lines that an editor can show; integers in all their digits. */
export function jsonText(dictionary: ReadonlyMap<string, Plain>): string {
  return `${written(dictionary, '\n')}\n`
}

/** @param line - line feed and indentation of what surrounds it */
function written(value: Plain, line: string): string {
  if (typeof value !== 'object' || value === null) return scalar(value)
  const inner = `${line}  `
  if (isList(value))
    return enclosed(
      '[]',
      value.map((each) => written(each, inner)),
      line,
    )
  const entries = [...value].map(
    ([name, each]) => `${JSON.stringify(name)}: ${written(each, inner)}`,
  )
  return enclosed('{}', entries, line)
}

function enclosed(brackets: '[]' | '{}', parts: readonly string[], line: string): string {
  const [open, close] = [brackets.charAt(0), brackets.charAt(1)]
  if (parts.length === 0) return brackets
  return `${open}${line}  ${parts.join(`,${line}  `)}${line}${close}`
}

function scalar(value: string | number | bigint | boolean | null): string {
  return typeof value === 'bigint' ? String(value) : JSON.stringify(value)
}

function isList(value: readonly Plain[] | ReadonlyMap<string, Plain>): value is readonly Plain[] {
  return Array.isArray(value)
}

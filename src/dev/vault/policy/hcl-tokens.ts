/** One token; punctuation is its own kind. */
export interface HclToken {
  readonly kind: string
  readonly text: string
  readonly value?: string | number | boolean
  readonly line: number
  readonly column: number
}

// In order: the first that matches at the position wins.
const LEXEMES: readonly (readonly [string, RegExp])[] = [
  ['space', /\s+/y],
  ['comment', /(?:#|\/\/)[^\n]*|\/\*[^]*?\*\//y],
  ['heredoc', /<<-?(\w+)\n([^]*?)\n?[ \t]*\1(?=\n|$)/y],
  ['string', /"(?:[^"\\\n]|\\.)*"/y],
  ['number', /-?\d+(?:\.\d+)?/y],
  ['identifier', /[A-Za-z_][\w.-]*/y],
  ['punctuation', /[{}[\],=:]/y],
  ['unknown', /[^]/y],
]

/** Splits HCL into tokens without comments; ends with a token of kind `end`. */
export function tokenize(text: string): readonly HclToken[] {
  const tokens: HclToken[] = []
  let offset = 0
  while (offset < text.length) {
    const { name, match } = nextLexeme(text, offset)
    if (name !== 'space' && name !== 'comment')
      tokens.push(toToken(name, match, place(text, offset)))
    offset += match[0].length
  }
  return [...tokens, { kind: 'end', text: 'EOF', ...place(text, text.length) }]
}

function nextLexeme(text: string, offset: number): { name: string; match: RegExpExecArray } {
  for (const [name, regex] of LEXEMES) {
    regex.lastIndex = offset
    const match = regex.exec(text)
    if (match) return { name, match }
  }
  throw new Error('the last lexeme matches any character')
}

function toToken(
  name: string,
  match: RegExpExecArray,
  at: { line: number; column: number },
): HclToken {
  const text = match[0]
  switch (name) {
    case 'string':
      return { kind: 'string', text, value: unquote(text), ...at }
    case 'heredoc':
      return { kind: 'string', text, value: `${match[2] ?? ''}\n`, ...at }
    case 'number':
      return { kind: 'number', text, value: Number(text), ...at }
    case 'identifier':
      return text === 'true' || text === 'false'
        ? { kind: 'boolean', text, value: text === 'true', ...at }
        : { kind: 'identifier', text, value: text, ...at }
    default:
      // A colon assigns inside objects, like in JSON.
      return { kind: text === ':' ? '=' : text, text, ...at }
  }
}

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r' }

function unquote(text: string): string {
  return text.slice(1, -1).replaceAll(/\\(.)/g, (_, letter: string) => ESCAPES[letter] ?? letter)
}

function place(text: string, offset: number): { line: number; column: number } {
  const before = text.slice(0, offset)
  const line = before.split('\n').length
  return { line, column: offset - before.lastIndexOf('\n') }
}

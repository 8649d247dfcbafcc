/**
 * The words of HCL 1, as Vault's scanner tells them apart.
 *
 * @see https://github.com/hashicorp/hcl/blob/hcl1/hcl/scanner/scanner.go
 */

/** One token; `text` is what a string stands for, and of others what is written. */
export interface Token {
  readonly kind: 'string' | 'literal' | 'word' | 'mark'
  readonly text: string
}

/** Splits HCL into tokens without comments; `undefined` for what Vault may read otherwise. */
export function tokensOf(text: string): readonly Token[] | undefined {
  const source = text.replaceAll('\r\n', '\n')
  const tokens: Token[] = []
  for (let at = 0; at < source.length;) {
    const found = lexemeAt(source, at)
    if (found === undefined) return undefined
    const [kind, lexeme] = found
    at += lexeme.length
    if (kind === 'space') continue
    const token = kind === 'string' ? stringOf(lexeme) : { kind, text: lexeme }
    if (token === undefined) return undefined
    tokens.push(token)
  }
  return tokens
}

type Kind = Token['kind'] | 'space'

// What is no token of these is none: better not to read a policy than to read it otherwise than Vault does.
const LEXEMES: readonly (readonly [Kind, RegExp])[] = [
  ['space', /[ \t\r\n]+/y],
  ['space', /(?:#|\/\/)[^\n\0]*/y],
  ['space', /\/\*[^\0]*?\*\//y],
  // Quotes within ${} end nothing; what is nested there is not read.
  ['string', /"(?:[^"\\\n$\0]|\\.|\$(?!\{)|\$\{[^{}"\\\0]*\})*"/y],
  ['literal', /<<([A-Za-z0-9_]+)\n(?:[^\n\0]*\n)*?[\t\v\f\r ]*\1\r*\n/y],
  // The scanner takes the dash for a part of the anchor's length: without a margin it is not seen.
  ['literal', /<<-([A-Za-z0-9_]+)\n(?:[^\n\0]*\n)*?(?:[\t\v\f\r ]+\1\r*|\1\r+)\n/y],
  ['literal', /-?\d+(?:\.\d+)?(?![\w.])/y],
  ['literal', /(?:true|false)(?![\w.-])/y],
  ['word', /[A-Za-z_][\w.-]*/y],
  ['mark', /[{}[\],=]/y],
]

function lexemeAt(source: string, at: number): readonly [Kind, string] | undefined {
  for (const [kind, pattern] of LEXEMES) {
    pattern.lastIndex = at
    const [lexeme] = pattern.exec(source) ?? []
    if (lexeme !== undefined) return [kind, lexeme]
  }
  return undefined
}

const ESCAPES: ReadonlyMap<string, string> = new Map([
  ['a', '\u0007'],
  ['b', '\b'],
  ['f', '\f'],
  ['n', '\n'],
  ['r', '\r'],
  ['t', '\t'],
  ['v', '\v'],
  ['\\', '\\'],
  ['"', '"'],
])

/** The text of a string; other escapes by number are bytes to Vault, and left to it. */
function stringOf(lexeme: string): Token | undefined {
  const inner = lexeme.slice(1, -1)
  const escapes = [...inner.matchAll(ESCAPE)].map(([escape]) => characterOf(escape))
  if (escapes.includes(undefined)) return undefined
  return { kind: 'string', text: inner.replaceAll(ESCAPE, (escape) => characterOf(escape) ?? '') }
}

const ESCAPE = /\\(?:u[0-9A-Fa-f]{4}|.)/g

function characterOf(escape: string): string | undefined {
  if (escape.length === 2) return ESCAPES.get(escape.slice(1))
  const code = Number.parseInt(escape.slice(2), 16)
  const isSurrogate = code >= 0xd800 && code <= 0xdfff
  return isSurrogate ? undefined : String.fromCharCode(code)
}

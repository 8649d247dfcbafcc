/** A value of JSON without parts; integers that a `number` would round are a `bigint`. */
export type JsonScalar = string | number | bigint | boolean | null

/**
 * Value of one token: infinite for a number that overflows, `undefined` when it is not a value.
 *
 * The engine's own reader is the fastest on a cold start, and copies: a part of the text would keep the
 * whole document in memory as long as one value is in use. Its message quotes the token and ends here.
 */
export function scalarOf(token: string | undefined): JsonScalar | undefined {
  try {
    const value: JsonScalar = JSON.parse(token ?? '')
    return typeof value === 'number' && !Number.isSafeInteger(value) ? exact(token, value) : value
  } catch {
    return undefined
  }
}

/** Fractions and exponents are doubles by the writer's choice, other digits are not. */
function exact(literal = '', rounded: number): number | bigint {
  return /[.Ee]/.test(literal) ? rounded : BigInt(literal)
}

/**
 * Whether a value has a surrogate without its other half. Only an escape can bring one, as the
 * document was UTF-8; under the flag `u` a pair is another category.
 */
export function hasLoneSurrogate(token: string | undefined, value: JsonScalar): boolean {
  return token?.includes('\\u') === true && /\p{Surrogate}/u.test(String(value))
}

/** Says what is wrong with a token, where more is known than that it is not a value. */
export function whyNoScalar(token: string): string | undefined {
  if (/^(?:NaN|-?Infinity)$/.test(token)) {
    return 'NaN and Infinity are not JSON, although Python writes them'
  }
  if (!token.startsWith('"')) return undefined
  if (!/^"[^"\\]*(?:\\.[^"\\]*)*"$/s.test(token)) return 'this string has no end'
  if (/[^ -\uffff]/.test(token)) return 'a control character is not escaped'
  return 'this string has an unknown escape'
}

/**
 * Checks base64 as Go's `encoding/base64` does, because its error names the byte that is wrong.
 *
 * Line breaks are skipped, padding is demanded, and the URL alphabet is refused.
 * Gives the canonical text, or the offset of the first byte that is wrong.
 * https://pkg.go.dev/encoding/base64#CorruptInputError
 */
export function canonicalBase64(text: string): string | { readonly corruptAt: number } {
  const isWellFormed = text.length % 4 === 0 && WELL_FORMED.test(text)
  const corruptAt = isWellFormed ? undefined : findCorruption(text)
  if (corruptAt !== undefined) return { corruptAt }
  return Buffer.from(text, 'base64').toString('base64')
}

/** What nearly everybody sends: a megabyte of it is not worth a look at each character. */
const WELL_FORMED = /^[A-Za-z0-9+/]*={0,2}$/

function findCorruption(text: string): number | undefined {
  let inQuantum = 0
  for (let at = 0; at < text.length; at++) {
    const char = text.charAt(at)
    if (isLineBreak(char)) continue
    if (char === '=') return checkPadding(text, at, inQuantum)
    if (!/[A-Za-z0-9+/]/.test(char)) return at
    inQuantum = (inQuantum + 1) % 4
  }
  return inQuantum === 0 ? undefined : text.length - inQuantum
}

/** `at` is the first padding character, after `inQuantum` characters of its group of four. */
function checkPadding(text: string, at: number, inQuantum: number): number | undefined {
  if (inQuantum < 2) return at
  let next = skipLineBreaks(text, at + 1)
  if (inQuantum === 2) {
    if (next === text.length) return next
    if (text.charAt(next) !== '=') return next - 1
    next = skipLineBreaks(text, next + 1)
  }
  return next < text.length ? next : undefined
}

function skipLineBreaks(text: string, from: number): number {
  let at = from
  while (at < text.length && isLineBreak(text.charAt(at))) at++
  return at
}

function isLineBreak(char: string): boolean {
  return char === '\n' || char === '\r'
}

/**
 * Decodes padded base64 (RFC 4648 §4); `undefined` for anything else. `Buffer.from` skips what is none
 * and gives less, and takes the URL alphabet, too. A pattern costs more than all the rest of reading a
 * large document.
 */
export function fromBase64(text: string): Buffer | undefined {
  if (text.length % 4 !== 0 || text.includes('-') || text.includes('_')) return undefined
  const bytes = Buffer.from(text, 'base64')
  const padding = text.endsWith('==') ? 2 : text.endsWith('=') ? 1 : 0
  return bytes.length === (text.length / 4) * 3 - padding ? bytes : undefined
}

/** Whether `text` is padded base64. */
export function isBase64(text: string): boolean {
  return fromBase64(text) !== undefined
}

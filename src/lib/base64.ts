/** Whether `text` is padded base64 (RFC 4648 §4): `Buffer.from` skips what is not, and gives less. */
export function isBase64(text: string): boolean {
  return text.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(text)
}

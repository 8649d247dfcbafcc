import type { World } from './operation.ts'

const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'

/** `length` letters and digits, unbiased. */
export function randomBase62(randomBytes: World['randomBytes'], length: number): string {
  let text = ''
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 is the largest multiple of 62 in a byte: beyond it letters would not be equally likely.
      if (byte < 248 && text.length < length) text += BASE62[byte % 62]
    }
  }
  return text
}

/** A random UUID in Vault's form (16 random bytes, no version bits). */
export function randomUuid(randomBytes: World['randomBytes']): string {
  const hex = Buffer.from(randomBytes(16)).toString('hex')
  return [8, 12, 16, 20, 32]
    .map((end, index, ends) => hex.slice(ends[index - 1] ?? 0, end))
    .join('-')
}

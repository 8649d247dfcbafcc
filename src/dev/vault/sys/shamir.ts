/**
 * Shamir's secret sharing over GF(2^8) with the field of AES, as Vault splits its root key.
 *
 * A share is the value of one random polynomial per byte of the secret, followed by the x at which
 * it was taken; any `threshold` shares give the secret, fewer tell nothing.
 */
import type { World } from '../core/operation.ts'

/** Splits `secret` into `shares` of which any `threshold` suffice; one share is the secret itself. */
export function split(
  secret: Uint8Array,
  shares: number,
  threshold: number,
  randomBytes: World['randomBytes'],
): readonly Uint8Array[] {
  if (shares === 1) return [secret]
  const polynomials = [...secret].map((byte) => [byte].concat([...randomBytes(threshold - 1)]))
  return Array.from({ length: shares }, (_, index) => {
    const x = index + 1
    return Uint8Array.from([...polynomials.map((terms) => evaluate(terms, x)), x])
  })
}

/** The secret behind `shares`; nonsense, not an error, where they do not belong together. */
export function combine(shares: readonly Uint8Array[]): Uint8Array {
  const [only] = shares
  if (only && shares.length === 1) return only
  const length = Math.min(...shares.map((share) => share.length)) - 1
  return Uint8Array.from({ length }, (_, index) => interpolate(shares, index))
}

function evaluate(terms: readonly number[], x: number): number {
  return terms.reduceRight((sum, term) => multiply(sum, x) ^ term, 0)
}

/** Lagrange interpolation at x = 0. */
function interpolate(shares: readonly Uint8Array[], index: number): number {
  const points = shares.map((share) => ({ x: share.at(-1) ?? 0, y: share[index] ?? 0 }))
  return points.reduce((sum, { x, y }) => {
    const basis = points
      .filter((other) => other.x !== x)
      .reduce((product, other) => multiply(product, divide(other.x, other.x ^ x)), 1)
    return sum ^ multiply(y, basis)
  }, 0)
}

function multiply(a: number, b: number): number {
  let product = 0
  let left = a
  for (let right = b; right > 0; right >>= 1) {
    if (right & 1) product ^= left
    left = left & 0x80 ? ((left << 1) ^ 0x11b) & 0xff : left << 1
  }
  return product
}

function divide(a: number, b: number): number {
  // b^254 is the inverse of b in a field of 256 elements.
  let inverse = 1
  for (let step = 0; step < 254; step += 1) inverse = multiply(inverse, b)
  return multiply(a, inverse)
}

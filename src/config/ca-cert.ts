/** Whom to trust, as it is written and as the transport takes it. */
import type { Pem } from '../runtime.ts'
import { leaf, type Reading, type Rule } from './check.ts'
import type { CaCert } from './types.ts'

const FORMS = 'must be true, the path of a PEM file, { "directory": path } or { "pem": text }'

/** Trusted CAs; `undefined` for Node's roots and the operating system's. */
export const caCert: Rule<CaCert, Pem | undefined> = leaf(readCaCert)

function readCaCert(value: unknown): Reading<Pem | undefined> {
  if (value === true) return { value: undefined }
  if (value === false) return { says: `${FORMS}: certificates are always verified` }
  if (typeof value === 'string') return readCaPath(value)
  if (typeof value !== 'object' || value === null) return { says: FORMS }
  const [entry, ...more] = Object.entries(value)
  return entry && more.length === 0 ? readCaEntry(...entry) : { says: FORMS }
}

/** Reads the path of a CA file, and knows PEM text that was written in its place. */
export function readCaPath(value: string): Reading<Pem> {
  if (isPem(value)) {
    return { says: 'must be the path of a PEM file: PEM text is written { "pem": text }' }
  }
  return isPath(value) ? { value: { kind: 'file', path: value } } : { says: FORMS }
}

function readCaEntry(kind: string, given: unknown): Reading<Pem> {
  if (typeof given !== 'string') return { says: FORMS }
  if (kind === 'directory' && isPath(given)) return { value: { kind, path: given } }
  if (kind !== 'pem') return { says: FORMS }
  const says = 'must hold a PEM certificate in "pem"'
  return isPem(given) ? { value: { kind: 'text', pem: given } } : { says }
}

const isPath = (value: string): boolean => value !== '' && !value.includes('\0')
const isPem = (value: string): boolean => value.includes('-----BEGIN ')

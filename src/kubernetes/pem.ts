import { dirname, isAbsolute, join } from 'node:path'
import type { Pem, Runtime } from '../runtime.ts'
import { readNamedFile } from './named-file.ts'
import { invalid, text, type Section } from './section.ts'

/** PEM text now, and where to get it anew. */
export interface ReadPem {
  readonly pem: Pem
  readonly text: string
}

/**
 * Reads `key` (a path) or `key-data` (base64 of the same), of which the data wins as with kubectl.
 * The file is read here too, so that a wrong path is told by the name of its setting.
 *
 * @throws SM_CONFIG_INVALID, SM_FILE_UNREADABLE
 */
export async function readPem(
  parent: Section,
  key: string,
  runtime: Runtime,
): Promise<ReadPem | undefined> {
  const data = text(parent, `${key}-data`)
  if (data !== undefined) return inlinePem(parent, `${key}-data`, data)
  const path = pathIn(parent, key)
  if (path === undefined) return undefined
  const bytes = await readNamedFile(path, `${key} of ${parent.where}`, runtime)
  const found = new TextDecoder().decode(bytes)
  if (!isPem(found)) {
    throw invalid(parent.where, `${key} ${path} is not a PEM file`, 'convert it with openssl')
  }
  return { pem: { kind: 'file', path }, text: found }
}

/** The path under `key`; a relative one is relative to the kubeconfig. */
export function pathIn(parent: Section, key: string): string | undefined {
  const path = text(parent, key)
  return path === undefined ? undefined : relativeTo(parent.file, path)
}

/** Resolves `path` as kubectl does: from the directory of the file that names it. */
export function relativeTo(file: string, path: string): string {
  return isAbsolute(path) ? path : join(dirname(file), path)
}

/** Whether it looks like PEM at all; what it holds is for the TLS library to say. */
export function isPem(candidate: string): boolean {
  return candidate.includes('-----BEGIN ')
}

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g

/** Gives the certificates of a PEM text, for others to read: it may hold a private key beside them. */
export function certificatesIn(pem: string): string | undefined {
  const found = pem.match(CERTIFICATE)
  return found === null ? undefined : `${found.join('\n')}\n`
}

function inlinePem(parent: Section, key: string, data: string): ReadPem {
  const decoded = Buffer.from(data, 'base64').toString('utf8')
  if (!isPem(decoded)) {
    throw invalid(
      parent.where,
      `${key} is not base64 of PEM text`,
      'encode the PEM file: base64 -w0',
    )
  }
  return { pem: { kind: 'text', pem: decoded }, text: decoded }
}

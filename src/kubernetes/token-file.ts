import { SecretManagerError } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import { readClaims } from '../lib/jwt.ts'
import { readNamedFile } from './named-file.ts'

/** A file with one bearer token, and the setting that its path came from. */
export interface TokenFile {
  readonly path: string
  readonly setting: string
  /** Whether it must be a JWT, as the kubelet's are; otherwise any bearer token. */
  readonly jwt: boolean
}

/**
 * Reads a token file as it is now: the kubelet replaces projected tokens while the pod runs.
 *
 * @throws SM_FILE_UNREADABLE, SM_TOKEN_FILE_INVALID
 */
export async function readTokenFile(file: TokenFile, runtime: Runtime): Promise<string> {
  const bytes = await readNamedFile(file.path, file.setting, runtime)
  return parseTokenFile(bytes, file)
}

/** @throws SM_TOKEN_FILE_INVALID for what is empty, half-written or no token at all */
export function parseTokenFile(bytes: Uint8Array, file: TokenFile): string {
  const token = new TextDecoder().decode(bytes).trim()
  if (token === '') throw invalid(file, 'is empty')
  if (!isBearerToken(token)) throw invalid(file, 'does not hold one token')
  // What begins like a JWT was meant to be one: an opaque token is not told from half of another.
  if ((file.jwt || token.startsWith('eyJ')) && !readClaims(token)) {
    throw invalid(file, 'does not hold a complete JWT')
  }
  return token
}

/** Whether the text can stand in an `Authorization` header: visible ASCII in one piece. */
export function isBearerToken(text: string): boolean {
  return /^[\x21-\x7e]+$/.test(text)
}

function invalid({ path, setting }: TokenFile, problem: string): SecretManagerError {
  return new SecretManagerError('SM_TOKEN_FILE_INVALID', `${path}, ${setting}, ${problem}`, {
    hint: 'the file must hold one token: check the volume or the program that writes it',
  })
}

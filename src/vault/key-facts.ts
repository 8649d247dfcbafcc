/**
 * What Vault says of a Transit key.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/secret/transit#read-key
 */
import type { SecretManagerError } from '../errors.ts'
import { isRecord } from '../lib/record.ts'
import type { VaultReply } from './client.ts'

/** What Vault says of a key. Versions count from 1. */
export interface KeyFacts {
  readonly latestVersion: number
  /** Whether a context counts: a ciphertext then opens only with the one it was made with. */
  readonly isDerived: boolean
  /** Such as `aes256-gcm96`. */
  readonly type: string
  readonly minDecryptionVersion: number
  /** 0: not set, the latest is used. */
  readonly minEncryptionVersion: number
  /** Versions below were trimmed; 0: none were. */
  readonly minAvailableVersion: number
  /** When each version was made, in Unix milliseconds; only from `minDecryptionVersion` on. */
  readonly createdAt: ReadonlyMap<number, number>
  readonly deletionAllowed: boolean
  readonly exportable: boolean
  readonly supportsDecryption: boolean
}

/**
 * Reads the answer about a key.
 *
 * @param badField - tells that a field is not what it must be
 * @throws {@link SecretManagerError} SM_VAULT_BAD_RESPONSE
 */
export function keyFacts(
  data: VaultReply,
  badField: (name: string) => SecretManagerError,
): KeyFacts {
  const version = (name: string, least: number, absent?: number): number => {
    const value = data[name] ?? absent
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= least) return value
    throw badField(name)
  }
  const flag = (name: string): boolean => {
    const value = data[name]
    if (typeof value === 'boolean') return value
    throw badField(name)
  }
  const { type, keys } = data
  if (typeof type !== 'string' || type === '') throw badField('type')
  if (!isRecord(keys)) throw badField('keys')
  return {
    latestVersion: version('latest_version', 1),
    isDerived: flag('derived'),
    type,
    minDecryptionVersion: version('min_decryption_version', 0),
    minEncryptionVersion: version('min_encryption_version', 0),
    // It came with trim: before, no version was ever trimmed.
    minAvailableVersion: version('min_available_version', 0, 0),
    createdAt: creationTimes(keys),
    deletionAllowed: flag('deletion_allowed'),
    exportable: flag('exportable'),
    supportsDecryption: flag('supports_decryption'),
  }
}

/** Symmetric keys have Unix seconds, the others a record with a time; what has no time is left out. */
function creationTimes(keys: VaultReply): ReadonlyMap<number, number> {
  const times = Object.entries(keys).map(([version, made]): [number, number] => {
    if (typeof made === 'number') return [Number(version), made * 1000]
    const time = isRecord(made) ? made['creation_time'] : undefined
    return [Number(version), typeof time === 'string' ? Date.parse(time) : Number.NaN]
  })
  return new Map(times.filter((entry) => entry.every(Number.isFinite)))
}

import { refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { KeyConfig, TransitKey } from './key.ts'

/** Fields of `keys/:name/config`. */
export const CONFIG_FIELDS: Schema = {
  min_decryption_version: 'int',
  min_encryption_version: 'int',
  deletion_allowed: 'bool',
  exportable: 'bool',
  allow_plaintext_backup: 'bool',
  auto_rotate_period: 'duration',
}

/** Changes the settings of a key, all or none; gives warnings. @throws VaultFailure */
export function configure(key: TransitKey, fields: Fields): readonly string[] {
  const next = { ...key.config }
  if (fields.has('min_decryption_version')) {
    const asked = minimum(fields.int('min_decryption_version'), key, 'decryption')
    next.minDecryptionVersion = Math.max(asked, 1)
  }
  if (fields.has('min_encryption_version')) {
    next.minEncryptionVersion = minimum(fields.int('min_encryption_version'), key, 'encryption')
  }
  checkOrder(next)
  if (fields.has('deletion_allowed')) next.deletionAllowed = fields.bool('deletion_allowed')
  // These two can be granted but never taken back.
  next.exportable ||= fields.bool('exportable')
  next.allowPlaintextBackup ||= fields.bool('allow_plaintext_backup')
  if (fields.has('auto_rotate_period')) next.autoRotatePeriod = rotationPeriod(fields)
  checkAvailable(next)
  Object.assign(key.config, next)
  const forced = fields.has('min_decryption_version') && fields.int('min_decryption_version') === 0
  return forced ? [FORCED_MINIMUM] : []
}

const FORCED_MINIMUM =
  'since Vault 0.3 (prior to the OpenBao fork), transit key numbering starts at 1; ' +
  'forcing minimum to 1'

function minimum(asked: number, key: TransitKey, use: string): number {
  if (asked < 0) throw refusal(`min ${use} version cannot be negative`)
  const latest = key.latestVersion()
  if (asked > latest) {
    throw refusal(`cannot set min ${use} version of ${asked}, latest key version is ${latest}`)
  }
  return asked
}

function checkOrder({ minEncryptionVersion, minDecryptionVersion }: KeyConfig): void {
  if (minEncryptionVersion > 0 && minEncryptionVersion < minDecryptionVersion) {
    throw refusal(
      `cannot set min encryption/decryption values; min encryption version of ` +
        `${minEncryptionVersion} must be greater than or equal to min decryption version of ` +
        `${minDecryptionVersion}`,
    )
  }
}

function checkAvailable(config: KeyConfig): void {
  if (config.minAvailableVersion > config.minEncryptionVersion) {
    throw refusal('min encryption version should not be less than min available version')
  }
  if (config.minAvailableVersion > config.minDecryptionVersion) {
    throw refusal('min decryption version should not be less then min available version')
  }
}

/** Seconds of `auto_rotate_period`. @throws VaultFailure below an hour */
export function rotationPeriod(fields: Fields): number {
  const seconds = fields.seconds('auto_rotate_period')
  if (seconds !== 0 && seconds < 3600) {
    throw refusal('auto rotate period must be 0 to disable or at least an hour')
  }
  return seconds
}

/** Destroys the versions below `min_available_version`. @throws VaultFailure */
export function trim(key: TransitKey, fields: Fields): void {
  if (!fields.has('min_available_version')) throw refusal('missing min_available_version')
  const asked = fields.int('min_available_version')
  const problem = trimProblem(asked, key.config)
  if (problem) throw refusal(`minimum available version ${problem}`)
  key.config.minAvailableVersion = asked
  key.trim()
}

function trimProblem(asked: number, config: KeyConfig): string | undefined {
  if (asked < config.minAvailableVersion) return 'cannot be decremented'
  if (config.minEncryptionVersion === 0) {
    return 'cannot be set when minimum encryption version is not set'
  }
  if (asked > config.minEncryptionVersion) {
    // The spelling is Transit's.
    return 'cannot be greater than minmum encryption version'
  }
  if (asked > config.minDecryptionVersion) {
    return 'cannot be greater than minimum decryption version'
  }
  return asked === 0 ? 'should be positive' : undefined
}

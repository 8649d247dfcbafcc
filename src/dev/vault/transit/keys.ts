/** Administration of Transit keys: create, read, rotate, minima, trim, delete, export. */
import { refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { Reply } from '../core/operation.ts'
import type { Call, PathSpec } from '../core/paths.ts'
import type { Keyring } from './keyring.ts'
import { configure, CONFIG_FIELDS, rotationPeriod, trim } from './config.ts'
import { createTransitKey, type KeyConfig, type TransitKey } from './key.ts'

const CREATE_FIELDS: Schema = {
  type: 'string',
  derived: 'bool',
  convergent_encryption: 'bool',
  exportable: 'bool',
  allow_plaintext_backup: 'bool',
  auto_rotate_period: 'duration',
  key_size: 'int',
  context: 'string',
}

/** The one type of key that this engine makes. */
const KEY_TYPE = 'aes256-gcm96'

/** Paths below `keys/`, `export/` and `config/`. */
export function keyPaths(keyring: Keyring): readonly PathSpec[] {
  return [...changePaths(keyring), ...keyPath(keyring), ...settingPaths(keyring)]
}

function changePaths({ keys }: Keyring): readonly PathSpec[] {
  const found = (call: Call, message: string): TransitKey => {
    const key = keys.get(call.param('name'))
    if (!key) throw refusal(message)
    return key
  }
  const rotate = (call: Call): Reply => {
    const key = found(call, 'key not found')
    key.rotate()
    return describe(key)
  }
  const config = (call: Call): Reply => {
    const key = found(call, `no existing key named ${call.param('name')} could be found`)
    const warnings = configure(key, call.fields)
    return { ...describe(key), warnings }
  }
  const trimmed = (call: Call): Reply => {
    const key = found(call, 'invalid key name')
    trim(key, call.fields)
    return describe(key)
  }
  return [
    { pattern: 'keys/:name/rotate', on: { update: rotate } },
    { pattern: 'keys/:name/config', fields: CONFIG_FIELDS, on: { update: config } },
    {
      pattern: 'keys/:name/trim',
      fields: { min_available_version: 'int' },
      on: { update: trimmed },
    },
  ]
}

function keyPath(keyring: Keyring): readonly PathSpec[] {
  const { keys } = keyring
  return [
    { pattern: 'keys', on: { list: () => ({ data: { keys: [...keys.keys()].toSorted() } }) } },
    {
      pattern: 'keys/:name',
      fields: CREATE_FIELDS,
      on: {
        read: (call) => {
          const key = keys.get(call.param('name'))
          return key && describe(key)
        },
        update: (call) => describe(create(keyring, call)),
        delete: (call) => remove(keyring, call.param('name')),
      },
    },
  ]
}

function settingPaths(keyring: Keyring): readonly PathSpec[] {
  const settings = (): Reply => ({ data: { disable_upsert: keyring.disableUpsert } })
  return [
    {
      pattern: 'export/encryption-key/:name/:version',
      on: { read: (call) => exported(keyring.keys.get(call.param('name')), call.param('version')) },
    },
    {
      pattern: 'config/keys',
      fields: { disable_upsert: 'bool' },
      on: {
        read: settings,
        update: ({ fields }) => {
          keyring.disableUpsert = fields.bool('disable_upsert')
          return settings()
        },
      },
    },
  ]
}

function create(keyring: Keyring, { fields, param }: Call): TransitKey {
  const autoRotatePeriod = rotationPeriod(fields)
  checkType(fields)
  if (fields.int('key_size') !== 0) {
    throw refusal(`key_size is not valid for algorithm ${KEY_TYPE}`)
  }
  const name = param('name')
  // Creating a key that exists changes nothing and says nothing.
  return (
    keyring.keys.get(name) ??
    addKey(keyring, name, {
      derived: fields.bool('derived'),
      exportable: fields.bool('exportable'),
      allowPlaintextBackup: fields.bool('allow_plaintext_backup'),
      autoRotatePeriod,
    })
  )
}

function checkType(fields: Fields): void {
  if (fields.bool('convergent_encryption') && !fields.bool('derived')) {
    throw refusal('convergent encryption requires derivation to be enabled')
  }
  const type = fields.string('type') || KEY_TYPE
  if (type !== KEY_TYPE || fields.bool('convergent_encryption')) {
    throw refusal(`unknown key type ${type}`)
  }
}

/** Adds a key with Transit's initial minima. */
export function addKey(
  keyring: Keyring,
  name: string,
  config: Pick<KeyConfig, 'derived'> & Partial<KeyConfig>,
): TransitKey {
  const initial: KeyConfig = {
    exportable: false,
    allowPlaintextBackup: false,
    autoRotatePeriod: 0,
    deletionAllowed: false,
    minDecryptionVersion: 1,
    minEncryptionVersion: 0,
    minAvailableVersion: 0,
    ...config,
  }
  const key = createTransitKey(name, initial, keyring.world)
  keyring.keys.set(name, key)
  return key
}

function remove({ keys }: Keyring, name: string): undefined {
  const key = keys.get(name)
  const fail = (reason: string): Error => refusal(`error deleting policy ${name}: ${reason}`)
  if (!key) throw fail('could not delete key; not found')
  if (!key.config.deletionAllowed) throw fail('deletion is not allowed for this key')
  keys.delete(name)
  return undefined
}

function exported(key: TransitKey | undefined, version: string): Reply | undefined {
  if (!key) return undefined
  if (!key.config.exportable) throw refusal('private key material is not exportable')
  const material = key.material(version === 'latest' ? key.latestVersion() : Number(version))
  if (!material) throw refusal('version does not exist or cannot be found')
  const keys = { [version]: Buffer.from(material).toString('base64') }
  return { data: { keys, name: key.name, type: KEY_TYPE } }
}

function describe(key: TransitKey): Reply {
  const { config } = key
  return {
    data: {
      allow_plaintext_backup: config.allowPlaintextBackup,
      auto_rotate_period: config.autoRotatePeriod,
      deletion_allowed: config.deletionAllowed,
      derived: config.derived,
      exportable: config.exportable,
      imported_key: false,
      keys: key.creationTimes(),
      latest_version: key.latestVersion(),
      min_available_version: config.minAvailableVersion,
      min_decryption_version: config.minDecryptionVersion,
      min_encryption_version: config.minEncryptionVersion,
      name: key.name,
      soft_deleted: false,
      supports_decryption: true,
      supports_derivation: true,
      supports_encryption: true,
      supports_signing: false,
      type: KEY_TYPE,
      ...(config.derived ? { kdf: 'hkdf_sha256', convergent_encryption: false } : {}),
    },
  }
}

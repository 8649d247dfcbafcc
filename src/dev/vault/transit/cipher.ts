/** Encrypt, decrypt and rewrap, one by one and in batches. */
import { fault, refusal } from '../core/failure.ts'
import type { Fields, Schema } from '../core/fields.ts'
import type { Reply } from '../core/operation.ts'
import { withWarnings, type Call, type PathSpec } from '../core/paths.ts'
import type { Keyring } from './keyring.ts'
import { attempt, readItems, type Item, type Outcome, type Requirement } from './batch.ts'
import { decodeBase64, invalidBase64At, type TransitKey } from './key.ts'
import { addKey } from './keys.ts'

const COMMON: Schema = {
  context: 'string',
  associated_data: 'string',
  batch_input: 'raw',
  partial_failure_response_code: 'int',
}

const ENCRYPT_FIELDS: Schema = {
  ...COMMON,
  plaintext: 'string',
  key_version: 'int',
  type: 'string',
  convergent_encryption: 'bool',
}

const ENCRYPT: Requirement = {
  field: 'plaintext',
  missing: 'missing plaintext to encrypt',
  strict: true,
}
const DECRYPT: Requirement = {
  field: 'ciphertext',
  missing: 'missing ciphertext to decrypt',
  strict: true,
}
const REWRAP: Requirement = { ...DECRYPT, strict: false }

type Result = Readonly<Record<string, unknown>>

/** Paths of what users of keys do. */
export function cipherPaths(keyring: Keyring): readonly PathSpec[] {
  const keyOf = (call: Call): TransitKey => {
    const key = keyring.keys.get(call.param('name'))
    if (!key) throw refusal('encryption key not found')
    return key
  }
  return [
    {
      pattern: 'encrypt/:name',
      fields: ENCRYPT_FIELDS,
      exists: (call) => keyring.keys.has(call.param('name')),
      on: {
        update: (call) => encryptCall(call, keyOf(call)),
        create: (call) => upsert(keyring, call),
      },
    },
    {
      pattern: 'decrypt/:name',
      fields: { ...COMMON, ciphertext: 'string' },
      on: { update: (call) => decryptCall(call, keyOf) },
    },
    {
      pattern: 'rewrap/:name',
      fields: { context: 'string', batch_input: 'raw', ciphertext: 'string', key_version: 'int' },
      on: { update: (call) => rewrapCall(call, keyOf) },
    },
  ]
}

type KeyOf = (call: Call) => TransitKey

function decryptCall(call: Call, keyOf: KeyOf): Reply {
  const { items, isBatch } = readItems(call.fields, DECRYPT)
  const key = keyOf(call)
  const outcomes = items.map((item) => attempt(() => decrypt(key, item)))
  return isBatch ? batch(items, outcomes, call.fields, { plaintext: '' }) : only(outcomes)
}

function rewrapCall(call: Call, keyOf: KeyOf): Reply {
  const { items, isBatch } = readItems(call.fields, REWRAP)
  const key = keyOf(call)
  const outcomes = items.map((item) => attempt(() => rewrap(key, item)))
  // Unlike the other two, a batch with failed items is a success.
  return isBatch ? { data: { batch_results: results(items, outcomes, {}) } } : only(outcomes)
}

function encryptCall(call: Call, key: TransitKey): Reply {
  const { items, isBatch } = readItems(call.fields, ENCRYPT)
  const outcomes = items.map((item) => attempt(() => encrypt(key, item)))
  return isBatch ? batch(items, outcomes, call.fields, {}) : only(outcomes)
}

/** A token that may `create` makes a missing key by using it: a typo makes a new key. */
function upsert(keyring: Keyring, call: Call): Reply {
  const { items } = readItems(call.fields, ENCRYPT)
  const type = call.fields.string('type') || 'aes256-gcm96'
  if (type !== 'aes256-gcm96') throw refusal(`unknown key type ${type}`)
  if (keyring.disableUpsert) throw refusal('encryption key not found')
  const derived = items.some((item) => item.context !== '')
  return encryptCall(call, addKey(keyring, call.param('name'), { derived }))
}

function encrypt(key: TransitKey, item: Item): Result {
  const plaintext = bytes(item.plaintext)
  const version = item.keyVersion
  const options = { context: bytes(item.context), associatedData: associatedData(item), version }
  return {
    ciphertext: key.encrypt(plaintext, options),
    key_version: version === 0 ? key.latestVersion() : version,
  }
}

function decrypt(key: TransitKey, item: Item): Result {
  if (item.ciphertext === '') throw refusal(DECRYPT.missing)
  const options = { context: bytes(item.context), associatedData: associatedData(item) }
  return { plaintext: Buffer.from(key.decrypt(item.ciphertext, options)).toString('base64') }
}

/** Never a no-op: also a current ciphertext becomes another one. Associated data is not carried. */
function rewrap(key: TransitKey, item: Item): Result {
  if (item.ciphertext === '') throw refusal(REWRAP.missing)
  const context = bytes(item.context)
  const plaintext = key.decrypt(item.ciphertext, { context })
  const ciphertext = key.encrypt(plaintext, { context, version: item.keyVersion })
  return { ciphertext, key_version: item.keyVersion === 0 ? key.latestVersion() : item.keyVersion }
}

function bytes(base64: string): Uint8Array {
  const decoded = decodeBase64(base64)
  if (decoded) return decoded
  throw refusal(`illegal base64 data at input byte ${invalidBase64At(base64) ?? 0}`)
}

function associatedData({ associatedData: base64 }: Item): Uint8Array | undefined {
  if (base64 === '') return undefined
  const decoded = decodeBase64(base64)
  if (decoded) return decoded
  // Vault takes this for its own failure, not for the caller's.
  throw fault(
    'unable to get associated_data/additional_data from factory[0]: illegal base64 data at input ' +
      `byte ${invalidBase64At(base64) ?? 0}`,
  )
}

function only(outcomes: readonly Outcome<Result>[]): Reply {
  const [outcome] = outcomes
  if (outcome && 'value' in outcome) return { data: outcome.value }
  throw refusal(outcome?.error ?? '')
}

function results(
  items: readonly Item[],
  outcomes: readonly Outcome<Result>[],
  failed: Result,
): readonly Result[] {
  return outcomes.map((outcome, index) => ({
    ...('value' in outcome ? outcome.value : { ...failed, error: outcome.error }),
    reference: items[index]?.reference ?? '',
  }))
}

/** All items well: 200. Any failed: 400 with the results, or the code asked for if some went well. */
function batch(
  items: readonly Item[],
  outcomes: readonly Outcome<Result>[],
  fields: Fields,
  failed: Result,
): Reply {
  const reply: Reply = { data: { batch_results: results(items, outcomes, failed) } }
  const good = outcomes.filter((outcome) => 'value' in outcome).length
  if (good === outcomes.length) return reply
  if (good === 0 || !fields.has('partial_failure_response_code')) return { ...reply, status: 400 }
  const status = fields.int('partial_failure_response_code')
  if (status >= 1 && status <= 599) return { ...reply, status }
  return withWarnings({ ...reply, status: 400 }, [
    'invalid HTTP response code override from partial_failure_response_code, reverting to 400',
  ])
}

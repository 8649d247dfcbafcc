/** What a repository says of its documents, checked without a server: their format, their claims, what lies beside them. */
import type { Definition } from '../config/definition.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Kind } from '../kubernetes/objects.ts'
import { checkClaims } from '../sealed/binding.ts'
import {
  isSealed,
  MOST_STORED_BYTES,
  parseSealed,
  type Claims,
  type Scope,
} from '../sealed/format.ts'
import { keyVersionOf, parseRaw } from '../sealed/raw.ts'
import { kindOf } from '../sources/place.ts'
import type { Manifest, ManifestEntry } from './manifests.ts'

/** The objects of one file. */
export interface ManifestFile {
  readonly file: string
  readonly manifests: readonly Manifest[]
}

/** An entry, or a whole object, in a file. */
export interface Spot {
  readonly file: string
  readonly kind?: Kind
  readonly namespace?: string | undefined
  readonly name?: string
  readonly key?: string
}

/** A document that is what it should be. */
export interface FoundDocument extends Spot {
  readonly format: 'sealed' | 'raw'
  /** Version of the Transit key. */
  readonly keyVersion: number
  /** Absent where it is raw. */
  readonly claims: Claims | undefined
}

/** What is wrong, and where. */
export interface Finding extends Spot {
  readonly error: SecretManagerError
}

/** What came out. */
export interface Verification {
  readonly documents: readonly FoundDocument[]
  readonly findings: readonly Finding[]
}

/** What documents must be; what is left out may be anything. */
export interface Demand {
  readonly format?: Definition['format'] | undefined
  /** Mount of Transit, without slashes around it. */
  readonly mount?: string | undefined
  readonly transitKey?: string | undefined
  readonly binding?: Scope | undefined
}

/** What every document must be, and what those must be that a definition names. */
export interface Demands {
  readonly all: Demand
  readonly definitions: readonly Definition[]
}

/** Checks every object that holds a document, carries our label or is named by a definition. Calls nothing. */
export function verifyManifests(files: readonly ManifestFile[], demands: Demands): Verification {
  const objects = files.flatMap(({ file, manifests }) =>
    manifests.map((manifest) => ({ file, manifest })),
  )
  const results = objects.map(({ file, manifest }) => verifyObject(file, manifest, demands))
  const missing = demands.definitions.filter(
    (definition) => !objects.some(({ manifest }) => isDefined(manifest, definition)),
  )
  return {
    documents: results.flatMap(({ documents }) => documents),
    findings: [...results.flatMap(({ findings }) => findings), ...missing.map(withoutManifest)],
  }
}

/** Whether an object is the one that a definition names; a namespace that one side leaves open is no difference. */
export function isDefined(manifest: Manifest, definition: Definition): boolean {
  const { namespace = manifest.namespace } = definition
  return (
    manifest.kind === kindOf(definition.readType) &&
    manifest.name === definition.secretName &&
    (manifest.namespace ?? namespace) === namespace
  )
}

/** The way an object is named in messages. */
export function objectName({ kind, namespace, name }: Omit<Manifest, 'entries'>): string {
  const within = namespace === undefined ? '' : `${namespace}/`
  return `${kind} ${within}${name === '' ? '(without a name)' : name}`
}

/** The format that an entry is meant to have, whether it has it or not. */
export function formatOf({ bytes }: ManifestEntry): 'sealed' | 'raw' | undefined {
  const text = bytes?.toString('latin1') ?? ''
  if (isSealed(text) || text.trimStart().startsWith(TWICE_ENCODED)) return 'sealed'
  return text.trimStart().startsWith('vault:v') ? 'raw' : undefined
}

/** Base64 of what begins so. */
const TWICE_ENCODED = Buffer.from('sealed:v1').toString('base64')

function verifyObject(file: string, manifest: Manifest, demands: Demands): Verification {
  const definitions = demands.definitions.filter((each) => isDefined(manifest, each))
  const holds = manifest.entries.some((entry) => formatOf(entry) !== undefined)
  if (!holds && !manifest.isManaged && definitions.length === 0) return NOTHING
  const results = manifest.entries.map((entry) => {
    const defined = definitions.find(({ readKey }) => readKey === entry.key)
    const at = { ...spotOf(file, manifest), key: entry.key }
    return verifyEntry(at, manifest, entry, { ...demands.all, ...defined }, defined !== undefined)
  })
  const whole = [...emptinessOf(manifest, holds, definitions), ...sizeOf(manifest)]
  return {
    documents: results.flatMap(({ documents }) => documents),
    findings: [
      ...whole.map(findingAt(spotOf(file, manifest))),
      ...results.flatMap(({ findings }) => findings),
    ],
  }
}

const NOTHING: Verification = { documents: [], findings: [] }

function spotOf(file: string, { kind, namespace, name }: Manifest): Spot {
  return { file, kind, namespace, name }
}

function findingAt(spot: Spot): (error: SecretManagerError) => Finding {
  return (error) => ({ ...spot, error })
}

function verifyEntry(
  at: Spot,
  manifest: Manifest,
  entry: ManifestEntry,
  demand: Demand,
  isNamed: boolean,
): Verification {
  const where = `${entry.key} of ${objectName(manifest)}`
  const format = formatOf(entry) ?? (isNamed ? (demand.format ?? 'sealed') : undefined)
  const inStringData = entry.field === 'stringData' ? [stringData(where)] : []
  const errors = [...inStringData, ...plaintextIn(entry, format, where)]
  const findings = errors.map(findingAt(at))
  if (format === undefined || entry.bytes === undefined) return { documents: [], findings }
  try {
    const text = entry.bytes.toString('latin1')
    return { documents: [{ ...at, ...readDocument(text, demand, format, where) }], findings }
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    return { documents: [], findings: [...findings, { ...at, error }] }
  }
}

/** By the format that is demanded, so that the other one is refused in the words of a reader. */
function readDocument(
  text: string,
  demand: Demand,
  format: 'sealed' | 'raw',
  where: string,
): Pick<FoundDocument, 'format' | 'claims' | 'keyVersion'> {
  if ((demand.format ?? format) === 'raw') {
    return { format: 'raw', keyVersion: keyVersionOf(parseRaw(text, where)), claims: undefined }
  }
  const { claims, ciphertext } = parseSealed(text, where)
  const { mount = claims.mount, transitKey = claims.transitKey, binding = claims.scope } = demand
  checkClaims(claims, { mount, transitKey, binding }, where)
  return { format: 'sealed', keyVersion: keyVersionOf(ciphertext), claims }
}

/** What lies beside a document and should be one. */
function plaintextIn(
  { bytes }: ManifestEntry,
  format: 'sealed' | 'raw' | undefined,
  where: string,
): SecretManagerError[] {
  if (bytes === undefined) return [notBase64(where)]
  if (format !== undefined) return []
  return /^\s*\{.*\}\s*$/s.test(bytes.toString('latin1')) ? [plaintext(where)] : []
}

function emptinessOf(
  manifest: Manifest,
  holds: boolean,
  definitions: readonly Definition[],
): SecretManagerError[] {
  const keys = new Set(manifest.entries.map(({ key }) => key))
  const missing = definitions.filter(({ readKey }) => !keys.has(readKey))
  if (missing.length > 0) {
    return missing.map(({ readKey }) => withoutEntry(manifest, readKey, [...keys]))
  }
  return holds || definitions.length > 0 ? [] : [withoutDocument(manifest)]
}

function sizeOf(manifest: Manifest): SecretManagerError[] {
  const bytes = manifest.entries.reduce((sum, entry) => sum + (entry.bytes?.byteLength ?? 0), 0)
  if (bytes <= MOST_STORED_BYTES) return []
  const message = `${objectName(manifest)} has ${bytes} bytes, the most is ${MOST_STORED_BYTES}`
  return [new SecretManagerError('SM_TOO_LARGE', message, { hint: 'split the dictionary' })]
}

/** Says that a document is written where it cannot stay. */
export function stringData(where: string): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', `${where} stands in stringData`, {
    hint: 'write it into data, in base64: what is taken out of stringData stays in the cluster',
  })
}

function notBase64(where: string): SecretManagerError {
  return new SecretManagerError('SM_CT_FORMAT', `${where} is not base64`, {
    hint: 'the API server refuses it: encode it, or seal it: secretmanager encrypt -o yaml',
  })
}

function plaintext(where: string): SecretManagerError {
  return new SecretManagerError('SM_CT_FORMAT', `${where} is plaintext JSON`, {
    hint: 'whoever can read the repository can read it: if it holds secrets, seal it and change them; else keep it in another object',
  })
}

function withoutDocument(manifest: Manifest): SecretManagerError {
  const message = `${objectName(manifest)} carries the label kubevault.secretmanager/managed, and holds no document`
  return new SecretManagerError('SM_KEY_MISSING', message, {
    hint: 'seal what it should hold: secretmanager encrypt; or take off the label',
  })
}

function withoutEntry(
  manifest: Manifest,
  readKey: string,
  keys: readonly string[],
): SecretManagerError {
  const message = `${objectName(manifest)} has no entry "${readKey}"`
  const hint = `check readKey (read_key): the object has ${keys.join(', ') || 'nothing'}`
  return new SecretManagerError('SM_KEY_MISSING', message, { hint })
}

function withoutManifest({ readType, namespace, secretName }: Definition): Finding {
  const spot = { kind: kindOf(readType), namespace, name: secretName } as const
  const name = objectName({ ...spot, isManaged: false })
  const error = new SecretManagerError('SM_K8S_NOT_FOUND', `no file has a ${name}`, {
    hint: 'check the name, the kind and the namespace in the definition, and which files are given',
  })
  return { file: '', ...spot, error }
}

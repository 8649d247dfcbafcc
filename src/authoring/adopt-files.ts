/** Makes raw documents in manifests sealed ones. Asks Vault alone; bytes in, bytes out. */
import type { CallOptions } from '../calls.ts'
import { parseDefinition, type Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Kind } from '../kubernetes/objects.ts'
import { parseRaw } from '../sealed/raw.ts'
import { locate } from '../sources/target.ts'
import { refuseOther, sealRaw } from './adopt.ts'
import { encrypted, type Encrypted } from './encrypt.ts'
import { manifestFile } from './manifest.ts'
import { readManifests, type Manifest, type ManifestEntry } from './manifests.ts'
import { formatOf, isDefined, objectName, type Finding, type Spot } from './verify.ts'

/** Which documents are meant, and how they are to be sealed. */
export interface Selection {
  /** Of the new documents. Its namespace is that of manifests which leave it open. */
  readonly definition: Definition
  /** Whether only the document that the definition names is meant; else every raw one is. */
  readonly isNamed: boolean
  /** Of every one: of this kind alone, in entries of this name alone. */
  readonly kind?: Kind | undefined
  readonly key?: string | undefined
}

/** A raw document in a file. */
export interface RawDocument {
  readonly spot: Spot
  readonly definition: Definition
}

/** What one file has. */
export interface FoundInFile {
  readonly file: string
  readonly bytes: Uint8Array
  /** Whether it has the object that was named. */
  readonly hasObject: boolean
  readonly raw: readonly RawDocument[]
  /** Those that were named and are sealed as the definition says. */
  readonly sealed: readonly AdoptedDocument[]
  readonly failures: readonly Finding[]
}

/** A document that is sealed. */
export interface AdoptedDocument {
  readonly spot: Spot
  readonly document: Encrypted
}

/**
 * Finds the raw documents of a file. Calls nothing but where a namespace is left to the kubeconfig.
 *
 * @returns with the failures of single documents: plaintext where one was named, a name that is none
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where it is neither YAML nor JSON
 */
export async function findRawInFile(
  core: Core,
  file: string,
  bytes: Uint8Array,
  selection: Selection,
  { signal }: CallOptions = {},
): Promise<FoundInFile> {
  const manifests = await readManifests(textOf(bytes), 'the file')
  const ours = manifests.filter((each) => isMeant(each, selection))
  const [raw, sealed, failures]: [RawDocument[], AdoptedDocument[], Finding[]] = [[], [], []]
  for (const manifest of ours) {
    for (const entry of manifest.entries.filter((each) => isMeantEntry(each, selection))) {
      const { kind, namespace, name } = manifest
      const spot = { file, kind, namespace, name, key: entry.key }
      try {
        const found = documentAt(manifest, entry, selection)
        if (found.stored === undefined) raw.push({ spot, definition: found.definition })
        else sealed.push({ spot, document: await sealedAt(core, found, signal) })
      } catch (error) {
        failures.push({ ...spot, error: known(error) })
      }
    }
  }
  return { file, bytes, hasObject: ours.length > 0, raw, sealed, failures }
}

/** What became of the documents of one file. */
export interface AdoptedFile {
  /** With the sealed documents in the place of the raw ones; every other byte as it was. */
  readonly bytes: Uint8Array
  readonly adopted: readonly AdoptedDocument[]
  readonly failures: readonly Finding[]
  /** Whether Vault cannot be asked, so that the rest was not tried, and need not be. */
  readonly isStopped: boolean
}

/**
 * Seals the raw documents that were found, one by one: what fails stays as it is.
 *
 * @throws {@link SecretManagerError} SM_ABORTED
 */
export async function adoptInFile(
  core: Core,
  { bytes, raw }: FoundInFile,
  fromTransitKey: string,
  { signal }: CallOptions = {},
): Promise<AdoptedFile> {
  const [adopted, failures]: [AdoptedDocument[], Finding[]] = [[], []]
  let now = bytes
  for (const { spot, definition } of raw) {
    try {
      const sealed = await sealedInto(core, now, definition, fromTransitKey, signal)
      now = sealed.bytes
      adopted.push({ spot, document: sealed.document })
    } catch (error) {
      const failure = known(error)
      if (failure.code === 'SM_ABORTED') throw failure
      failures.push({ ...spot, error: failure })
      if (isOfAll(failure)) return { bytes: now, adopted, failures, isStopped: true }
    }
  }
  return { bytes: now, adopted, failures, isStopped: false }
}

/** The file as text. What is no UTF-8 could not be written again byte for byte. */
function textOf(bytes: Uint8Array): string {
  const text = Buffer.from(bytes).toString()
  if (Buffer.compare(Buffer.from(text), bytes) === 0) return text
  throw new SecretManagerError('SM_CONFIG_INVALID', 'the file is not UTF-8', {
    hint: 'convert it: iconv -t UTF-8',
  })
}

function isMeant(manifest: Manifest, { definition, isNamed, kind }: Selection): boolean {
  return isNamed ? isDefined(manifest, definition) : (kind ?? manifest.kind) === manifest.kind
}

function isMeantEntry(entry: ManifestEntry, { definition, isNamed, key }: Selection): boolean {
  if (isNamed) return entry.key === definition.readKey
  return formatOf(entry) === 'raw' && (key ?? entry.key) === entry.key
}

interface FoundDocument {
  readonly definition: Definition
  /** Absent where it is raw. */
  readonly stored: string | undefined
  readonly where: string
}

function documentAt(
  manifest: Manifest,
  entry: ManifestEntry,
  { definition }: Selection,
): FoundDocument {
  // Before anything names it: a manifest may call an object what steers a terminal.
  const own = { ...definition, ...namesOf(manifest, entry, definition) }
  const where = `${entry.key} of ${objectName(manifest)}`
  if (entry.bytes === undefined) {
    throw new SecretManagerError('SM_CT_FORMAT', `${where} is not base64`)
  }
  const stored = entry.bytes.toString('latin1')
  if (formatOf(entry) === 'sealed') return { definition: own, stored, where }
  parseRaw(stored, where)
  return { definition: own, stored: undefined, where }
}

/** Checked as those of a definition are: they are part of what a document is bound to. */
function namesOf(
  { kind, name, namespace }: Manifest,
  { key }: ManifestEntry,
  { transitKey, namespace: otherwise }: Definition,
): Pick<Definition, 'secretName' | 'namespace' | 'readType' | 'readKey'> {
  const within = namespace ?? otherwise
  const readType = kind === 'ConfigMap' ? 'CONFIG_MAP' : 'SECRET'
  const parts = { secretName: name, readType, readKey: key, transitKey }
  const checked = parseDefinition({ ...parts, ...(within !== undefined && { namespace: within }) })
  const { secretName, readKey } = checked
  return { secretName, namespace: checked.namespace, readType, readKey }
}

async function sealedAt(
  core: Core,
  { definition, stored = '', where }: FoundDocument,
  signal: AbortSignal | undefined,
): Promise<Encrypted> {
  refuseOther(core, definition, where, stored)
  const place = await core.calls.run({ signal }, (it) => locate(core, it, definition))
  return encrypted(place, stored)
}

function sealedInto(
  core: Core,
  bytes: Uint8Array,
  definition: Definition,
  fromTransitKey: string,
  signal: AbortSignal | undefined,
): Promise<{ readonly bytes: Uint8Array; readonly document: Encrypted }> {
  return core.calls.run({ signal }, async (allowance) => {
    const place = await locate(core, allowance, definition)
    const { stored, holding } = await manifestFile(bytes, place, 'the file')
    const text = await sealRaw(core, allowance, definition, place, stored, fromTransitKey)
    return { bytes: Buffer.from(await holding(text)), document: encrypted(place, text) }
  })
}

/** Whether no other document would fare better: nobody waits for the same login a thousand times. */
function isOfAll({ exitCode, component }: SecretManagerError): boolean {
  return exitCode === UNREACHABLE || component === 'auth'
}

const UNREACHABLE = 5

function known(error: unknown): SecretManagerError {
  if (isSecretManagerError(error)) return error
  throw error
}

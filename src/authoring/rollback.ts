/** Old content under a new revision: the way back that readers accept. */
import type { CallOptions } from '../calls.ts'
import type { Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError, type ErrorCode } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { checkClaims } from '../sealed/binding.ts'
import { isSealed, parseSealed } from '../sealed/format.ts'
import { parseRaw } from '../sealed/raw.ts'
import type { Opened } from '../sources/documents.ts'
import { describe, type Place } from '../sources/place.ts'
import { findTarget, locate, writeTarget } from '../sources/target.ts'
import { encrypted, type Destination } from './encrypt.ts'
import { readManifests, type Manifest } from './manifests.ts'

/** What to go back to. */
export interface OldText {
  /** A manifest of the object, or the stored document alone. */
  readonly text: string
  /** Names it in errors. */
  readonly where: string
}

/** How to go back. */
export interface RollbackOptions extends CallOptions {
  /** Opens both documents and compares them, and writes nothing. Default `false`. */
  readonly dryRun?: boolean | undefined
  /**
   * Gives a manifest that the new document goes into, for its place; absent: it goes into the cluster. Where the manifest
   * holds no document yet, that of the cluster counts as the current one, if there is one.
   */
  readonly manifest?: ((place: Place) => Promise<Destination>) | undefined
}

/** What was done. Revisions are absent where a document is raw. */
export interface Rollback {
  readonly place: Place
  /** Whether there was no document to be replaced. */
  readonly isNew: boolean
  /** Revision that is replaced; absent where there was no document, too. */
  readonly from: number | undefined
  /** Revision whose content is back. */
  readonly content: number | undefined
  /** Revision that was written; absent in a dry run, too. */
  readonly to: number | undefined
  /** Why what is replaced could not be compared: it does not open any more. */
  readonly broken: SecretManagerError | undefined
  /** With the new document in it; absent where that went into the cluster, and in a dry run. */
  readonly manifest: string | undefined
}

/**
 * Opens an old document and stores its content under a new revision, unless somebody else writes meanwhile; or puts it
 * into a manifest, and writes nothing.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where the text has no such document, or its content is the current one;
 * SM_CT_FORMAT and SM_BINDING_MISMATCH before any call; SM_K8S_CONFLICT, SM_CT_*, SM_K8S_*, SM_VAULT_*, what
 * `manifest` rejects with
 */
export function rollBack(
  core: Core,
  definition: Definition,
  old: OldText,
  { signal, dryRun = false, manifest }: RollbackOptions = {},
): Promise<Rollback> {
  const { calls, source } = core
  return calls.run({ signal }, async (allowance) => {
    const place = await locate(core, allowance, definition)
    const stored = await documentIn(old, place)
    refuseForeign(core, definition, place, stored)
    const goal = manifest
      ? await manifestGoal(core, allowance, place, await manifest(place))
      : await clusterGoal(core, allowance, definition)
    const { current, broken } = await openCurrent(core, allowance, definition, goal)
    // After the current one, so that the new revision exceeds both.
    const opened = await source.documents.open(allowance, inAnyOrder(definition), place, stored)
    if (current && isEqual(current.document, opened.document)) throw nothingToDo(place, current)
    const { revision: content, document } = opened
    const replaced = { place, isNew: goal.isNew, from: current?.revision, content, broken }
    if (dryRun) return { ...replaced, to: undefined, manifest: undefined }
    const text = await source.documents.seal(allowance, definition, place, document, goal.stored)
    return { ...replaced, to: encrypted(place, text).revision, manifest: await goal.put(text) }
  })
}

/** What is replaced, and how. */
interface Goal {
  readonly place: Place
  readonly stored: string | undefined
  readonly isNew: boolean
  /** Gives the manifest, where it goes into one. */
  readonly put: (text: string) => Promise<string | undefined>
}

async function clusterGoal(
  core: Core,
  allowance: Allowance,
  definition: Definition,
): Promise<Goal> {
  const target = await findTarget(core, allowance, definition)
  const put = async (text: string): Promise<undefined> => {
    await writeTarget(target, allowance, text)
  }
  return { ...target, isNew: target.stored === undefined, put }
}

async function manifestGoal(
  { source }: Core,
  allowance: Allowance,
  place: Place,
  { stored, holding }: Destination,
): Promise<Goal> {
  const current = stored ?? (await source.fetch(allowance, place).catch(absent))
  return { place, stored: current, isNew: current === undefined, put: holding }
}

/** A manifest may come before the object, and replace what the cluster holds of no use. */
function absent(error: unknown): undefined {
  if (!isSecretManagerError(error) || !ABSENT.has(error.code)) throw error
}

const ABSENT: ReadonlySet<ErrorCode> = new Set([
  'SM_K8S_NOT_FOUND',
  'SM_KEY_MISSING',
  'SM_CT_FORMAT',
])

/** One of the two is older, whichever it is. */
function inAnyOrder(definition: Definition): Definition {
  return { ...definition, allowRollback: true }
}

/** The stored document in a text: the text itself, or the entry of the manifest in it. */
async function documentIn({ text, where }: OldText, place: Place): Promise<string> {
  if (isSealed(text) || /^\s*vault:v\d/.test(text)) return text
  const manifests = await readManifests(text, where)
  const objects = manifests.filter((manifest) => isOf(place, manifest))
  if (objects.length === 0) throw withoutObject(where, place, manifests)
  const found = objects.flatMap(({ entries }) => entries.filter(({ key }) => key === place.dataKey))
  const [entry, second] = found
  if (second !== undefined) throw unusable(`${where} has ${describe(place)} more than once`)
  if (entry?.bytes === undefined) throw unusable(`${where} has no ${describe(place)}`)
  return entry.bytes.toString('latin1')
}

/** A manifest without a namespace was applied to the one that was chosen then. */
function isOf({ kind, namespace, name }: Place, manifest: Manifest): boolean {
  const within = manifest.namespace ?? namespace
  return manifest.kind === kind && manifest.name === name && within === namespace
}

/** Nothing is called for a document that the definition would not open. */
function refuseForeign(
  { settings }: Core,
  { format, transitKey, binding }: Definition,
  place: Place,
  stored: string,
): void {
  const where = `the old ${describe(place)}`
  if (format === 'raw') return void parseRaw(stored, where)
  const { claims } = parseSealed(stored, where)
  checkClaims(claims, { mount: settings.vault.transitMount, transitKey, binding }, where)
}

interface Current {
  readonly current?: Opened
  readonly broken: SecretManagerError | undefined
}

/** Who goes back may do so because what is there now is broken. */
async function openCurrent(
  { source }: Core,
  allowance: Allowance,
  definition: Definition,
  { place, stored }: Goal,
): Promise<Current> {
  if (stored === undefined) return { broken: undefined }
  try {
    const current = await source.documents.open(allowance, definition, place, stored)
    return { current, broken: undefined }
  } catch (error) {
    if (isSecretManagerError(error) && BROKEN.has(error.code)) return { broken: error }
    throw error
  }
}

/** Of a document that nobody can read. Another key or binding is a wrong definition. */
const BROKEN: ReadonlySet<ErrorCode> = new Set([
  'SM_CT_AUTH_FAILED',
  'SM_CT_FORMAT',
  'SM_CT_TOO_OLD',
])

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function nothingToDo(place: Place, { revision }: Opened): SecretManagerError {
  const which = revision === undefined ? 'it is raw' : `revision ${revision}`
  const message = `${describe(place)} has this content already (${which}); nothing was written`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'go back further: git log shows what was there before',
  })
}

function withoutObject(
  where: string,
  { kind, namespace, name }: Place,
  manifests: readonly Manifest[],
): SecretManagerError {
  const message = `${where} has no ${kind} ${namespace}/${name}`
  const others = manifests.map((each) => `${each.kind} ${each.namespace ?? namespace}/${each.name}`)
  const found = others.length === 0 ? 'no Secret and no ConfigMap' : others.join(', ')
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: `give a manifest of this object as it was, or the stored document alone; there is ${found}`,
  })
}

function unusable(message: string): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'give a manifest of this object as it was, or the stored document alone',
  })
}

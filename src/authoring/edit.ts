/** A document that a person edits: read before, and written after, unless it was changed meanwhile. */
import type { Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import { inContext, isSecretManagerError, SecretManagerError } from '../errors.ts'
import { parseDictionary } from '../lib/json.ts'
import { changeDocument, type ChangeOptions } from './change.ts'

/** A document as it was when the editing began. */
export interface Draft {
  readonly document: Uint8Array
  /** Whether it is not stored yet. */
  readonly isNew: boolean
}

/**
 * Reads what is to be edited; with `create`, an empty dictionary where there is none.
 *
 * @throws {@link SecretManagerError} SM_K8S_NOT_FOUND, SM_KEY_MISSING, what {@link KubevaultSource.change} rejects with
 */
export async function readDraft(
  core: Core,
  definition: Definition,
  options: ChangeOptions = {},
): Promise<Draft> {
  let document: Uint8Array | undefined
  const look = (current: { readonly document: Uint8Array } | undefined): undefined => {
    document = current?.document
  }
  await changeDocument(core, definition, look, options)
  return { document: document ?? Buffer.from('{\n}\n'), isNew: document === undefined }
}

/** Whether an editor left the text alone. Some add an end to the last line. */
export function isUnchanged({ document }: Draft, edited: Uint8Array): boolean {
  return equal(edited, document) || equal(edited, Buffer.concat([document, Buffer.from('\n')]))
}

/** What keeps a text from being stored: where it is no dictionary, by line and column, or that it is too large. */
export function problemOf(
  { source }: Core,
  definition: Definition,
  edited: Uint8Array,
): SecretManagerError | undefined {
  try {
    source.documents.refuseUnfit(definition, edited)
    parseDictionary(edited)
    return undefined
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    const position = positionOf(edited, error.message)
    const located = position === undefined ? error : inContext(error, position)
    return new SecretManagerError(located.code, located.message, {
      hint: 'nothing was written: edit it again',
    })
  }
}

/**
 * Stores what was edited, unless the document is no longer the one that was read. One that was merely
 * rewrapped is.
 *
 * @returns whether anything was written: not where somebody stored the same meanwhile
 * @throws {@link SecretManagerError} SM_K8S_CONFLICT where somebody changed it meanwhile, what {@link changeDocument} rejects with
 */
export function storeDraft(
  core: Core,
  definition: Definition,
  draft: Draft,
  edited: Uint8Array,
  options: Omit<ChangeOptions, 'create'> = {},
): Promise<boolean> {
  const store = (
    current: { readonly document: Uint8Array } | undefined,
  ): Uint8Array | undefined => {
    if (current && equal(current.document, edited)) return undefined
    if (isAsRead(draft, current?.document)) return edited
    throw new SecretManagerError(
      'SM_K8S_CONFLICT',
      `somebody else changed ${definition.readKey} of ${definition.secretName} while you edited it`,
    )
  }
  // One that was deleted meanwhile is a conflict, too.
  return changeDocument(core, definition, store, { ...options, create: true })
}

function isAsRead({ document, isNew }: Draft, current: Uint8Array | undefined): boolean {
  return current ? !isNew && equal(current, document) : isNew
}

function equal(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}

/** Editors count lines; the parser counts bytes. */
function positionOf(document: Uint8Array, message: string): string | undefined {
  const byte = / at byte (\d+)/.exec(message)?.[1]
  if (byte === undefined) return undefined
  const lines = Buffer.from(document.subarray(0, Number(byte)))
    .toString()
    .split('\n')
  return `line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1}`
}

/** A change of a stored document that is made again where somebody else wrote in between. */
import type { CallOptions } from '../calls.ts'
import type { Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError, withFacts } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import type { Opened } from '../sources/documents.ts'

/** What a change of a document may create, and what ends it. */
export interface ChangeOptions extends CallOptions {
  /** Whether a document that is not there is made; absent: it is never made, and nobody is told of a way. */
  readonly create?: boolean | undefined
}

/** Gives the new document for the one there is; `undefined` leaves everything as it is. */
export type Change = (current: Opened | undefined) => Uint8Array | undefined

const MOST_TRIES = 5

const CREATE = '; --create makes it'

/**
 * Changes a document. Where somebody else wrote between reading and writing, `change` is asked again
 * with what there is now, five times in all.
 *
 * @returns whether anything was written
 * @throws {@link SecretManagerError} SM_K8S_NOT_FOUND and SM_KEY_MISSING unless it may be created, SM_K8S_CONFLICT
 * after the last try, what {@link KubevaultSource.change} rejects with, and what `change` throws
 */
export function changeDocument(
  { calls, source }: Core,
  definition: Definition,
  change: Change,
  { signal, create }: ChangeOptions,
): Promise<boolean> {
  return calls.run({ signal }, async (allowance) => {
    const way = create === false ? CREATE : ''
    const checked = async (current: Opened | undefined): Promise<Uint8Array | undefined> => {
      if (current || create === true) return change(current)
      throw await absence(source, allowance, definition, way)
    }
    for (let tries = 1; ; tries++) {
      const outcome = await attempt(source, allowance, definition, checked)
      if (typeof outcome === 'boolean') return outcome
      const mayTry = tries < MOST_TRIES && (await allowance.retry('kubernetes', tries))
      if (!mayTry) throw lost(outcome, tries)
    }
  })
}

/** Whether anything was written, or the conflict of a race that was lost. */
async function attempt(
  source: Core['source'],
  allowance: Allowance,
  definition: Definition,
  change: (current: Opened | undefined) => Promise<Uint8Array | undefined>,
): Promise<boolean | SecretManagerError> {
  let isDecided = false
  try {
    return await source.change(allowance, definition, async (current) => {
      const document = await change(current)
      isDecided = true
      return document
    })
  } catch (error) {
    // One before that is no race: it is what the change itself found.
    if (isDecided && isConflict(error)) return error
    throw error
  }
}

/** The exact reason why there is no document. */
async function absence(
  source: Core['source'],
  allowance: Allowance,
  definition: Definition,
  way: string,
): Promise<SecretManagerError> {
  const { readKey, secretName } = definition
  try {
    await source.fetch(allowance, await source.locate(allowance, definition))
  } catch (error) {
    if (!isSecretManagerError(error) || error.exitCode !== 4) throw error
    return withFacts(error, { hint: `${error.hint}${way}` })
  }
  // What is read from a volume may be there, and not in the cluster.
  return new SecretManagerError(
    'SM_KEY_MISSING',
    `the cluster has no ${readKey} of ${secretName}`,
    { hint: `check the name, the namespace and the data key${way}` },
  )
}

function isConflict(error: unknown): error is SecretManagerError {
  return isSecretManagerError(error) && error.code === 'SM_K8S_CONFLICT'
}

function lost(error: SecretManagerError, tries: number): SecretManagerError {
  return withFacts(error, {
    attempts: tries,
    hint: 'others write to this object all the time: nothing was written, run it again',
  })
}

/** Single entries of a stored dictionary: set and unset, with everything else of the document as it was. */
import type { Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import { inContext, isSecretManagerError, SecretManagerError } from '../errors.ts'
import { closest } from '../lib/closest.ts'
import { parseDictionary } from '../lib/json.ts'
import { changeDocument, type ChangeOptions } from './change.ts'
import { membersOf, withMember, withoutMembers, type Member } from './members.ts'

/** How entries are changed. */
export interface EntryOptions extends ChangeOptions {
  /** Finds out what would be done, and writes nothing. Default `false`. */
  readonly dryRun?: boolean | undefined
}

/** What became of an entry that was set. */
export type SetOutcome = 'added' | 'changed' | 'unchanged'

/** What an empty dictionary begins with, in lines. */
const EMPTY = '{\n}\n'

/**
 * Sets one entry at the top level. An entry that has this value already is not written.
 *
 * @param name - as it is: a dot in it means nothing
 * @param json - text of the JSON value, which is stored as it is spelled
 * @throws {@link SecretManagerError} SM_PAYLOAD_INVALID where the document is no dictionary, SM_TOO_LARGE, and what
 * {@link changeDocument} rejects with
 */
export async function setEntry(
  core: Core,
  definition: Definition,
  name: string,
  json: string,
  options: EntryOptions = {},
): Promise<SetOutcome> {
  let outcome: SetOutcome = 'unchanged'
  const set = (document: Uint8Array | undefined): Uint8Array | undefined => {
    const text = document ? dictionaryText(document, definition) : EMPTY
    const present = membersOf(text).find((member) => member.name === name)
    outcome = present ? outcomeOf(text.slice(present.valueStart, present.end), json) : 'added'
    if (outcome === 'unchanged') return undefined
    const changed = sound(withMember(text, name, json), definition)
    return options.dryRun === true ? undefined : changed
  }
  await changeDocument(core, definition, (current) => set(current?.document), options)
  return outcome
}

/** How to take entries out. */
export interface UnsetOptions extends Omit<EntryOptions, 'create'> {
  /** Lets names pass that are not there. Default `false`. */
  readonly ifPresent?: boolean | undefined
}

/**
 * Takes entries out of the top level: all of them, or none.
 *
 * @returns the names that were there
 * @throws {@link SecretManagerError} SM_KEY_MISSING for a name that is not there, with those that are; SM_PAYLOAD_INVALID,
 * and what {@link changeDocument} rejects with
 */
export async function unsetEntries(
  core: Core,
  definition: Definition,
  names: readonly string[],
  options: UnsetOptions = {},
): Promise<readonly string[]> {
  let present: readonly string[] = []
  const unset = (document: Uint8Array): Uint8Array | undefined => {
    const text = dictionaryText(document, definition)
    const members = membersOf(text)
    present = [...new Set(names)].filter((name) => isAmong(name, members))
    const missing = names.find((name) => !isAmong(name, members))
    if (missing !== undefined && options.ifPresent !== true) {
      throw noEntry(missing, members, definition)
    }
    if (present.length === 0) return undefined
    const changed = sound(withoutMembers(text, present), definition)
    return options.dryRun === true ? undefined : changed
  }
  const { signal } = options
  await changeDocument(core, definition, (current) => current && unset(current.document), {
    signal,
  })
  return present
}

/** The text of a dictionary that was read. */
function dictionaryText(document: Uint8Array, definition: Definition): string {
  try {
    parseDictionary(document)
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    throw inContext(error, `cannot change single entries in ${whereOf(definition)}`)
  }
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(document)
}

/** What is about to be written can be read again, and is within the limits of readers. */
function sound(text: string, definition: Definition): Uint8Array {
  const document = new TextEncoder().encode(text)
  try {
    parseDictionary(document)
  } catch (error) {
    throw isSecretManagerError(error) ? inContext(error, whereOf(definition)) : error
  }
  return document
}

/** A string is the same however it is escaped; a number is what its digits say. */
function outcomeOf(present: string, json: string): SetOutcome {
  const isSame = present === json || (isString(json) && isString(present) && same(present, json))
  return isSame ? 'unchanged' : 'changed'
}

function isString(json: string): boolean {
  return json.startsWith('"')
}

function same(one: string, other: string): boolean {
  return JSON.parse(one) === JSON.parse(other)
}

function isAmong(name: string, members: readonly Member[]): boolean {
  return members.some((member) => member.name === name)
}

/** A list that is longer is read by nobody. */
const MOST_NAMES = 50

function noEntry(
  name: string,
  members: readonly Member[],
  definition: Definition,
): SecretManagerError {
  const names = members.map((member) => member.name)
  const meant = closest(name, names)
  const more = names.length > MOST_NAMES ? `, and ${names.length - MOST_NAMES} more` : ''
  const list = names.slice(0, MOST_NAMES).map(printable).join(', ') || 'no entries'
  const guess = meant === undefined ? '' : `did you mean ${printable(meant)}? `
  return new SecretManagerError(
    'SM_KEY_MISSING',
    `${whereOf(definition)} has no entry ${printable(name)}; nothing was written`,
    { hint: `${guess}it has ${list}${more}` },
  )
}

function whereOf({ readKey, secretName }: Definition): string {
  return `${readKey} of ${secretName}`
}

/** A name cannot imitate or rewrite a line. */
function printable(name: string): string {
  if (/^[\w.-]{1,64}$/.test(name)) return name
  return JSON.stringify(name.slice(0, 64)).replaceAll(
    /[^ -~]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}

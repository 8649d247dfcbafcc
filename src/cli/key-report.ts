/** What a job over documents prints: a line for each that is worth one, and what it came to. */
import type { SecretManagerError } from '../errors.ts'
import type { Listeners } from '../rotation/look.ts'
import type { Outcome } from '../rotation/outcome.ts'
import type { Entry } from '../rotation/rewrap.ts'
import { paragraph, type Output } from './output.ts'
import type { Progress } from './progress.ts'
import { shownName } from './shown.ts'

/** How a job is reported. */
export interface ReportOptions {
  readonly isJson: boolean
  /** States that have a line of their own. */
  readonly listed: ReadonlySet<Outcome['state']>
  /** What it told of failures, and of who is behind, is not told again. */
  readonly before?: Report | undefined
}

/** States that somebody should see. */
export const WORTH_A_LINE: ReadonlySet<Outcome['state']> = new Set([
  'rewrapped',
  'behind',
  'overtaken',
  'unknown',
  'failed',
])

/** Every state. */
export const ALL_STATES: ReadonlySet<Outcome['state']> = new Set([
  ...WORTH_A_LINE,
  'current',
  'foreign',
])

/** Prints entries as they come, and counts them. */
export class Report implements Listeners {
  readonly #output: Output
  readonly #progress: Progress
  readonly #options: ReportOptions
  readonly #counts = new Map<Outcome['state'], number>()
  /** By where and what, failures, and who is behind. */
  readonly #told = new Set<string>()
  #unread = 0

  constructor(output: Output, progress: Progress, options: ReportOptions) {
    this.#output = output
    this.#progress = progress
    this.#options = options
  }

  readonly onEntry = (entry: Entry): void => {
    const { state } = entry.outcome
    this.#counts.set(state, this.count(state) + 1)
    if (!this.#options.listed.has(state) || this.#isTold(entry)) return
    if (this.#options.isJson) this.#output.data.line(JSON.stringify(plainEntry(entry)))
    else this.#print(entry)
  }

  readonly onPage = (objects: number, remaining: number | undefined): void => {
    this.#progress.add(objects, remaining)
  }

  readonly onUnread = (site: string, error: SecretManagerError): void => {
    this.#unread += 1
    if (this.#isKnown(`${site}\n${error.message}`)) return
    if (this.#options.isJson) {
      const { message, code, hint } = error
      this.#output.data.line(JSON.stringify({ site, state: 'unread', code, message, hint }))
      return
    }
    this.#output.notes.line(`${site}: not looked at: ${error.message}`)
    paragraph(this.#output.notes, `${error.code}: ${error.hint}`, 7)
  }

  count(...states: readonly Outcome['state'][]): number {
    return states.reduce((sum, state) => sum + (this.#counts.get(state) ?? 0), 0)
  }

  /** Whether something could not be done, or not even be looked at. */
  get hasFailed(): boolean {
    return this.#unread > 0 || this.count('failed') > 0
  }

  /** What it came to, in words. */
  summary(): string {
    const parts = WORDS.flatMap(([state, word]) => {
      const count = this.count(state)
      return count === 0 ? [] : [`${count.toLocaleString('en')} ${word}`]
    })
    if (this.#unread > 0) parts.push(`${this.#unread} not looked at`)
    return parts.join(', ') || 'no document was found'
  }

  #isTold({ site, object, dataKey = '', outcome }: Entry): boolean {
    // Of the others there may be very many.
    if (outcome.state !== 'failed' && outcome.state !== 'behind') return false
    const message = outcome.state === 'failed' ? outcome.error.message : ''
    return this.#isKnown([site, object.name, dataKey, message].join('\n'))
  }

  #isKnown(line: string): boolean {
    const { before } = this.#options
    this.#told.add(line)
    return before !== undefined && before.#told.has(line)
  }

  #print({ object, dataKey, document, outcome, site }: Entry): void {
    const { data } = this.#output
    const what = dataKey === undefined ? object.name : `${dataKey} of ${object.name}`
    const inSite = site === 'cluster default' || site === 'files' ? '' : `${site}: `
    data.line(
      `${LABELS[outcome.state].padEnd(LABEL)}${inSite}${shownName(what)}${told(outcome, document)}`,
    )
    if (outcome.state === 'failed') {
      paragraph(data, outcome.error.message, LABEL)
      paragraph(data, `${outcome.error.code}: ${hintOf(outcome.error)}`, LABEL)
    }
    const why = reasonOf(object, document, outcome)
    if (why !== undefined) paragraph(data, why, LABEL)
  }
}

const LABELS: Readonly<Record<Outcome['state'], string>> = {
  current: 'current',
  rewrapped: 'rewrapped',
  behind: 'behind',
  overtaken: 'overtaken',
  foreign: 'other key',
  unknown: 'unknown',
  failed: 'failed',
}

const LABEL = 11

const WORDS: readonly (readonly [Outcome['state'], string])[] = [
  ['rewrapped', 'rewrapped'],
  ['current', 'current'],
  ['overtaken', 'written by somebody else meanwhile'],
  ['behind', 'behind'],
  ['failed', 'failed'],
  ['foreign', 'of another key'],
  ['unknown', 'raw, of a key that nobody names'],
]

function told(outcome: Outcome, document: Entry['document']): string {
  if (document === undefined) return ''
  const { keyVersion } = document
  if (outcome.state === 'rewrapped') return `, version ${keyVersion} -> ${outcome.to}`
  return `, version ${keyVersion}`
}

/** Why a document stays behind, or will be again. */
export function reasonOf(
  { owner }: Entry['object'],
  document: Entry['document'],
  outcome: Outcome,
): string | undefined {
  if (outcome.state !== 'behind' && outcome.state !== 'rewrapped') return undefined
  if (owner !== undefined) {
    const name = owner.name === undefined ? '' : ` (${owner.name})`
    return `${owner.tool}${name} keeps it as its source says: rewrap that, secretmanager rewrap --files`
  }
  const applied = document?.appliedVersion
  const isOlder = applied !== undefined && document !== undefined && applied <= document.keyVersion
  if (!isOlder) return undefined
  return `kubectl apply brings version ${applied} back: rewrap its file, secretmanager rewrap --files, and apply it`
}

/** A line for programs. */
export function plainEntry({ site, object, dataKey, document, outcome }: Entry): object {
  const place = document?.place
  return {
    site,
    object: object.name,
    ...(place && { kind: place.kind, namespace: place.namespace, name: place.name }),
    entry: dataKey,
    format: document?.format,
    version: document?.keyVersion,
    state: outcome.state,
    ...(outcome.state === 'rewrapped' && { to: outcome.to }),
    ...(outcome.state === 'failed' && plainError(outcome.error)),
    owner: object.owner && { ...object.owner },
    appliedVersion: document?.appliedVersion,
  }
}

function plainError(error: SecretManagerError): object {
  const { code, message } = error
  return { code, message, hint: hintOf(error) }
}

/** What can be done about a document that failed, by the commands that there are. */
export function hintOf({ code, hint }: SecretManagerError): string {
  return code === 'SM_CT_TOO_OLD' ? REOPEN : hint
}

const REOPEN =
  'its version was retired: secretmanager unretire, then rewrap, then retire; status says which'

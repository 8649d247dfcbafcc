/** What `status` prints: a table of the documents, what is to be done about some, and what is known of the key. */
import type { SecretManagerError } from '../errors.ts'
import { unseen, type Journal, type Retirement } from '../rotation/journal-text.ts'
import type { Entry } from '../rotation/rewrap.ts'
import type { KeyName, Site } from '../rotation/site.ts'
import type { Stock } from '../rotation/stock.ts'
import type { KeyFacts } from '../vault/keyring.ts'
import { ageText } from './duration.ts'
import { hintOf, reasonOf, type Report } from './key-report.ts'
import { paragraph, strong, type Sheet } from './output.ts'
import { shownName } from './shown.ts'
import { tableOf } from './table.ts'

/** All that is known. */
export interface Known {
  readonly key: KeyName
  readonly sites: readonly Pick<Site, 'name' | 'extent'>[]
  readonly facts: KeyFacts
  /** Why there is none, where that is so. */
  readonly journal: Journal | string
  /** What the journal is kept in. */
  readonly where: string
  readonly entries: readonly Entry[]
  readonly unread: readonly { readonly site: string; readonly error: SecretManagerError }[]
  readonly report: Report
}

/**
 * Gives the state of a document: that of its outcome, unless it does not open. `closed`: its version is below the minimum.
 * `ahead`: the key has no such version.
 */
export function keyState(
  { outcome, document }: Entry,
  { latestVersion, minDecryptionVersion }: KeyFacts,
): Entry['outcome']['state'] | 'closed' | 'ahead' {
  if (document === undefined || outcome.state === 'unknown') return outcome.state
  if (document.keyVersion > latestVersion) return 'ahead'
  return document.keyVersion < minDecryptionVersion ? 'closed' : outcome.state
}

/** Whether a document does not open as things are. */
export function isUseless(entry: Entry, facts: KeyFacts): boolean {
  return ['closed', 'ahead'].includes(keyState(entry, facts))
}

/** Prints it. @param nowUnixMs - what ages count from */
export function printKeyState(known: Known, nowUnixMs: number, data: Sheet): void {
  const { entries } = known
  const [head = '', ...rows] = table(known)
  if (rows.length > 0) for (const line of [strong(data, head), ...rows, '']) data.line(line)
  const remarks = entries.flatMap((entry) => remarksOn(entry, known))
  for (const remark of remarks) paragraph(data, remark, 0)
  if (remarks.length > 0) data.line('')
  for (const [name, text] of factsOf(known, nowUnixMs)) {
    const [first = '', ...rest] = text
    paragraph(data, `${`${name}:`.padEnd(LABEL)}${first}`, 0)
    for (const line of rest) paragraph(data, line, LABEL)
  }
}

const LABEL = 15

function table({ entries, facts: key, sites }: Known): readonly string[] {
  const isMany = sites.length > 1
  const rows = entries.map((entry) => {
    const { object, dataKey, document, outcome, site } = entry
    const state = keyState(entry, key)
    return [
      shownName(object.name),
      dataKey === undefined ? '-' : shownName(dataKey),
      document?.format ?? '-',
      document === undefined ? '-' : String(document.keyVersion),
      state === 'failed' && outcome.state === state ? outcome.error.code : state,
      ...(isMany ? [site] : []),
    ]
  })
  return tableOf([...HEAD, ...(isMany ? ['SITE'] : [])], rows)
}

const HEAD: readonly string[] = ['OBJECT', 'ENTRY', 'FORMAT', 'VERSION', 'STATE']

/** What there is to say of a document, each with the next action. */
function remarksOn(entry: Entry, { key, facts: known }: Known): readonly string[] {
  const { object, dataKey, document, outcome } = entry
  const what = shownName(dataKey === undefined ? object.name : `${dataKey} of ${object.name}`)
  if (document !== undefined && isUseless(entry, known)) {
    return [`${what}: ${mending(document.keyVersion, key, known)}`]
  }
  if (outcome.state === 'failed') {
    return [`${what}: ${outcome.error.message}; try: ${hintOf(outcome.error)}`]
  }
  const why = reasonOf(object, document, outcome)
  return why === undefined ? [] : [`${what}: ${why}`]
}

function mending(
  version: number,
  { transitKey }: KeyName,
  { latestVersion, minDecryptionVersion, minAvailableVersion }: KeyFacts,
): string {
  const closed = `does not open: it is under version ${version}, and`
  if (version > latestVersion) {
    return `${closed} the latest is ${latestVersion}; Vault was restored from a backup, or this is of another: restore a later one; where there is none, write it anew: secretmanager encrypt`
  }
  if (version < minAvailableVersion) {
    return `${closed} those before ${minAvailableVersion} were destroyed: write it anew: secretmanager encrypt`
  }
  return `${closed} only ${minDecryptionVersion} and later open: secretmanager unretire --transit-key ${transitKey} --to ${version}, then secretmanager rewrap`
}

type Fact = readonly [name: string, lines: readonly string[]]

function factsOf(
  { key, facts: known, journal, sites, report, where: kept }: Known,
  now: number,
): readonly Fact[] {
  const isText = typeof journal === 'string'
  const { retirement } = isText ? { retirement: undefined } : journal
  const seen = sites.map(({ name: where, extent }) => ({ where, extent }))
  const elsewhere = isText ? [] : unseen(journal.sites, seen)
  return [
    ['key', [`${key.mount}/keys/${key.transitKey}`, ...keyLines(known)]],
    ['last rotation', [isText ? journal : rotationText(journal, now)]],
    ...(retirement ? [['last retire', [retirementText(retirement, now)]] as const] : []),
    ...elsewhere.map((stock): Fact => ['also recorded', [stockText(stock, now)]]),
    ...(isText ? [] : [['journal', [kept]] as const]),
    ['documents', [report.summary()]],
  ]
}

function keyLines(known: KeyFacts): readonly string[] {
  const { latestVersion, minDecryptionVersion, createdAt, isDerived } = known
  const made = createdAt.get(latestVersion)
  const date = made === undefined ? '' : `, made ${new Date(made).toISOString()}`
  const isAll = minDecryptionVersion <= 1
  const open = isAll ? 'all versions open' : `${minDecryptionVersion} and later open`
  return [
    `latest version ${latestVersion}${date}; ${open}`,
    ...(isDerived ? [] : ['not derived: nothing is bound to its place']),
  ]
}

function rotationText({ phase, begunAt, from }: Journal, now: number): string {
  if (begunAt === '') return 'none is recorded'
  const when = `${since(begunAt, now)}, from version ${from}`
  return phase === 'done' ? when : `${when}; it did not end: secretmanager rotate goes on with it`
}

function retirementText({ phase, at, to }: Retirement, now: number): string {
  const when = `${since(at, now)}, to version ${to}`
  return phase === 'done' ? when : `${when}; it did not end: secretmanager retire goes on with it`
}

function stockText({ site, at, documents, oldest, isComplete }: Stock, now: number): string {
  const least = oldest === null ? '' : `, the oldest under version ${oldest}`
  const part = isComplete ? '' : '; not all of it could be looked at'
  const count = `${documents} ${documents === 1 ? 'document' : 'documents'}`
  return `${shownName(site)}, ${since(at, now)}: ${count}${least}${part}`
}

function since(at: string, now: number): string {
  const age = now - Date.parse(at)
  return Number.isFinite(age) ? `${shownName(at)} (${ageText(age)} ago)` : 'at an unknown time'
}

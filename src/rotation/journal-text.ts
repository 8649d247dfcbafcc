/** What the journal of a rotation says, and how it is written down: one JSON document. */
import { isRecord, recordIn } from '../lib/record.ts'
import { covers } from './extent.ts'
import type { KeyName } from './site.ts'
import type { Stock } from './stock.ts'

/** What the journal says. */
export interface Journal extends KeyName {
  /**
   * `rotating`: a new version was, or is about to be, asked for. `rewrapping`: it is there, and documents are
   * brought to it. `done`: they were.
   */
  readonly phase: 'rotating' | 'rewrapping' | 'done'
  /** Which Vault the key is in, as it calls itself; absent where it does not. */
  readonly vault?: string | undefined
  /** Latest version before the rotation. */
  readonly from: number
  /** Which rotation or retirement wrote last: a random id of each run. */
  readonly run: string
  /** When the rotation began, and ended; RFC 3339. */
  readonly begunAt: string
  readonly doneAt?: string | undefined
  /** The last change of the minima; `raising` until everything was looked at once more. */
  readonly retirement?: Retirement | undefined
  /** The last look at each site, or part of one. */
  readonly sites: Readonly<Record<string, Stock>>
}

/** A change of the version below which nothing opens any more. */
export interface Retirement {
  readonly phase: 'raising' | 'done'
  /** `min_decryption_version` before, and after. */
  readonly from: number
  readonly to: number
  /** RFC 3339. */
  readonly at: string
}

/** A journal of a key that was never rotated here. */
export function emptyJournal({ mount, transitKey }: KeyName, latest: number): Journal {
  return { mount, transitKey, phase: 'done', from: latest, run: '', begunAt: '', sites: {} }
}

/** The looks with newer ones: those that saw the same or more take their place. */
export function withStocks(sites: Journal['sites'], stocks: readonly Stock[]): Journal['sites'] {
  return bySite([...unseen(sites, stocks), ...stocks])
}

/** The looks at what was not seen by `stocks`, all of them together. */
export function unseen(
  sites: Journal['sites'],
  stocks: readonly Pick<Stock, 'where' | 'extent'>[],
): readonly Stock[] {
  return Object.values(sites).filter(({ where, extent }) => {
    const seen = stocks.filter((each) => each.where === where).flatMap((each) => each.extent)
    return !covers(seen, extent)
  })
}

/** The journal without what was looked at at these sites. */
export function withoutSites(journal: Journal, names: readonly string[]): Journal {
  const left = Object.entries(journal.sites).filter(([name]) => !names.includes(name))
  return { ...journal, sites: Object.fromEntries(left) }
}

function bySite(stocks: readonly Stock[]): Journal['sites'] {
  return Object.fromEntries(stocks.map((stock) => [stock.site, stock]))
}

/** Reads a journal; `undefined` where it is none. Whoever may write ConfigMaps may have written it. */
export function journalIn(text: string): Journal | undefined {
  const value = recordIn(text)
  if (value === undefined) return undefined
  const progress = progressIn(value)
  const retirement = value['retirement'] === undefined ? NONE : retirementIn(value['retirement'])
  const sites = sitesIn(value['sites'])
  // A site or a retirement that is left out would stand in the way of nothing any more.
  if (progress === undefined || retirement === undefined || sites === undefined) return undefined
  return { ...progress, ...retirement, sites }
}

type Progress = Omit<Journal, 'retirement' | 'sites'>

function progressIn(value: Readonly<Record<string, unknown>>): Progress | undefined {
  const { mount, transitKey, vault, phase: said, from, run, begunAt, doneAt } = value
  const phase = PHASES.find((each) => each === said)
  if (!isText(mount) || !isText(transitKey) || !isText(run) || !isText(begunAt)) return undefined
  if (phase === undefined || typeof from !== 'number') return undefined
  const known = { ...(isText(vault) && { vault }), ...(isText(doneAt) && { doneAt }) }
  return { mount, transitKey, phase, from, run, begunAt, ...known }
}

const NONE: Pick<Journal, 'retirement'> = {}

function retirementIn(value: unknown): Pick<Journal, 'retirement'> | undefined {
  if (!isRecord(value)) return undefined
  const { phase, from, to, at } = value
  if (typeof from !== 'number' || typeof to !== 'number' || !isText(at)) return undefined
  return { retirement: { phase: phase === 'raising' ? phase : 'done', from, to, at } }
}

function sitesIn(value: unknown): Journal['sites'] | undefined {
  if (!isRecord(value)) return undefined
  const stocks = Object.entries(value).map(([site, stock]) => stockIn(site, stock))
  const read = stocks.filter((stock) => stock !== undefined)
  return read.length === stocks.length ? bySite(read) : undefined
}

const PHASES = ['rotating', 'rewrapping', 'done'] as const

function stockIn(site: string, value: unknown): Stock | undefined {
  if (!isRecord(value)) return undefined
  const { where, at, isComplete, documents, oldest, newest } = value
  // What it was called in the first journals.
  const extent = value['extent'] ?? value['scope']
  if (!isText(where) || !isText(at) || typeof documents !== 'number') return undefined
  if (!isVersion(oldest) || !isVersion(newest) || !isTexts(extent)) return undefined
  return { site, where, extent, at, isComplete: isComplete === true, documents, oldest, newest }
}

function isVersion(value: unknown): value is number | null {
  return value === null || typeof value === 'number'
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every(isText)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

/** The journal as a text, and the name that it is kept under. */
import fc from 'fast-check'
import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'

import { isDnsSubdomain } from '../../src/lib/names.ts'
import { emptyJournal, journalIn, type Journal } from '../../src/rotation/journal-text.ts'
import { journalName } from '../../src/rotation/journal.ts'
import type { Stock } from '../../src/rotation/stock.ts'

const time = fc.date({ noInvalidDate: true }).map((date) => date.toISOString())
const version = fc.integer({ min: 0, max: 1e6 })

const stock: fc.Arbitrary<Stock> = fc.record({
  site: fc.string({ unit: 'binary' }),
  where: fc.string(),
  extent: fc.array(fc.string()),
  at: time,
  isComplete: fc.boolean(),
  documents: fc.nat(),
  oldest: fc.option(version),
  newest: fc.option(version),
})

const journal: fc.Arbitrary<Journal> = fc.record(
  {
    mount: fc.string(),
    transitKey: fc.string(),
    phase: fc.constantFrom('rotating', 'rewrapping', 'done'),
    from: version,
    run: fc.uuid(),
    begunAt: time,
    vault: fc.string(),
    doneAt: time,
    retirement: fc.record({
      phase: fc.constantFrom('raising', 'done'),
      from: version,
      to: version,
      at: time,
    }),
    sites: fc
      .array(stock)
      .map((stocks) => Object.fromEntries(stocks.map((each) => [each.site, each]))),
  },
  { requiredKeys: ['mount', 'transitKey', 'phase', 'from', 'run', 'begunAt', 'sites'] },
)

test('what was written is read', () => {
  fc.assert(
    fc.property(journal, (it) => {
      expect(journalIn(JSON.stringify(it))).toEqual(it)
    }),
  )
})

test('that of a key that was never rotated is one', () => {
  const empty = emptyJournal({ mount: 'transit', transitKey: 'app' }, 4)
  expect(journalIn(JSON.stringify(empty))).toEqual(empty)
})

test('one that tells extents by their first name, scope, is read as it is', () => {
  const { extent, ...rest } = WHOLE.sites.a
  const text = JSON.stringify({ ...WHOLE, sites: { a: { ...rest, scope: extent } } })
  expect(journalIn(text)).toEqual(WHOLE)
})

test('X1: what is no journal is none, and throws nothing', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.json(),
        fc.jsonValue().map((it) => JSON.stringify(it)),
      ),
      (text) => {
        expect(journalIn(text)).toBeUndefined()
      },
    ),
  )
})

const WHOLE = {
  ...emptyJournal({ mount: 'transit', transitKey: 'app' }, 4),
  retirement: { phase: 'raising', from: 1, to: 3, at: '2026-01-01T00:00:00Z' },
  sites: {
    a: {
      site: 'a',
      where: 'a',
      extent: ['*'],
      newest: 4,
      at: '2026-01-01T00:00:00Z',
      isComplete: true,
      documents: 1,
      oldest: 4,
    },
  },
}

test.each<readonly [string, object]>([
  ['without its key', { ...WHOLE, transitKey: undefined }],
  ['of an unknown phase', { ...WHOLE, phase: 'resting' }],
  ['whose version is a text', { ...WHOLE, from: '4' }],
  ['without sites', { ...WHOLE, sites: undefined }],
  ['with sites as a list', { ...WHOLE, sites: [] }],
  ['with a site that is no record', { ...WHOLE, sites: { a: null } }],
  ['with a site without a time', { ...WHOLE, sites: { a: { ...WHOLE.sites.a, at: undefined } } }],
  [
    'with a site without its oldest',
    { ...WHOLE, sites: { a: { ...WHOLE.sites.a, oldest: undefined } } },
  ],
  [
    'with a site whose oldest is a text',
    { ...WHOLE, sites: { a: { ...WHOLE.sites.a, oldest: '1' } } },
  ],
  ['with a retirement that is no record', { ...WHOLE, retirement: 'raising' }],
  ['with a retirement to nowhere', { ...WHOLE, retirement: { ...WHOLE.retirement, to: null } }],
])('I21: a journal %s is none: what it leaves out would be in the way of nothing', (_what, it) => {
  expect(journalIn(JSON.stringify(WHOLE))).toBeDefined()
  expect(journalIn(JSON.stringify(it))).toBeUndefined()
})

test('I21: a site is complete only where it says so', () => {
  const sites = { a: { ...WHOLE.sites.a, isComplete: 'yes' } }
  expect(journalIn(JSON.stringify({ ...WHOLE, sites }))?.sites['a']?.isComplete).toBe(false)
})

const mount = fc.constantFrom('transit', 'transit/team', 'kv', 'Transit')
const transitKey = fc
  .tuple(
    fc.stringMatching(/^[A-Za-z0-9_]$/),
    fc.stringMatching(/^[A-Za-z0-9_.-]{0,90}$/),
    fc.stringMatching(/^[A-Za-z0-9_]$/),
  )
  .map((parts) => parts.join(''))
const keyName = fc.record({ mount, transitKey })

test('the name of a journal is one of Kubernetes, and that of one key only', () => {
  fc.assert(
    fc.property(keyName, keyName, (one, other) => {
      expect(isDnsSubdomain(journalName(one))).toBe(true)
      const isSame = one.mount === other.mount && one.transitKey === other.transitKey
      expect(journalName(one) === journalName(other)).toBe(isSame)
    }),
    { numRuns: 300 },
  )
})

test('of two keys that differ in what Kubernetes cannot tell, each has its own', () => {
  fc.assert(
    fc.property(transitKey, mount, (key, on) => {
      const names = [
        key,
        key.toLowerCase(),
        key.replaceAll('_', '-'),
        key.replaceAll('.', '-'),
        `${key}-`,
      ]
      const distinct = new Set(names)
      const journals = [...distinct].map((each) => journalName({ mount: on, transitKey: each }))
      expect(new Set(journals).size).toBe(distinct.size)
    }),
  )
})

test('a key that is named like the digest of another does not get its journal', () => {
  const digest = createHash('sha256').update('transit\nAPP').digest('hex').slice(0, 10)
  const taken = journalName({ mount: 'transit', transitKey: 'APP' })
  expect(taken).toBe(`secretmanager-rotation-app-${digest}`)
  expect(journalName({ mount: 'transit', transitKey: `app-${digest}` })).not.toBe(taken)
})

test('the name of an ordinary key is the one that people look for', () => {
  expect(journalName({ mount: 'transit', transitKey: 'aes256-key' })).toBe(
    'secretmanager-rotation-aes256-key',
  )
})

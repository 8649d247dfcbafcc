/** What becomes of a document, and what the count of a site comes to. */
import { describe, expect, test } from 'vitest'

import { SecretManagerError, type ErrorCode } from '../../src/errors.ts'
import {
  answered,
  unasked,
  unwritten,
  type Mode,
  type Outcome,
} from '../../src/rotation/outcome.ts'
import type { FoundObject, StoredDocument } from '../../src/rotation/site.ts'
import { StockTaking } from '../../src/rotation/stock.ts'
import { parseSealed } from '../../src/sealed/format.ts'

const LATEST = 3
const CLAIMS = { mount: 'transit', transitKey: 'app', scope: 'strict', revision: 7 } as const

function document(changes: Partial<StoredDocument> = {}): StoredDocument {
  return {
    place: { kind: 'Secret', namespace: 'prod', name: 'app', dataKey: 'a' },
    format: 'sealed',
    ciphertext: 'vault:v2:AAAA',
    keyVersion: 2,
    claims: CLAIMS,
    isNamed: false,
    appliedVersion: undefined,
    ...changes,
  }
}

const RAW = { format: 'raw', claims: undefined } as const
const OLD = document()
const CURRENT = document({ keyVersion: LATEST })
const NEWER = document({ keyVersion: LATEST + 1 })
const APPLIED_OLD = document({ keyVersion: LATEST, appliedVersion: 2 })
const APPLIED_NOW = document({ keyVersion: LATEST, appliedVersion: LATEST })
const RAW_OLD = document(RAW)
const RAW_CURRENT = document({ ...RAW, keyVersion: LATEST })
const NAMED_OLD = document({ ...RAW, isNamed: true })
const NAMED_CURRENT = document({ ...RAW, isNamed: true, keyVersion: LATEST })

const UNASKED: readonly (readonly [
  string,
  StoredDocument,
  Readonly<Record<Mode, Outcome['state'] | 'ask'>>,
])[] = [
  ['old', OLD, { rewrap: 'ask', try: 'ask', look: 'behind', prove: 'behind' }],
  ['current', CURRENT, { rewrap: 'current', try: 'current', look: 'current', prove: 'ask' }],
  [
    'of a later version',
    NEWER,
    { rewrap: 'current', try: 'current', look: 'current', prove: 'ask' },
  ],
  [
    'current, its source old',
    APPLIED_OLD,
    { rewrap: 'behind', try: 'behind', look: 'behind', prove: 'ask' },
  ],
  [
    'current, its source too',
    APPLIED_NOW,
    { rewrap: 'current', try: 'current', look: 'current', prove: 'ask' },
  ],
  ['raw and old', RAW_OLD, { rewrap: 'ask', try: 'ask', look: 'unknown', prove: 'ask' }],
  [
    'raw and current',
    RAW_CURRENT,
    { rewrap: 'unknown', try: 'unknown', look: 'unknown', prove: 'ask' },
  ],
  ['raw, named, old', NAMED_OLD, { rewrap: 'ask', try: 'ask', look: 'behind', prove: 'behind' }],
  [
    'raw, named, current',
    NAMED_CURRENT,
    { rewrap: 'current', try: 'current', look: 'current', prove: 'ask' },
  ],
]

describe.each(UNASKED)('a document that is %s', (_what, it, states) => {
  test.each(Object.entries(states))('in mode %s is %s', (mode, state) => {
    expect(unasked(it, LATEST, mode as Mode)?.state ?? 'ask').toBe(state)
  })
})

test('the new text of a sealed document has its claims; that of a raw one is the ciphertext', () => {
  const result = { ciphertext: 'vault:v3:BBBB', keyVersion: 3 }
  const text = answered(OLD, result)
  expect(typeof text === 'string' && parseSealed(text, 'it')).toEqual({
    claims: CLAIMS,
    ciphertext: 'vault:v3:BBBB',
  })
  expect(answered(RAW_OLD, result)).toBe('vault:v3:BBBB')
})

test.each<readonly [ErrorCode, StoredDocument, Outcome['state']]>([
  ['SM_CT_AUTH_FAILED', OLD, 'failed'],
  ['SM_CT_AUTH_FAILED', NAMED_OLD, 'failed'],
  ['SM_CT_AUTH_FAILED', RAW_OLD, 'foreign'],
  ['SM_CT_TOO_NEW', RAW_OLD, 'foreign'],
  ['SM_CT_TOO_NEW', OLD, 'failed'],
  ['SM_CT_TOO_OLD', NAMED_OLD, 'failed'],
  // It may be ours, from a backup, or of a key that nobody asks about: it must not be in the way for ever.
  ['SM_CT_TOO_OLD', RAW_OLD, 'unknown'],
  ['SM_CT_FORMAT', RAW_OLD, 'failed'],
  ['SM_VAULT_DENIED', RAW_OLD, 'failed'],
])('V13: %s of a document', (code, it, state) => {
  const outcome = answered(it, { error: new SecretManagerError(code, 'no') })
  expect(outcome).toMatchObject({ state })
  if (typeof outcome === 'object' && outcome.state === 'failed') {
    expect(outcome.error.code).toBe(code)
    expect(outcome.error.message).toContain('a of Secret prod/app')
  }
})

test('V14: a document without an answer is an error, and no outcome', () => {
  expect(() => answered(OLD, undefined)).toThrow(expect.objectContaining({ code: 'SM_INTERNAL' }))
})

const ARGO = { tool: 'Argo CD', name: 'shop' } as const

function object(changes: Partial<FoundObject> = {}): FoundObject {
  return {
    name: 'Secret prod/app',
    isImmutable: false,
    owner: undefined,
    documents: [],
    problems: [],
    store: () => Promise.reject(new TypeError('it is not to be written')),
    ...changes,
  }
}

test.each<readonly [string, FoundObject, StoredDocument, Mode, Outcome['state'] | 'write']>([
  ['nobody’s', object(), OLD, 'rewrap', 'write'],
  ['nobody’s', object(), OLD, 'try', 'behind'],
  ['one of Argo CD', object({ owner: ARGO }), OLD, 'rewrap', 'behind'],
  ['one of Argo CD', object({ owner: ARGO }), OLD, 'try', 'behind'],
  [
    'an immutable one of Argo CD',
    object({ owner: ARGO, isImmutable: true }),
    OLD,
    'rewrap',
    'behind',
  ],
  ['an immutable one', object({ isImmutable: true }), OLD, 'rewrap', 'failed'],
  ['an immutable one', object({ isImmutable: true }), OLD, 'try', 'failed'],
  ['an immutable one', object({ isImmutable: true }), CURRENT, 'prove', 'current'],
  ['one of Argo CD', object({ owner: ARGO }), CURRENT, 'prove', 'current'],
  ['one whose source is old', object(), APPLIED_OLD, 'prove', 'behind'],
  ['one with a raw document that Vault opened', object(), RAW_CURRENT, 'prove', 'current'],
  ['one with an old raw document that Vault opened', object(), RAW_OLD, 'prove', 'behind'],
])('what is not to be written: %s', (_what, it, held, mode, state) => {
  const outcome = unwritten(it, held, LATEST, mode)
  expect(outcome?.state ?? 'write').toBe(state)
  if (outcome?.state === 'failed') {
    expect(outcome.error).toMatchObject({
      code: 'SM_K8S_REJECTED',
      message: expect.stringContaining('immutable'),
    })
    expect(outcome.error.hint).toContain('create it again')
  }
})

describe('the stock of a site', () => {
  const AT = Date.UTC(2026, 0, 1)

  function stockOf(
    ...told: readonly (readonly [StoredDocument | undefined, Outcome])[]
  ): StockTaking {
    const taking = new StockTaking({ name: 'cluster a', extent: ['*'] }, AT)
    for (const [held, outcome] of told) {
      taking.add({ site: 'cluster a', object: object(), dataKey: 'a', document: held, outcome })
    }
    return taking
  }

  const error = new SecretManagerError('SM_KEY_MISSING', 'no')
  const rows: readonly (readonly [string, StockTaking, object])[] = [
    ['nothing', stockOf(), { documents: 0, oldest: null, isComplete: true }],
    ['a current one', stockOf([CURRENT, { state: 'current' }]), { documents: 1, oldest: 3 }],
    ['one that is behind', stockOf([OLD, { state: 'behind' }]), { documents: 1, oldest: 2 }],
    [
      'one that was rewrapped',
      stockOf([OLD, { state: 'rewrapped', to: 3 }]),
      { documents: 1, oldest: 3, isComplete: true },
    ],
    [
      'one that was rewrapped, and comes back',
      stockOf([document({ appliedVersion: 1 }), { state: 'rewrapped', to: 3 }]),
      { oldest: 1 },
    ],
    [
      'one of another key',
      stockOf([RAW_OLD, { state: 'foreign' }], [CURRENT, { state: 'current' }]),
      { documents: 1, oldest: 3, isComplete: true },
    ],
    [
      'a raw one of a key that nobody names, of more versions than this one',
      stockOf([{ ...RAW_OLD, keyVersion: 9 }, { state: 'unknown' }]),
      { documents: 0, oldest: null, newest: null, isComplete: true },
    ],
    [
      'one that somebody wrote meanwhile',
      stockOf([OLD, { state: 'overtaken' }]),
      { oldest: null, isComplete: true },
    ],
    [
      'one that failed',
      stockOf([OLD, { state: 'failed', error }]),
      { documents: 1, oldest: 2, isComplete: false },
    ],
    [
      'one that is missing',
      stockOf([undefined, { state: 'failed', error }]),
      { oldest: null, isComplete: false },
    ],
  ]

  test.each(rows)('of %s', (_what, taking, expected) => {
    expect(taking.result()).toMatchObject({
      site: 'cluster a',
      at: '2026-01-01T00:00:00.000Z',
      ...expected,
    })
  })

  test('I21: one part that could not be looked at makes it incomplete', () => {
    const taking = stockOf([CURRENT, { state: 'current' }])
    taking.addUnread()
    expect(taking.result()).toMatchObject({ isComplete: false, documents: 1 })
    expect(taking.unread).toBe(1)
  })
})

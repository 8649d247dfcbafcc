import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { VaultFailure } from '../../src/dev/vault/core/failure.ts'
import { createTransitKey, type TransitKey } from '../../src/dev/vault/transit/key.ts'
import {
  checkClaims,
  contextOf,
  hintForPlace,
  refuseRawAfterSealed,
  refuseRollback,
  type BoundPlace,
} from '../../src/sealed/binding.ts'
import { formatSealed, parseSealed, type Claims, type Scope } from '../../src/sealed/format.ts'
import { unwrapDocument, wrapDocument } from '../../src/sealed/plaintext.ts'
import { isSecretManagerError } from '../../src/errors.ts'
import { thrownBy } from './rejection.ts'

const PLACE: BoundPlace = {
  kind: 'Secret',
  namespace: 'prod',
  name: 'app',
  dataKey: 'secrets.json',
}
const EXPECTED = { mount: 'transit', transitKey: 'app', binding: 'strict' } as const
const CLAIMS: Claims = { mount: 'transit', transitKey: 'app', scope: 'strict', revision: 1_764_000 }
const WHERE = 'secrets.json of Secret prod/app'
const SCOPES: readonly Scope[] = ['strict', 'namespace', 'none']

/** A Transit key as Vault and OpenBao have it, in memory. */
function derivedKey(): TransitKey {
  const config = {
    derived: true,
    exportable: false,
    allowPlaintextBackup: false,
    deletionAllowed: false,
    minDecryptionVersion: 1,
    minEncryptionVersion: 0,
    minAvailableVersion: 0,
    autoRotatePeriod: 0,
  }
  return createTransitKey('app', config, { clock: () => 0, randomBytes })
}

/** Takes a context apart again. */
function fieldsOf(context: Uint8Array): string[] {
  const view = Buffer.from(context)
  expect(view.subarray(0, 3).toString()).toBe('sm1')
  const fields: string[] = []
  for (let at = 3; at < view.length;) {
    const length = view.readUInt32BE(at)
    fields.push(view.subarray(at + 4, at + 4 + length).toString())
    at += 4 + length
  }
  return fields
}

/** Names that no object can have, too: nothing in the encoding leans on what is allowed. */
const hostile = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        '\0',
        '\0\0\0\u0001',
        'sm1',
        ':',
        '/',
        '\n',
        'é',
        'e\u0301',
        '🔑',
        'strict',
        '',
      ),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    { maxLength: 4 },
  )
  .map((parts) => parts.join(''))
const anywhere = fc.record({
  scope: fc.constantFrom(...SCOPES),
  cluster: hostile,
  kind: fc.constantFrom('Secret', 'ConfigMap'),
  namespace: hostile,
  name: hostile,
  dataKey: hostile,
})

describe('the context', () => {
  test('Q1: it can be read back, so no two bindings have the same', () => {
    fc.assert(
      fc.property(anywhere, ({ scope, cluster, ...place }) => {
        const { kind, namespace, name, dataKey } = place
        const fields = {
          strict: [cluster, kind, namespace, name, dataKey],
          namespace: [cluster, namespace],
          none: [],
        }[scope]
        expect(fieldsOf(contextOf(place, scope, cluster))).toEqual([scope, ...fields])
      }),
      { numRuns: 1000 },
    )
  })

  test('Q1: one text moved over the border of two fields gives another', () => {
    const cut = fc.tuple(hostile, fc.nat(12), fc.nat(12))
    fc.assert(
      fc.property(cut, ([text, one, other]) => {
        const at = (end: number): Uint8Array => {
          const characters = [...text]
          const name = characters.slice(0, end).join('')
          return contextOf(
            { ...PLACE, name, dataKey: characters.slice(end).join('') },
            'strict',
            'default',
          )
        }
        const same = [...text].length <= Math.min(one, other) || one === other
        expect(Buffer.compare(at(one), at(other)) === 0).toBe(same)
      }),
    )
  })

  test.each(['\ud800', 'a\udc00b', '\udc00\ud800'])(
    'Q1: half a surrogate pair is refused: UTF-8 has one sign for all of them',
    (half) => {
      expect(thrownBy(() => contextOf(PLACE, 'namespace', half))).toMatchObject({
        code: 'SM_CONFIG_INVALID',
        message: 'cluster is not well-formed Unicode',
      })
    },
  )

  test('I6: it is another one for all pairs of 200 places, and for every scope', () => {
    const contexts = places(200).flatMap((place) =>
      ['default', 'eu-1'].map((cluster) => contextOf(place, 'strict', cluster)),
    )
    const others = SCOPES.slice(1).map((scope) => contextOf(PLACE, scope, 'default'))
    const distinct = new Set([...contexts, ...others].map((context) => context.toString()))
    expect(distinct.size).toBe(402)
  })

  test('I6: what was sealed for one of 60 places opens in no other', () => {
    const key = derivedKey()
    const contexts = places(60).map((place) => contextOf(place, 'strict', 'default'))
    const sealed = contexts.map((context) => key.encrypt(Buffer.of(1), { context, version: 0 }))
    const opened = sealed.flatMap((ciphertext, from) =>
      contexts.flatMap((context, to) => (opens(key, ciphertext, context) ? [[from, to]] : [])),
    )
    expect(opened).toEqual(contexts.map((_context, index) => [index, index]))
  })
})

/** Neighbours: names that differ by where one field ends, by kind, by one letter. */
function places(count: number): readonly BoundPlace[] {
  const kinds = ['Secret', 'ConfigMap'] as const
  const all = kinds.flatMap((kind) =>
    ['a', 'ab', 'a-b', 'b', 'prod'].flatMap((namespace) =>
      ['a', 'ab', 'b', 'ba', 'a.b'].flatMap((name) =>
        ['a', 'b', 'ab', 'secrets.json'].map((dataKey) => ({ kind, namespace, name, dataKey })),
      ),
    ),
  )
  return all.slice(0, count)
}

function opens(key: TransitKey, ciphertext: string, context: Uint8Array): boolean {
  try {
    key.decrypt(ciphertext, { context })
    return true
  } catch (error) {
    if (error instanceof VaultFailure) return false
    throw error
  }
}

describe('the way from the stored line to the document', () => {
  const key = derivedKey()
  const context = contextOf(PLACE, 'strict', 'default')
  const DOCUMENT = Buffer.from('{"a":1}')
  const ciphertext = key.encrypt(wrapDocument(CLAIMS.revision, DOCUMENT), { context, version: 0 })
  const LINE = formatSealed(CLAIMS, ciphertext)

  /** As a reader does it. */
  function read(text: string): Uint8Array {
    const sealed = parseSealed(text, WHERE)
    checkClaims(sealed.claims, EXPECTED, WHERE)
    const plaintext = key.decrypt(sealed.ciphertext, { context })
    return unwrapDocument(plaintext, sealed.claims.revision, WHERE)
  }

  /** The document is what it was, or there is an error that we or Transit name. */
  function meaningOf(text: string): string {
    try {
      return Buffer.compare(read(text), DOCUMENT) === 0 ? 'the same' : 'another'
    } catch (error) {
      if (isSecretManagerError(error)) return error.code
      if (error instanceof VaultFailure) return 'refused by Transit'
      throw error
    }
  }

  const REFUSED = ['SM_BINDING_MISMATCH', 'SM_CT_FORMAT', 'refused by Transit']
  const at = Array.from({ length: LINE.length }, (_, index) => index)
  const every = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code))

  test('opens what was sealed', () => {
    expect(meaningOf(LINE)).toBe('the same')
  })

  test('Q3: every byte changed into every other is refused', () => {
    const meanings = at.flatMap((index) =>
      every
        .filter((byte) => byte !== LINE[index])
        .map((byte) => meaningOf(LINE.slice(0, index) + byte + LINE.slice(index + 1))),
    )
    expect([...new Set(meanings)].toSorted()).toEqual(REFUSED)
  })

  test('Q3: every byte put in anywhere is refused, but white space at the ends', () => {
    const inside = at
      .slice(1)
      .flatMap((index) =>
        every.map((byte) => meaningOf(LINE.slice(0, index) + byte + LINE.slice(index))),
      )
    expect([...new Set(inside)].toSorted()).toEqual(REFUSED)
    const around = every.filter((byte) => meaningOf(byte + LINE) === 'the same')
    expect(around).toEqual(every.filter((byte) => meaningOf(LINE + byte) === 'the same'))
    expect(around).toEqual(['\t', '\n', '\r', ' '])
  })

  test('Q3: every run of bytes left out is refused', () => {
    const meanings = at.flatMap((from) =>
      at
        .filter((to) => to >= from)
        .map((to) => meaningOf(LINE.slice(0, from) + LINE.slice(to + 1))),
    )
    expect([...new Set(meanings)].toSorted()).toEqual(REFUSED)
  })

  test('Q3, I22: nothing of one document fits another, field by field', () => {
    const other = formatSealed(
      { ...CLAIMS, revision: 7 },
      key.encrypt(wrapDocument(7, Buffer.from('{}')), { context, version: 0 }),
    )
    const fields = LINE.split(':')
    const others = other.split(':')
    const mixed = fields
      .map((_field, index) => fields.with(index, others[index] ?? '').join(':'))
      .filter((text) => text !== LINE)
    expect(mixed.map(meaningOf)).toEqual(['SM_CT_FORMAT', 'SM_CT_FORMAT'])
  })

  test('I22: a raw ciphertext of the same key and context with the claims of a sealed one is refused', () => {
    const raw = key.encrypt(DOCUMENT, { context, version: 0 })
    expect(meaningOf(raw)).toBe('SM_CT_FORMAT')
    expect(meaningOf(formatSealed(CLAIMS, raw))).toBe('SM_CT_FORMAT')
  })

  test.each(SCOPES.filter((scope) => scope !== 'strict'))(
    'I22: sealed for %s, it is refused under strict with any claim',
    (scope) => {
      const weaker = key.encrypt(wrapDocument(CLAIMS.revision, DOCUMENT), {
        context: contextOf(PLACE, scope, 'default'),
        version: 0,
      })
      expect(meaningOf(formatSealed({ ...CLAIMS, scope }, weaker))).toBe('SM_BINDING_MISMATCH')
      expect(meaningOf(formatSealed(CLAIMS, weaker))).toBe('refused by Transit')
    },
  )
})

describe('claims', () => {
  test.each([
    [{ mount: 'old' }, 'mount "old" where the definition has "transit"', 'vault.transitMount'],
    [{ transitKey: 'web' }, 'Transit key "web" where the definition has "app"', 'transitKey'],
    [{ scope: 'namespace' }, 'binding "namespace" where', 'never opened'],
    [{ scope: 'none' }, 'binding "none" where the definition has "strict"', 'never opened'],
    [{ mount: 'old', scope: 'none' }, 'mount "old" where', 'never opened'],
  ] as const)(
    'I22: %j: SM_BINDING_MISMATCH names both sides and the way out',
    (says, what, hint) => {
      const error = thrownBy(() => checkClaims({ ...CLAIMS, ...says }, EXPECTED, WHERE))
      expect(error).toMatchObject({
        code: 'SM_BINDING_MISMATCH',
        component: 'ciphertext',
        exitCode: 6,
        retryable: false,
      })
      expect(error?.message).toContain(`${WHERE} was sealed for another definition: `)
      expect(error?.message).toContain(what)
      expect(error?.hint).toContain(hint)
      expect(error?.hint).toContain('secretmanager encrypt')
    },
  )

  test('I22: a stronger scope than the definition has is refused as well', () => {
    const expected = { ...EXPECTED, binding: 'none' } as const
    const error = thrownBy(() => checkClaims(CLAIMS, expected, WHERE))
    expect(error?.code).toBe('SM_BINDING_MISMATCH')
    expect(error?.hint).toContain('set binding to it')
  })

  test('every difference is listed', () => {
    const says = { mount: 'a', transitKey: 'b', scope: 'none', revision: 1 } as const
    const error = thrownBy(() => checkClaims(says, EXPECTED, WHERE))
    expect(error?.problems).toHaveLength(3)
  })
})

describe('the hint where Transit cannot authenticate', () => {
  test.each([
    ['strict', 'app', 'secrets.json of Secret prod/app in cluster "eu-1"'],
    ['namespace', 'app', 'must be prod in cluster "eu-1"'],
    ['none', 'app', 'another Vault'],
    ['strict', 'app-2k7d8f9g4h', 'disableNameSuffixHash: true, or binding: namespace'],
    ['namespace', 'app-2k7d8f9g4h', 'must be prod in cluster'],
    ['strict', 'app-production', 'renamed, copied or moved'],
    ['strict', 'app-0123456789', 'renamed, copied or moved'],
  ] as const)('%s, %s: %s', (binding, name, hint) => {
    expect(hintForPlace({ ...PLACE, name }, binding, 'eu-1')).toContain(hint)
  })
})

describe('going back', () => {
  test('I7: a smaller revision than was read is refused, and both are named', () => {
    const error = thrownBy(() => refuseRollback(7, 5, WHERE))
    expect(error).toMatchObject({ code: 'SM_ROLLBACK_REFUSED', exitCode: 6, retryable: false })
    expect(error?.message).toBe(`${WHERE} went back to revision 5, after 7 was read`)
    expect(error?.hint).toContain('secretmanager rollback')
    expect(error?.hint).toContain('allowRollback')
  })

  test('I7: the same revision is a rewrap, a greater one a change, and the first one is taken', () => {
    for (const seen of [undefined, 5, 7]) {
      expect(thrownBy(() => refuseRollback(seen, 7, WHERE))).toBeUndefined()
    }
  })

  test('I22: raw after sealed is refused', () => {
    expect(thrownBy(() => refuseRawAfterSealed(7, WHERE))?.code).toBe('SM_ROLLBACK_REFUSED')
    expect(thrownBy(() => refuseRawAfterSealed(undefined, WHERE))).toBeUndefined()
  })
})

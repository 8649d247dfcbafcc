import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import type { Definition } from '../../src/config/settings.ts'
import { largestDocument, parseSealed } from '../../src/sealed/format.ts'
import { rejection } from '../faults/world.ts'
import { DEFINITION, documentsOn } from './transit-toy.ts'

const RAW = { format: 'raw' } as const

const revisionOf = (line: string): number => parseSealed(line, 'it').claims.revision
const codeOf = async (promise: Promise<unknown>): Promise<string> => (await rejection(promise)).code

describe('what a document claims', () => {
  type Row = readonly [what: string, sealedAs: Partial<Definition>, asked: Partial<Definition>]
  const rows: readonly Row[] = [
    ['namespace where strict is asked', { binding: 'namespace' }, {}],
    ['none where strict is asked', { binding: 'none' }, {}],
    ['none where namespace is asked', { binding: 'none' }, { binding: 'namespace' }],
    ['strict where namespace is asked', {}, { binding: 'namespace' }],
    ['strict where none is asked', {}, { binding: 'none' }],
    ['another key', { transitKey: 'other' }, {}],
  ]
  test.each(rows)('I22: %s is SM_BINDING_MISMATCH before any call', async (_what, as, asked) => {
    const line = await documentsOn().seal('{}', as)
    const { open, sent } = documentsOn()
    expect(await codeOf(open(line, asked))).toBe('SM_BINDING_MISMATCH')
    expect(sent).toEqual([])
  })

  test('I22: another mount is SM_BINDING_MISMATCH before any call', async () => {
    const line = await documentsOn({ mount: 'team/transit' }).seal()
    const { open, sent } = documentsOn()
    const { code, message } = await rejection(open(line))
    expect(code).toBe('SM_BINDING_MISMATCH')
    expect(message).toContain('mount "team/transit" where the definition has "transit"')
    expect(sent).toEqual([])
  })

  test('I22: the other format is SM_CT_FORMAT before any call', async () => {
    const [line, raw] = [await documentsOn().seal(), await documentsOn().seal('{}', RAW)]
    const { open, sent } = documentsOn()
    expect(await codeOf(open(raw))).toBe('SM_CT_FORMAT')
    const { code, hint } = await rejection(open(line, RAW))
    expect(code).toBe('SM_CT_FORMAT')
    expect(hint).toContain('leave format out')
    expect(sent).toEqual([])
  })

  test('a revision that is not the one inside is SM_CT_FORMAT, and is not remembered', async () => {
    const { seal, open } = documentsOn()
    const line = await seal()
    const raised = line.replace(`:${revisionOf(line)}:`, `:${revisionOf(line) + 1000}:`)
    expect(await codeOf(open(raised))).toBe('SM_CT_FORMAT')
    expect((await open(line)).revision).toBe(revisionOf(line))
  })
})

describe('a place', () => {
  const word = fc.constantFrom('a', 'b', 'a.b', 'aa', 'ab')
  const place = fc.record({
    namespace: word,
    secretName: word,
    readKey: word,
    readType: fc.constantFrom('SECRET', 'CONFIG_MAP'),
  })

  test('I6: the document of one opens at no other, by any of their fields', async () => {
    await fc.assert(
      fc.asyncProperty(place, place, word, word, async (one, other, cluster, elsewhere) => {
        const line = await documentsOn({ cluster }).seal('{"n":1}', one)
        const here = await documentsOn({ cluster }).open(line, one)
        expect(Buffer.from(here.document).toString()).toBe('{"n":1}')
        const isSame = cluster === elsewhere && JSON.stringify(one) === JSON.stringify(other)
        const there = documentsOn({ cluster: elsewhere }).open(line, other)
        if (isSame) await there
        else expect(await codeOf(there)).toBe('SM_CT_AUTH_FAILED')
      }),
      { numRuns: 200 },
    )
  })

  test('bound to a namespace, a document opens at every place in it and at none outside', async () => {
    const { seal, open } = documentsOn()
    const bound = { binding: 'namespace' } as const
    const line = await seal('{}', bound)
    await open(line, { ...bound, secretName: 'another', readType: 'CONFIG_MAP' })
    const error = await rejection(open(line, { ...bound, namespace: 'dev' }))
    expect(error).toMatchObject({
      code: 'SM_CT_AUTH_FAILED',
      hint: expect.stringContaining('here that must be dev in cluster "default"'),
    })
  })
})

describe('revisions', () => {
  test.each([
    ['now, where there is nothing', undefined, 1_800_000_000_000, 1_800_000_000_000],
    ['now, where what there is is older', 5, 1_800_000_000_000, 1_800_000_000_000],
    ['one more, in the same millisecond', 1_800_000_000_000, 1_800_000_000_000, 1_800_000_000_001],
    ['one more, after the clock was set back', 1_800_000_000_000, 1000, 1_800_000_000_001],
  ])('a new one is %s', async (_what, previous, now, expected) => {
    const { seal, runtime } = documentsOn()
    runtime.setWallClock(previous ?? 0)
    const replaced = previous === undefined ? undefined : await seal()
    runtime.setWallClock(now)
    expect(revisionOf(await seal('{}', {}, replaced))).toBe(expected)
  })

  test('a new one is above what was read, though the object is gone and the clock was set back', async () => {
    const { seal, open, runtime } = documentsOn()
    const { revision = 0 } = await open(await seal())
    runtime.setWallClock(0)
    expect(revisionOf(await seal())).toBe(revision + 1)
  })

  test.each(['', 'junk', 'sealed:v1:cut', 'vault:v1:AAAA'])('%j has none', async (replaced) => {
    const { seal, runtime } = documentsOn()
    runtime.setWallClock(7)
    expect(revisionOf(await seal('{}', {}, replaced))).toBe(7)
  })

  test('after the last there is none, and nothing is encrypted', async () => {
    const { seal, runtime, asked } = documentsOn()
    runtime.setWallClock(Number.MAX_SAFE_INTEGER)
    const last = await seal()
    expect(await codeOf(seal('{}', {}, last))).toBe('SM_CT_FORMAT')
    expect(asked().filter((what) => what.startsWith('POST encrypt/'))).toHaveLength(1)
  })

  test('I7: what is opened never decreases, in whatever order and however many at once', async () => {
    const reads = fc.array(fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 5 }))
    await fc.assert(
      fc.asyncProperty(reads, async (rounds) => {
        const { seal, open, runtime } = documentsOn()
        const opened: number[] = []
        for (const round of rounds) {
          const lines: string[] = []
          for (const revision of round) {
            // By another writer, who knows nothing of what is read here.
            const writer = documentsOn()
            writer.runtime.setWallClock(revision)
            lines.push(await writer.seal())
          }
          const noted = lines.map((line) =>
            open(line).then(
              ({ revision = 0 }) => void opened.push(revision),
              ({ code }) => expect(code).toBe('SM_ROLLBACK_REFUSED'),
            ),
          )
          await Promise.all(noted)
        }
        expect(opened).toEqual(opened.toSorted((a, b) => a - b))
        runtime.setWallClock(0)
        expect(revisionOf(await seal())).toBe(Math.max(0, ...rounds.flat()) + 1)
      }),
      { numRuns: 50 },
    )
  })

  test('I7: one that is answered after a later one is refused', async () => {
    const held: (() => void)[] = []
    const { seal, open, runtime } = documentsOn({
      before: async ({ url }) => {
        if (url.includes('/decrypt/')) await new Promise<void>((resolve) => held.push(resolve))
        return undefined
      },
    })
    runtime.setWallClock(1)
    const older = await seal()
    runtime.setWallClock(2)
    const later = await seal()
    const outcomes = [open(older), open(later)].map((opening) =>
      opening.then(
        ({ revision }) => revision,
        ({ code }) => code as string,
      ),
    )
    await expect.poll(() => held.length).toBe(2)
    held[1]?.()
    expect(await outcomes[1]).toBe(2)
    held[0]?.()
    expect(await outcomes[0]).toBe('SM_ROLLBACK_REFUSED')
  })

  test('I7: allowRollback opens an older one, for its own definition alone', async () => {
    const { seal, open, runtime } = documentsOn()
    runtime.setWallClock(1)
    const older = await seal()
    runtime.setWallClock(2)
    await open(await seal())
    expect(await codeOf(open(older))).toBe('SM_ROLLBACK_REFUSED')
    expect((await open(older, { allowRollback: true })).revision).toBe(1)
    expect(await codeOf(open(older))).toBe('SM_ROLLBACK_REFUSED')
  })

  test('I22: raw is refused once it was read sealed, unless allowRollback', async () => {
    const { seal, open, asked } = documentsOn()
    const flat = { transitKey: 'flat', binding: 'none' } as const
    const raw = await seal('{}', { ...flat, ...RAW })
    await open(raw, { ...flat, ...RAW })
    await open(await seal('{}', flat), flat)
    const before = asked().length
    expect(await codeOf(open(raw, { ...flat, ...RAW }))).toBe('SM_ROLLBACK_REFUSED')
    expect(asked()).toHaveLength(before)
    await open(raw, { ...flat, ...RAW, allowRollback: true })
    // Another place was never read sealed.
    await open(raw, { ...flat, ...RAW, secretName: 'another' })
  })
})

describe('sealing', () => {
  test.each(['strict', 'namespace'] as const)(
    'bound to %s under a key that is not derived is refused, and nothing is encrypted',
    async (binding) => {
      const { seal, asked } = documentsOn()
      const error = await rejection(seal('{}', { transitKey: 'flat', binding }))
      expect(error.code).toBe('SM_BINDING_MISMATCH')
      expect(error.message).toContain('flat is not derived')
      expect(asked()).toEqual(['GET keys/flat'])
    },
  )

  test('bound to nothing works under any key', async () => {
    for (const transitKey of ['app', 'flat']) {
      const { seal, open } = documentsOn()
      const unbound = { transitKey, binding: 'none' } as const
      await open(await seal('{}', unbound), { ...unbound, namespace: 'elsewhere' })
    }
  })

  test.each(['sealed', 'raw'] as const)('V17: %s: a key that is not there', async (format) => {
    const { seal, asked } = documentsOn()
    expect(await codeOf(seal('{}', { format, transitKey: 'typo' }))).toBe('SM_KEY_NOT_FOUND')
    expect(asked()).toEqual(['GET keys/typo'])
  })

  test('without the right to see what the key is: raw as ever, sealed not at all', async () => {
    const { seal, asked } = documentsOn({
      before: ({ method }) => Promise.resolve(method === 'GET' ? { status: 403 } : undefined),
    })
    expect(await seal('{}', RAW)).toMatch(/^vault:v1:/)
    const before = asked().length
    const { code, hint } = await rejection(seal())
    expect(code).toBe('SM_VAULT_DENIED')
    expect(hint).toContain('path "mounts/transit/keys/app" { capabilities = ["read"] }')
    expect(asked().slice(before)).not.toContain('POST encrypt/app')
  })

  test('I22: raw does not replace sealed', async () => {
    const { seal, sent } = documentsOn()
    const line = await seal()
    const before = sent.length
    expect(await codeOf(seal('{}', RAW, line))).toBe('SM_BINDING_MISMATCH')
    expect(sent).toHaveLength(before)
  })

  test('the largest document fits, and one byte more does not', () => {
    const { documents, sent } = documentsOn()
    const most = largestDocument({ mount: 'transit', transitKey: 'app', scope: 'strict' })
    documents.refuseUnfit(DEFINITION, new Uint8Array(most))
    documents.refuseUnfit({ ...DEFINITION, ...RAW }, new Uint8Array(786_395))
    for (const [size, changes] of [[most + 1, {}] as const, [786_396, RAW] as const]) {
      const act = (): void =>
        documents.refuseUnfit({ ...DEFINITION, ...changes }, new Uint8Array(size))
      expect(act).toThrow(expect.objectContaining({ code: 'SM_TOO_LARGE' }))
    }
    expect(sent).toEqual([])
  })
})

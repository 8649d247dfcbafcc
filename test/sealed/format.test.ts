import fc from 'fast-check'
import { parseDocument, stringify } from 'yaml'
import { describe, expect, test } from 'vitest'
import {
  formatSealed,
  isSealed,
  largestDocument,
  nextRevision,
  parseSealed,
  refuseTooLarge,
  type Claims,
} from '../../src/sealed/format.ts'
import { refuseWrapped, unwrapDocument, wrapDocument } from '../../src/sealed/plaintext.ts'
import { parseRaw } from '../../src/sealed/raw.ts'
import { thrownBy } from './rejection.ts'

const CLAIMS: Claims = {
  mount: 'transit',
  transitKey: 'app',
  scope: 'strict',
  revision: 1_764_000_000_000,
}
const CANARY = 'CANARYciphertextCANARYciphertext'
const CIPHERTEXT = `vault:v3:${CANARY}`
const LINE = `sealed:v1:transit:app:strict:1764000000000:${CIPHERTEXT}`
const WHERE = 'secrets.json of Secret prod/app'

const segment = fc.stringMatching(/^[A-Za-z0-9_-]{1,12}$/)
const claims: fc.Arbitrary<Claims> = fc.record({
  mount: fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('/')),
  transitKey: fc.stringMatching(/^[A-Za-z0-9_]([A-Za-z0-9_.-]{0,10}[A-Za-z0-9_])?$/),
  scope: fc.constantFrom('strict', 'namespace', 'none'),
  revision: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
})
const ciphertext = fc
  .tuple(fc.integer({ min: 1, max: 999_999_999 }), fc.uint8Array({ minLength: 1, maxLength: 80 }))
  .map(([version, bytes]) => `vault:v${version}:${Buffer.from(bytes).toString('base64')}`)

describe('the stored line', () => {
  test('Q2: what is written is read, and is one line of visible ASCII', () => {
    fc.assert(
      fc.property(claims, ciphertext, (says, secret) => {
        const line = formatSealed(says, secret)
        expect(line).toMatch(/^sealed:[!-~]+$/)
        expect(parseSealed(line, WHERE)).toEqual({ claims: says, ciphertext: secret })
      }),
    )
  })

  test('Q3: there is one text for each content: what is read is what would be written', () => {
    const odd = fc.string({ unit: fc.constantFrom(...'sealdv1:/.=+0A9 \n\u00a0é') })
    const spliced = fc
      .tuple(claims, ciphertext, fc.nat(120), fc.nat(3), odd)
      .map(([says, secret, at, less, more]) => {
        const line = formatSealed(says, secret)
        return line.slice(0, at) + more + line.slice(at + less)
      })
    fc.assert(
      fc.property(spliced, (text) => {
        let read: ReturnType<typeof parseSealed> | undefined
        const error = thrownBy(() => (read = parseSealed(text, WHERE)))
        if (error) expect(error.code).toBe('SM_CT_FORMAT')
        if (read) {
          expect(formatSealed(read.claims, read.ciphertext)).toBe(
            text.replaceAll(/^[\t\n\r ]+|[\t\n\r ]+$/g, ''),
          )
        }
      }),
      { numRuns: 2000 },
    )
  })

  test('does not begin as what the webhook of bank-vaults acts on', () => {
    expect(LINE).not.toMatch(/^(>>)?(vault|bao):|\$\{/)
  })

  test('is found in base64 as well, as docs/format.md greps for it', () => {
    expect(Buffer.from(LINE).toString('base64')).toMatch(/^c2VhbGVkOnYx/)
  })

  test.each([
    ['plain', stringify({ key: LINE }, { lineWidth: 80 })],
    ['with its line feed', stringify({ key: `${LINE}\n` })],
    ['in a block', `key: |\n  ${LINE}\n`],
    ['in a folded block', `key: >-\n  ${LINE}\n`],
  ])('comes through YAML %s', (_name, yaml) => {
    const text: unknown = parseDocument(yaml, { version: '1.1' }).get('key')
    expect(parseSealed(String(text), WHERE)).toEqual({ claims: CLAIMS, ciphertext: CIPHERTEXT })
  })

  test('is not quoted and not folded in YAML, however long', () => {
    const line = formatSealed(CLAIMS, `vault:v1:${'A'.repeat(4000)}`)
    expect(stringify({ key: line }, { lineWidth: 80 })).toBe(`key: ${line}\n`)
  })

  test.each([
    ['a mount with a colon', { ...CLAIMS, mount: 'a:b' }, CIPHERTEXT],
    ['no mount', { ...CLAIMS, mount: '' }, CIPHERTEXT],
    ['revision 0', { ...CLAIMS, revision: 0 }, CIPHERTEXT],
    ['half a revision', { ...CLAIMS, revision: 1.5 }, CIPHERTEXT],
    ['an unsafe revision', { ...CLAIMS, revision: 2 ** 53 }, CIPHERTEXT],
    ['no revision', { ...CLAIMS, revision: Number.NaN }, CIPHERTEXT],
    ['a line feed after the ciphertext', CLAIMS, `${CIPHERTEXT}\n`],
    ['a ciphertext with another prefix', CLAIMS, `bao:v1:${CANARY}`],
    ['base64 that is not canonical', CLAIMS, 'vault:v1:AB=='],
  ])('is never written so that it cannot be read: %s', (_name, says, secret) => {
    expect(thrownBy(() => formatSealed(says, secret))?.code).toBe('SM_CT_FORMAT')
  })
})

describe('what is not a sealed document', () => {
  test.each([
    ['nothing', '', 'is empty', 'encrypt'],
    ['raw', CIPHERTEXT, 'is raw', 'secretmanager adopt'],
    ['plaintext', `{"password":"${CANARY}"}`, 'is not a sealed', 'plaintext JSON'],
    ['base64 of one', Buffer.from(LINE).toString('base64'), 'but base64 of one', 'into data'],
    ['something else', CANARY, 'is not a sealed document', 'readKey'],
    ['a later version', LINE.replace('v1', 'v2'), 'in format v2', 'upgrade'],
    ['no version', `sealed:${CANARY}:x`, 'version in', 'cut or changed'],
    ['a folded line', `${LINE.slice(0, 70)}\n${LINE.slice(70)}`, 'ciphertext in', 'one line'],
    ['a cut line', LINE.slice(0, 40), 'ciphertext in', 'secretmanager encrypt'],
    ['a foreign scope', LINE.replace('strict', 'cluster'), 'scope in', 'cut or changed'],
  ])('I9: %s: SM_CT_FORMAT says what to do, and repeats nothing', (_name, text, what, hint) => {
    const error = thrownBy(() => parseSealed(text, WHERE))
    expect(error).toMatchObject({ code: 'SM_CT_FORMAT', exitCode: 6, retryable: false })
    expect(error?.message).toContain(what)
    expect(error?.message).toContain(WHERE)
    expect(error?.hint).toContain(hint)
    expect(JSON.stringify(error)).not.toContain('CANARY')
  })

  test.each([
    ['colons', ':'.repeat(1 << 20)],
    ['colons in place of fields', `sealed:v1${':'.repeat(1 << 20)}`],
    ['white space', ' '.repeat(1 << 20)],
    ['white space in the middle', `sealed:v1:a${' '.repeat(1 << 20)}b`],
    ['digits', LINE.replace('1764000000000', '1'.repeat(1 << 20))],
    ['dots', LINE.replace('app', 'a.'.repeat(1 << 19))],
    ['padding', LINE + '='.repeat(1 << 20)],
  ])('X1: a mebibyte of %s is an error, soon', (_name, text) => {
    const started = process.cpuUsage()
    expect(thrownBy(() => parseSealed(text, WHERE))?.code).toBe('SM_CT_FORMAT')
    // A quadratic step would take minutes.
    expect(process.cpuUsage(started).user).toBeLessThan(2_000_000)
  })

  test.each([
    [LINE, true],
    [`\n${LINE}\n`, true],
    ['sealed:v2:anything', true],
    [CIPHERTEXT, false],
    ['sealed', false],
    ['Sealed:v1:', false],
    ['', false],
  ])('isSealed(%j): %s', (text, expected) => {
    expect(isSealed(text)).toBe(expected)
  })
})

describe('the inside', () => {
  test('X1, Q2: every document comes back byte for byte', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
        (document, revision) => {
          const inside = unwrapDocument(wrapDocument(revision, document), revision, WHERE)
          expect(Buffer.from(inside)).toEqual(Buffer.from(document))
        },
      ),
    )
  })

  test('X1: a view of a larger buffer, as Node gives small ones, is read at its place', () => {
    const wrapped = wrapDocument(7, Buffer.from('{}'))
    const pool = new Uint8Array(wrapped.length + 5)
    pool.set(wrapped, 5)
    expect(Buffer.from(unwrapDocument(pool.subarray(5), 7, WHERE)).toString()).toBe('{}')
  })

  test('Q3: any other byte in mark, version or revision is an error', () => {
    const wrapped = wrapDocument(CLAIMS.revision, Buffer.from('{}'))
    for (let at = 0; at < 16; at++) {
      for (let change = 1; change < 256; change++) {
        const mutant = Uint8Array.from(wrapped)
        mutant[at] = (mutant[at] ?? 0) ^ change
        const error = thrownBy(() => unwrapDocument(mutant, CLAIMS.revision, WHERE))
        expect(error?.code).toBe('SM_CT_FORMAT')
      }
    }
  })

  test('I22: another revision in clear than inside: both are named', () => {
    const error = thrownBy(() => unwrapDocument(wrapDocument(5, new Uint8Array()), 6, WHERE))
    expect(error).toMatchObject({ code: 'SM_CT_FORMAT', exitCode: 6 })
    expect(error?.message).toBe(`${WHERE} claims revision 6, and was sealed as revision 5`)
  })

  test('I22: a raw document opened as sealed, and a sealed one opened as raw, are refused', () => {
    const document = Buffer.from(`{"a":"${CANARY}"}`)
    const asSealed = thrownBy(() => unwrapDocument(document, 1, WHERE))
    const asRaw = thrownBy(() => refuseWrapped(wrapDocument(1, document), WHERE))
    expect([asSealed?.code, asRaw?.code]).toEqual(['SM_CT_FORMAT', 'SM_CT_FORMAT'])
    expect(JSON.stringify([asSealed, asRaw])).not.toContain('CANARY')
    expect(thrownBy(() => refuseWrapped(document, WHERE))).toBeUndefined()
  })

  test('I22: a sealed line is no raw document', () => {
    expect(thrownBy(() => parseRaw(LINE, WHERE))?.code).toBe('SM_CT_FORMAT')
  })

  test('no text is taken for the inside of a sealed document', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(thrownBy(() => refuseWrapped(Buffer.from(`\u00ffsealed\u0001${text}`), 'it'))).toBe(
          undefined,
        )
      }),
    )
  })
})

describe('sizes', () => {
  const NAMES = { mount: 'transit', transitKey: 'app', scope: 'strict' } as const

  /** Length of what is stored of a document under the longest revision and key version. */
  function storedBytes(documentBytes: number, version = 'v999999999'): number {
    const transit = Buffer.alloc(documentBytes + 16 + 28).toString('base64')
    const revision = Number.MAX_SAFE_INTEGER
    return formatSealed({ ...NAMES, revision }, `vault:${version}:${transit}`).length
  }

  test('X1, K4: the largest document fits an object of 1 MiB, and one byte more does not', () => {
    const most = largestDocument(NAMES)
    expect(storedBytes(most)).toBeLessThanOrEqual(1 << 20)
    expect(storedBytes(most + 1)).toBeGreaterThan(1 << 20)
  })

  test('X1, K4: 786340 bytes are sealed and opened, one more is refused before any call', () => {
    const document = Buffer.alloc(786_340, 0xff)
    expect(thrownBy(() => refuseTooLarge(document.length, NAMES, WHERE))).toBeUndefined()
    expect(Buffer.compare(unwrapDocument(wrapDocument(1, document), 1, WHERE), document)).toBe(0)
    const error = thrownBy(() => refuseTooLarge(786_341, NAMES, WHERE))
    expect(error).toMatchObject({ code: 'SM_TOO_LARGE', exitCode: 6 })
    expect(error?.message).toContain('has 786341 bytes, the most is 786340')
  })
})

test('I7: revisions grow with every write, whatever the clock does', () => {
  const clock = fc.double({ min: -1e12, max: 1e13, noNaN: true })
  fc.assert(
    fc.property(fc.array(clock, { minLength: 1, maxLength: 20 }), (times) => {
      let previous: number | undefined
      for (const now of times) {
        const revision = nextRevision(previous, now)
        expect(Number.isSafeInteger(revision)).toBe(true)
        expect(revision).toBeGreaterThan(previous ?? 0)
        expect(revision).toBeGreaterThanOrEqual(Math.trunc(now))
        previous = revision
      }
    }),
  )
})

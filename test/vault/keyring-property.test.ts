import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isSecretManagerError } from '../../src/errors.ts'
import type { HttpRequest } from '../../src/runtime.ts'
import type { RewrapItem, Rewrapped } from '../../src/vault/keyring.ts'
import { inProcess, type Answered } from '../faults/in-process.ts'
import { rotatorOn } from './keyring-world.ts'

type Kind = 'good' | 'forged' | 'tooNew' | 'spoils'

interface Given {
  readonly kind: Kind
  readonly context: 'A' | 'B' | 'C' | undefined
}

/** A server, a gateway before it, and a policy. */
interface Place {
  /** Items in a request; one alone always passes. */
  readonly most: number
  readonly tooMany: 400 | 413
  /** Where a policy pins contexts, it refuses batches, and all others. */
  readonly pinned: readonly (string | undefined)[] | undefined
}

interface Item {
  readonly ciphertext: string
  readonly context?: string
  readonly reference?: string
}

const CODES = {
  good: 'none',
  forged: 'SM_CT_AUTH_FAILED',
  tooNew: 'SM_CT_TOO_NEW',
  spoils: 'SM_VAULT_REJECTED',
} as const satisfies Record<Kind, string>

const ERRORS: Readonly<Record<string, string>> = {
  forged: 'cipher: message authentication failed',
  tooNew: 'invalid ciphertext: version is too new',
}

const given: fc.Arbitrary<Given> = fc.record({
  kind: fc.oneof(
    { weight: 30, arbitrary: fc.constant<Kind>('good') },
    { weight: 2, arbitrary: fc.constantFrom<Kind>('forged', 'tooNew') },
    { weight: 1, arbitrary: fc.constant<Kind>('spoils') },
  ),
  context: fc.constantFrom('A', 'B', 'C', undefined),
})

const places: fc.Arbitrary<Place> = fc.record({
  most: fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constant(Infinity)),
  tooMany: fc.constantFrom(400, 413),
  pinned: fc.option(fc.subarray(['A', 'B', 'C', undefined]), { nil: undefined, freq: 3 }),
})

const lists = fc.oneof(
  fc.array(given, { maxLength: 60 }),
  fc.array(given, { minLength: 300, maxLength: 700 }),
)

describe('Q16: rewrapping under any splitting', () => {
  test('gives each item its own result, in order, and takes few requests', async () => {
    await fc.assert(
      fc.asyncProperty(lists, places, async (list, place) => {
        const { transport, sent } = inProcess((request) => answer(request, place))
        const { rewrap } = rotatorOn(transport, 'transit', 'a')
        // Twice: what was learnt of the server and the policy is kept.
        for (let round = 0; round < 2; round += 1) {
          const before = sent.length
          const results = await outcomes(rewrap('app', list.map(itemOf)))
          if (results === 'denied') {
            expect(mayEndDenied(list, place)).toBe(true)
            return
          }
          expect(results.map(told)).toEqual(list.map((item, at) => wanted(item, at, place)))
          expect(sent.length - before).toBeLessThanOrEqual(mostRequests(list, place))
        }
      }),
      { numRuns: 60 },
    )
  })
})

function itemOf({ kind, context }: Given, at: number): RewrapItem {
  const ciphertext = `vault:v1:${Buffer.from(`${kind} ${at}`).toString('base64')}`
  return context === undefined ? { ciphertext } : { ciphertext, context: Buffer.from(context) }
}

function kindOf(ciphertext: string): string {
  return (
    Buffer.from(ciphertext.split(':')[2] ?? '', 'base64')
      .toString()
      .split(' ')[0] ?? ''
  )
}

function answer({ body = '' }: HttpRequest, { most, tooMany, pinned }: Place): Answered {
  const { batch_input, ...alone } = JSON.parse(body) as Item & { batch_input?: Item[] }
  const items = batch_input ?? [alone]
  const text = (status: number, error: string): Answered => ({ status, json: { errors: [error] } })
  const isPinned = items.every(({ context }) => pinned?.includes(contextOf(context)) ?? true)
  if (pinned && (batch_input || !isPinned)) return text(403, 'permission denied')
  if (new Set(items.map(({ context }) => context === undefined)).size > 1) return text(400, 'mixed')
  if (items.length > Math.max(most, 1)) return text(tooMany, 'too many')
  if (items.some(({ ciphertext }) => kindOf(ciphertext) === 'spoils')) return text(400, 'spoilt')
  const results = items.map(resultOf)
  if (batch_input) return { status: 200, json: { data: { batch_results: results } } }
  const [data] = results
  return data?.error === undefined ? { status: 200, json: { data } } : text(400, data.error)
}

function contextOf(context: string | undefined): string | undefined {
  return context === undefined ? undefined : Buffer.from(context, 'base64').toString()
}

interface Result {
  readonly error?: string
  readonly ciphertext?: string
  readonly reference?: string
}

function resultOf({ ciphertext, reference }: Item): Result {
  const error = ERRORS[kindOf(ciphertext)]
  const name = reference === undefined ? {} : { reference }
  return error === undefined
    ? { ciphertext: ciphertext.replace('v1', 'v2'), ...name }
    : { error, ...name }
}

async function outcomes(
  call: Promise<readonly Rewrapped[]>,
): Promise<readonly Rewrapped[] | 'denied'> {
  try {
    return await call
  } catch (error) {
    if (isSecretManagerError(error) && error.code === 'SM_VAULT_DENIED') return 'denied'
    throw error
  }
}

function told(result: Rewrapped): string {
  return 'error' in result ? result.error.code : result.ciphertext
}

function wanted(item: Given, at: number, { pinned }: Place): string {
  if (pinned && !pinned.includes(item.context)) return 'SM_VAULT_DENIED'
  const code = CODES[item.kind]
  return code === 'none' ? itemOf(item, at).ciphertext.replace('v1', 'v2') : code
}

/** What holds for two contexts, or for the only one, is believed of all. */
function mayEndDenied(list: readonly Given[], { pinned }: Place): boolean {
  const contexts = [...new Set(list.map(({ context }) => context))]
  const denied = contexts.filter((context) => pinned && !pinned.includes(context))
  return denied.length >= Math.min(2, contexts.length)
}

/** Each item alone, and on the way there each half twice; a few for what is denied or too new. */
function mostRequests(list: readonly Given[], { most, pinned }: Place): number {
  const spoilt = list.filter(({ kind }) => kind === 'spoils').length
  const tooNew = list.filter(({ kind }) => kind === 'tooNew').length
  if (pinned) return list.length + 2 * tooNew + 20
  const batches = 2 * Math.ceil(list.length / Math.min(Math.ceil(most / 2), 166)) + 20
  const halvings = 2 * spoilt * Math.ceil(Math.log2(250))
  return batches + halvings + 4 * tooNew
}

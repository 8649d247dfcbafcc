/** Decrypts of a derived key that come at once: each item of a batch has its own context. */
import { describe, expect, test } from 'vitest'

import { isSecretManagerError } from '../../src/errors.ts'
import type { HttpRequest } from '../../src/runtime.ts'
import type { Answered } from '../faults/in-process.ts'
import { bodyOf, itemsOf, sealed, texts, transitOn, vaultLike, type Item } from './transit-world.ts'

const DENIED: Answered = { status: 403, json: { errors: ['permission denied'] } }

type InContext = Item & { readonly context?: string }

const contextOf = (text: string): Uint8Array => Buffer.from(`context of ${text}`)
const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

interface World {
  readonly sent: readonly HttpRequest[]
  /** How each ended: its text, or the code of its error. */
  open(wanted: readonly string[], isBound?: (text: string) => boolean): Promise<string[]>
}

function world(policy: (request: HttpRequest) => boolean = () => true): World {
  const { transit, budget, sent } = transitOn((request) =>
    policy(request) ? vaultLike(request) : Promise.resolve(DENIED),
  )
  const end = async (text: string, isBound: boolean): Promise<string> => {
    const context = isBound ? contextOf(text) : undefined
    const allowance = budget.begin()
    try {
      return Buffer.from(await transit.decrypt(allowance, 'app', sealed(text), context)).toString()
    } catch (error) {
      return isSecretManagerError(error) ? error.code : 'foreign'
    } finally {
      allowance.end()
    }
  }
  return {
    sent,
    open: (wanted, isBound = () => true) =>
      Promise.all(wanted.map((text) => end(text, isBound(text)))),
  }
}

/** The contexts of a request, in the order of its items. */
function contextsOf(request: HttpRequest): (string | undefined)[] {
  const items = (itemsOf(request) ?? [bodyOf(request)]) as InContext[]
  return items.map(({ context }) => context)
}

describe('contexts', () => {
  test('V14: 1,000 at once, each in its own, in at most 20 calls', async () => {
    const { sent, open } = world()
    const wanted = texts(1000)
    expect(await open(wanted)).toEqual(wanted)
    expect(sent.length).toBeLessThanOrEqual(20)
    const expected = wanted.map((text) => base64(contextOf(text)))
    expect(sent.flatMap(contextsOf).toSorted()).toEqual(expected.toSorted())
  })

  test('no request has more strings than OpenBao takes', async () => {
    const { sent, open } = world()
    await open(texts(400))
    for (const request of sent) {
      const items = itemsOf(request) ?? []
      const strings = items.reduce((sum, item) => sum + 2 * Object.keys(item).length, 1)
      expect(strings).toBeLessThanOrEqual(1000)
    }
  })

  test('who has one and who has none are in no batch together: Transit refuses all of such', async () => {
    const { sent, open } = world()
    const wanted = texts(60)
    const isBound = (text: string): boolean => Number(text.split(' ')[1]) % 2 === 0
    expect(await open(wanted, isBound)).toEqual(wanted)
    for (const request of sent) {
      const bound = contextsOf(request).filter((context) => context !== undefined)
      expect([0, contextsOf(request).length]).toContain(bound.length)
    }
    expect(sent.length).toBeLessThan(12)
  })
})

describe('a policy that pins contexts, and so denies every batch', () => {
  const pinning =
    (...allowed: readonly string[]) =>
    (request: HttpRequest): boolean => {
      const [context, ...others] = contextsOf(request)
      const isAllowed = allowed.some((text) => context === base64(contextOf(text)))
      return others.length === 0 && itemsOf(request) === undefined && isAllowed
    }

  test('opens those that it names, one by one', async () => {
    const wanted = texts(12)
    const { open } = world(pinning(...wanted))
    expect(await open(wanted)).toEqual(wanted)
  })

  test.each([0, 1, 2, 3])('opens its own, %i of 4 at once, and no other', async (at) => {
    const wanted = texts(4).with(at, 'own')
    const { open } = world(pinning('own'))
    const expected = wanted.map((text) => (text === 'own' ? text : 'SM_VAULT_DENIED'))
    expect(await open(wanted)).toEqual(expected)
  })

  test('that allows none is believed after two: no request each', async () => {
    const { sent, open } = world(() => false)
    expect(new Set(await open(texts(500)))).toEqual(new Set(['SM_VAULT_DENIED']))
    expect(sent.length).toBeLessThanOrEqual(12)
  })
})

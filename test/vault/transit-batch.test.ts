import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { isSecretManagerError, type SecretManagerError } from '../../src/errors.ts'
import type { HttpRequest } from '../../src/runtime.ts'
import { DecryptQueue, type DecryptRequests } from '../../src/vault/decrypt-queue.ts'
import { refusedConnection, type Answered } from '../faults/in-process.ts'
import {
  batches,
  bodyOf,
  itemsOf,
  REFUSED,
  sealed,
  texts,
  transitOn,
  vaultLike,
  type Item,
  type Result,
} from './transit-world.ts'

const DENIED: Answered = { status: 403, json: { errors: ['permission denied'] } }

/** Changes the results of batches of real answers. */
function withResults(change: (results: readonly Result[]) => unknown, status?: number) {
  return async (request: HttpRequest): Promise<Answered> => {
    const answer = await vaultLike(request)
    if (!itemsOf(request)) return answer
    const { data } = answer.json as { data: { batch_results: Result[] } }
    return {
      status: status ?? answer.status,
      json: { data: { batch_results: change(data.batch_results) } },
    }
  }
}

/** How each of many calls ended: its text, or the code of its error. */
async function endings(calls: readonly Promise<string>[]): Promise<string[]> {
  const settled = await Promise.allSettled(calls)
  return settled.map((call) => (call.status === 'fulfilled' ? call.value : errorOf(call).code))
}

function errorOf({ reason }: PromiseRejectedResult): SecretManagerError {
  if (isSecretManagerError(reason)) return reason
  throw reason
}

async function failure(call: Promise<unknown>): Promise<SecretManagerError> {
  return call.then(
    () => expect.unreachable('it succeeded'),
    (reason: unknown) => errorOf({ status: 'rejected', reason }),
  )
}

describe('decrypts under one key at once', () => {
  test('a thousand take at most 20 requests, two at a time, and each gets its own plaintext', async () => {
    let now = 0
    let most = 0
    const { open, sent } = transitOn(async (request) => {
      most = Math.max(most, ++now)
      const answer = await vaultLike(request)
      now -= 1
      return answer
    })
    const wanted = texts(1000)
    expect(await Promise.all(wanted.map((text) => open(sealed(text))))).toEqual(wanted)
    expect(sent.length).toBeLessThanOrEqual(20)
    expect(most).toBe(2)
  })

  test('one alone is a plain decrypt, also after others', async () => {
    const { open, sent } = transitOn(vaultLike)
    await open(sealed('first'))
    await Promise.all([open(sealed('second')), open(sealed('third'))])
    await open(sealed('last'))
    expect(batches(sent)).toBe(0)
    expect(sent.map(bodyOf)).toEqual(
      ['first', 'second', 'third', 'last'].map((text) => ({ ciphertext: sealed(text) })),
    )
    expect(sent[3]).toMatchObject({ ...sent[0], headers: expect.any(Object), body: sent[3]?.body })
  })

  test('under two keys wait only for their own', async () => {
    const { transit, budget, sent } = transitOn(vaultLike)
    const keys = ['app', 'other', 'app', 'other', 'app', 'other', 'app', 'other']
    await Promise.all(keys.map((key) => transit.decrypt(budget.begin(), key, sealed(key))))
    expect(sent.filter(({ url }) => url.endsWith('/decrypt/app'))).toHaveLength(3)
    expect(sent.filter(({ url }) => url.endsWith('/decrypt/other'))).toHaveLength(3)
  })

  test('large documents go one by one: no body is larger than the largest document', async () => {
    const { open, sent } = transitOn(vaultLike)
    const wanted = texts(20).map((text) => text.padEnd(600_000, '.'))
    expect(await Promise.all(wanted.map((text) => open(sealed(text))))).toEqual(wanted)
    expect(batches(sent)).toBe(0)
    expect(sent).toHaveLength(20)
  })
})

describe('V13: an item fails as a request of its own would', () => {
  test.each([...Object.keys(REFUSED), ''])('%j', async (bad) => {
    const { open, sent } = transitOn(vaultLike)
    const single = await failure(open(bad))
    expect(batches(sent)).toBe(0)
    const wanted = texts(9)
    const calls = wanted.map((text) => open(sealed(text)))
    const item = failure(open(bad))
    expect(await Promise.all(calls)).toEqual(wanted)
    const { code, message, hint, status, retryable } = single
    expect(await item).toMatchObject({
      code,
      message,
      hint,
      status,
      retryable,
      requestId: expect.any(String),
    })
    expect(batches(sent)).toBeGreaterThan(0)
    expect(JSON.stringify(await item)).not.toContain('CANARY')
  })

  test('a version that a standby does not know yet is asked for again', async () => {
    let isBehind = true
    const { open, runtime } = transitOn(async (request) => {
      const answer = await withResults((results) =>
        results.map((result, index) =>
          isBehind && index === 3 ? { ...result, plaintext: '', error: REFUSED['new'] } : result,
        ),
      )(request)
      if (itemsOf(request)) isBehind = false
      return answer
    })
    const wanted = texts(9)
    expect(await Promise.all(wanted.map((text) => open(sealed(text))))).toEqual(wanted)
    expect(runtime.now()).toBeLessThan(2000)
  })
})

describe('V14: a batch', () => {
  const wanted = texts(10)

  test.each([
    ['answers 200 with errors of items', withResults((results) => results, 200)],
    ['answers 400 with errors of items', vaultLike],
    [
      'answers without references, as Vault before 1.13',
      withResults((results) => results.map(({ plaintext, error }) => ({ plaintext, error }))),
    ],
  ])('%s: each has its own outcome', async (_what, handler) => {
    const { open, sent } = transitOn(handler)
    const calls = wanted.map((text) => open(sealed(text)))
    const ends = await endings([...calls, open('changed'), open('junk'), open(sealed('last'))])
    expect(ends).toEqual([...wanted, 'SM_CT_AUTH_FAILED', 'SM_CT_FORMAT', 'last'])
    expect(batches(sent)).toBe(1)
  })

  test.each<[string, (results: readonly Result[]) => unknown]>([
    ['reordered', (results) => results.toReversed()],
    ['one missing', (results) => results.slice(1)],
    ['one too many', (results) => [...results, results[0]]],
    ['wrong references', (results) => results.map((result) => ({ ...result, reference: 'x' }))],
    ['no list', () => 'none'],
  ])('with results %s is refused whole', async (_what, change) => {
    const { open, sent } = transitOn(withResults(change))
    const ends = await endings(wanted.map((text) => open(sealed(text))))
    expect(ends.slice(0, 2)).toEqual(wanted.slice(0, 2))
    expect(new Set(ends.slice(2))).toEqual(new Set(['SM_VAULT_BAD_RESPONSE']))
    expect(batches(sent)).toBe(1)
  })

  test.each([[undefined], [null], [1], ['A'], ['A*=='], [{}]])(
    'I9: plaintext %j of an item is none, and the others have theirs',
    async (plaintext) => {
      const { open } = transitOn(
        withResults((results) =>
          results.map((result, index) => (index === 2 ? { ...result, plaintext } : result)),
        ),
      )
      const ends = await endings(wanted.map((text) => open(sealed(text))))
      expect(ends).toEqual(wanted.with(4, 'SM_VAULT_BAD_RESPONSE'))
    },
  )
})

describe('a policy', () => {
  const wanted = texts(300)

  test('that allows only named parameters is met by plain decrypts, from the first refusal on', async () => {
    const { open, sent } = transitOn((request) => (itemsOf(request) ? DENIED : vaultLike(request)))
    expect(await Promise.all(wanted.map((text) => open(sealed(text))))).toEqual(wanted)
    const denied = batches(sent)
    // Each is replayed once with a new token, and two may be under way.
    expect(denied).toBeLessThanOrEqual(4)
    expect(await Promise.all(wanted.map((text) => open(sealed(text))))).toEqual(wanted)
    expect(batches(sent)).toBe(denied)
  })

  test('that is met by the first alone is met by all: a bad item there does not hide it', async () => {
    const { open, sent } = transitOn((request) => (itemsOf(request) ? DENIED : vaultLike(request)))
    const ends = await endings(
      ['a', 'b']
        .map(sealed)
        .concat('junk', wanted.map(sealed))
        .map((c) => open(c)),
    )
    expect(ends).toEqual(['a', 'b', 'SM_CT_FORMAT', ...wanted])
    expect(batches(sent)).toBeLessThanOrEqual(4)
  })

  test('that is missing denies all, in a few requests', async () => {
    const { open, sent } = transitOn(async (request) => {
      await vaultLike(request)
      return DENIED
    })
    const ends = await endings(texts(1000).map((text) => open(sealed(text))))
    expect(new Set(ends)).toEqual(new Set(['SM_VAULT_DENIED']))
    expect(sent.length).toBeLessThanOrEqual(20)
  })
})

describe('a batch that is refused whole', () => {
  test.each([
    [413, { errors: ['http: request body too large'] }],
    [400, { errors: ['too many strings'] }],
    [413, undefined],
  ])('by %i %j is sent in smaller parts, and so are later ones', async (status, json) => {
    const wanted = texts(500)
    const { open, sent } = transitOn((request) =>
      (itemsOf(request)?.length ?? 0) > 20 ? { status, json } : vaultLike(request),
    )
    expect(await Promise.all(wanted.map((text) => open(sealed(text))))).toEqual(wanted)
    expect(sent.length).toBeLessThanOrEqual(50)
    const before = sent.length
    expect(await Promise.all(wanted.map((text) => open(sealed(text))))).toEqual(wanted)
    expect(sent.slice(before).every((request) => (itemsOf(request)?.length ?? 0) <= 20)).toBe(true)
  })

  test('as no batch is taken is opened one by one', async () => {
    const wanted = texts(100)
    const { open, sent } = transitOn((request) =>
      itemsOf(request) ? { status: 400, json: { errors: ['?'] } } : vaultLike(request),
    )
    const ends = await endings(
      [...wanted.map(sealed), 'junk'].map((ciphertext) => open(ciphertext)),
    )
    expect(ends).toEqual([...wanted, 'SM_CT_FORMAT'])
    expect(batches(sent)).toBeLessThanOrEqual(10)
  })

  test('for a key that does not exist fails for all at once', async () => {
    const { open, sent } = transitOn(async (request) => {
      await vaultLike(request)
      return { status: 400, json: { errors: ['encryption key not found'] } }
    })
    const ends = await endings(texts(1000).map((text) => open(sealed(text))))
    expect(new Set(ends)).toEqual(new Set(['SM_KEY_NOT_FOUND']))
    expect(sent.length).toBeLessThanOrEqual(20)
  })
})

describe('a caller that gives up', () => {
  /** Answers when it is told to. */
  function held() {
    const gates: (() => void)[] = []
    const handler = async (request: HttpRequest): Promise<Answered> => {
      await new Promise<void>((resolve) => gates.push(resolve))
      return vaultLike(request)
    }
    return { ...transitOn(handler, { auto: false }), gates, release: () => gates.shift()?.() }
  }

  /** Two in flight, so that all others wait. */
  async function busy(world: ReturnType<typeof held>): Promise<Promise<string>[]> {
    const calls = [world.open(sealed('one')), world.open(sealed('two'))]
    await expect.poll(() => world.gates.length).toBe(2)
    return calls
  }

  test('while it waits is not sent', async () => {
    const world = held()
    const first = await busy(world)
    const leaving = new AbortController()
    const left = failure(world.open(sealed('left'), leaving.signal))
    const stayed = [world.open(sealed('three')), world.open(sealed('four'))]
    leaving.abort()
    expect((await left).code).toBe('SM_ABORTED')
    world.release()
    world.release()
    await expect.poll(() => world.gates.length).toBe(1)
    world.release()
    expect(await Promise.all([...first, ...stayed])).toEqual(['one', 'two', 'three', 'four'])
    expect(JSON.stringify(world.sent.map(bodyOf))).not.toContain(sealed('left'))
  })

  test('under way leaves the others theirs, and nobody its own', async () => {
    const world = held()
    const first = await busy(world)
    const leaving = new AbortController()
    const left = failure(world.open(sealed('left'), leaving.signal))
    const stayed = world.open(sealed('stayed'))
    world.release()
    await expect.poll(() => world.sent.length).toBe(3)
    leaving.abort()
    expect((await left).code).toBe('SM_ABORTED')
    world.release()
    world.release()
    expect(await Promise.all([...first, stayed])).toEqual(['one', 'two', 'stayed'])
  })

  test('as the last ends the batch', async () => {
    const world = held()
    const first = await busy(world)
    const leaving = new AbortController()
    const calls = texts(5).map((text) => failure(world.open(sealed(text), leaving.signal)))
    world.release()
    await expect.poll(() => world.sent.length).toBe(3)
    expect(world.sent[2]?.signal?.aborted).toBe(false)
    leaving.abort()
    for (const error of await Promise.all(calls)) expect(error.code).toBe('SM_ABORTED')
    expect(world.sent[2]?.signal?.aborted).toBe(true)
    world.release()
    world.release()
    expect(await Promise.all(first)).toEqual(['one', 'two'])
  })
})

test('a plaintext that nobody waits for any more is wiped, and those that are handed over are not', async () => {
  const { budget } = transitOn(vaultLike)
  const buffers: Uint8Array[] = []
  const answers: (() => void)[] = []
  const requests: DecryptRequests = {
    begin: () => budget.begin(),
    post: async (_allowance, body, isBatch) => {
      await new Promise<void>((resolve) => answers.push(resolve))
      const { batch_input = [] } = body as { batch_input?: Item[] }
      return isBatch ? { data: { batch_results: batch_input } } : { data: {} }
    },
    plaintextOf: () => {
      const plaintext = new TextEncoder().encode('secret')
      buffers.push(plaintext)
      return plaintext
    },
    refusal: () => expect.unreachable('nothing is refused'),
    badField: () => expect.unreachable('every field is good'),
  }
  const queue = new DecryptQueue(requests, Promise.resolve())
  const leaving = new AbortController()
  const one = queue.decrypt(budget.begin(), { ciphertext: 'one' })
  const two = queue.decrypt(budget.begin(), { ciphertext: 'two' })
  await expect.poll(() => answers.length).toBe(2)
  const left = failure(queue.decrypt(budget.begin(leaving.signal), { ciphertext: 'left' }))
  const stayed = queue.decrypt(budget.begin(), { ciphertext: 'stayed' })
  answers.shift()?.()
  await one
  await expect.poll(() => answers.length).toBe(2)
  leaving.abort()
  for (const answer of answers) answer()
  await Promise.all([left, stayed, two])
  expect(buffers.map((buffer) => Buffer.from(buffer).toString()).toSorted()).toEqual([
    '\0'.repeat(6),
    'secret',
    'secret',
    'secret',
  ])
})

describe('an outage', () => {
  const OUTAGES: readonly [code: string, () => Answered][] = [
    ['SM_VAULT_RATE_LIMITED', () => ({ status: 429, headers: { 'retry-after': '2' } })],
    ['SM_VAULT_SEALED', () => ({ status: 503, json: { errors: ['Vault is sealed'] } })],
    ['SM_VAULT_UNREACHABLE', refusedConnection],
  ]

  test.each(OUTAGES)('of 5 s (%s) during a batch fails nobody', async (_code, outage) => {
    const wanted = texts(600)
    const world = transitOn((request) => (isDown() ? outage() : vaultLike(request)), {
      auto: false,
    })
    const isDown = (): boolean => world.sent.length > 2 && world.runtime.now() < 5000
    const ends = endings(wanted.map((text) => world.open(sealed(text))))
    for (let second = 0; second < 16; second += 1) await world.runtime.advance(1000)
    expect(await ends).toEqual(wanted)
    expect(world.sent.length).toBeLessThanOrEqual(20)
  })

  test.each(OUTAGES)(
    'that lasts (%s) fails all in their own time, in few requests',
    async (code, outage) => {
      const world = transitOn(async () => outage(), { auto: false })
      const ends = endings(texts(1000).map((text) => world.open(sealed(text))))
      let areDone = false
      void ends.then(() => (areDone = true))
      for (let second = 0; second < 20 && !areDone; second += 1) await world.runtime.advance(1000)
      expect(areDone).toBe(true)
      expect(world.runtime.now()).toBeLessThanOrEqual(16_000)
      expect(new Set(await ends)).toEqual(new Set([code]))
      // Three at once, then one per second.
      expect(world.sent.length).toBeLessThanOrEqual(25)
    },
  )

  test.each([
    ['answers 503', 0],
    ['answers 503 after 5 s', 5000],
  ])('that lasts (%s) takes nobody more than the time of one call', async (_what, delayMs) => {
    const world = transitOn(
      async () => {
        await world.runtime.sleep(delayMs)
        return { status: 503 }
      },
      { auto: false },
    )
    const timed = async (text: string): Promise<[string, number]> => {
      const startedAt = world.runtime.now()
      const { code } = await failure(world.open(sealed(text)))
      return [code, world.runtime.now() - startedAt]
    }
    const calls: Promise<[string, number]>[] = []
    for (let second = 0; second < 60; second += 1) {
      if (second < 30) calls.push(...texts(20).map(timed))
      await world.runtime.advance(1000)
    }
    const ends = await Promise.all(calls)
    expect(new Set(ends.map(([code]) => code))).toEqual(new Set(['SM_VAULT_5XX']))
    // The last attempt may end after the limit of 15 s.
    expect(Math.max(...ends.map(([, ms]) => ms))).toBeLessThanOrEqual(20_000)
    expect(world.sent.length).toBeLessThanOrEqual(50)
  })
})

test('any mixture of outcomes: each caller gets its own', async () => {
  const kinds = fc.constantFrom('good', 'good', 'good', ...Object.keys(REFUSED), 'abort')
  const codes: Readonly<Record<string, string>> = {
    junk: 'SM_CT_FORMAT',
    changed: 'SM_CT_AUTH_FAILED',
    old: 'SM_CT_TOO_OLD',
    new: 'SM_CT_TOO_NEW',
    contextless: 'SM_CT_AUTH_FAILED',
    odd: 'SM_VAULT_REJECTED',
    abort: 'SM_ABORTED',
  }
  const quirks = fc.record({
    takesAtMost: fc.constantFrom(Infinity, 40, 3, 1),
    deniesBatches: fc.boolean(),
    fails: fc.array(fc.constantFrom(429, 500, 503, 0), { maxLength: 4 }),
  })
  await fc.assert(
    fc.asyncProperty(fc.array(kinds, { maxLength: 80 }), quirks, async (list, quirk) => {
      const failures = [...quirk.fails]
      const { open } = transitOn(async (request) => {
        const length = itemsOf(request)?.length ?? 0
        const status = failures.shift() ?? 0
        const answer = await vaultLike(request)
        if (status !== 0) return { status }
        if (quirk.deniesBatches && length > 0) return DENIED
        return length > quirk.takesAtMost ? { status: 413 } : answer
      })
      const calls = list.map((kind, index) => {
        if (kind === 'good') return open(sealed(`document ${index}`))
        if (kind !== 'abort') return open(kind)
        const leaving = new AbortController()
        const call = open(sealed(`document ${index}`), leaving.signal)
        queueMicrotask(() => leaving.abort())
        return call
      })
      const expected = list.map((kind, index) =>
        kind === 'good' ? `document ${index}` : codes[kind],
      )
      expect(await endings(calls)).toEqual(expected)
    }),
    { numRuns: 60 },
  )
})

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'

import { createTransport } from '../src/http/transport.ts'
import { systemRuntime } from '../src/runtime.ts'

const runtime = systemRuntime(createTransport)

test('a program that ignores the request to end is ended all the same', async () => {
  const script = "process.on('SIGTERM', () => undefined); setTimeout(() => undefined, 60_000)"
  const begun = runtime.now()
  const running = runtime.exec(process.execPath, ['-e', script], { env: {}, timeoutMs: 500 })
  await expect(running).rejects.toMatchObject({ killed: true, signal: 'SIGKILL' })
  expect(runtime.now() - begun).toBeLessThan(50_000)
})

describe('V10: waits of any length', () => {
  const DAY = 86_400_000
  /** What Node is asked for at most; beyond that it rings at once. */
  const LONGEST = 2 ** 31 - 1

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'hrtime'] })
    vi.spyOn(globalThis, 'setTimeout')
  })
  afterEach(() => {
    vi.restoreAllMocks()
    vi.useRealTimers()
  })

  const asked = (): number[] => vi.mocked(setTimeout).mock.calls.map(([, ms]) => ms ?? 0)

  test.each([
    ['1 ms', 1, 1],
    ['a minute', 60_000, 1],
    ['the longest that Node takes', LONGEST, 1],
    ['one more', LONGEST + 2, 2],
    ['768 h, Vault’s default lease', 768 * 3_600_000, 2],
    ['2³¹ s', 2 ** 31 * 1000, 1001],
  ])('%s: rings when it should, and no timer is longer than Node takes', (_name, ms, timers) => {
    const ring = vi.fn<() => void>()
    runtime.after(ms, ring)
    vi.advanceTimersByTime(ms - 1)
    // One millisecond early is what Node's own timers come.
    if (ms > 2) expect(ring).toHaveBeenCalledTimes(0)
    vi.advanceTimersByTime(2)
    expect(ring).toHaveBeenCalledTimes(1)
    vi.advanceTimersByTime(10 * LONGEST)
    expect(ring).toHaveBeenCalledTimes(1)
    expect(Math.max(...asked())).toBeLessThanOrEqual(LONGEST)
    expect(asked().length).toBeLessThanOrEqual(timers + 1)
    expect(vi.getTimerCount()).toBe(0)
  })

  test.each([
    ['before it rings', 1000],
    ['after its first part', 30 * DAY],
  ])('is called off %s', (_name, ms) => {
    const ring = vi.fn<() => void>()
    const cancel = runtime.after(100 * DAY, ring)
    vi.advanceTimersByTime(ms)
    cancel()
    expect(vi.getTimerCount()).toBe(0)
    vi.advanceTimersByTime(200 * DAY)
    expect(ring).toHaveBeenCalledTimes(0)
  })

  test('a sleep of 100 days is slept, and an abort ends it', async () => {
    const controller = new AbortController()
    const woken = vi.fn<() => void>()
    const sleeps = [runtime.sleep(100 * DAY), runtime.sleep(100 * DAY, controller.signal)]
    const all = Promise.all(sleeps.map((sleep) => sleep.then(woken)))
    await vi.advanceTimersByTimeAsync(50 * DAY)
    controller.abort()
    await vi.advanceTimersByTimeAsync(0)
    expect(woken).toHaveBeenCalledTimes(1)
    await vi.advanceTimersByTimeAsync(50 * DAY)
    await all
    expect(vi.getTimerCount()).toBe(0)
  })

  test('of nothing, and of what has passed: the next turn', () => {
    const ring = vi.fn<() => void>()
    runtime.after(0, ring)
    runtime.after(-5, ring)
    vi.advanceTimersByTime(1)
    expect(ring).toHaveBeenCalledTimes(2)
  })
})

test('what is to happen later keeps no process alive; a sleep does', async () => {
  const before = process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length
  const count = (): number =>
    process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length - before
  const cancel = runtime.after(60_000, () => undefined)
  expect(count()).toBe(0)
  const controller = new AbortController()
  const sleep = runtime.sleep(60_000, controller.signal)
  expect(count()).toBe(1)
  controller.abort()
  await sleep
  cancel()
  expect(count()).toBe(0)
})

import { describe, expect, test } from 'vitest'

import { fakeRuntime, systemError } from './fake-runtime.ts'

describe('time', () => {
  test('stands until it is moved, and wakes sleepers in order', async () => {
    const runtime = fakeRuntime({ now: 1_000_000 })
    const woken: [string, number][] = []
    const nap = async (name: string, ...waits: number[]): Promise<void> => {
      for (const ms of waits) {
        await runtime.sleep(ms)
        woken.push([name, runtime.now()])
      }
    }
    const naps = Promise.all([nap('late', 50), nap('twice', 20, 40), nap('early', 10)])
    await runtime.advance(49)
    expect(woken).toEqual([
      ['early', 10],
      ['twice', 20],
    ])
    await runtime.advance(11)
    await naps
    expect(woken.slice(2)).toEqual([
      ['late', 50],
      ['twice', 60],
    ])
    expect(runtime.sleeps).toEqual([50, 20, 10, 40])
    expect([runtime.now(), runtime.wallClock()]).toEqual([60, 1_000_060])
  })

  test('a sleep ends when its signal aborts', async () => {
    const runtime = fakeRuntime()
    const controller = new AbortController()
    const sleep = runtime.sleep(1000, controller.signal)
    controller.abort()
    await sleep
    expect(runtime.now()).toBe(0)
  })

  test('moves by itself where the test asks for it', async () => {
    const runtime = fakeRuntime({ auto: true })
    await runtime.sleep(1000)
    await runtime.sleep(500)
    expect(runtime.now()).toBe(1500)
    expect(runtime.sleeps).toEqual([1000, 500])
  })

  test('the wall clock can jump alone', async () => {
    const runtime = fakeRuntime({ now: 1_000_000 })
    await runtime.advance(5)
    runtime.setWallClock(500)
    await runtime.advance(5)
    expect([runtime.now(), runtime.wallClock()]).toEqual([10, 505])
  })
})

describe('files', () => {
  test('are read as copies, listed by directory, and fail as asked', async () => {
    const bytes = Uint8Array.of(1, 2)
    const runtime = fakeRuntime({
      files: { '/d/a': bytes, '/d/sub/b': 'text', '/d/sub/c': '', '/x': systemError('EACCES') },
    })
    const read = await runtime.readFile('/d/a')
    read.fill(0)
    expect(bytes).toEqual(Uint8Array.of(1, 2))
    expect(await runtime.listDirectory('/d')).toEqual(['a', 'sub'])
    await expect(runtime.readFile('/x')).rejects.toMatchObject({ code: 'EACCES' })
    await expect(runtime.readFile('/absent')).rejects.toMatchObject({ code: 'ENOENT' })
    expect(runtime.reads).toEqual(['/d/a', '/x', '/absent'])
  })
})

test('random numbers repeat', () => {
  const draw = (): number[] => {
    const runtime = fakeRuntime()
    return Array.from({ length: 3 }, () => runtime.random())
  }
  expect(draw()).toEqual(draw())
  expect(new Set(draw()).size).toBe(3)
  expect(draw().every((number) => number >= 0 && number < 1)).toBe(true)
})

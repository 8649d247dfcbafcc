import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'

import { SecretManagerError } from '../src/errors.ts'
import { onRetry, publishRetry, type RetryEvent } from '../src/telemetry.ts'
import { cliWorld, hurried, OPENED, run, SERVERS } from './cli/world.ts'

const ERROR = new SecretManagerError('SM_VAULT_SEALED', 'vault is sealed', { requestId: 'r-1' })
const FACTS = { backend: 'vault', attempt: 2, elapsedMs: 10, waitMs: 500 } as const

describe('secretmanager:retry', () => {
  test('tells these fields and no others', () => {
    const events: unknown[] = []
    const listener = (event: unknown): void => void events.push(event)
    subscribe('secretmanager:retry', listener)
    onTestFinished(() => void unsubscribe('secretmanager:retry', listener))
    publishRetry(ERROR, { ...FACTS, body: 'CANARY' } as typeof FACTS)
    expect(events).toEqual([
      {
        backend: 'vault',
        code: 'SM_VAULT_SEALED',
        message: 'vault is sealed',
        hint: ERROR.hint,
        attempt: 2,
        elapsedMs: 10,
        waitMs: 500,
      },
    ])
  })

  test('where nobody listens, nothing is even looked at', () => {
    const untouchable = new Proxy(ERROR, { get: () => expect.unreachable('a field was read') })
    publishRetry(untouchable, FACTS)
  })

  test('who stopped listening is told no more', () => {
    const events: RetryEvent[] = []
    onRetry((event) => events.push(event))()
    publishRetry(ERROR, FACTS)
    expect(events).toEqual([])
  })

  test('a call tells each attempt that another follows, and the last one not', async () => {
    const world = await cliWorld()
    await world.put('app', '{}')
    await world.seal()
    const events: RetryEvent[] = []
    onTestFinished(onRetry((event) => events.push(event)))
    const args = ['read', 'app', ...OPENED, ...SERVERS, '--wait', '20s']
    const { stderr } = await run(args, { runtime: hurried(world.runtime) })
    const [, attempts = ''] = /(\d+) attempts/.exec(stderr) ?? []
    expect(events.map(({ attempt }) => attempt)).toEqual(
      Array.from({ length: Number(attempts) - 1 }, (_, index) => index + 1),
    )
    expect(new Set(events.map(({ code, backend }) => `${code} ${backend}`))).toEqual(
      new Set(['SM_VAULT_SEALED vault']),
    )
    for (const secret of world.credentials) expect(JSON.stringify(events)).not.toContain(secret)
  })
})

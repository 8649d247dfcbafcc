import { expect, test } from 'vitest'

import { createTransport } from '../src/http/transport.ts'
import { systemRuntime } from '../src/runtime.ts'

const runtime = systemRuntime(createTransport)

test('a program that ignores the request to end is ended all the same', async () => {
  const script = "process.on('SIGTERM', () => undefined); setTimeout(() => undefined, 5000)"
  const begun = runtime.now()
  const running = runtime.exec(process.execPath, ['-e', script], { env: {}, timeoutMs: 500 })
  await expect(running).rejects.toMatchObject({ killed: true, signal: 'SIGKILL' })
  expect(runtime.now() - begun).toBeLessThan(4000)
})

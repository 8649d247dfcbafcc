/** What doctor prints is copied into a shell, by somebody who may do everything. */
import { expect, test } from 'vitest'

import { cliWorld, OPENED, run, SERVERS, withFiles } from '../cli/world.ts'

test('vault write never takes a value for the name of a file', async () => {
  const { runtime, plan } = await cliWorld()
  const asOperator = withFiles(runtime, {}, { VAULT_TOKEN: plan.rootToken })
  const flags = ['--as-operator', '--audience', '@/etc/passwd']
  const { stdout } = await run(['doctor', 'app', ...SERVERS, ...OPENED, ...flags], {
    runtime: asOperator,
  })
  expect(stdout).toContain(String.raw`'audience=\@/etc/passwd'`)
  expect(stdout).not.toContain('=@/etc/passwd')
})

/** I20: what is left of a process after `close()`. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

import { loopbackCert } from '../real/servers/pki.ts'
import { runChild } from './child.ts'
import { json, scriptedServer } from './scripted-server.ts'
import { DECRYPT, HEALTHY_VAULT, plaintextAnswer } from './world.ts'

/** A file that is being closed may take a moment; a timer or a socket that was forgotten stays. */
const REPORT = `
const resources = () =>
  process.getActiveResourcesInfo().filter((name) => !/^(TTYWrap|PipeWrap|Timeout)$/.test(name))
const timers = process.getActiveResourcesInfo().filter((name) => name === 'Timeout')
for (let n = 0; n < 40 && resources().length > 0; n += 1) {
  await new Promise((resolve) => setTimeout(resolve, 50))
}
console.log(JSON.stringify({ left: [...resources(), ...timers] }))
`

test.each([
  ['a read', 'await sm.readSecrets(definition)', ''],
  ['many reads', 'await Promise.all([1, 2, 3].map(() => sm.readSecrets(definition)))', ''],
  ['no read', '', ''],
  ['a read that is under way', 'sm.readSecrets(definition).catch(() => undefined)', ''],
  ['a read whose Vault is sealed', 'sm.readSecrets(definition).catch(() => undefined)', 'sealed'],
])('I20: after %s nothing is left', async (_name, work, state) => {
  const vault = await scriptedServer({
    ...HEALTHY_VAULT,
    [DECRYPT]: state === 'sealed' ? json(503, {}) : json(200, plaintextAnswer()),
  })
  onTestFinished(() => vault.close())
  const output = await runChild(
    `const sm = manager({ url: '${vault.url}' }, { startup: { wait: 20000 } })
    ${work}
    await sm.close()
    ${REPORT}`,
  )
  expect(output.trim()).toBe('{"left":[]}')
})

test.skipIf(spawnSync('openssl', ['version']).status !== 0)(
  'I20: after a read over TLS nothing is left, and without close the process ends by itself',
  async () => {
    const directory = mkdtempSync(join(tmpdir(), 'secretmanager-close-'))
    const { certPem, keyPem, caFile } = await loopbackCert(directory)
    const vault = await scriptedServer(HEALTHY_VAULT, { tls: { cert: certPem, key: keyPem } })
    onTestFinished(async () => {
      await vault.close()
      rmSync(directory, { recursive: true })
    })
    const read = `const sm = manager({ url: '${vault.url}', caCert: '${caFile}' })
      await sm.readSecrets(definition)`
    const closed = await runChild(`${read}\nawait sm.close()\n${REPORT}`)
    expect(closed.trim()).toBe('{"left":[]}')
    expect(await runChild(`${read}\nconsole.log('read')`)).toBe('read\n')
  },
)

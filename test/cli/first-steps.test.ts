/** The first hour of somebody new: what `init` says comes next is typed as it stands, on empty servers. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { createStack, KUBERNETES_ORIGIN, VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { inProcessTransport } from '../../src/dev/transport.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { run } from './world.ts'

const CA = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

const METHODS = ['jwt', 'kubernetes'] as const

test.each(METHODS)('with %s, every command that init names works as it stands', async (method) => {
  const { runtime, directory } = emptyServers()
  const flags = ['-n', 'default', '--vault-url', VAULT_ORIGIN, '--auth-method', method]
  const begun = await run(['init', 'app', ...flags, '--dir', directory], { runtime })
  expect(begun).toMatchObject({ code: 0 })
  writeFileSync(join(directory, 'app.json'), '{"redis_url":"redis://a"}')
  const lines = begun.stderr.split('\n').flatMap((line) => {
    const [, command] = /^ {2}secretmanager (.+)$/.exec(line) ?? []
    const words = command?.split(' ')
    return words ? [words.map((word) => (word === 'app.json' ? join(directory, word) : word))] : []
  })
  expect(lines.map(([name]) => name)).toEqual([
    'provision',
    'provision',
    'encrypt',
    'read',
    'doctor',
  ])
  for (const words of lines) {
    const { code, stderr } = await run(words, { runtime })
    expect({ words, code, stderr }).toMatchObject({ code: 0 })
  }
})

/** An administrator of an empty Vault and cluster, with files of their own. */
function emptyServers(): { readonly runtime: Runtime; readonly directory: string } {
  const directory = mkdtempSync(join(tmpdir(), 'secretmanager-first-'))
  onTestFinished(() => rmSync(directory, { recursive: true }))
  const stack = createStack()
  const network = inProcessTransport(
    new Map([
      [VAULT_ORIGIN, (request: Request) => stack.vault.handle(request)],
      [KUBERNETES_ORIGIN, (request: Request) => stack.kubernetes.handle(request)],
    ]),
  )
  const { rootToken, adminToken } = stack.servers
  const kubeconfig = kubeconfigOf(KUBERNETES_ORIGIN, CA, { adminToken, namespace: 'default' })
  writeFileSync(join(directory, 'kubeconfig'), JSON.stringify(kubeconfig))
  const variables: Readonly<Record<string, string>> = {
    VAULT_TOKEN: rootToken,
    KUBECONFIG: join(directory, 'kubeconfig'),
  }
  return { runtime: { ...systemRuntime(network), env: (name) => variables[name] }, directory }
}

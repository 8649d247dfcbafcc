import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, expect, onTestFinished, test } from 'vitest'

import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { createStack, KUBERNETES_ORIGIN, VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { inProcessTransport } from '../../src/dev/transport.ts'
import { createVault, type EmbeddedVault } from '../../src/dev/vault/index.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { run, withFiles, type Ran } from './world.ts'

const FILE = `
clusters: [{ createNamespaces: true }]
apps: [{ name: app, namespace: prod, secrets: [{ secretName: app, readKey: secrets.json }] }]
`

let vault: EmbeddedVault
let runtime: Runtime
let keys = ''

beforeEach(() => {
  const stack = createStack()
  vault = createVault({ clock: Date.now, randomBytes, start: 'uninitialized' })
  const network = inProcessTransport(
    new Map([
      [VAULT_ORIGIN, (request) => vault.handle(request)],
      [KUBERNETES_ORIGIN, (request) => stack.kubernetes.handle(request)],
    ]),
  )
  const { servers } = stack
  const user = { ...servers, namespace: 'default' }
  const files = {
    '/p.yaml': FILE,
    '/kubeconfig': JSON.stringify(kubeconfigOf(KUBERNETES_ORIGIN, undefined, user)),
  }
  runtime = withFiles({ ...systemRuntime(network), env: () => undefined }, files, {
    VAULT_ADDR: VAULT_ORIGIN,
    KUBECONFIG: '/kubeconfig',
  })
  const directory = mkdtempSync(join(tmpdir(), 'secretmanager-begin-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  keys = join(directory, 'keys.json')
})

test('a new Vault is initialised, unsealed, set up and left without a root token', async () => {
  const { code, stdout, stderr } = await provision('/p.yaml', '--unseal', '--revoke-root')
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(stdout).toContain('create   key transit/app')
  expect(stderr).toContain('the root token is revoked')
  const { root_token: token } = JSON.parse(readFileSync(keys, 'utf8'))
  const lookup = await vault.handle(
    new Request(`${VAULT_ORIGIN}/v1/auth/token/lookup-self`, {
      headers: { 'x-vault-token': token },
    }),
  )
  expect(lookup.status).toBe(403)
  expect(stdout + stderr).not.toContain(token)
})

test('without a provision file it is initialised, and nothing is set up', async () => {
  expect(await provision('--unseal', '--revoke-root')).toMatchObject({ code: 0, stdout: '' })
  expect(existsSync(keys)).toBe(true)
})

test('--keys -: the keys alone are on stdout, and what is set up is told on stderr', async () => {
  const { code, stdout, stderr } = await run(
    ['provision', '/p.yaml', '--init', '--keys', '-', '--unseal', '--revoke-root'],
    { runtime },
  )
  expect({ code, stderr }).toMatchObject({ code: 0 })
  expect(JSON.parse(stdout)).toMatchObject({ unseal_shares: 5, root_token: expect.any(String) })
  expect(stderr).toContain('create   key transit/app')
  expect(stderr).not.toContain(JSON.parse(stdout).root_token)
})

test('where the set-up fails the root token stays, as somebody has to go on', async () => {
  const { code, stderr } = await provision('/nothing.yaml', '--unseal', '--revoke-root')
  expect({ code, isThere: existsSync(keys) }).toEqual({ code: 2, isThere: false })
  const broken = withFiles(runtime, {}, { KUBECONFIG: '/none' })
  const failed = await run(
    ['provision', '/p.yaml', '--init', '--keys', keys, '--unseal', '--revoke-root'],
    { runtime: broken },
  )
  expect(failed.code).not.toBe(0)
  expect(failed.stderr).not.toContain('revoked')
  expect(failed.stderr).toContain('the root token is valid and never expires')
  expect(stderr).not.toContain('revoked')
  expect(JSON.parse(readFileSync(keys, 'utf8'))).toMatchObject({ unseal_shares: 5 })
})

test.each([
  ['no file and no --init', ['provision'], 'FILE'],
  ['a part of --init without it', ['provision', '/p.yaml', '--unseal'], '--init'],
])('%s is refused by its flag', async (_what, args, hint) => {
  const { code, stderr } = await run(args, { runtime })
  expect(code).toBe(2)
  expect(stderr).toContain(hint)
})

function provision(...args: readonly string[]): Promise<Ran> {
  return run(['provision', ...args, '--init', '--keys', keys], { runtime })
}

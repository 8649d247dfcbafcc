import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'

import { createTransport } from '../../src/http/transport.ts'
import type { InitKeys } from '../../src/provision/init-once.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { spellings } from '../cli/authoring-world.ts'
import { runInit, type InitRan } from '../cli/vault-init-run.ts'
import { ALICE, ALICE_ARMORED, BOB } from '../provision/pgp-keys.ts'
import { ask } from './servers/http.ts'
import { serversPresent, startVault, type VaultServer } from './servers.ts'

const SERVERS = [
  ['OpenBao', 'bao'],
  ['HashiCorp Vault', 'vault'],
] as const

const real = systemRuntime(createTransport)

let directory = ''
let file = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sm-init-'))
  file = join(directory, 'keys.json')
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
})

for (const [title, name] of SERVERS) {
  describe.skipIf(!serversPresent(name))(`a new ${title}`, () => {
    test('Shamir, 5 shares of which 3 are needed, on raft: unsealed, and the root token revoked', async () => {
      const vault = await newVault({ name, storage: 'raft' })
      const ran = await init(vault, ['--unseal', '--revoke-root'])
      expect(ran).toMatchObject({ code: 'ok', stdout: '' })
      const keys = written()
      expect(keys).toMatchObject({ unseal_shares: 5, unseal_threshold: 3, recovery_keys_b64: [] })
      expect(keys.unseal_keys_b64).toHaveLength(5)
      expect(await health(vault)).toBe(200)
      expect(await lookup(vault, keys.root_token)).toBe(403)
      await refusesAgain(vault)
    })

    test('Shamir, one share', async () => {
      const vault = await newVault({ name })
      const ran = await init(vault, ['--unseal', '--shares', '1'])
      expect(ran).toMatchObject({ code: 'ok', rootToken: written().root_token })
      expect(await lookup(vault, written().root_token)).toBe(200)
      expect(written()).toMatchObject({ unseal_shares: 1, unseal_threshold: 1 })
      await refusesAgain(vault)
    })

    test('Shamir, without --unseal: what was written unseals it', async () => {
      const vault = await newVault({ name })
      expect(await init(vault, [])).toMatchObject({ code: 'ok', rootToken: undefined })
      expect(await health(vault)).toBe(503)
      await unseal(vault, written().unseal_keys_b64.slice(2))
      expect(await health(vault)).toBe(200)
    })

    test('Shamir, PGP keys: it takes them, and gives what is encrypted', async () => {
      const vault = await newVault({ name })
      const [alice, bob] = [join(directory, 'alice.asc'), join(directory, 'bob.b64')]
      writeFileSync(alice, ALICE_ARMORED)
      writeFileSync(bob, BOB)
      const ran = await init(vault, ['--pgp-keys', alice, bob, '--root-pgp-key', alice])
      expect(ran).toMatchObject({ code: 'ok', rootToken: undefined })
      const { unseal_keys_b64: shares, root_token: token } = written()
      expect(shares).toHaveLength(2)
      // What a PGP message of a public key begins with (RFC 4880 §4.2, tag 1).
      for (const each of [...shares, token]) {
        expect([0x84, 0x85, 0xc1]).toContain(Buffer.from(each, 'base64')[0])
      }
    })

    test('a lost answer: it goes on without its client, and that nobody has its keys is said', async () => {
      const vault = await newVault({ name, tls: false })
      const url = await losingAnswers(vault.port, 'POST /v1/sys/init')
      const ran = await runInit(['--init', '--keys', file], { url, runtime: real })
      expect(ran.code).toBe('SM_VAULT_REJECTED')
      expect(ran.stderr).toContain('is initialised, and nobody has its keys')
      expect(existsSync(file)).toBe(false)
      expect(await health(vault)).toBe(503)
    })

    test.skipIf(!isPresent('gpg'))('Shamir, PGP keys: their owners unseal it', async () => {
      const vault = await newVault({ name })
      const { gpg, exported } = keyring('carol', 'dave')
      await init(vault, ['--pgp-keys', ...exported, '--root-pgp-key', exported[0] ?? ''])
      const { unseal_keys_b64: shares, root_token: token } = written()
      await unseal(
        vault,
        shares.map((share) => Buffer.from(gpg(share), 'hex').toString('base64')),
      )
      expect(await health(vault)).toBe(200)
      expect(await lookup(vault, gpg(token))).toBe(200)
    })
  })
}

describe.skipIf(!serversPresent('bao'))('OpenBao with a static seal', () => {
  const sealed = async (): Promise<VaultServer> => {
    const path = join(directory, 'seal.key')
    writeFileSync(path, randomBytes(32))
    const hcl = `seal "static" {\n  current_key_id = "1"\n  current_key = "file://${path}"\n}`
    return newVault({ name: 'bao', hcl, storage: 'raft' })
  }

  test('has recovery shares, opens by itself, and its root token is revoked', async () => {
    await opensByItself(await sealed(), 'static')
  })

  test('recovery shares are encrypted with PGP keys', async () => {
    await encryptsRecovery(await sealed())
  })
})

describe.skipIf(!serversPresent('vault'))('HashiCorp Vault with a transit seal', () => {
  const sealed = async (): Promise<VaultServer> => {
    const sealing = await startVault({ name: 'vault' })
    onTestFinished(() => sealing.stop())
    await sealing.api('POST', 'sys/mounts/transit', { type: 'transit' })
    await sealing.api('POST', 'transit/keys/seal')
    const where = `address = "${sealing.url}"\n  token = "${sealing.rootToken}"`
    const what = 'key_name = "seal"\n  mount_path = "transit/"'
    return newVault({ name: 'vault', hcl: `seal "transit" {\n  ${where}\n  ${what}\n}` })
  }

  test('has recovery shares, opens by itself, and its root token is revoked', async () => {
    await opensByItself(await sealed(), 'transit')
  })

  test('recovery shares are encrypted with PGP keys', async () => {
    await encryptsRecovery(await sealed())
  })
})

async function opensByItself(vault: VaultServer, type: string): Promise<void> {
  const ran = await init(vault, ['--revoke-root'])
  expect(ran).toMatchObject({ code: 'ok', stdout: '' })
  expect(ran.stderr).toContain(`initialised (seal: ${type}): 5 recovery shares`)
  const keys = written()
  expect(keys).toMatchObject({
    unseal_keys_b64: [],
    recovery_keys_shares: 5,
    recovery_keys_threshold: 3,
  })
  expect(keys.recovery_keys_b64).toHaveLength(5)
  expect(await health(vault)).toBe(200)
  expect(await lookup(vault, keys.root_token)).toBe(403)
  await makesRoot(vault, keys)
  await refusesAgain(vault)
}

async function encryptsRecovery(vault: VaultServer): Promise<void> {
  const [alice, bob] = [join(directory, 'alice.pgp'), join(directory, 'bob.pgp')]
  writeFileSync(alice, Buffer.from(ALICE, 'base64'))
  writeFileSync(bob, Buffer.from(BOB, 'base64'))
  expect(await init(vault, ['--pgp-keys', alice, bob])).toMatchObject({ code: 'ok' })
  expect(written().recovery_keys_b64).toHaveLength(2)
  expect(written().recovery_keys_b64.every((each) => each.length > 100)).toBe(true)
}

/** What recovery shares are for. */
async function makesRoot(vault: VaultServer, keys: InitKeys): Promise<void> {
  const start = await call(vault, 'PUT', 'sys/generate-root/attempt', {})
  let answer = start
  for (const key of keys.recovery_keys_b64.slice(0, 3)) {
    answer = await call(vault, 'PUT', 'sys/generate-root/update', { key, nonce: start['nonce'] })
  }
  const encoded = Buffer.from(String(answer['encoded_token']), 'base64')
  const otp = Buffer.from(String(start['otp']))
  const token = encoded.map((byte, index) => byte ^ (otp[index] ?? 0))
  expect(await lookup(vault, Buffer.from(token).toString())).toBe(200)
}

async function refusesAgain(vault: VaultServer): Promise<void> {
  const before = readFileSync(file, 'utf8')
  const again = await init(vault, ['--unseal'], join(directory, 'again.json'))
  expect(again.code).toBe('SM_VAULT_REJECTED')
  expect(again.stderr).toContain('is initialised already: nothing was changed')
  expect(readFileSync(file, 'utf8')).toBe(before)
}

/** Runs it, and looks for keys in all that it prints (I10). */
async function init(vault: VaultServer, args: readonly string[], keys = file): Promise<InitRan> {
  const situation = { url: vault.url, runtime: real, vault: { caCert: vault.caFile } }
  const ran = await runInit(['--init', '--keys', keys, ...args], situation)
  expect(statSync(file).mode & 0o777).toBe(0o600)
  const { unseal_keys_b64, unseal_keys_hex, recovery_keys_b64, recovery_keys_hex, root_token } =
    written()
  const secrets = [
    ...[...unseal_keys_b64, ...unseal_keys_hex, ...recovery_keys_b64, ...recovery_keys_hex],
    root_token,
  ].flatMap((each) => spellings(each))
  expect(secrets.filter((each) => (ran.stdout + ran.stderr).includes(each))).toEqual([])
  return ran
}

async function newVault(options: {
  name: 'bao' | 'vault'
  hcl?: string
  storage?: 'raft'
  tls?: boolean
}): Promise<VaultServer> {
  const vault = await startVault({ tls: true, ...options, initialize: false })
  onTestFinished(() => vault.stop())
  return vault
}

/** A way to a server on which the answer to one request gets lost. */
async function losingAnswers(port: number, route: string): Promise<string> {
  const sockets = new Set<Socket>()
  const proxy = createServer((client) => {
    const server = connect(port, '127.0.0.1')
    let isLost = false
    for (const socket of [client, server]) {
      sockets.add(socket)
      socket.on('error', () => undefined)
    }
    client.on('data', (chunk) => {
      isLost ||= chunk.includes(route)
      server.write(chunk)
    })
    server.on('data', (chunk) => (isLost ? client.destroy() : client.write(chunk)))
    client.on('close', () => server.destroy())
    server.on('close', () => client.destroy())
  })
  await new Promise<void>((resolve) => {
    proxy.listen(0, '127.0.0.1', resolve)
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    proxy.close()
  })
  return `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
}

function written(): InitKeys {
  return JSON.parse(readFileSync(file, 'utf8')) as InitKeys
}

async function unseal(vault: VaultServer, shares: readonly string[]): Promise<void> {
  for (const key of shares) await call(vault, 'PUT', 'sys/unseal', { key })
  const deadline = performance.now() + 30_000
  while ((await health(vault)) !== 200 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

async function health(vault: VaultServer): Promise<number> {
  return (await ask({ path: '/v1/sys/health', base: vault.url, ca: vault.caPem })).status
}

async function lookup(vault: VaultServer, token: string): Promise<number> {
  const path = '/v1/auth/token/lookup-self'
  const headers = { 'x-vault-token': token }
  return (await ask({ path, base: vault.url, ca: vault.caPem, headers })).status
}

async function call(
  vault: VaultServer,
  method: string,
  path: string,
  body: object,
): Promise<Readonly<Record<string, unknown>>> {
  const answer = await ask({ method, path: `/v1/${path}`, base: vault.url, ca: vault.caPem, body })
  expect(answer).toMatchObject({ status: 200 })
  return answer.body as Readonly<Record<string, unknown>>
}

interface Keyring {
  /** Decrypts what is in base64. */
  readonly gpg: (message: string) => string
  /** Files with the public keys. */
  readonly exported: readonly string[]
}

function keyring(...names: readonly string[]): Keyring {
  const env = { ...process.env, GNUPGHOME: directory }
  const common = ['--batch', '--quiet', '--pinentry-mode', 'loopback', '--passphrase', '']
  const run = (args: readonly string[], input: Uint8Array = Buffer.alloc(0)): Buffer =>
    execFileSync('gpg', [...common, ...args], { env, input, stdio: ['pipe', 'pipe', 'ignore'] })
  onTestFinished(() => void execFileSync('gpgconf', ['--kill', 'gpg-agent'], { env }))
  const exported = names.map((name) => {
    const user = `${name}@example.com`
    run(['--quick-generate-key', user, 'future-default', 'default', 'never'])
    const path = join(directory, `${name}.asc`)
    writeFileSync(path, run(['--armor', '--export', user]))
    return path
  })
  return {
    exported,
    gpg: (message) => run(['--decrypt'], Buffer.from(message, 'base64')).toString(),
  }
}

function isPresent(program: string): boolean {
  try {
    execFileSync(program, ['--version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

/** T1, T2, I12: with certificates that openssl makes; skipped, and said so, where there is none. */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { copyFile, writeFile } from 'node:fs/promises'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import type { ErrorCode } from '../../src/errors.ts'
import { SecretManager } from '../../src/manager.ts'
import type { SecretManagerConfig, VaultConfig } from '../../src/config/types.ts'
import {
  badCerts,
  createAuthority,
  issue,
  loopbackCert,
  type Authority,
  type BadCertName,
  type Certificate,
} from '../real/servers/pki.ts'
import { json, rawServer, scriptedServer, text, type ScriptedServer } from './scripted-server.ts'
import {
  CIPHERTEXT,
  DECRYPT,
  DEFINITION,
  expectNoLeak,
  HEALTHY_VAULT,
  JWT,
  LOGIN,
  loginAnswer,
  plaintextAnswer,
  PLAINTEXT,
  rejection,
  socketRuntime,
} from './world.ts'

const OPENSSL = spawnSync('openssl', ['version']).status === 0
const directory = mkdtempSync(join(tmpdir(), 'secretmanager-tls-'))

let good: Certificate
let bad: Record<BadCertName, Certificate>

beforeAll(async () => {
  if (!OPENSSL) return console.warn('openssl is missing: the tests of certificates are skipped')
  ;[good, bad] = await Promise.all([
    loopbackCert(join(directory, 'good')),
    badCerts(join(directory, 'bad')),
  ])
})

afterAll(() => rmSync(directory, { recursive: true, force: true }))

async function vaultWith(
  certificate: Pick<Certificate, 'certPem' | 'keyPem'>,
  more: https.ServerOptions = {},
): Promise<ScriptedServer> {
  const server = await scriptedServer(HEALTHY_VAULT, { tls: { ...served(certificate), ...more } })
  onTestFinished(() => server.close())
  return server
}

const served = ({
  certPem,
  keyPem,
}: Pick<Certificate, 'certPem' | 'keyPem'>): https.ServerOptions => ({
  cert: certPem,
  key: keyPem,
})

function managerFor(
  url: string,
  vault: Partial<VaultConfig> = {},
  env: Record<string, string> = {},
  config: Partial<SecretManagerConfig> = {},
): SecretManager {
  const files = { '/run/jwt': JWT, '/run/secrets/secrets.json': CIPHERTEXT }
  const auth = { method: 'kubernetes', role: 'app', jwtFile: '/run/jwt' } as const
  const manager = new SecretManager(
    {
      timeout: 10_000,
      startup: { wait: 0 },
      cache: { keepAtMost: 0 },
      ...config,
      vault: { url, auth, ...vault },
      kubernetes: { mountedAt: '/run/secrets' },
    },
    { runtime: socketRuntime({ ...files, '/run/secrets/app/secrets.json': CIPHERTEXT }, env) },
  )
  onTestFinished(() => manager.close())
  return manager
}

describe.skipIf(!OPENSSL)('T1: certificates that must be refused', () => {
  const rows: readonly (readonly [BadCertName, ErrorCode, RegExp, RegExp])[] = [
    ['expired', 'SM_TLS_EXPIRED', /has expired/, /renew|clock/],
    ['notYetValid', 'SM_TLS_EXPIRED', /is not valid yet/, /clock/],
    [
      'wrongName',
      'SM_TLS_NAME_MISMATCH',
      /vault\.example.*not for 127\.0\.0\.1/,
      /IP:127\.0\.0\.1/,
    ],
    ['noIpSan', 'SM_TLS_NAME_MISMATCH', /localhost, not for 127\.0\.0\.1/, /IP:127\.0\.0\.1/],
    ['selfSigned', 'SM_TLS_UNTRUSTED', /self-signed/, /vault\.caCert/],
    ['otherCa', 'SM_TLS_UNTRUSTED', /issuer that is not trusted/, /vault\.caCert/],
    ['caWithoutKeyCertSign', 'SM_TLS_UNTRUSTED', /key usage|not a CA|issuer/, /keyCertSign|caCert/],
    ['missingIntermediate', 'SM_TLS_UNTRUSTED', /intermediate/, /vault\.caCert/],
  ]

  test.each(rows)(
    'T1: %s is %s, at once, and nothing is sent',
    async (name, code, message, hint) => {
      const vault = await vaultWith(bad[name])
      const manager = managerFor(vault.url, { caCert: bad[name].caFile })
      const error = await rejection(manager.readSecrets(DEFINITION))
      expectNoLeak(error, [bad[name].keyPem.split('\n')[1] ?? ''])
      expect(error).toMatchObject({ code, attempts: 1, exitCode: 5, retryable: false })
      expect(error.message).toMatch(message)
      expect(error.hint).toMatch(hint)
      expect(vault.requests).toEqual([])
    },
  )

  test('T1: the CA in the file, as PEM text, and in a directory', async () => {
    const vault = await vaultWith(good)
    const inDirectory = mkdtempSync(join(directory, 'cas-'))
    await copyFile(good.caFile, join(inDirectory, 'ours.crt'))
    await writeFile(join(inDirectory, 'README'), 'not a certificate')
    for (const caCert of [good.caFile, { pem: good.caPem }, { directory: inDirectory }]) {
      const secrets = await managerFor(vault.url, { caCert }).readSecrets(DEFINITION)
      expect(secrets).toHaveProperty('redis_url', PLAINTEXT)
    }
  })

  test('T1: serverName is checked in place of the address', async () => {
    const vault = await vaultWith(bad.wrongName)
    const settings = { caCert: bad.wrongName.caFile, serverName: 'vault.example' }
    const secrets = await managerFor(vault.url, settings).readSecrets(DEFINITION)
    expect(secrets).toHaveProperty('redis_url', PLAINTEXT)
  })

  test.each([
    ['missing', undefined, 'SM_FILE_UNREADABLE'],
    ['without a certificate', 'hello', 'SM_TLS_FAILED'],
    ['with half a certificate', '-----BEGIN CERTIFICATE-----\nMIIB', 'SM_TLS_FAILED'],
  ])('T1: a CA file %s', async (_name, content, code) => {
    const vault = await vaultWith(good)
    const caCert = join(directory, `broken-${String(content?.length)}.crt`)
    if (content !== undefined) await writeFile(caCert, content)
    const error = await rejection(managerFor(vault.url, { caCert }).readSecrets(DEFINITION))
    expect(error.code).toBe(code)
    expect(vault.requests).toEqual([])
  })
})

describe.skipIf(!OPENSSL)('T1: certificates that change while the process runs', () => {
  test('T1: a new CA on disk is used by the next handshake, by many calls at once', async () => {
    const caCert = join(directory, 'rotating.crt')
    await copyFile(good.caFile, caCert)
    const vault = await vaultWith(good)
    const manager = managerFor(vault.url, { caCert })
    await manager.readSecrets(DEFINITION)
    const next = await loopbackCert(join(directory, 'next'))
    vault.setCertificate(served(next))
    for (const socket of vault.open) socket.destroy()
    await expect.poll(() => vault.open.size).toBe(0)
    expect((await rejection(manager.readSecrets(DEFINITION))).code).toBe('SM_TLS_UNTRUSTED')
    await copyFile(next.caFile, caCert)
    const reads = Array.from({ length: 8 }, () => manager.readSecrets(DEFINITION))
    for (const secrets of await Promise.all(reads)) {
      expect(secrets).toHaveProperty('redis_url', PLAINTEXT)
    }
  })

  test('T1: a CA that expired in memory and was renewed on disk', async () => {
    const authority = await createAuthority(join(directory, 'renewed'), 'ca')
    const certificate = await issue(authority, join(directory, 'renewed'), {
      name: 'server',
      usage: 'server',
    })
    const caCert = join(directory, 'renewed.crt')
    await writeFile(caCert, expiredCopy(authority))
    const vault = await vaultWith(certificate)
    const manager = managerFor(vault.url, { caCert })
    expect((await rejection(manager.readSecrets(DEFINITION))).code).toBe('SM_TLS_EXPIRED')
    await writeFile(caCert, authority.pem)
    expect(await manager.readSecrets(DEFINITION)).toHaveProperty('redis_url', PLAINTEXT)
  })

  test('T1: a client certificate that was renewed on disk', async () => {
    const home = join(directory, 'clients')
    const [authority, other] = [
      await createAuthority(home, 'ca'),
      await createAuthority(home, 'old'),
    ]
    const plan = { name: 'client', usage: 'client' } as const
    const refused = await issue(other, home, { ...plan, name: 'refused' })
    const accepted = await issue(authority, home, plan)
    const [clientCert, clientKey] = [join(home, 'tls.crt'), join(home, 'tls.key')]
    await copyFile(refused.certFile, clientCert)
    await copyFile(refused.keyFile, clientKey)
    const vault = await vaultWith(good, {
      ca: authority.pem,
      requestCert: true,
      rejectUnauthorized: true,
    })
    const manager = managerFor(vault.url, { caCert: good.caFile, clientCert, clientKey })
    const error = await rejection(manager.readSecrets(DEFINITION))
    expectNoLeak(error, [refused.keyPem.split('\n')[1] ?? ''])
    expect(error.code).toMatch(/^SM_(TLS_FAILED|VAULT_UNREACHABLE)$/)
    await copyFile(accepted.certFile, clientCert)
    await copyFile(accepted.keyFile, clientKey)
    expect(await manager.readSecrets(DEFINITION)).toHaveProperty('redis_url', PLAINTEXT)
  })
})

describe.skipIf(!OPENSSL)('T1: without a configured CA', () => {
  test("T1: Node's roots, and then the operating system's store", async () => {
    const vault = await vaultWith(good)
    const manager = managerFor(vault.url, {}, { SSL_CERT_FILE: good.caFile })
    expect(await manager.readSecrets(DEFINITION)).toHaveProperty('redis_url', PLAINTEXT)
  })

  test('T1: and otherwise SM_TLS_UNTRUSTED', async () => {
    const vault = await vaultWith(good)
    const error = await rejection(managerFor(vault.url).readSecrets(DEFINITION))
    expect(error.code).toBe('SM_TLS_UNTRUSTED')
    expect(vault.requests).toEqual([])
  })

  test('T1: a CA that is installed in the store later is found', async () => {
    const vault = await vaultWith(good)
    const store = join(directory, 'store.crt')
    await writeFile(store, bad.otherCa.caPem)
    const manager = managerFor(vault.url, {}, { SSL_CERT_FILE: store })
    expect((await rejection(manager.readSecrets(DEFINITION))).code).toBe('SM_TLS_UNTRUSTED')
    await writeFile(store, good.caPem)
    expect(await manager.readSecrets(DEFINITION)).toHaveProperty('redis_url', PLAINTEXT)
  })
})

describe.skipIf(!OPENSSL)('T2, V12: nothing weaker is tried', () => {
  test.each([
    [
      'an HTTP server',
      (): Promise<{ url: string; close(): Promise<void>; heard(): string }> => plainServer(),
    ],
    [
      'a server that greets like SSH',
      () => rawServer((s) => void s.write('SSH-2.0-OpenSSH_9.7\r\n')),
    ],
  ])('T2: %s on the port: SM_TLS_FAILED, and nothing was said to it', async (_name, start) => {
    const server = await start()
    onTestFinished(() => server.close())
    const error = await rejection(
      managerFor(server.url.replace('http:', 'https:'), { caCert: good.caFile }).readSecrets(
        DEFINITION,
      ),
    )
    expect(error).toMatchObject({ code: 'SM_TLS_FAILED', attempts: 1 })
    expect(error.message).toContain('does not speak TLS')
    expect(server.heard()).not.toMatch(/CANARY|HTTP\/1\.1/)
  })

  test('V12: https to http is refused, and neither token nor JWT arrives', async () => {
    const plain = await plainServer()
    onTestFinished(() => plain.close())
    const vault = await vaultWith(good)
    vault.script({ [LOGIN]: text(307, '', { location: `${plain.url}/v1/auth/kubernetes/login` }) })
    const manager = managerFor(vault.url, {
      caCert: good.caFile,
      redirectHosts: [new URL(plain.url).host],
    })
    const error = await rejection(manager.readSecrets(DEFINITION))
    expect(error.code).toBe('SM_REDIRECT_REFUSED')
    expect(error.message).toContain('http')
    expect(plain.requests).toEqual([])
  })

  test('T1: TLS 1.1 is not spoken', async () => {
    const vault = await vaultWith(good, {
      minVersion: 'TLSv1',
      maxVersion: 'TLSv1.1',
      ciphers: 'DEFAULT@SECLEVEL=0',
    })
    const error = await rejection(
      managerFor(vault.url, { caCert: good.caFile }).readSecrets(DEFINITION),
    )
    expect(error.code).toBe('SM_TLS_FAILED')
    expect(vault.requests).toEqual([])
  })

  test('I12: NODE_TLS_REJECT_UNAUTHORIZED=0 changes nothing', async () => {
    const vault = await vaultWith(bad.otherCa)
    const output = await inChild(vault.url, bad.otherCa.caFile, {
      NODE_TLS_REJECT_UNAUTHORIZED: '0',
    })
    expect(output).toContain('SM_TLS_UNTRUSTED')
    expect(vault.requests).toEqual([])
  })
})

function plainServer(): Promise<ScriptedServer> {
  return scriptedServer({
    [LOGIN]: json(200, loginAnswer()),
    [DECRYPT]: json(200, plaintextAnswer()),
  })
}

/** The same CA, name and key, with a validity that is over. */
function expiredCopy({ keyFile }: Authority): string {
  const home = mkdtempSync(join(directory, 'copy-'))
  const openssl = (...args: string[]): string =>
    execFileSync('openssl', args, { encoding: 'utf8', stdio: 'pipe' })
  const config =
    `[req]\ndistinguished_name=dn\n[dn]\n[ca]\ndefault_ca=it\n[it]\ndatabase=${home}/db\n` +
    `new_certs_dir=${home}\nrand_serial=yes\npolicy=policy\n[policy]\ncommonName=supplied\n` +
    '[ext]\nbasicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n'
  const path = (name: string): string => join(home, name)
  execFileSync('sh', ['-c', `printf '%s' "$0" > ${path('cnf')}; : > ${path('db')}`, config])
  openssl(
    'req',
    '-new',
    '-key',
    keyFile,
    '-subj',
    '/CN=ca',
    '-out',
    path('csr'),
    '-config',
    path('cnf'),
  )
  openssl(
    ...['ca', '-batch', '-notext', '-selfsign', '-config', path('cnf'), '-in', path('csr')],
    ...['-keyfile', keyFile, '-md', 'sha256', '-extensions', 'ext', '-out', path('crt')],
    ...['-startdate', '20200101000000Z', '-enddate', '20210101000000Z'],
  )
  return execFileSync('cat', [path('crt')], { encoding: 'utf8' })
}

/** Runs one read in a process of its own and gives what it printed. */
async function inChild(url: string, caCert: string, env: Record<string, string>): Promise<string> {
  const { runChild } = await import('./child.ts')
  return runChild(
    `
    const error = await manager({ url: ${JSON.stringify(url)}, caCert: ${JSON.stringify(caCert)} })
      .readSecrets(definition).then(() => ({ code: 'it was read' }), (reason) => reason)
    console.log(error.code)
    `,
    env,
  )
}

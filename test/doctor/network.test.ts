/** T1: what doctor says of certificates and connections; with certificates that openssl makes. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import type { VaultConfig } from '../../src/config/types.ts'
import { VAULT_NETWORK } from '../../src/doctor/checks/network.ts'
import type { Result } from '../../src/doctor/run.ts'
import { rawServer, scriptedServer } from '../faults/scripted-server.ts'
import { socketRuntime } from '../faults/world.ts'
import {
  badCerts,
  createAuthority,
  issue,
  loopbackCert,
  type BadCertName,
  type Certificate,
} from '../real/servers/pki.ts'
import { notOk, resultsOf } from './world.ts'

const OPENSSL = spawnSync('openssl', ['version']).status === 0
const directory = mkdtempSync(join(tmpdir(), 'secretmanager-doctor-'))

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

/** What is found of the way to Vault, and everything that was told, by id. */
async function look(
  vault: Partial<VaultConfig> & Pick<VaultConfig, 'url'>,
  env: Record<string, string> = {},
): Promise<{ found: readonly string[]; told: Readonly<Record<string, Result>> }> {
  const auth = { method: 'kubernetes', role: 'app' } as const
  const told = await resultsOf(VAULT_NETWORK, { vault: { auth, ...vault } }, socketRuntime({}, env))
  return { found: notOk(told), told }
}

async function serverWith({ certPem: cert, keyPem: key }: Certificate) {
  const server = await scriptedServer({}, { tls: { cert, key } })
  onTestFinished(() => server.close())
  return server
}

describe.skipIf(!OPENSSL)('T1: the zoo of certificates', () => {
  const rows: readonly (readonly [BadCertName, string, RegExp, RegExp])[] = [
    ['expired', 'vault.expiry', /expired on 20\d\d-/, /renew/],
    ['notYetValid', 'vault.expiry', /not valid before 20\d\d-/, /clock/],
    ['wrongName', 'vault.san', /vault\.example.*not for 127\.0\.0\.1/, /subjectAltName=IP:127/],
    ['noIpSan', 'vault.san', /DNS:localhost, not for 127\.0\.0\.1/, /subjectAltName=IP:127/],
    ['selfSigned', 'vault.chain', /self-signed/, /vault\.caCert/],
    ['otherCa', 'vault.chain', /issuer that is not trusted/, /vault\.caCert/],
    ['caWithoutKeyCertSign', 'vault.key-usage', /key usage/, /keyCertSign/],
    ['missingIntermediate', 'vault.chain', /intermediate/, /intermediate/],
  ]

  test.each(rows)(
    'T1: %s is told by %s alone, and nothing is sent',
    async (name, id, words, mend) => {
      const server = await serverWith(bad[name])
      const { found, told } = await look({ url: server.url, caCert: bad[name].caFile })
      expect(found).toEqual([id])
      expect(told[id]?.reason).toMatch(words)
      expect(told[id]?.mend).toMatch(mend)
      expect(server.requests).toEqual([])
    },
  )

  test('a good one is good in every respect', async () => {
    const server = await serverWith(good)
    const { found, told } = await look({ url: server.url, caCert: good.caFile })
    expect(found).toEqual([])
    expect(told['vault.chain']?.reason).toMatch(/^TLSv1\.3, signed by CN=ca, which is trusted$/)
    expect(told['vault.key-usage']?.reason).toBe('serverAuth')
  })

  test('T1: a good one that ends within 30 days is a warning', async () => {
    const home = join(directory, 'soon')
    const authority = await createAuthority(home, 'ca')
    const soon = await issue(authority, home, { name: 'soon', usage: 'server', untilDay: 10 })
    const server = await serverWith(soon)
    const { found, told } = await look({ url: server.url, caCert: soon.caFile })
    expect(found).toEqual(['vault.expiry'])
    expect(told['vault.expiry']).toMatchObject({ outcome: 'warning' })
    expect(told['vault.expiry']?.reason).toMatch(/CN=soon expires in (9|10) days/)
  })

  test('T1: a certificate for clients is not for servers', async () => {
    const home = join(directory, 'client')
    const authority = await createAuthority(home, 'ca')
    const client = await issue(authority, home, { name: 'client', usage: 'client' })
    const server = await serverWith(client)
    const { found } = await look({ url: server.url, caCert: client.caFile })
    expect(found).toContain('vault.key-usage')
  })

  test("T1: without a configured CA, the operating system's store counts", async () => {
    const server = await serverWith(good)
    expect((await look({ url: server.url })).found).toEqual(['vault.chain'])
    const { found } = await look({ url: server.url }, { SSL_CERT_FILE: good.caFile })
    expect(found).toEqual([])
  })

  test('T1: a CA file that is missing is named', async () => {
    const server = await serverWith(good)
    const { told } = await look({ url: server.url, caCert: '/nowhere/ca.crt' })
    expect(told['vault.chain']?.reason).toContain('/nowhere/ca.crt')
  })
})

describe('T2, V2: what is no server of TLS', () => {
  test.each<
    [string, () => Promise<{ url: string; heard(): string; close(): Promise<void> }>, RegExp]
  >([
    ['plain http', () => scriptedServer({}), /plain http|speak TLS/],
    ['a greeting like SSH', () => rawServer((s) => void s.write('SSH-2.0-x\r\n')), /speak TLS/],
    ['silence', () => rawServer(), /does not answer the TLS handshake/],
    ['hanging up', () => rawServer((s) => void s.end()), /ends the connection|handshake/],
  ])('%s: vault.chain tells of it, and no request was sent', async (_what, start, words) => {
    const server = await start()
    onTestFinished(() => server.close())
    const { found, told } = await look({ url: server.url.replace('http:', 'https:') })
    expect(found).toContain('vault.chain')
    expect(told['vault.chain']?.reason).toMatch(words)
    expect(server.heard()).not.toContain('HTTP/1.1')
  })

  test('a port where nothing listens stands before everything behind it', async () => {
    const { found, told } = await look({ url: 'https://127.0.0.1:1' })
    expect(told['vault.tcp']).toMatchObject({ outcome: 'finding' })
    expect(told['vault.chain']).toMatchObject({ outcome: 'not checked', reason: 'vault.tcp' })
    expect(found).not.toContain('vault.name')
  })

  test('with plain http there is no certificate to look at', async () => {
    const server = await scriptedServer({})
    onTestFinished(() => server.close())
    const { told } = await look({ url: server.url })
    expect(told['vault.tcp']).toMatchObject({ outcome: 'ok' })
    expect(told['vault.expiry']).toMatchObject({ outcome: 'not checked' })
  })

  test('through a proxy nobody can tell', async () => {
    const { told } = await look({ url: 'https://127.0.0.1:1', proxy: 'http://127.0.0.1:2' })
    expect(told['vault.tcp']).toMatchObject({
      outcome: 'not checked',
      reason: 'a connection that no proxy stands in',
    })
  })
})

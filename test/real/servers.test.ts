/** The harness itself: every server starts, answers, breaks and mends on demand, and leaves nothing behind. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { once } from 'node:events'
import { createServer } from 'node:https'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'
import { wireOfUrl } from '../contracts/wire.ts'
import {
  badCerts,
  ISSUER,
  loopbackCert,
  mintToken,
  portIsFree,
  removeDirectory,
  serverDirectory,
  serversPresent,
  startKubernetes,
  startRedis,
  startToxiproxy,
  startVault,
} from './servers.ts'
import type { BadCertName, Certificate } from './servers.ts'

describe.skipIf(!serversPresent('bao'))('OpenBao', () => {
  test.each([
    ['dev', false],
    ['dev', true],
    ['raft', true],
  ] as const)(
    'with %s storage and tls %s: starts unsealed, stops, frees its port',
    async (storage, tls) => {
      const vault = await startVault({ storage, tls })
      const wire = wireOfUrl(vault.url, { ca: vault.caPem })
      expect(await wire('GET', '/v1/sys/health')).toMatchObject({
        status: 200,
        body: { sealed: false, version: '2.4.0' },
      })
      await vault.seal()
      expect(await wire('GET', '/v1/sys/health')).toMatchObject({ status: 503 })
      await vault.unseal()
      expect(await wire('GET', '/v1/sys/health')).toMatchObject({ status: 200 })
      await vault.stop()
      expect(await portIsFree(vault.port)).toBe(true)
      expect(existsSync(vault.directory)).toBe(false)
    },
  )

  test('raft keeps data over a restart, and comes back sealed when asked', async () => {
    const vault = await startVault({ storage: 'raft' })
    await vault.api('POST', 'sys/mounts/transit', { type: 'transit' })
    await vault.api('POST', 'transit/keys/k', {})
    await vault.restart()
    expect(await vault.api('GET', 'transit/keys/k')).toMatchObject({ data: { latest_version: 1 } })
    await vault.restart({ unseal: false })
    expect(await wireOfUrl(vault.url)('GET', '/v1/sys/health')).toMatchObject({ status: 503 })
    await vault.stop()
  })

  test('paused, it accepts a connection and answers only when resumed', async () => {
    const vault = await startVault()
    vault.pause()
    const answer = wireOfUrl(vault.url)('GET', '/v1/sys/health')
    const first = await Promise.race([answer.then(() => 'answered'), delay(300, 'silent')])
    vault.resume()
    expect([first, (await answer).status]).toEqual(['silent', 200])
    await vault.stop()
  })

  test('a paused server ends when stopped, and stopping twice is harmless', async () => {
    const vault = await startVault()
    vault.pause()
    await vault.stop()
    await vault.stop()
    expect(await portIsFree(vault.port)).toBe(true)
  })

  test('says in the error why it did not start', async () => {
    await expect(startVault({ hcl: 'storage "nonsense" {}' })).rejects.toThrow(
      /bao ended while starting.*log:/,
    )
  })

  test('demands a client certificate when told to', async () => {
    const directory = await serverDirectory('clients')
    const tls = await loopbackCert(directory)
    const vault = await startVault({ tls: { ...tls, clientCaFile: tls.caFile } })
    await expect(
      wireOfUrl(vault.url, { ca: vault.caPem })('GET', '/v1/sys/health'),
    ).rejects.toThrow(/certificate required/)
    await vault.stop()
    await removeDirectory(directory)
  })
})

describe.skipIf(!serversPresent('kube', 'etcd', 'kine'))('Kubernetes', () => {
  // A ServiceAccount without a role: what RBAC forbids it, MicroK8s without RBAC allows.
  test.each([
    ['etcd', true, 403],
    ['kine', false, 200],
  ] as const)(
    'with %s, RBAC %s: serves, keeps objects over a restart, frees its port',
    async (store, rbac, status) => {
      const kubernetes = await startKubernetes({ store, rbac })
      const wire = wireOfUrl(kubernetes.url, { ca: kubernetes.caPem })
      expect((await wire('GET', '/version')).status).toBe(401)
      const path = '/api/v1/namespaces/default/serviceaccounts'
      const account = await kubernetes.api('POST', path, { metadata: { name: 'web' } })
      await kubernetes.restart()
      expect(await kubernetes.api('GET', `${path}/web`)).toEqual(account)

      const { uid } = (await wire('GET', `${path}/web`, { token: kubernetes.adminToken })).body
        .metadata
      const identity = { namespace: 'default', name: 'web', uid: String(uid), audiences: [ISSUER] }
      const secrets = async (token: string): Promise<number> =>
        (await wire('GET', '/api/v1/namespaces/default/secrets', { token })).status
      expect(await secrets(await mintToken(kubernetes, identity))).toBe(status)
      expect(
        await secrets(
          await mintToken(kubernetes, { ...identity, expiresInS: -100, validFromS: -200 }),
        ),
      ).toBe(401)

      await kubernetes.stop()
      expect(await portIsFree(kubernetes.port)).toBe(true)
      expect(existsSync(kubernetes.directory)).toBe(false)
    },
  )
})

describe.skipIf(!serversPresent('toxiproxy', 'bao'))('toxiproxy', () => {
  test('delays, resets, refuses and mends a connection', async () => {
    const [proxies, vault] = await Promise.all([startToxiproxy(), startVault({ tls: true })])
    const proxy = await proxies.proxy(vault.url)
    const wire = wireOfUrl(proxy.url, { ca: vault.caPem })
    const health = async (): Promise<number> => (await wire('GET', '/v1/sys/health')).status
    expect(await health()).toBe(200)
    const mend = await proxy.toxic({ type: 'latency', attributes: { latency: 150 } })
    const before = performance.now()
    await health()
    expect(performance.now() - before).toBeGreaterThan(150)
    await mend()
    await proxy.toxic({ type: 'reset_peer', attributes: { timeout: 0 }, stream: 'upstream' })
    await expect(health()).rejects.toThrow()
    await proxies.reset()
    await proxy.disable()
    await expect(health()).rejects.toThrow('ECONNREFUSED')
    await proxy.enable()
    expect(await health()).toBe(200)
    await Promise.all([proxies.stop(), vault.stop()])
    expect(await portIsFree(proxy.port)).toBe(true)
  })
})

describe.skipIf(!serversPresent('redis'))('Redis', () => {
  test('starts, restarts on its port, frees it', async () => {
    const redis = await startRedis()
    await redis.restart()
    const socket = connectTcp(redis.port, '127.0.0.1')
    socket.write('PING\r\n')
    const [data] = await once(socket, 'data')
    expect(String(data)).toBe('+PONG\r\n')
    socket.destroy()
    await redis.stop()
    expect(await portIsFree(redis.port)).toBe(true)
  })
})

describe.skipIf(!serversPresent('bao'))('when the process that started them ends', () => {
  test.each(['SIGKILL', 'SIGTERM', 'exit'] as const)(
    'by %s, its servers end and their directories go',
    async (how) => {
      const script = fileURLToPath(new URL('servers/orphan.ts', import.meta.url))
      const child = spawn(process.execPath, ['--import', 'tsx', script, how], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const [line] = await once(child.stdout, 'data')
      const { port, directory } = JSON.parse(String(line))
      if (how !== 'exit') child.kill(how)
      await expect
        .poll(async () => (await portIsFree(port)) && !existsSync(directory), { timeout: 10_000 })
        .toBe(true)
    },
  )
})

describe('bad certificates', async () => {
  const directory = await serverDirectory('bad-certs')
  const certs = await badCerts(directory)
  afterAll(() => removeDirectory(directory))

  // What OpenSSL inside Node calls each of them; to some Node 20 gives the code UNSPECIFIED alone.
  const rows: readonly (readonly [BadCertName, string | RegExp])[] = [
    ['expired', 'CERT_HAS_EXPIRED'],
    ['notYetValid', 'CERT_NOT_YET_VALID'],
    ['wrongName', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['noIpSan', 'ERR_TLS_CERT_ALTNAME_INVALID'],
    ['selfSigned', 'DEPTH_ZERO_SELF_SIGNED_CERT'],
    ['otherCa', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['caWithoutKeyCertSign', /key usage does not include certificate signing/],
    ['missingIntermediate', 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    ['sha1', /md too weak|digest algorithm too weak/i],
  ]

  test.each(rows)('%s is refused as %s', async (name, code) => {
    expect(await refusalOf(certs[name])).toMatch(code)
  })
})

/** Code and message with which Node refuses a server that has this certificate, or `accepted`. */
async function refusalOf(cert: Certificate): Promise<string> {
  const server = createServer({
    cert: cert.certPem,
    key: cert.keyPem,
    ciphers: 'DEFAULT@SECLEVEL=0',
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const outcome = await new Promise<string>((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', ca: cert.caPem }, () => resolve('accepted'))
    socket.once('error', (error: NodeJS.ErrnoException) =>
      resolve(`${error.code} ${error.message}`),
    )
    socket.once('close', () => server.close())
    socket.once('secureConnect', () => socket.destroy())
  })
  server.close()
  return outcome
}

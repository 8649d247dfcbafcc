import { X509Certificate } from 'node:crypto'
import https from 'node:https'
import { afterEach, describe, expect, test } from 'vitest'
import { type Authority, createAuthority } from '../../src/dev/certificates.ts'
import { type Served, serve } from '../../src/dev/serve.ts'

const NAMES = { hosts: ['localhost'], addresses: ['127.0.0.1'] }

describe('certificates', () => {
  let served: Served | undefined
  afterEach(() => served?.close())

  async function serveWith(authority: Authority, names = NAMES): Promise<Served> {
    served = await serve(async () => new Response('hello'), { tls: authority.issue(names) })
    return served
  }

  test.each(['127.0.0.1', 'localhost'])('a client that trusts the CA reaches %s', async (host) => {
    const authority = createAuthority()
    const { port } = await serveWith(authority)
    expect(await get(`https://${host}:${port}`, authority.caPem)).toBe('hello')
  })

  test.each([
    ['no CA', () => undefined, 'UNABLE_TO_VERIFY_LEAF_SIGNATURE'],
    [
      'another CA of the same name',
      () => createAuthority().caPem,
      expect.stringMatching(/SIGNATURE|ISSUER/),
    ],
  ])('a client that trusts %s refuses', async (_case, ca, code) => {
    const { url } = await serveWith(createAuthority())
    await expect(get(url, ca())).rejects.toMatchObject({ code })
  })

  test('a client refuses a name that is not in the certificate', async () => {
    const authority = createAuthority()
    const { url } = await serveWith(authority, { hosts: ['vault.example'], addresses: [] })
    await expect(get(url, authority.caPem)).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    })
  })

  test('a client refuses a certificate that has expired', async () => {
    const authority = createAuthority({ clock: () => Date.now() - 2 * 365 * 24 * 3_600_000 })
    const { url } = await serveWith(authority)
    await expect(get(url, authority.caPem)).rejects.toMatchObject({ code: 'CERT_HAS_EXPIRED' })
  })

  test('say what they are for', () => {
    const authority = createAuthority({ clock: () => Date.UTC(2026, 0, 1, 1) })
    const ca = new X509Certificate(authority.caPem)
    const leaf = new X509Certificate(authority.issue(NAMES).cert)
    expect(ca).toMatchObject({ ca: true, subject: 'CN=secretmanager dev CA' })
    expect(ca.checkIssued(ca)).toBe(true)
    expect(ca.verify(ca.publicKey)).toBe(true)
    expect(leaf).toMatchObject({
      ca: false,
      subject: 'CN=localhost',
      subjectAltName: 'DNS:localhost, IP Address:127.0.0.1',
      keyUsage: ['1.3.6.1.5.5.7.3.1'],
      validFrom: 'Jan  1 00:00:00 2026 GMT',
      validTo: 'Jan  1 00:00:00 2027 GMT',
    })
    expect(leaf.checkIssued(ca)).toBe(true)
    expect(leaf.verify(ca.publicKey)).toBe(true)
  })

  test('after 2049 have their end in the other form of time', () => {
    const authority = createAuthority({ clock: () => Date.UTC(2045, 0, 1, 1) })
    expect(new X509Certificate(authority.caPem).validTo).toBe('Dec 30 00:00:00 2054 GMT')
  })

  test('have serial numbers of their own', () => {
    const authority = createAuthority()
    const serials = [1, 2].map(() => new X509Certificate(authority.issue(NAMES).cert).serialNumber)
    expect(new Set(serials).size).toBe(2)
  })
})

function get(url: string, ca: string | undefined): Promise<string> {
  return new Promise((resolve, reject) => {
    const options = { agent: false as const, ...(ca === undefined ? {} : { ca }) }
    const request = https.get(url, options, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => (text += chunk))
      response.on('end', () => resolve(text))
    })
    request.on('error', reject)
  })
}

/** What only the embedded API server can show: its clock, its randomness, its keys. */
import { createPublicKey, randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import {
  type EmbeddedKubernetes,
  type KubernetesOptions,
  createKubernetes,
} from '../../../src/dev/kubernetes/index.ts'
import { type Wire, wireOfHandler } from '../../contracts/wire.ts'

const START = Date.UTC(2026, 0, 1)
const NAMESPACE = '/api/v1/namespaces/default'

interface Started {
  readonly server: EmbeddedKubernetes
  readonly wire: Wire
  /** Moves the clock, in seconds. */
  readonly advance: (seconds: number) => void
}

function start(options: Partial<KubernetesOptions> = {}): Started {
  let now = START
  const server = createKubernetes({ clock: () => now, randomBytes, ...options })
  const handler = wireOfHandler((request) => server.handle(request), 'https://kubernetes.test:6443')
  const wire: Wire = (method, path, given = {}) =>
    handler(method, path, { token: server.adminToken, ...given })
  const advance = (seconds: number): void => {
    now += seconds * 1000
  }
  return { server, wire, advance }
}

async function openToken(wire: Wire): Promise<string> {
  await wire('POST', `${NAMESPACE}/serviceaccounts`, { body: { metadata: { name: 'web' } } })
  const issued = await wire('POST', `${NAMESPACE}/serviceaccounts/web/token`, {
    body: { spec: { expirationSeconds: 600 } },
  })
  return issued.body.status.token
}

describe('the embedded API server', () => {
  test('stamps objects with its clock', async () => {
    const { wire, advance } = start()
    advance(1.9)
    const body = { metadata: { name: 'a' } }
    const created = await wire('POST', `${NAMESPACE}/secrets`, { body })
    expect(created.body.metadata.creationTimestamp).toBe('2026-01-01T00:00:01Z')
  })

  test('takes a token until 60 s after its end, by its clock', async () => {
    const { wire, advance } = start()
    const token = await openToken(wire)
    advance(660)
    expect((await wire('GET', '/version', { token })).status).toBe(200)
    advance(1)
    expect((await wire('GET', '/version', { token })).status).toBe(401)
  })

  test('takes a token no longer than its ServiceAccount, at once', async () => {
    const { wire } = start()
    const token = await openToken(wire)
    expect((await wire('GET', '/version', { token })).status).toBe(200)
    await wire('DELETE', `${NAMESPACE}/serviceaccounts/web`)
    expect((await wire('GET', '/version', { token })).status).toBe(401)
  })

  test('believes no token of another one', async () => {
    const [one, other] = [start(), start()]
    const token = await openToken(one.wire)
    await openToken(other.wire)
    expect((await other.wire('GET', '/version', { token })).status).toBe(401)
    expect((await other.wire('GET', '/version', { token: one.server.adminToken })).status).toBe(401)
  })

  test('publishes the key of its issuer in PEM and as JWKS, where it is reached', async () => {
    const { server, wire } = start()
    const jwks = await wire('GET', '/openid/v1/jwks')
    const key = createPublicKey({ key: jwks.body.keys[0], format: 'jwk' })
    expect(key.export({ type: 'spki', format: 'pem' })).toBe(server.issuerPublicKey)
    const metadata = await wire('GET', '/.well-known/openid-configuration')
    expect(metadata.body).toMatchObject({
      issuer: server.issuer,
      jwks_uri: 'https://kubernetes.test:6443/openid/v1/jwks',
    })
  })

  test('takes its secrets from the randomness it is given', () => {
    const { server } = start({ randomBytes: (size) => new Uint8Array(size).fill(0xab) })
    expect(server.adminToken).toBe('ab'.repeat(16))
  })

  test('a pod on a node has its grace period, any other is gone at once', async () => {
    const { wire } = start()
    for (const [name, spec] of Object.entries({ placed: { nodeName: 'n' }, unplaced: {} })) {
      const body = { metadata: { name }, spec: { containers: [{}], ...spec } }
      await wire('POST', `${NAMESPACE}/pods`, { body })
      await wire('DELETE', `${NAMESPACE}/pods/${name}`)
    }
    expect((await wire('GET', `${NAMESPACE}/pods/unplaced`)).status).toBe(404)
    const placed = await wire('GET', `${NAMESPACE}/pods/placed`)
    expect(placed.body.metadata.deletionTimestamp).toBe('2026-01-01T00:00:30Z')
  })

  test.each([
    ['/api/v1/namespaces/%E0%A4%A', 400],
    ['/api/v1/namespaces/default/secrets/%00', 404],
  ])('%s is answered, whatever it means', async (path, status) => {
    const { wire } = start()
    expect((await wire('GET', path)).status).toBe(status)
  })
})

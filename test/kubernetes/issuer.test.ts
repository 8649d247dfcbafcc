import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from 'vitest'

import { issuerOf, publicKeyPem, publicKeysOf } from '../../src/kubernetes/issuer.ts'
import type { Answered, Handler } from '../faults/in-process.ts'
import { clientOn } from './client-on.ts'

const RSA = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey
const EC = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey
const pemOf = (key: typeof RSA): string => key.export({ type: 'spki', format: 'pem' }).toString()
const jwkOf = (key: typeof RSA): object => ({
  ...key.export({ format: 'jwk' }),
  kid: 'x',
  use: 'sig',
})

const ABOUT = { issuer: 'https://kubernetes.default.svc.cluster.local' }
const KEYS = { keys: [jwkOf(RSA), jwkOf(EC)] }

/** An API server that publishes these. */
function cluster(about: Partial<Answered>, jwks: Partial<Answered> = {}): Handler {
  return ({ url }) =>
    url.endsWith('/openid/v1/jwks')
      ? { status: 200, json: KEYS, ...jwks }
      : { status: 200, json: ABOUT, ...about }
}

function asked(handler: Handler) {
  const { client, budget, sent } = clientOn(handler)
  return {
    issuer: issuerOf(client, budget.begin()),
    keys: publicKeysOf(client, budget.begin()),
    sent,
  }
}

describe('what a cluster publishes', () => {
  test('is its issuer, and its keys in PEM', async () => {
    const { issuer, keys, sent } = asked(cluster({}))
    expect(await issuer).toEqual({ ...ABOUT, publicKeys: [pemOf(RSA), pemOf(EC)] })
    expect(await keys).toEqual([pemOf(RSA), pemOf(EC)])
    // It answers 406 to who asks for plain JSON alone.
    for (const { headers } of sent) expect(headers['accept']).toContain('application/jwk-set+json')
  })

  test('may be no key at all', async () => {
    expect(await asked(cluster({}, { json: { keys: [] } })).keys).toEqual([])
  })

  test.each<[string, Handler, string, RegExp, RegExp]>([
    [
      'no issuer',
      cluster({ json: {} }),
      'SM_K8S_BAD_RESPONSE',
      /^the answer of the API server at https:\/\/10\.96\.0\.1:443 to \/\.well-known\/openid-configuration has no issuer$/,
      /kubectl get --raw \/\.well-known\/openid-configuration; .*proxy/,
    ],
    [
      'another document',
      cluster({ json: ['x'] }),
      'SM_K8S_BAD_RESPONSE',
      /openid-configuration is no JSON object$/,
      /kubectl get --raw/,
    ],
    [
      'no list of keys',
      cluster({}, { json: { keys: 'canary' } }),
      'SM_K8S_BAD_RESPONSE',
      /to \/openid\/v1\/jwks has no list of keys$/,
      /kubectl get --raw \/openid\/v1\/jwks/,
    ],
    [
      'a key that is none',
      cluster({}, { json: { keys: [jwkOf(RSA), { kty: 'oct', k: 'canary' }] } }),
      'SM_K8S_BAD_RESPONSE',
      /jwks has something at keys\[1\] that is no public key$/,
      /kubectl get --raw \/openid\/v1\/jwks/,
    ],
    [
      'to nobody who asks',
      cluster({ status: 403 }, { status: 403 }),
      'SM_K8S_DENIED',
      /refused to get \/(?:\.well-known|openid)/,
      /--clusterrole=system:service-account-issuer-discovery --user=YOU$/,
    ],
    [
      'nothing',
      cluster({ status: 404 }, { status: 404 }),
      'SM_K8S_NOT_FOUND',
      /has no resource \//,
      /--service-account-issuer is an https URL/,
    ],
  ])(
    'is told where it is %s: what, where, and what to do',
    async (_what, handler, code, text, hint) => {
      const { issuer, keys } = asked(handler)
      await keys.catch(() => undefined)
      await expect(issuer).rejects.toMatchObject({
        code,
        message: expect.stringMatching(text),
        hint: expect.stringMatching(hint),
      })
      await expect(issuer).rejects.not.toThrow(/canary/)
    },
  )
})

test('a public key has one form, in whatever it comes', () => {
  const pkcs1 = RSA.export({ type: 'pkcs1', format: 'pem' }).toString()
  expect(publicKeyPem(pkcs1)).toBe(pemOf(RSA))
  expect(publicKeyPem({ key: { ...RSA.export({ format: 'jwk' }) }, format: 'jwk' })).toBe(
    pemOf(RSA),
  )
  expect(publicKeyPem('no key')).toBeUndefined()
})

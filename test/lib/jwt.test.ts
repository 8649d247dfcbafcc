import fc from 'fast-check'
import { describe, expect, test } from 'vitest'

import { readClaims } from '../../src/lib/jwt.ts'

const jwt = (claims: unknown): string =>
  `eyJhbGciOiJub25lIn0.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`

describe('readClaims', () => {
  test('reads what a bound ServiceAccount token says', () => {
    const claims = {
      iss: 'https://kubernetes.default.svc',
      aud: ['vault'],
      sub: 'system:serviceaccount:prod:app',
      exp: 1_700_000_600,
      iat: 1_700_000_000,
      nbf: 1_700_000_000,
      'kubernetes.io': {
        namespace: 'prod',
        pod: { name: 'app-7', uid: 'u-1' },
        serviceaccount: { name: 'app', uid: 'u-2' },
      },
    }
    expect(readClaims(jwt(claims))).toEqual({
      iss: 'https://kubernetes.default.svc',
      aud: ['vault'],
      sub: 'system:serviceaccount:prod:app',
      exp: 1_700_000_600,
      iat: 1_700_000_000,
      nbf: 1_700_000_000,
      namespace: 'prod',
      serviceAccount: 'app',
      pod: { name: 'app-7', uid: 'u-1' },
    })
  })

  test('takes namespace and ServiceAccount from the subject where nothing else names them', () => {
    const claims = readClaims(jwt({ sub: 'system:serviceaccount:prod:app' }))
    expect(claims).toMatchObject({ namespace: 'prod', serviceAccount: 'app', pod: undefined })
  })

  test.each([
    { name: 'one audience as text', aud: 'vault', expected: ['vault'] },
    { name: 'no audience', aud: undefined, expected: [] },
    {
      name: 'what would break a line of a log',
      aud: ['a\nerror: b', '\u001B[2J', 'c'],
      expected: ['c'],
    },
    { name: 'something else than text', aud: ['vault', 7, null], expected: ['vault'] },
  ])('gives audiences as a list: $name', ({ aud, expected }) => {
    expect(readClaims(jwt({ aud }))?.aud).toEqual(expected)
  })

  test.each([
    { name: 'claims of the wrong type', claims: { iss: 1, sub: {}, exp: 'soon', iat: null } },
    { name: 'a pod without uid', claims: { 'kubernetes.io': { pod: { name: 'app-7' } } } },
    { name: 'kubernetes.io as text', claims: { 'kubernetes.io': 'prod' } },
  ])('leaves out $name', ({ claims }) => {
    const present = Object.entries(readClaims(jwt(claims)) ?? {}).filter(([, value]) => value)
    expect(present).toEqual([['aud', []]])
  })

  test.each([
    { name: 'nothing', text: '' },
    { name: 'an opaque token', text: 's.abcdef' },
    { name: 'half of the payload', text: jwt({ sub: 'somebody', aud: 'vault' }).slice(0, 40) },
    { name: 'no signature', text: jwt({}).replace(/[^.]+$/, '') },
    { name: 'a list as payload', text: jwt([1]) },
    { name: 'null as payload', text: jwt(null) },
    { name: 'five parts', text: 'a.b.c.d.e' },
    { name: 'more than 64 KiB', text: jwt({ sub: 'a'.repeat(70_000) }) },
  ])('is undefined for $name', ({ text }) => {
    expect(readClaims(text)).toBeUndefined()
  })

  test('never throws, whatever the bytes', () => {
    const part = fc.oneof(
      fc.string(),
      fc.base64String(),
      fc.json().map((json) => btoa(encodeURI(json))),
    )
    fc.assert(
      fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
        const claims = readClaims(parts.join('.'))
        return claims === undefined || Array.isArray(claims.aud)
      }),
    )
  })
})

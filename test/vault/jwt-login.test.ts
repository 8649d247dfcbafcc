import { describe, expect, test } from 'vitest'

import type { JwtSettings } from '../../src/config/settings.ts'
import type { SecretManagerError } from '../../src/errors.ts'
import { jwtLogin } from '../../src/vault/jwt-login.ts'
import type { VaultAuth } from '../../src/vault/login.ts'
import type { Answered, Handler, InProcess } from '../faults/in-process.ts'
import { jwtOf, rejection, TOKEN } from '../faults/world.ts'
import { granted, loginWorld, refusal } from './login-world.ts'

const KUBERNETES: JwtSettings = {
  method: 'kubernetes',
  mount: 'auth-mounts/k8s',
  role: 'app',
  audience: 'vault',
  jwtFile: undefined,
}
const JWT: JwtSettings = { ...KUBERNETES, method: 'jwt', mount: 'clusters/one' }

interface LoggedIn extends Pick<InProcess, 'sent'> {
  readonly result: Promise<VaultAuth>
  /** What the source of JWTs was told to be refused. */
  readonly refused: readonly (string | undefined)[]
}

function logIn(handler: Handler, jwts: readonly string[], settings = KUBERNETES): LoggedIn {
  const world = loginWorld(handler, { now: NOW })
  const refused: (string | undefined)[] = []
  const login = jwtLogin(settings, async (_allowance, old) => {
    refused.push(old)
    return jwts[Math.min(refused.length, jwts.length) - 1] ?? ''
  })
  return { result: world.logIn(login), sent: world.sent, refused }
}

const NOW = Date.UTC(2026, 0, 1)
const EXP = NOW / 1000 + 600
const [FIRST, SECOND] = [jwtOf({ jti: '1', exp: EXP }), jwtOf({ jti: '2', exp: EXP })]
const deny = (): Answered => refusal(403, 'permission denied')

test.each([KUBERNETES, JWT])(
  'a $method login posts role and JWT, and no token',
  async (settings) => {
    const { result, sent } = logIn(() => granted(), [FIRST], settings)
    expect(await result).toEqual({
      ...{ token: TOKEN, sentAt: 0, ttlMs: 600_000 },
      ...{ type: 'batch', renewable: false },
    })
    expect(sent[0]?.url).toBe(`https://vault.example:8200/v1/auth/${settings.mount}/login`)
    expect(JSON.parse(sent[0]?.body ?? '')).toEqual({ role: 'app', jwt: FIRST })
    expect(sent[0]?.headers).not.toHaveProperty('x-vault-token')
  },
)

describe('V8: a refused JWT', () => {
  test('V8: another one is asked for once, and tried', async () => {
    const handler: Handler = ({ body }) => (body?.includes(SECOND) ? granted() : deny())
    const { result, refused, sent } = logIn(handler, [FIRST, SECOND])
    expect((await result).token).toBe(TOKEN)
    expect(refused).toEqual([undefined, FIRST])
    expect(sent).toHaveLength(2)
  })

  test('V8: the same one is not tried again', async () => {
    const { result, sent } = logIn(deny, [FIRST])
    expect((await rejection(result)).code).toBe('SM_AUTH_DENIED')
    expect(sent).toHaveLength(1)
  })

  test('V8: two refusals are the end', async () => {
    const { result, sent } = logIn(deny, [FIRST, SECOND])
    const error = await rejection(result)
    expect(error.code).toBe('SM_AUTH_DENIED')
    expect(error.message).toBe(
      'vault denied auth/auth-mounts/k8s/login for role "app" (403)' +
        '; the JWT is of system:serviceaccount:prod:app with audience vault' +
        ', valid until 2026-01-01T00:10:00Z',
    )
    expect(sent).toHaveLength(2)
  })

  test('I10: one that is no JWT is not shown', async () => {
    const { result } = logIn(deny, [TOKEN])
    expect((await rejection(result)).message).toContain('the JWT is unreadable')
  })

  test('V8: what Vault says with data in it is not repeated', async () => {
    const { result } = logIn(() => refusal(400, `claim "${TOKEN}" is missing`), [FIRST], JWT)
    expect((await rejection(result)).message).toMatch(/\(400\); the JWT is of/)
  })

  test('an expiry that no clock reaches is left out', async () => {
    const { result } = logIn(deny, [jwtOf({ exp: 1e15 })])
    expect((await rejection(result)).message).toMatch(/with audience vault$/)
  })
})

/** As both OpenBao and HashiCorp Vault say it. */
describe('V8: the reason for a refusal by jwt auth decides the hint', () => {
  const VALIDATING = 'error validating token'
  test.each([
    [
      `${VALIDATING}: invalid audience (aud) claim: audience claim does not match any expected audience`,
      /audience of the role/,
    ],
    ['audience claim found in JWT but no audiences bound to the role', /no bound_audiences/],
    [`${VALIDATING}: invalid subject (sub) claim`, /bound_subject/],
    [
      `${VALIDATING}: invalid issuer (iss) claim`,
      /bound_issuer .*vault read auth\/clusters\/one\/config/,
    ],
    [`${VALIDATING}: invalid expiration time (exp) claim: token is expired`, /has expired/],
    [`${VALIDATING}: invalid not before (nbf) claim: token not yet valid`, /not valid yet/],
    [`${VALIDATING}: invalid issued at (iat) claim: token issued in the future`, /not valid yet/],
    [
      `${VALIDATING}: error verifying token signature: no known key successfully validated the token signature`,
      /another cluster.*vault read auth\/clusters\/one\/config/,
    ],
    [
      `${VALIDATING}: error verifying token signature: failed to verify id token signature`,
      /could not fetch the keys/,
    ],
    [
      'error configuring token validator: keyset configuration error: Get "http://x": connection refused',
      /could not fetch the keys/,
    ],
    ['role "app" could not be found', /vault list auth\/clusters\/one\/role/],
    ['error validating claims: claim "/a/b" is missing', /bound_claims/],
    [
      'error validating claims: claim "iss" does not match any associated bound claim values',
      /bound_claims/,
    ],
    ['claim "email" not found in token', /user_claim/],
    ['role with oidc role_type is not allowed', /role_type/],
    ['could not load configuration', /vault write auth\/clusters\/one\/config/],
  ])('V8: %s', async (text, hint) => {
    const { result, sent } = logIn(() => refusal(400, text), [FIRST], JWT)
    const error = await rejection(result)
    expect(error.code).toBe('SM_AUTH_DENIED')
    expect(error.hint).toMatch(hint)
    expect(error.status).toBe(400)
    expect(sent).toHaveLength(1)
  })

  test.each([
    ['permission denied', JWT, /is of type jwt; token_bound_cidrs/],
    ['permission denied', KUBERNETES, /token_reviewer_jwt/],
    ['service account name not authorized', KUBERNETES, /bound_service_account_names/],
    ['namespace not authorized', KUBERNETES, /bound_service_account_namespaces/],
    ['invalid role name "app"', KUBERNETES, /vault list auth\/auth-mounts\/k8s\/role/],
    ['invalid audience (aud) claim: x', KUBERNETES, /vault read auth\/auth-mounts\/k8s\/role\/app/],
  ])('V8: %s of $1.method auth', async (text, settings, hint) => {
    const { result } = logIn(() => refusal(403, text), [FIRST], settings)
    expect((await rejection(result)).hint).toMatch(hint)
  })
})

describe('C1: clocks that differ', () => {
  const EXPIRED = 'error validating token: invalid expiration time (exp) claim: token is expired'
  const HOUR = 3_600_000

  /** A refusal by a Vault whose clock is ahead of ours by `aheadMs`. */
  const at =
    (aheadMs: number, text: string): Handler =>
    () => ({
      ...refusal(403, text),
      headers: { date: new Date(NOW + aheadMs).toUTCString() },
    })
  const errorOf = (handler: Handler, settings = JWT): Promise<SecretManagerError> =>
    rejection(logIn(handler, [FIRST], settings).result)

  test.each([
    [
      HOUR,
      EXPIRED,
      "this host's clock is 3601 s behind vault's: vault denied auth/clusters/one/login",
    ],
    [-HOUR, 'token not yet valid', "this host's clock is 3600 s ahead of vault's: vault denied"],
    [
      400 * 24 * HOUR,
      'token issued in the future',
      "this host's clock is 34560001 s behind vault's",
    ],
    [-HOUR, 'permission denied', "this host's clock is 3600 s ahead of vault's: vault denied"],
  ])('C1: by %i ms explain the refusal "%s"', async (aheadMs, text, message) => {
    const error = await errorOf(at(aheadMs, text))
    expect(error.code).toBe('SM_CLOCK_SKEW')
    expect(error.message).toContain(message)
    expect(error.hint).toMatch(/^synchronise the clocks.*if it is refused still: /)
    expect(error.status).toBe(403)
  })

  test('C1: kubernetes auth likewise', async () => {
    expect((await errorOf(at(HOUR, 'permission denied'), KUBERNETES)).code).toBe('SM_CLOCK_SKEW')
  })

  test.each([
    ['by less than a minute', at(55_000, EXPIRED)],
    ['without a word of it', at(HOUR, 'error validating token: invalid subject (sub) claim')],
    ['where Vault does not tell the time', (): Answered => refusal(400, EXPIRED)],
    [
      'where its Date is none',
      (): Answered => ({ ...refusal(400, EXPIRED), headers: { date: 'yesterday' } }),
    ],
  ])('C1: %s they are not blamed', async (_what, handler) => {
    expect((await errorOf(handler)).code).toBe('SM_AUTH_DENIED')
  })

  test('C1, V8: another JWT is tried all the same', async () => {
    const handler: Handler = (request) =>
      request.body?.includes(SECOND) ? granted() : at(HOUR, EXPIRED)(request)
    const { result, sent } = logIn(handler, [FIRST, SECOND], JWT)
    expect((await result).token).toBe(TOKEN)
    expect(sent).toHaveLength(2)
  })
})

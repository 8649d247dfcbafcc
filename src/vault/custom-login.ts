/** Login by a function of the user's own, which may log in at any auth mount. */
import type { CustomLogin, IssuedToken, LoginEndpoint } from '../config/types.ts'
import { isSecretManagerError, SecretManagerError, systemCode } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { parseDuration } from '../lib/duration.ts'
import { isPathSegments } from '../lib/names.ts'
import { isRecord } from '../lib/record.ts'
import type { Runtime } from '../runtime.ts'
import type { Refusal, VaultClient } from './client.ts'
import { isHeaderSafe } from './given.ts'
import { authenticate, type Login, type VaultAuth } from './login.ts'

/**
 * Logs in by `login`. What it gives is checked, and what it throws is told without its words.
 *
 * @returns a login that rejects with SM_EXEC_FAILED where `login` throws, SM_TIMEOUT where it takes too long,
 * SM_AUTH_BAD_LEASE for what is no token with a life, and every SecretManagerError that `login` met
 */
export function customLogin(login: CustomLogin, runtime: Runtime): Login {
  return async (client, allowance) => {
    const sentAt = runtime.now()
    const ours: Issued = new Map()
    try {
      const issued = run(login, endpoint(client, allowance, ours), allowance.signal)
      return read(await allowance.within(issued, 'vault.auth.login'), sentAt, ours)
    } catch (error) {
      throw toError(error)
    }
  }
}

/** Tokens that the function got by its endpoint. */
type Issued = Map<string, VaultAuth>

/** Asynchronous, so that what it throws at once is a rejection too. */
async function run(
  login: CustomLogin,
  vault: LoginEndpoint,
  signal: AbortSignal,
): Promise<unknown> {
  return login(vault, { signal })
}

function endpoint(client: VaultClient, allowance: Allowance, ours: Issued): LoginEndpoint {
  return {
    async login(path, body): Promise<IssuedToken> {
      checkPath(path)
      const refused = (refusal: Refusal): SecretManagerError => denied(path, refusal)
      const auth = await authenticate(client, allowance, { path, body, refused })
      ours.set(auth.token, auth)
      return { token: auth.token, ttl: auth.ttlMs, renewable: auth.renewable }
    },
  }
}

/** The last gate before a name is part of a URL; the function need not be of TypeScript. */
function checkPath(path: unknown): asserts path is string {
  if (typeof path === 'string' && path.startsWith('auth/') && isPathSegments(path)) return
  throw new SecretManagerError(
    'SM_CONFIG_INVALID',
    'vault.auth.login asks for a login at a path that does not begin with auth/, or has other characters than letters, digits and "_.-"',
    { hint: 'correct the path, such as auth/ldap/login/dave' },
  )
}

function denied(path: string, { sentence, facts }: Refusal): SecretManagerError {
  const reason = sentence === '' ? '' : `: ${sentence}`
  const message = `vault denied ${path} (${facts.status ?? 0})${reason}`
  const hint = 'check the credentials that vault.auth.login sends, and the mount: vault auth list'
  return new SecretManagerError('SM_AUTH_DENIED', message, { ...facts, hint })
}

/** A token that was issued elsewhere may be others' too, so it is not revoked. */
function read(issued: unknown, sentAt: number, ours: Issued): VaultAuth {
  const fields = isRecord(issued) ? issued : {}
  const token = fields['token']
  if (typeof token !== 'string' || !isHeaderSafe(token)) throw bad('no token')
  const { type = 'given', ttlMs = Infinity } = ours.get(token) ?? {}
  const renewable = fields['renewable'] === true && type !== 'batch'
  return { token, sentAt, ttlMs: life(fields['ttl'], ttlMs), type, renewable }
}

function life(ttl: unknown, knownMs: number): number {
  if (ttl === undefined || ttl === knownMs) return knownMs
  const ttlMs = parseDuration(ttl)
  if (ttlMs !== undefined && ttlMs > 0) return ttlMs
  throw bad('a ttl that is no positive duration')
}

function bad(what: string): SecretManagerError {
  return new SecretManagerError('SM_AUTH_BAD_LEASE', `vault.auth.login gave ${what}`, {
    hint: 'return { token, ttl }: ttl in milliseconds or as a Go duration such as "10m", or left out',
  })
}

/** Its message may quote what it sent. */
function toError(error: unknown): SecretManagerError {
  if (isSecretManagerError(error)) return error
  const causeClass = systemCode(error) ?? className(error)
  const kind = causeClass === undefined ? '' : ` (${causeClass})`
  return new SecretManagerError('SM_EXEC_FAILED', `vault.auth.login threw${kind}`, {
    causeClass,
    hint: 'call the login function by itself: its own message is not repeated here, as it may quote credentials',
  })
}

function className(error: unknown): string | undefined {
  const name = error instanceof Error ? error.constructor.name : ''
  return /^[A-Z][A-Za-z]{0,40}$/.test(name) ? name : undefined
}

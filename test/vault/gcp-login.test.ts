import { describe, expect, test } from 'vitest'

import type { GcpSettings } from '../../src/config/settings.ts'
import type { SecretManagerError } from '../../src/errors.ts'
import { Budget } from '../../src/http/budget.ts'
import { TransportFailure, type TransportOptions } from '../../src/runtime.ts'
import { VaultClient } from '../../src/vault/client.ts'
import type { GoogleAuthLibrary, GoogleAuthOptions } from '../../src/vault/gcp-credentials.ts'
import { gcpLogin } from '../../src/vault/gcp-login.ts'
import type { VaultAuth } from '../../src/vault/login.ts'
import {
  inProcess,
  refusedConnection,
  type Answered,
  type Handler,
  type InProcess,
} from '../faults/in-process.ts'
import { expectNoLeak, jwtOf, loginAnswer, rejection, TOKEN } from '../faults/world.ts'
import { fakeRuntime, systemError, type FakeRuntimeOptions } from '../fake-runtime.ts'

const EMAIL = 'app@proj.iam.gserviceaccount.com'
const ACCESS_TOKEN = 'ya29.CANARYaccessTokenCANARY'
const PRIVATE_KEY = 'CANARYprivateKeyCANARY'
const SIGNED = jwtOf({ sub: EMAIL, aud: 'vault/app' }, 'CANARYsignatureCANARY')
/** 2026-01-01, where the fake clock begins. */
const NOW_S = Date.UTC(2026, 0, 1) / 1000

const IAM: GcpSettings = {
  method: 'gcp',
  role: 'app',
  mount: 'auth-mounts/gcp',
  type: 'iam',
  serviceAccount: undefined,
  credentials: undefined,
  iamEndpoint: 'https://iamcredentials.googleapis.com',
}
const GCE: GcpSettings = { ...IAM, type: 'gce' }

const VAULT = {
  url: 'https://vault.example:8200',
  namespace: undefined,
  transport: {},
  transitMount: 'transit',
  redirectHosts: [],
  auth: IAM,
} as const

const SIGN_URL = `https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${EMAIL}:signJwt`
const METADATA_URL =
  'http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/identity'

const served: Answered = { status: 200, json: loginAnswer() }
const signature: Answered = { status: 200, json: { keyId: 'k', signedJwt: SIGNED } }
const identity: Answered = {
  status: 200,
  headers: { 'metadata-flavor': 'Google', 'content-type': 'text/html' },
  body: new TextEncoder().encode(`${SIGNED}\n`),
}

/** Vault serves, and Google answers as `google` says. */
const world =
  (google: Handler | Answered = signature, vault: Handler | Answered = served): Handler =>
  (request) => {
    const handler = request.url.startsWith(VAULT.url) ? vault : google
    return typeof handler === 'function' ? handler(request) : handler
  }

/** What a test makes of google-auth-library. */
interface Library {
  readonly token?: () => Promise<string | null | undefined>
  readonly email?: () => Promise<string | undefined>
}

interface LoggedIn extends Pick<InProcess, 'sent'> {
  /** Fails unless ours; shows no canary. */
  readonly failure: () => Promise<SecretManagerError>
  readonly result: Promise<VaultAuth>
  readonly again: () => Promise<VaultAuth>
  readonly opened: readonly GoogleAuthOptions[]
  readonly transports: readonly TransportOptions[]
  readonly closed: () => number
}

interface Asked {
  readonly settings?: GcpSettings
  readonly handler?: Handler
  readonly library?: Library | (() => Promise<GoogleAuthLibrary>)
  readonly runtime?: FakeRuntimeOptions
  readonly signal?: AbortSignal
}

function logIn({ settings = IAM, handler = world(), library = {}, ...more }: Asked = {}): LoggedIn {
  const server = inProcess(handler)
  const opened: GoogleAuthOptions[] = []
  const transports: TransportOptions[] = []
  let closed = 0
  const runtime = fakeRuntime({
    random: () => 0,
    ...more.runtime,
    transport: (options) => {
      transports.push(options)
      return { ...server.transport(), close: () => void (closed += 1) }
    },
  })
  const budget = new Budget(
    runtime,
    { startupWaitMs: 3000, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } },
    new AbortController().signal,
  )
  const load = typeof library === 'function' ? library : libraryOf(library, opened)
  const login = gcpLogin(settings, runtime, load)
  const client = new VaultClient(VAULT, runtime)
  const again = (): Promise<VaultAuth> => passing(login(client, budget.begin(more.signal)))
  /** Moves the clock as long as it is waited for: nothing here depends on how long things take. */
  const passing = async <T>(promise: Promise<T>): Promise<T> => {
    let pending = true
    const settle = (): void => void (pending = false)
    promise.then(settle, settle)
    for (let turn = 0; pending && turn < 200; turn += 1) await runtime.advance(turn < 5 ? 0 : 100)
    return promise
  }
  const result = again()
  result.catch(() => undefined)
  const failure = async (): Promise<SecretManagerError> => {
    const error = await rejection(result)
    expectNoLeak(error, [ACCESS_TOKEN, PRIVATE_KEY, SIGNED])
    return error
  }
  return { result, failure, again, sent: server.sent, opened, transports, closed: () => closed }
}

function libraryOf(
  { token = async () => ACCESS_TOKEN, email = async () => EMAIL }: Library,
  opened: GoogleAuthOptions[],
): () => Promise<GoogleAuthLibrary> {
  class GoogleAuth {
    constructor(options: GoogleAuthOptions) {
      opened.push(options)
    }
    getAccessToken = token
    getCredentials = async (): Promise<{ client_email?: string }> => {
      const client_email = await email()
      return client_email === undefined ? {} : { client_email }
    }
  }
  return async () => ({ GoogleAuth })
}

/** An error as google-auth-library has it: everything in its message is a secret. */
function libraryError(facts: object, name = 'GaxiosError'): Error {
  const error = new Error(`${PRIVATE_KEY} ${ACCESS_TOKEN}`)
  return Object.assign(error, { name, config: { data: ACCESS_TOKEN } }, facts)
}

function bodyOf(text: string | undefined): unknown {
  return JSON.parse(text ?? '')
}

describe('iam', () => {
  test('has IAM Credentials sign a JWT for the role, and logs in with it', async () => {
    const { result, sent } = logIn()
    expect(await result).toMatchObject({ token: TOKEN, ttlMs: 600_000 })
    expect(sent.map(({ method, url }) => `${method} ${url}`)).toEqual([
      `POST ${SIGN_URL}`,
      'POST https://vault.example:8200/v1/auth/auth-mounts/gcp/login',
    ])
    expect(sent[0]?.headers).toMatchObject({
      authorization: `Bearer ${ACCESS_TOKEN}`,
      'content-type': 'application/json',
    })
    expect(bodyOf(sent[1]?.body)).toEqual({ role: 'app', jwt: SIGNED })
    expect(sent[1]?.headers).not.toHaveProperty('authorization')
  })

  test('the claims are the account, the audience vault/<role>, and an end within 15 minutes', async () => {
    const { result, sent } = logIn()
    await result
    const body = bodyOf(sent[0]?.body) as { payload: string }
    expect(Object.keys(body)).toEqual(['payload'])
    const claims = JSON.parse(body.payload) as { exp: number }
    expect(claims).toEqual({ sub: EMAIL, aud: 'vault/app', exp: NOW_S + 600 })
    expect(claims.exp - NOW_S).toBeLessThanOrEqual(15 * 60)
  })

  test('the library is asked for the scope of Google Cloud, and not to look for a project', async () => {
    const { result, opened } = logIn()
    await result
    const scopes = 'https://www.googleapis.com/auth/cloud-platform'
    expect(opened).toEqual([{ scopes, projectId: '-' }])
  })

  test('a service account that is named is the one to sign for', async () => {
    const email = async (): Promise<never> => expect.unreachable('nobody needs to know')
    const other = 'other@proj.iam.gserviceaccount.com'
    const { result, sent } = logIn({
      settings: { ...IAM, serviceAccount: other },
      library: { email },
    })
    await result
    expect(sent[0]?.url).toContain(`/serviceAccounts/${other}:signJwt`)
    expect(sent[0]?.body).toContain(`\\"sub\\":\\"${other}\\"`)
  })

  test('the connection to Google is closed after a login, and after a failed one', async () => {
    const good = logIn()
    await good.result
    expect(good.closed()).toBe(1)
    const bad = logIn({ handler: world({ status: 403, json: {} }) })
    await bad.failure()
    expect(bad.closed()).toBe(1)
  })

  test('the proxy of the environment is asked, and NO_PROXY obeyed', async () => {
    const HTTPS_PROXY = 'http://proxy.example:3128'
    const proxied = logIn({ runtime: { env: { HTTPS_PROXY } } })
    await proxied.result
    expect(proxied.transports).toContainEqual({ proxy: HTTPS_PROXY })
    const direct = logIn({ runtime: { env: { HTTPS_PROXY, NO_PROXY: '.googleapis.com' } } })
    await direct.result
    expect(direct.transports).toContainEqual({ proxy: undefined })
  })

  test('credentials are opened once for many logins', async () => {
    const { result, again, opened } = logIn()
    await result
    await again()
    expect(opened).toHaveLength(1)
  })

  test('credentials are opened anew once their access token was refused', async () => {
    const answers = [{ status: 401, json: {} }, signature]
    const { failure, again, opened } = logIn({ handler: world(() => answers.shift() ?? served) })
    await failure()
    await again()
    expect(opened).toHaveLength(2)
  })
})

describe('credentials', () => {
  const FILE = '/etc/google/credentials.json'
  const settings = { ...IAM, credentials: FILE }

  test('a file of them is read', async () => {
    const content = { type: 'service_account', client_email: EMAIL, private_key: PRIVATE_KEY }
    const files = { [FILE]: JSON.stringify(content) }
    const { result, opened } = logIn({ settings, runtime: { files } })
    await result
    expect(opened[0]?.credentials).toEqual(content)
  })

  test.each([
    ['that is absent', {}, 'SM_FILE_UNREADABLE'],
    ['that may not be read', { [FILE]: systemError('EACCES') }, 'SM_FILE_UNREADABLE'],
    ['that is no JSON', { [FILE]: `{"private_key":"${PRIVATE_KEY}` }, 'SM_GOOGLE_CREDENTIALS'],
    ['without a type', { [FILE]: `{"private_key":"${PRIVATE_KEY}"}` }, 'SM_GOOGLE_CREDENTIALS'],
  ])('a file %s is named', async (_what, files, code) => {
    const { failure, sent } = logIn({ settings, runtime: { files } })
    const error = await failure()
    expect(error.code).toBe(code)
    expect(error.message).toContain(FILE)
    expect(sent).toEqual([])
  })

  test('without the package, the error says how to install it', async () => {
    const library = (): Promise<never> => Promise.reject(systemError('ERR_MODULE_NOT_FOUND'))
    const error = await logIn({ library }).failure()
    expect(error).toMatchObject({
      code: 'SM_PACKAGE_MISSING',
      hint: 'npm install google-auth-library',
      causeClass: 'ERR_MODULE_NOT_FOUND',
      attempts: 1,
    })
  })

  test.each([
    ['none anywhere', libraryError({}, 'Error'), 'SM_GOOGLE_CREDENTIALS', 1],
    ['a broken key', libraryError({ code: 'ERR_OSSL_UNSUPPORTED' }), 'SM_GOOGLE_CREDENTIALS', 1],
    ['a revoked grant', libraryError({ status: 400 }), 'SM_GOOGLE_CREDENTIALS', 1],
    ['a refusal', libraryError({ response: { status: 401 } }), 'SM_GOOGLE_CREDENTIALS', 1],
    ['no impersonation', libraryError({ response: { status: 403 } }), 'SM_GOOGLE_DENIED', 1],
    ['Google out of order', libraryError({ status: 503 }), 'SM_GOOGLE_5XX', 2],
    ['too many requests', libraryError({ status: 429 }), 'SM_GOOGLE_5XX', 2],
    ['no connection', libraryError({ code: 'ECONNREFUSED' }), 'SM_GOOGLE_UNREACHABLE', 2],
    ['no name', libraryError({ cause: systemError('ENOTFOUND') }), 'SM_GOOGLE_UNREACHABLE', 2],
    ['its own limit', libraryError({}, 'TimeoutError'), 'SM_GOOGLE_UNREACHABLE', 2],
    ['interception', libraryError({ code: 'SELF_SIGNED_CERT_IN_CHAIN' }), 'SM_TLS_UNTRUSTED', 1],
  ])('%s: the library fails, and its words stay inside', async (_what, error, code, atLeast) => {
    const { failure, sent } = logIn({ library: { token: () => Promise.reject(error) } })
    const { attempts, ...failed } = await failure()
    expect(failed).toMatchObject({ code })
    expect(failed.hint).not.toBe('')
    expect(atLeast === 1 ? attempts === 1 : attempts >= atLeast).toBe(true)
    expect(sent).toEqual([])
  })

  test('a failure that passes is met by another attempt', async () => {
    const failures = [libraryError({ code: 'ECONNRESET' }), libraryError({ status: 500 })]
    const token = async (): Promise<string> => {
      const error = failures.shift()
      if (error) throw error
      return ACCESS_TOKEN
    }
    const { result, opened } = logIn({ library: { token } })
    expect((await result).token).toBe(TOKEN)
    expect(opened).toHaveLength(3)
  })

  test('a library that never answers is not waited for beyond the limit of an attempt', async () => {
    const { failure } = logIn({ library: { token: () => new Promise(() => undefined) } })
    const error = await failure()
    expect(error).toMatchObject({
      code: 'SM_GOOGLE_UNREACHABLE',
      message: 'google-auth-library gave no access token within 5000 ms',
    })
  })

  test('a library that never answers does not keep a caller who gave up', async () => {
    const caller = new AbortController()
    const { failure } = logIn({
      signal: caller.signal,
      library: {
        token: () => {
          caller.abort()
          return new Promise(() => undefined)
        },
      },
    })
    expect((await failure()).code).toBe('SM_ABORTED')
  })

  test.each([
    ['no access token', { token: async () => null }],
    ['an access token that no header can hold', { token: async () => `${ACCESS_TOKEN}\r\nx: y` }],
  ])('%s is no success', async (_what, library) => {
    const { failure, sent } = logIn({ library })
    expect((await failure()).code).toBe('SM_GOOGLE_CREDENTIALS')
    expect(sent).toEqual([])
  })

  test.each([
    ['of a person', undefined],
    ['of a workload identity pool', 'proj.svc.id.goog'],
    ['with an email that would leave its place in the URL', `x/../${EMAIL}`],
  ])('credentials %s need a service account to sign for', async (_what, email) => {
    const { failure, sent } = logIn({ library: { email: async () => email } })
    const { code, hint } = await failure()
    expect(code).toBe('SM_GOOGLE_CREDENTIALS')
    expect(hint).toContain('set vault.auth.serviceAccount')
    expect(sent).toEqual([])
  })
})

describe('IAM Credentials', () => {
  const error = (reason: string): Answered => ({
    status: 403,
    json: { error: { message: SIGNED, status: 'PERMISSION_DENIED', details: [{ reason }] } },
  })

  test.each([
    ['the missing permission', error('IAM_PERMISSION_DENIED'), 'iam.serviceAccounts.signJwt'],
    ['the role to grant', { status: 403 }, 'roles/iam.serviceAccountTokenCreator'],
    ['on which account', { status: 403 }, EMAIL],
    ['an API that is not enabled', error('SERVICE_DISABLED'), 'gcloud services enable'],
    ['a missing scope', error('ACCESS_TOKEN_SCOPE_INSUFFICIENT'), 'scope cloud-platform'],
    ['an access token that is not accepted', { status: 401, json: {} }, 'access token'],
    ['an account that does not exist', { status: 404, json: {} }, 'serviceAccount'],
    ['an account that is disabled', { status: 400, json: {} }, 'disabled'],
  ])('a refusal names %s', async (_what, answer, hint) => {
    const { failure, sent } = logIn({ handler: world(answer) })
    const failed = await failure()
    expect(failed).toMatchObject({ code: 'SM_GOOGLE_DENIED', status: answer.status, attempts: 1 })
    expect(failed.message).toContain(EMAIL)
    expect(failed.hint).toContain(hint)
    expect(sent).toHaveLength(1)
  })

  const portal = {
    status: 200,
    headers: { 'content-type': 'text/html' },
    body: new TextEncoder().encode('<html>'),
  }
  test.each<[string, Answered]>([
    ['has no JWT', { status: 200, json: { keyId: 'k' } }],
    ['has something else in its place', { status: 200, json: { signedJwt: ACCESS_TOKEN } }],
    ['is empty', { status: 200 }],
    ['is the page of a portal', portal],
  ])('an answer that %s is no success', async (_what, answer) => {
    const { failure, sent } = logIn({ handler: world(answer) })
    expect((await failure()).code).toBe('SM_GOOGLE_BAD_RESPONSE')
    expect(sent.every(({ url }) => url === SIGN_URL)).toBe(true)
  })

  test('the access token follows no redirect to another host', async () => {
    const location = 'https://elsewhere.example/'
    const { failure, sent } = logIn({ handler: world({ status: 307, headers: { location } }) })
    expect((await failure()).code).toBe('SM_REDIRECT_REFUSED')
    expect(sent).toHaveLength(1)
  })

  test('an outage that passes is waited for, as long as Google asks', async () => {
    const answers = [{ status: 503 }, { status: 429, headers: { 'retry-after': '1' } }, signature]
    const { result, sent } = logIn({ handler: world(() => answers.shift() ?? signature) })
    expect((await result).token).toBe(TOKEN)
    expect(sent).toHaveLength(4)
  })

  test.each([
    ['fails to serve', { status: 500 }, 'SM_GOOGLE_5XX'],
    ['limits the rate', { status: 429 }, 'SM_GOOGLE_5XX'],
    ['cannot be reached', refusedConnection, 'SM_GOOGLE_UNREACHABLE'],
  ])('one that %s is named', async (_what, google, code) => {
    const failed = await logIn({ handler: world(google) }).failure()
    expect(failed.code).toBe(code)
    expect(failed.attempts).toBeGreaterThan(1)
    expect(failed.message).toContain('https://iamcredentials.googleapis.com')
  })
})

describe('gce', () => {
  const gce = (more: Omit<Asked, 'settings'> = {}): LoggedIn =>
    logIn({ handler: world(identity), ...more, settings: GCE })

  test('gets the identity token of the metadata server, and logs in with it', async () => {
    const { result, sent, opened, closed } = gce()
    expect((await result).token).toBe(TOKEN)
    expect(sent[0]).toMatchObject({
      method: 'GET',
      url: `${METADATA_URL}?audience=http%3A%2F%2Fvault%2Fapp&format=full`,
      headers: { 'metadata-flavor': 'Google' },
    })
    expect(bodyOf(sent[1]?.body)).toEqual({ role: 'app', jwt: SIGNED })
    expect(opened).toEqual([])
    expect(closed()).toBe(1)
  })

  test('no proxy is asked for an address of the host itself', async () => {
    const proxy = 'http://proxy.example:3128'
    const { result, transports } = gce({ runtime: { env: { HTTP_PROXY: proxy } } })
    await result
    expect(transports.every((options) => options.proxy === undefined)).toBe(true)
  })

  test.each(['127.0.0.1:8080', 'metadata', '[fd20:ce::254]'])(
    'GCE_METADATA_HOST=%s is obeyed',
    async (host) => {
      const { result, sent } = gce({ runtime: { env: { GCE_METADATA_HOST: host } } })
      await result
      expect(sent[0]?.url.startsWith(`http://${host}/computeMetadata/`)).toBe(true)
    },
  )

  test.each(['user:password@host', 'host/path', 'http://host', 'a b'])(
    'GCE_METADATA_HOST=%s is not',
    async (host) => {
      const { failure, sent } = gce({ runtime: { env: { GCE_METADATA_HOST: host } } })
      expect((await failure()).code).toBe('SM_CONFIG_INVALID')
      expect(sent).toEqual([])
    },
  )

  test('without a metadata server, the error says where there is one', async () => {
    const absent = (): never => {
      throw new TransportFailure('unreachable', 'its name is not known', 'ENOTFOUND')
    }
    const failed = await gce({ handler: world(absent) }).failure()
    expect(failed).toMatchObject({ code: 'SM_GOOGLE_UNREACHABLE', causeClass: 'ENOTFOUND' })
    expect(failed.hint).toContain('set vault.auth.type to iam')
  })

  const plain = { 'content-type': 'text/plain' }
  test.each([
    ['of somebody else', { ...identity, headers: plain }, 'SM_GOOGLE_BAD_RESPONSE'],
    ['of JSON of somebody else', { status: 200, json: SIGNED }, 'SM_GOOGLE_BAD_RESPONSE'],
    [
      'without a JWT',
      { ...identity, body: new TextEncoder().encode('ok') },
      'SM_GOOGLE_BAD_RESPONSE',
    ],
    [
      'that there is no service account',
      { status: 404, headers: identity.headers ?? {} },
      'SM_GOOGLE_CREDENTIALS',
    ],
    ['that it is overloaded', { status: 503 }, 'SM_GOOGLE_5XX'],
  ])('an answer %s is no success', async (_what, answer, code) => {
    const { failure, sent } = gce({ handler: world(answer) })
    expect((await failure()).code).toBe(code)
    expect(sent.every(({ url }) => url.startsWith(METADATA_URL))).toBe(true)
  })
})

describe('refused by Vault', () => {
  const refusal = (text: string, headers = {}): Answered => ({
    status: 400,
    json: { errors: [text] },
    headers,
  })

  // The plugin's own words, of vault-plugin-auth-gcp v0.18.0.
  const noInstance = 'expected JWT to have claims with GCE metadata'
  const shortLife = 'role requires that service account JWTs expire within 300 seconds'
  test.each([
    [
      'iam',
      `service account ${EMAIL} (id: 123) is not authorized for role`,
      'bound_service_accounts',
    ],
    ['iam', `service account "${EMAIL}" not in bound projects [other]`, 'bound_projects'],
    ['iam', shortLife, 'max_jwt_exp'],
    ['iam', 'at least one of the JWT claim \'aud\' must end in "vault/x"', 'audience'],
    ['iam', "JWT is expired or does not have proper 'exp' claim", 'clocks'],
    ['iam', 'JWT must expire in 60 minutes, expires in 3h', 'clocks'],
    ['iam', noInstance, 'set vault.auth.type to gce'],
    [
      'iam',
      'unable to get public key "k" for JWT subject "x": not found',
      'reach www.googleapis.com',
    ],
    ['iam', 'something new', 'vault read auth/auth-mounts/gcp/role/app'],
    ['gce', shortLife, 'identity tokens of instances live for an hour'],
    ['gce', noInstance, 'GKE workload identity'],
    ['gce', 'instance missing bound label "a:b"', 'bound_labels'],
    ['gce', 'instance not in bound zones ["z"]', 'bound_zones'],
    ['gce', 'instance not in bound regions ["r"]', 'bound_regions'],
    ['gce', 'instance is not part of instance groups ["g"]', 'bound_instance_groups'],
    [
      'gce',
      'service account "1" ("e") is not in bound service accounts ["x"]',
      'bound_service_acc',
    ],
    ['gce', 'instance "1" (project "p") not in bound projects [other]', 'bound_projects'],
    ['gce', 'something new', 'roles/compute.viewer'],
  ] as const)('%s: "%s" is explained', async (type, text, hint) => {
    const google = type === 'iam' ? signature : identity
    const { failure } = logIn({ settings: { ...IAM, type }, handler: world(google, refusal(text)) })
    const failed = await failure()
    expect(failed).toMatchObject({ code: 'SM_AUTH_DENIED', status: 400, exitCode: 3 })
    const audience = type === 'iam' ? 'vault/app' : 'http://vault/app'
    expect(failed.message).toContain(`of ${EMAIL} with audience ${audience}`)
    expect(failed.message).toContain('auth/auth-mounts/gcp/login for role "app"')
    expect(failed.hint).toContain(hint)
  })

  test.each([
    ['ten minutes ahead', 'JWT must expire in 60 minutes, expires in 70m', -600, 'SM_CLOCK_SKEW'],
    ['ten minutes behind', 'JWT is expired or does not', 600, 'SM_CLOCK_SKEW'],
    ['half a minute off', 'JWT is expired or does not', 30, 'SM_AUTH_DENIED'],
    ['ten minutes off, but that is not it', 'is not authorized for role', 600, 'SM_AUTH_DENIED'],
  ])('a clock that is %s', async (_what, text, vaultAheadS, code) => {
    const date = new Date((NOW_S + vaultAheadS) * 1000).toUTCString()
    const { failure } = logIn({ handler: world(signature, refusal(text, { date })) })
    expect((await failure()).code).toBe(code)
  })

  test('a refusal is not repeated', async () => {
    const { failure, sent } = logIn({ handler: world(signature, refusal('no')) })
    await failure()
    expect(sent).toHaveLength(2)
  })
})

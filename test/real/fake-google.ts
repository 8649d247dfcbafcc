/**
 * A loopback stand-in for the parts of Google that a gcp login touches: what our client asks, what
 * google-auth-library asks, and what the real auth plugin asks to check a JWT. One port for all.
 */
import { execFile } from 'node:child_process'
import { sign } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

export const PROJECT = 'proj'
/** The service account that logs in. */
export const EMAIL: string = `app@${PROJECT}.iam.gserviceaccount.com`
/** Every secret that the stand-in gives out or takes has this in it. */
export const CANARY = 'CANARYgoogleCANARY'

const UNIQUE_ID = '1234567890'
const SERVICE_ACCOUNT_KEY = 'service-account-key'
const GOOGLE_KEY = 'google-key'
const ZONE = 'us-central1-a'
const CREATED_S = 1_700_000_000

/** What a test makes Google do; empty: all goes well. */
export interface Moods {
  /** Status that signJwt answers with. */
  signing?: number
  /** Status that the exchange of the subject token answers with. */
  exchange?: number
  /** Overrides claims of the JWTs that are signed, as if the client had asked for them. */
  claims?: Readonly<Record<string, unknown>>
  /** Key id in the JWTs that are signed. */
  kid?: string
}

export interface FakeGoogle {
  readonly url: string
  /** `host:port`, for `GCE_METADATA_HOST`. */
  readonly host: string
  /** Credentials of the plugin: a service account key whose tokens come from here. */
  readonly pluginCredentials: string
  /** Credentials of a workload: federation with a subject token in a file, then impersonation. */
  readonly workloadCredentials: string
  /** May be changed at any time. */
  moods: Moods
  /** `METHOD /path` of every request so far, with its query. */
  readonly requests: readonly string[]
  close(): Promise<void>
}

interface Keys {
  readonly key: string
  readonly certificate: string
}

/** Starts the stand-in on a free port; its files lie in `directory`. */
export async function startFakeGoogle(directory: string): Promise<FakeGoogle> {
  await mkdir(directory, { recursive: true })
  const keys = await createKeys(directory)
  const requests: string[] = []
  const google: { moods: Moods } = { moods: {} }
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { method = '', url = '', headers } = request
      requests.push(`${method} ${url}`)
      const body = Buffer.concat(chunks).toString()
      const answer = answerTo({ method, url, headers, body }, keys, google.moods)
      response.writeHead(answer.status, answer.headers).end(answer.body)
    })
  })
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  const url = `http://${host}`
  return Object.assign(google, {
    url,
    host,
    requests,
    pluginCredentials: await pluginCredentials(directory, url, keys),
    workloadCredentials: await workloadCredentials(directory, url),
    close: () => {
      server.closeAllConnections()
      return new Promise<void>((resolve) => {
        server.close(() => resolve())
      })
    },
  })
}

async function createKeys(directory: string): Promise<Keys> {
  const [keyFile, certificateFile] = [join(directory, 'sa.key'), join(directory, 'sa.crt')]
  await run('openssl', [
    ...['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=google'],
    ...['-keyout', keyFile, '-out', certificateFile],
  ])
  return {
    key: await readFile(keyFile, 'utf8'),
    certificate: await readFile(certificateFile, 'utf8'),
  }
}

/** Go's library obeys token_uri in a file; in the plugin's own configuration it would be dropped. */
function pluginCredentials(directory: string, url: string, { key }: Keys): Promise<string> {
  return written(directory, 'plugin.json', {
    type: 'service_account',
    project_id: PROJECT,
    private_key_id: SERVICE_ACCOUNT_KEY,
    private_key: key,
    client_email: `vault@${PROJECT}.iam.gserviceaccount.com`,
    client_id: '1',
    token_uri: `${url}/token`,
  })
}

/**
 * Workload identity federation, as on a cluster outside of Google. The one kind of credentials whose
 * addresses Google's Node library takes from the file: it ignores token_uri of a service account key.
 */
async function workloadCredentials(directory: string, url: string): Promise<string> {
  const file = join(directory, 'subject-token')
  await writeFile(file, `${CANARY}subject`)
  const pool = 'projects/1/locations/global/workloadIdentityPools/pool/providers/cluster'
  return written(directory, 'workload.json', {
    type: 'external_account',
    audience: `//iam.googleapis.com/${pool}`,
    subject_token_type: 'urn:ietf:params:oauth:token-type:jwt',
    token_url: `${url}/sts`,
    service_account_impersonation_url: `${url}/v1/projects/-/serviceAccounts/${EMAIL}:generateAccessToken`,
    credential_source: { file },
  })
}

async function written(directory: string, name: string, content: object): Promise<string> {
  const path = join(directory, name)
  await writeFile(path, JSON.stringify(content))
  return path
}

interface Asked {
  readonly method: string
  readonly url: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: string
}

interface Answer {
  readonly status: number
  readonly headers: http.OutgoingHttpHeaders
  readonly body: string
}

function answerTo(asked: Asked, keys: Keys, moods: Moods): Answer {
  const { pathname, searchParams } = new URL(asked.url, 'http://google')
  if (pathname.startsWith('/computeMetadata/')) {
    if (asked.headers['metadata-flavor'] !== 'Google') return failed(403, 'PERMISSION_DENIED')
    return metadata(pathname, searchParams.get('audience'), keys, moods)
  }
  const route = ROUTES.find(([pattern]) => pattern.test(`${asked.method} ${pathname}`))
  return route ? route[1](asked, keys, moods) : failed(404, 'NOT_FOUND')
}

type Route = (asked: Asked, keys: Keys, moods: Moods) => Answer

const ROUTES: readonly (readonly [RegExp, Route])[] = [
  // Asked by the plugin: keys of instances, keys of an account, its own token, the account, the instance.
  [/^GET \/oauth2\/v1\/certs$/, (_asked, { certificate }) => json({ [GOOGLE_KEY]: certificate })],
  [
    /^GET \/service_accounts\/v1\/metadata\/x509\//,
    (_asked, { certificate }) => json({ [SERVICE_ACCOUNT_KEY]: certificate }),
  ],
  [/^POST \/token$/, () => json(token('plugin'))],
  [/^GET \/v1\/projects\/[^/]+\/serviceAccounts\/[^:]+$/, () => json(serviceAccount())],
  [/^GET \/projects\/[^/]+\/zones\/[^/]+\/instances\/web$/, () => json(instance())],
  // Asked by google-auth-library.
  [
    /^POST \/sts$/,
    ({ body }, _keys, { exchange = 200 }) => {
      if (exchange !== 200)
        return json({ error: 'invalid_grant', error_description: body }, exchange)
      const wanted = new URLSearchParams(body).get('subject_token') === `${CANARY}subject`
      return wanted ? json({ ...token('sts'), issued_token_type: 'x' }) : failed(400, 'INVALID')
    },
  ],
  [
    /^POST \/v1\/projects\/-\/serviceAccounts\/[^/]+:generateAccessToken$/,
    bearing('sts', () => {
      const expireTime = new Date(Date.now() + 3_600_000).toISOString()
      return json({ accessToken: `${CANARY}access`, expireTime })
    }),
  ],
  // Asked by our client.
  [
    /^POST \/v1\/projects\/-\/serviceAccounts\/[^/]+:signJwt$/,
    bearing('access', ({ body }, keys, { signing = 200, kid = SERVICE_ACCOUNT_KEY, claims }) => {
      if (signing !== 200) return failed(signing, 'PERMISSION_DENIED')
      const { payload } = JSON.parse(body) as { payload: string }
      const signedJwt = signed({ ...(JSON.parse(payload) as object), ...claims }, kid, keys)
      return json({ keyId: kid, signedJwt })
    }),
  ],
]

/** Only with the access token of that name. */
function bearing(name: string, route: Route): Route {
  return (asked, keys, moods) =>
    asked.headers.authorization === `Bearer ${CANARY}${name}`
      ? route(asked, keys, moods)
      : failed(401, 'UNAUTHENTICATED')
}

function metadata(path: string, audience: string | null, keys: Keys, moods: Moods): Answer {
  const key = path.replace('/computeMetadata/v1/', '')
  if (key === 'instance') return flavored('{}')
  if (key === 'universe/universe-domain') return flavored('googleapis.com')
  if (key === 'instance/service-accounts/default/email') return flavored(EMAIL)
  if (key === 'instance/service-accounts/default/token') {
    return flavored(JSON.stringify(token('access')))
  }
  if (key === 'instance/service-accounts/default/identity') {
    return flavored(signed({ ...identity(audience), ...moods.claims }, GOOGLE_KEY, keys))
  }
  return { ...flavored('no such key'), status: 404 }
}

/** Claims of an identity token in its full format. */
function identity(audience: string | null): object {
  const now = Math.floor(Date.now() / 1000)
  const compute_engine = {
    project_id: PROJECT,
    project_number: 1,
    zone: ZONE,
    instance_id: '42',
    instance_name: 'web',
    instance_creation_timestamp: CREATED_S,
  }
  const times = { iat: now, exp: now + 3600 }
  return { aud: audience, sub: UNIQUE_ID, email: EMAIL, ...times, google: { compute_engine } }
}

function instance(): object {
  const creationTimestamp = new Date(CREATED_S * 1000).toISOString()
  const zone = `https://compute.example/projects/${PROJECT}/zones/${ZONE}`
  return { id: '42', name: 'web', zone, status: 'RUNNING', creationTimestamp, labels: { a: 'b' } }
}

function serviceAccount(): object {
  const name = `projects/${PROJECT}/serviceAccounts/${EMAIL}`
  return { name, projectId: PROJECT, uniqueId: UNIQUE_ID, email: EMAIL }
}

function token(name: string): object {
  return { access_token: CANARY + name, token_type: 'Bearer', expires_in: 3600 }
}

function signed(claims: object, kid: string, { key }: Keys): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const text = `${part({ alg: 'RS256', typ: 'JWT', kid })}.${part(claims)}`
  return `${text}.${sign('RSA-SHA256', Buffer.from(text), key).toString('base64url')}`
}

function flavored(body: string): Answer {
  const headers = { 'metadata-flavor': 'Google', 'content-type': 'text/html' }
  return { status: 200, headers, body }
}

function json(content: object, status = 200): Answer {
  return {
    status,
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(content),
  }
}

/** As Google answers, and more talkative than it is. */
function failed(code: number, status: string): Answer {
  return json({ error: { code, status, message: `${CANARY} ${CANARY}access` } }, code)
}

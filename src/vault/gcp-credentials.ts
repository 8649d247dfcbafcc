/**
 * Application Default Credentials, through google-auth-library: an optional package, as few logins
 * are of this kind and Google has a dozen kinds of credentials.
 *
 * It makes its requests by itself, past our transport, and reads the process's environment by itself.
 * So it is put behind a transport of ours: {@link call} then bounds, spaces and repeats its attempts
 * like all others, and nothing that it says gets out.
 *
 * @see https://cloud.google.com/docs/authentication/application-default-credentials
 */
import { resolve } from 'node:path'

import type { GcpSettings } from '../config/settings.ts'
import { isSecretManagerError, SecretManagerError, systemCode } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { call, type Backend } from '../http/call.ts'
import { tlsFailure } from '../http/transport-failure.ts'
import { untilAborted } from '../lib/abort.ts'
import { isServiceAccountEmail } from '../lib/names.ts'
import { isRecord } from '../lib/record.ts'
import type { HttpRequest, Runtime, Transport } from '../runtime.ts'

/** What is used of google-auth-library. */
export interface GoogleAuthLibrary {
  readonly GoogleAuth: new (options: GoogleAuthOptions) => GoogleAuth
}

/** @see https://github.com/googleapis/google-auth-library-nodejs */
export interface GoogleAuthOptions {
  readonly scopes: string
  readonly projectId: string
  readonly credentials?: object
}

export interface GoogleAuth {
  getAccessToken(): Promise<string | null | undefined>
  getCredentials(): Promise<{ client_email?: string }>
}

/** Whom to sign for, and the right to ask for it. */
export interface GoogleIdentity {
  readonly accessToken: string
  /** Of the service account; it has passed the allow-list. */
  readonly email: string
}

export interface GoogleCredentials {
  /** @throws {@link SecretManagerError} SM_PACKAGE_MISSING, SM_FILE_UNREADABLE, SM_GOOGLE_*, SM_TLS_* */
  identity(allowance: Allowance): Promise<GoogleIdentity>
  /** The access token was refused: the next one is a new one. */
  forget(): void
}

type Chosen = Pick<GcpSettings, 'credentials' | 'serviceAccount'>

/** Opens the credentials on first use. */
export function googleCredentials(
  settings: Chosen,
  runtime: Runtime,
  library: () => Promise<GoogleAuthLibrary> = () => import('google-auth-library'),
): GoogleCredentials {
  // Kept for its access token, which lives for an hour: Vault tokens that live for seconds need only a new JWT.
  let opened: Promise<GoogleAuth> | undefined
  const forget = (): void => {
    opened = undefined
  }
  const ask = async (): Promise<object> => {
    opened ??= open(settings, runtime, library)
    const auth = await opened
    const email = settings.serviceAccount ?? (await auth.getCredentials()).client_email
    return { email, accessToken: await auth.getAccessToken() }
  }
  const backend: Backend = {
    name: 'google',
    runtime,
    transport: asTransport(settings, runtime, ask, forget),
    url: '',
    redirectHosts: [],
  }
  return {
    identity: (allowance) =>
      call(backend, allowance, { method: 'GET', path: '', headers: {} }, ({ json }) =>
        identityIn(settings, json),
      ),
    forget,
  }
}

async function open(
  { credentials }: Chosen,
  runtime: Runtime,
  library: () => Promise<GoogleAuthLibrary>,
): Promise<GoogleAuth> {
  const { GoogleAuth } = await library().catch((error: unknown) => {
    throw packageMissing(error)
  })
  return new GoogleAuth({
    scopes: 'https://www.googleapis.com/auth/cloud-platform',
    // Any project will do: to find the real one, which nobody needs, it would run gcloud.
    projectId: '-',
    ...(credentials !== undefined && { credentials: await readCredentials(runtime, credentials) }),
  })
}

function packageMissing(error: unknown): SecretManagerError {
  return new SecretManagerError(
    'SM_PACKAGE_MISSING',
    'the gcp login of type iam needs the package google-auth-library, which cannot be loaded',
    { causeClass: classOf(error), hint: 'npm install google-auth-library' },
  )
}

/** By ourselves: the library takes a file that is not JSON for a key, and fails later. */
async function readCredentials(runtime: Runtime, path: string): Promise<object> {
  const bytes = await runtime.readFile(path).catch((error: unknown) => {
    const causeClass = systemCode(error)
    throw new SecretManagerError(
      'SM_FILE_UNREADABLE',
      `the Google credentials ${resolve(path)} cannot be read`,
      { causeClass, hint: 'check vault.auth.credentials and the permissions of the file' },
    )
  })
  const found = parsed(bytes)
  if (isRecord(found) && typeof found['type'] === 'string') return found
  throw new SecretManagerError(
    'SM_GOOGLE_CREDENTIALS',
    `${path} holds no Google credentials: a JSON object with a type`,
  )
}

function parsed(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes))
  } catch {
    // The parser's message quotes the data; who asked says what is wrong.
    return undefined
  }
}

function asTransport(
  settings: Chosen,
  runtime: Runtime,
  ask: () => Promise<object>,
  forget: () => void,
): Transport {
  return {
    connect: () => undefined,
    close: () => undefined,
    async send(request) {
      try {
        const answer = JSON.stringify(await within(runtime, request, ask()))
        return { status: 200, headers: {}, body: new TextEncoder().encode(answer) }
      } catch (error) {
        // Whatever was wrong may be mended by the next attempt, and a file is then read anew.
        forget()
        throw isSecretManagerError(error) ? error : failure(settings, error)
      }
    },
  }
}

/** Bounds what cannot be cancelled: it goes on unheard, and its result is dropped. */
async function within<T>(
  runtime: Runtime,
  { timeoutMs, signal }: HttpRequest,
  work: Promise<T>,
): Promise<T> {
  const ended = new AbortController()
  const late = runtime.sleep(timeoutMs, ended.signal).then((): never => {
    const message = `google-auth-library gave no access token within ${timeoutMs} ms`
    const hint =
      'check that this host reaches Google; outside of Google Cloud, where credentials are looked for at a metadata server last, give them: GOOGLE_APPLICATION_CREDENTIALS or vault.auth.credentials'
    throw new SecretManagerError('SM_GOOGLE_UNREACHABLE', message, { hint })
  })
  try {
    return await untilAborted(Promise.race([work, late]), signal)
  } finally {
    ended.abort('it has ended')
  }
}

/** Says what failed from the facts of the library's error alone: its message may quote the credentials. */
function failure(settings: Chosen, error: unknown): SecretManagerError {
  const where = settings.credentials ?? 'Application Default Credentials'
  const what = `no access token from ${where}`
  const causeClass = classOf(error)
  const status = statusOf(error)
  if (status !== undefined) return refused(what, status, causeClass)
  const tls = tlsFailure(error, 'Google')
  if (tls) {
    const hint =
      'google-auth-library trusts the roots of Node and NODE_EXTRA_CA_CERTS: add the CA there, or check what intercepts TLS'
    return new SecretManagerError(tls.code, `${what}: of the server ${tls.detail}`, {
      causeClass,
      hint,
    })
  }
  return NETWORK.test(causeClass ?? '')
    ? new SecretManagerError('SM_GOOGLE_UNREACHABLE', what, { causeClass })
    : new SecretManagerError('SM_GOOGLE_CREDENTIALS', what, { causeClass })
}

/** Codes of the system, and of Node's fetch. */
const NETWORK =
  /^(?:ECONN[A-Z]+|E(?:HOST|NET)UNREACH|ENOTFOUND|EAI_[A-Z]+|ETIMEDOUT|EPIPE|UND_ERR_[A-Z_]+|(?:Timeout|Abort)Error)$/

function refused(what: string, status: number, causeClass: string | undefined): SecretManagerError {
  const message = `${what}: refused (${status})`
  const facts = { status, causeClass }
  if (status >= 500 || status === 429) {
    return new SecretManagerError('SM_GOOGLE_5XX', message, facts)
  }
  if (status !== 403) return new SecretManagerError('SM_GOOGLE_CREDENTIALS', message, facts)
  const hint =
    'if the credentials impersonate a service account, grant them roles/iam.workloadIdentityUser on it; on an instance, give it the scope cloud-platform'
  return new SecretManagerError('SM_GOOGLE_DENIED', message, { ...facts, hint })
}

/** The HTTP status, where the library's error has one: its own, or that of the answer it holds. */
function statusOf(error: unknown): number | undefined {
  if (!isRecord(error)) return undefined
  const response = isRecord(error['response']) ? error['response']['status'] : undefined
  const status = response ?? error['status']
  return typeof status === 'number' && status >= 400 && status < 600 ? status : undefined
}

/** The system's code of an error or of what caused it, else the name of its class. */
function classOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined
  const code = systemCode(error) ?? systemCode(error.cause)
  if (code !== undefined) return code
  return /^[A-Z][A-Za-z]{1,63}$/.test(error.name) ? error.name : undefined
}

function identityIn(settings: Chosen, json: unknown): GoogleIdentity {
  const { email, accessToken } = isRecord(json) ? json : {}
  if (typeof accessToken !== 'string' || !/^[\x21-\x7e]+$/.test(accessToken)) {
    throw failure(settings, undefined)
  }
  if (typeof email === 'string' && isServiceAccountEmail(email)) return { email, accessToken }
  throw new SecretManagerError(
    'SM_GOOGLE_CREDENTIALS',
    'the Google credentials are not those of a service account, and none is named',
    { hint: 'set vault.auth.serviceAccount to the email of the service account to log in as' },
  )
}

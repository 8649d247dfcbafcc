/**
 * Proof of being a service account: a JWT with claims of ours, signed by IAM Credentials with a key
 * that Google keeps.
 *
 * @see https://cloud.google.com/iam/docs/reference/credentials/rest/v1/projects.serviceAccounts/signJwt
 */
import type { GcpSettings } from '../config/settings.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { badResponse, call, type Answer, type Backend } from '../http/call.ts'
import { proxyFromEnvironment } from '../lib/proxy-environment.ts'
import { isRecord } from '../lib/record.ts'
import type { Runtime } from '../runtime.ts'
import {
  googleCredentials,
  type GoogleAuthLibrary,
  type GoogleIdentity,
} from './gcp-credentials.ts'
import { checkedJwt, notNow, type ProveToGcp } from './gcp-proof.ts'

/** Life of a JWT in seconds: a role takes at most 15 minutes by default, and clocks differ. */
const LIFE_S = 600

/** Proves to be the service account of the settings, or that of the credentials. */
export function proveServiceAccount(
  settings: GcpSettings,
  runtime: Runtime,
  library?: () => Promise<GoogleAuthLibrary>,
): ProveToGcp {
  const credentials = googleCredentials(settings, runtime, library)
  return async (allowance) => {
    const identity = await credentials.identity(allowance)
    const audience = `vault/${settings.role}`
    try {
      const jwt = await signed(settings, runtime, allowance, identity, audience)
      return { jwt, subject: identity.email, audience }
    } catch (error) {
      if (isSecretManagerError(error) && error.status === 401) credentials.forget()
      throw error
    }
  }
}

/** Signs over a connection of its own, closed again: a login has no end at which to close one. */
async function signed(
  { iamEndpoint: url }: GcpSettings,
  runtime: Runtime,
  allowance: Allowance,
  { email, accessToken }: GoogleIdentity,
  audience: string,
): Promise<string> {
  const proxy = proxyFromEnvironment(url, (name) => runtime.env(name))?.proxy
  const transport = runtime.transport({ proxy })
  const backend: Backend = { name: 'google', runtime, transport, url, redirectHosts: [] }
  const exp = Math.floor(runtime.wallClock() / 1000) + LIFE_S
  const request = {
    method: 'POST',
    path: `/v1/projects/-/serviceAccounts/${email}:signJwt`,
    headers: { authorization: `Bearer ${accessToken}` },
    body: { payload: JSON.stringify({ sub: email, aud: audience, exp }) },
  } as const
  try {
    return await call(backend, allowance, request, (answer) => jwtOf(backend, email, answer))
  } finally {
    transport.close()
  }
}

function jwtOf(backend: Backend, email: string, answer: Answer): string {
  const { status, json } = answer
  const late = notNow(backend, 'sign a JWT', answer)
  if (late) throw late
  if (status >= 400) throw refused(backend, email, answer)
  if (status !== 200 || !isRecord(json)) throw badResponse(backend, status, 'has no JSON object')
  return checkedJwt(backend, status, json['signedJwt'])
}

function refused({ url }: Backend, email: string, { status, json }: Answer): SecretManagerError {
  const message = `google at ${url} refused to sign a JWT as ${email} (${status})`
  return new SecretManagerError('SM_GOOGLE_DENIED', message, {
    status,
    hint: hintFor(status, reasonIn(json), email),
  })
}

function hintFor(status: number, reason: string, email: string): string {
  const known = REASONS[reason]
  if (known !== undefined) return known
  switch (status) {
    case 401:
      return 'Google does not accept the access token of the credentials: were they revoked, or is this clock wrong?'
    case 403:
      return (
        'iam.serviceAccounts.signJwt is missing: grant roles/iam.serviceAccountTokenCreator on the service account to whom the credentials belong ' +
        `(itself, if they are its own): gcloud iam service-accounts add-iam-policy-binding ${email} --role=roles/iam.serviceAccountTokenCreator --member=MEMBER`
      )
    case 404:
      return `no such service account, or it may not be seen: check vault.auth.serviceAccount, gcloud iam service-accounts describe ${email}`
    default:
      return `is the service account disabled? gcloud iam service-accounts describe ${email}`
  }
}

/** Reasons of Google's that have another remedy than their status has. */
const REASONS: Readonly<Record<string, string>> = {
  SERVICE_DISABLED:
    'enable the API in the project: gcloud services enable iamcredentials.googleapis.com',
  ACCESS_TOKEN_SCOPE_INSUFFICIENT:
    'the access token lacks the scope cloud-platform: give it to the instance or node pool',
}

/** Google's machine-readable reason. See https://google.aip.dev/193#errorinfo */
function reasonIn(json: unknown): string {
  const error = isRecord(json) ? json['error'] : undefined
  const details = isRecord(error) ? error['details'] : undefined
  if (!Array.isArray(details)) return ''
  const reasons = details.map((detail: unknown) => (isRecord(detail) ? detail['reason'] : ''))
  return reasons.find(isKnownReason) ?? ''
}

function isKnownReason(reason: unknown): reason is string {
  return typeof reason === 'string' && Object.hasOwn(REASONS, reason)
}

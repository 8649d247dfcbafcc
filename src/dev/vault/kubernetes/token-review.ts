import { refusal } from '../core/failure.ts'
import type { ServiceAccountClaims } from './jwt.ts'

/** Sends a request to the API server. */
export type SendToKubernetes = (request: Request) => Promise<Response>

/** Where tokens are reviewed, and by whom. */
export interface ReviewConfig {
  readonly host: string
  /** Empty: the token that is reviewed also asks. */
  readonly reviewerJwt: string
}

/**
 * Asks the API server whether the token is genuine and really names this ServiceAccount.
 *
 * Every failure is the same 403: Vault tells the reason only to its log.
 * https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
 */
export async function reviewToken(
  send: SendToKubernetes,
  config: ReviewConfig,
  account: ServiceAccountClaims,
  audience: string,
): Promise<void> {
  const audiences = audience === '' ? account.audiences : [audience]
  const { isAuthenticated, username, uid, granted } = await ask(
    send,
    config,
    account.jwt,
    audiences,
  )
  const isMeantForUs = audiences.length === 0 || audiences.some((name) => granted.includes(name))
  const isSame =
    uid === account.uid && username === `system:serviceaccount:${account.namespace}:${account.name}`
  if (!isAuthenticated || !isMeantForUs || !isSame) throw denied()
}

interface Review {
  readonly isAuthenticated: boolean
  readonly username: unknown
  readonly uid: unknown
  readonly granted: readonly unknown[]
}

async function ask(
  send: SendToKubernetes,
  config: ReviewConfig,
  jwt: string,
  audiences: readonly string[],
): Promise<Review> {
  try {
    const response = await send(reviewRequest(config, jwt, audiences))
    if (response.ok) return readReview(await response.json())
  } catch {
    // An API server that is away, or is none, is no different from one that says no.
    throw denied()
  }
  throw denied()
}

function reviewRequest(
  { host, reviewerJwt }: ReviewConfig,
  jwt: string,
  audiences: readonly string[],
): Request {
  const base = /^https?:\/\//.test(host) ? host : `https://${host}`
  return new Request(`${base.replace(/\/$/, '')}/apis/authentication.k8s.io/v1/tokenreviews`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${reviewerJwt || jwt}`,
      'content-type': 'application/json',
      accept: 'application/json',
    },
    body: JSON.stringify({
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenReview',
      spec: { token: jwt, audiences },
    }),
  })
}

function readReview(body: unknown): Review {
  const status = record(record(body)['status'])
  const user = record(status['user'])
  const granted = status['audiences']
  return {
    isAuthenticated: status['authenticated'] === true,
    username: user['username'],
    uid: user['uid'],
    granted: Array.isArray(granted) ? granted : [],
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? { ...value } : {}
}

function denied(): Error {
  return refusal('permission denied', 403)
}

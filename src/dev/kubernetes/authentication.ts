/**
 * Who sends a request: the admin of this server, or a ServiceAccount by its token.
 *
 * https://kubernetes.io/docs/reference/access-authn-authz/authentication/
 */
import { type Cluster } from './cluster.ts'
import { PODS, SERVICE_ACCOUNTS } from './core-kinds.ts'
import { SECRETS } from './data-kinds.ts'
import type { KubernetesObject } from './objects.ts'
import { quoted } from './status.ts'
import { type Claims, ISSUER, type KubernetesClaims, type ObjectRef } from './tokens.ts'

/** An authenticated user, as TokenReview and SelfSubjectReview print it. */
export interface User {
  readonly username: string
  readonly uid: string
  readonly groups: readonly string[]
  readonly extra?: Readonly<Record<string, readonly string[]>>
}

/** The verdict on a token: the user and for which of the wanted audiences, or why not. */
export type Authentication =
  | { readonly user: User; readonly audiences: readonly string[] }
  | { readonly error: string }

/** Members of this group may do everything, whatever the rules say. */
export const MASTERS = 'system:masters'

const AUTHENTICATED = 'system:authenticated'
const NO_USER = 'invalid bearer token'
// go-jose's leeway, which kube-apiserver does not change: clocks differ.
const LEEWAY_SECONDS = 60

/** Checks a bearer token for some of the `wanted` audiences; none wanted means the API server's. */
export function authenticate(
  cluster: Cluster,
  token: string,
  wanted: readonly string[] = [],
): Authentication {
  const audiences = wanted.length === 0 ? [ISSUER] : wanted
  if (token === cluster.adminToken) return admin(audiences)
  const verified = cluster.signer.verify(token)
  switch (verified.kind) {
    case 'foreign':
      return { error: NO_USER }
    case 'refused':
      return refused(verified.error)
    case 'genuine':
      return checkClaims(cluster, verified.claims, audiences)
  }
}

function admin(wanted: readonly string[]): Authentication {
  if (!wanted.includes(ISSUER)) return { error: NO_USER }
  const user = { username: 'admin', uid: 'admin-uid', groups: [MASTERS, AUTHENTICATED] }
  return { user, audiences: [ISSUER] }
}

function refused(error: string): Authentication {
  return { error: `[${NO_USER}, ${error}]` }
}

function checkClaims(cluster: Cluster, claims: Claims, wanted: readonly string[]): Authentication {
  const own = audiencesOf(claims)
  const audiences = wanted.filter((one) => own.includes(one))
  if (audiences.length === 0) {
    return refused(
      `token audiences ${quoted(own)} is invalid for the target audiences ${quoted(wanted)}`,
    )
  }
  const error =
    timeError(claims, cluster.clock() / 1000) ?? objectError(cluster, claims['kubernetes.io'] ?? {})
  return error === undefined ? { user: userOf(claims), audiences } : refused(error)
}

function audiencesOf({ aud = ISSUER }: Claims): readonly string[] {
  return typeof aud === 'string' ? [aud] : aud
}

function timeError({ exp, nbf, iat }: Claims, now: number): string | undefined {
  if (nbf !== undefined && now + LEEWAY_SECONDS < nbf)
    return 'service account token is not valid yet'
  if (exp !== undefined && now - LEEWAY_SECONDS > exp) return 'service account token has expired'
  if (iat !== undefined && now + LEEWAY_SECONDS < iat)
    return 'service account token is issued in the future'
  return undefined
}

/** A token lives only as long as its ServiceAccount and what it is bound to, each by its uid. */
function objectError(cluster: Cluster, claims: KubernetesClaims): string | undefined {
  const { namespace = '', secret, pod } = claims
  const { store } = cluster
  return (
    accountError(cluster, claims) ??
    (secret && boundError('secret', secret, store.get(SECRETS, namespace, secret.name))) ??
    (pod && boundError('pod', pod, store.get(PODS, namespace, pod.name)))
  )
}

function accountError({ store }: Cluster, claims: KubernetesClaims): string | undefined {
  const { namespace = '', serviceaccount: { name = '', uid = '' } = {} } = claims
  if (namespace === '' || name === '') return 'resource name may not be empty'
  const account = store.get(SERVICE_ACCOUNTS, namespace, name)
  if (account === undefined) return `serviceaccounts "${name}" not found`
  const { uid: own = '' } = account.metadata
  return own === uid ? undefined : `service account UID (${own}) does not match claim (${uid})`
}

function boundError(
  kind: string,
  ref: ObjectRef,
  bound: KubernetesObject | undefined,
): string | undefined {
  if (bound === undefined) return 'service account token has been invalidated'
  if (bound.metadata.uid === ref.uid) return undefined
  const uid = bound.metadata.uid ?? ''
  return `${kind} UID (${uid}) does not match service account ${kind} ref claim (${ref.uid})`
}

function userOf(claims: Claims): User {
  const { namespace = '', serviceaccount: { name = '', uid = '' } = {} } =
    claims['kubernetes.io'] ?? {}
  const extra = extraOf(claims)
  return {
    username: `system:serviceaccount:${namespace}:${name}`,
    uid,
    groups: ['system:serviceaccounts', `system:serviceaccounts:${namespace}`, AUTHENTICATED],
    ...(Object.keys(extra).length === 0 ? {} : { extra }),
  }
}

function extraOf({ jti, 'kubernetes.io': { pod, node } = {} }: Claims): Record<string, string[]> {
  const known = [
    ['credential-id', jti === undefined ? undefined : `JTI=${jti}`],
    ['node-name', node?.name],
    ['pod-name', pod?.name],
    ['pod-uid', pod?.uid],
  ] as const
  const given = known.flatMap(([key, value]): [string, string[]][] =>
    value === undefined ? [] : [[`authentication.kubernetes.io/${key}`, [value]]],
  )
  return Object.fromEntries(given)
}

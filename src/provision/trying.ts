/** The single trials of a proof: a login, a request to Vault, a question to an API server. */
import type { ClusterSpec } from '../config/provision-file.ts'
import { isSecretManagerError } from '../errors.ts'
import type { Action } from '../kubernetes/access-review.ts'
import { isRecord, textOf } from '../lib/record.ts'
import type { VaultRequest } from '../vault/client.ts'
import type { Attempted } from './proof.ts'
import type { ClusterCalls } from './cluster-calls.ts'
import type { Servers } from './servers.ts'

/** A ServiceAccount, and what its token is for. */
export interface Who {
  readonly namespace: string
  readonly account: string
  readonly audience: string
}

/** What came of a login; with the token where it worked. */
export type LoggedIn = Attempted & { readonly token?: string | undefined }

/**
 * Logs in by a role of the mount of a cluster.
 *
 * @throws {@link SecretManagerError} where a server gives no answer
 */
export async function logInAs(
  { cluster: callsOf, vault }: Servers,
  { name, mount }: ClusterSpec,
  role: string,
  { namespace, account: serviceAccount, audience }: Who,
): Promise<LoggedIn> {
  const wanted = { namespace, serviceAccount, audience, seconds: 600 }
  const issued = await tokenOrReason(callsOf(name), wanted)
  if ('reason' in issued) return { outcome: 'not tried', reason: issued.reason }
  const body = { role, jwt: issued.jwt }
  const came = await vault.attempt({ method: 'POST', path: `auth/${mount}/login`, body })
  if ('refusal' in came) return { outcome: 'refused' }
  const { auth } = came.reply
  return { outcome: 'allowed', token: isRecord(auth) ? textOf(auth['client_token']) : undefined }
}

async function tokenOrReason(
  calls: ClusterCalls,
  wanted: Parameters<ClusterCalls['token']>[0],
): Promise<{ readonly jwt: string } | { readonly reason: string }> {
  try {
    return await calls.token(wanted)
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    const { namespace, serviceAccount } = wanted
    if (error.code === 'SM_K8S_NOT_FOUND') {
      return { reason: `there is no ServiceAccount ${namespace}/${serviceAccount}` }
    }
    if (error.code === 'SM_K8S_DENIED') {
      return { reason: `it needs create serviceaccounts/token of ${namespace}/${serviceAccount}` }
    }
    throw error
  }
}

/** Tries a request. Vault looks at the policies first: whatever else it finds fault with, it has allowed. */
export async function tried({ vault }: Servers, request: VaultRequest): Promise<Attempted> {
  const came = await vault.attempt(request)
  const isDenied = 'refusal' in came && came.refusal.code === 'SM_VAULT_DENIED'
  return { outcome: isDenied ? 'refused' : 'allowed' }
}

/** Asked of the API server, which judges as it would when the ServiceAccount asks. */
export async function judged(
  servers: Servers,
  { name }: ClusterSpec,
  { namespace, account }: Omit<Who, 'audience'>,
  action: Action,
): Promise<Attempted> {
  try {
    const isAllowed = await servers.cluster(name).may(namespace, account, action)
    return { outcome: isAllowed ? 'allowed' : 'refused' }
  } catch (error) {
    if (!isSecretManagerError(error) || error.code !== 'SM_K8S_DENIED') throw error
    return { outcome: 'not tried', reason: 'it needs create subjectaccessreviews' }
  }
}

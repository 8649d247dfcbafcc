/**
 * Logins: each a function from a client to the token that Vault gave.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/kubernetes#login
 */
import { isSecretManagerError, SecretManagerError, type ErrorFacts } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { readClaims } from '../lib/jwt.ts'
import { recordField, stringField, type VaultClient, type VaultReply } from './client.ts'

/** A token that Vault gave. */
export interface VaultAuth {
  readonly token: string
  /** Monotonic time when the login was sent: its life is counted from there. */
  readonly sentAt: number
  readonly ttlMs: number
  readonly type: 'service' | 'batch'
}

/** Proves who we are. Called once per token; the caller bounds how often. */
export type Login = (client: VaultClient, allowance: Allowance) => Promise<VaultAuth>

/**
 * Gives a ServiceAccount JWT.
 *
 * @param refused - the JWT that Vault just refused; another one is wanted, if there is any
 */
export type JwtSource = (allowance: Allowance, refused: string | undefined) => Promise<string>

/** Settings of the kubernetes auth method. */
export interface KubernetesLogin {
  readonly mount: string
  readonly role: string
}

/**
 * Logs in with a ServiceAccount JWT.
 *
 * @returns a login that rejects with SM_AUTH_DENIED when Vault refuses the JWT, and one other where there is one
 */
export function kubernetesLogin(settings: KubernetesLogin, jwtSource: JwtSource): Login {
  return async (client, allowance) => {
    const jwt = await jwtSource(allowance, undefined)
    try {
      return await loginWith(client, allowance, settings, jwt)
    } catch (error) {
      if (!isSecretManagerError(error) || error.code !== 'SM_AUTH_DENIED') throw error
      // The kubelet may have replaced the file, or a kept JWT may have been revoked with its pod.
      const other = await jwtSource(allowance, jwt)
      if (other === jwt) throw error
      await allowance.admit('vault', error)
      return loginWith(client, allowance, settings, other)
    }
  }
}

async function loginWith(
  client: VaultClient,
  allowance: Allowance,
  settings: KubernetesLogin,
  jwt: string,
): Promise<VaultAuth> {
  const path = `auth/${settings.mount}/login`
  const body = { role: settings.role, jwt }
  const refused = (sentence: string, facts: ErrorFacts): SecretManagerError =>
    denied(settings, jwt, sentence, facts)
  const { reply, sentAt } = await client.exchange(allowance, {
    method: 'POST',
    path,
    body,
    refused,
  })
  return readAuth(reply, sentAt, path)
}

/** Reads `auth` of a login's answer. */
function readAuth(reply: VaultReply, sentAt: number, path: string): VaultAuth {
  const token = stringField(reply, 'auth', 'client_token', path)
  // It will stand in a header.
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new SecretManagerError(
      'SM_VAULT_BAD_RESPONSE',
      `the answer to ${path} has no usable token`,
    )
  }
  const auth = recordField(reply, 'auth')
  const seconds = auth['lease_duration']
  // 0 once meant "never expires" (CVE-2021-32923); here it means nothing.
  if (typeof seconds !== 'number' || !(seconds > 0) || !Number.isFinite(seconds)) {
    throw new SecretManagerError(
      'SM_AUTH_BAD_LEASE',
      `the answer to ${path} has no positive lease_duration`,
    )
  }
  return {
    token,
    sentAt,
    ttlMs: seconds * 1000,
    type: auth['token_type'] === 'batch' ? 'batch' : 'service',
  }
}

/** Says what Vault does not: which role, which identity, which audience, and what to compare. */
function denied(
  { mount, role }: KubernetesLogin,
  jwt: string,
  sentence: string,
  facts: ErrorFacts,
): SecretManagerError {
  const claims = readClaims(jwt)
  const who = claims?.sub ?? 'an unreadable JWT'
  const audience = claims?.aud.join(', ') || 'none'
  const reason = sentence === '' ? '' : `: ${sentence}`
  const message =
    `vault denied auth/${mount}/login for role "${role}" (${facts.status ?? 0})${reason}` +
    `; the JWT is of ${who} with audience ${audience}`
  return new SecretManagerError('SM_AUTH_DENIED', message, {
    ...facts,
    hint: deniedHint(mount, role, sentence),
  })
}

function deniedHint(mount: string, role: string, sentence: string): string {
  const read = `vault read auth/${mount}/role/${role}`
  switch (sentence) {
    case 'invalid audience (aud) claim':
      return `audience of the role and of the JWT differ: ${read}, then set vault.auth.audience or mount a token with that audience`
    case 'service account name not authorized':
      return `the ServiceAccount is not among bound_service_account_names of the role: ${read}`
    case 'namespace not authorized':
      return `the namespace is not among bound_service_account_namespaces of the role: ${read}`
    case 'invalid role name':
      return `the role does not exist there: vault list auth/${mount}/role`
    default:
      return (
        `Vault gives no reason. Check in this order: the mount exists (vault auth list); the JWT is of the cluster that vault read auth/${mount}/config names ` +
        `and not expired; its token_reviewer_jwt is valid and may create tokenreviews (ClusterRole system:auth-delegator); ${read}`
      )
  }
}

/** Configures an auth method and the role of one app, by a plan. */
import { createPublicKey } from 'node:crypto'
import { isRecord } from '../lib/record.ts'
import type { KubevaultPlan } from './plan.ts'
import { expect2xx, type Wire } from './wire.ts'

/** Sends one request to Vault, with a body; `path` is below `/v1/`. @throws on an unexpected answer */
export type CallVault = (method: string, path: string, body: object) => Promise<void>

/**
 * Vault asks the API server who a JWT is of.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/kubernetes
 */
export async function provisionTokenReview(
  call: CallVault,
  plan: KubevaultPlan,
  reviewerToken: string,
): Promise<void> {
  await call('POST', `auth/${plan.authMount}/config`, {
    kubernetes_host: plan.kubernetesHost,
    token_reviewer_jwt: reviewerToken,
    // Without a CA this setting is refused; a server over plain http has none.
    ...(plan.kubernetesCaPem === undefined
      ? {}
      : { kubernetes_ca_cert: plan.kubernetesCaPem, disable_local_ca_jwt: true }),
  })
  await call('POST', `auth/${plan.authMount}/role/${plan.role}`, {
    ...tokenSettings(plan),
    bound_service_account_names: [plan.serviceAccount],
    bound_service_account_namespaces: [plan.namespace],
    ...(plan.audience === undefined ? {} : { audience: plan.audience }),
  })
}

/**
 * Vault checks JWTs by the keys that the cluster has now.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/jwt
 */
export async function provisionJwt(
  call: CallVault,
  plan: KubevaultPlan,
  kubernetes: Wire,
): Promise<void> {
  const { namespace, serviceAccount, audience } = plan
  await call('POST', `auth/${plan.authMount}/config`, {
    jwt_validation_pubkeys: await signingKeys(kubernetes, plan.adminToken),
  })
  await call('POST', `auth/${plan.authMount}/role/${plan.role}`, {
    ...tokenSettings(plan),
    role_type: 'jwt',
    user_claim: 'sub',
    bound_subject: `system:serviceaccount:${namespace}:${serviceAccount}`,
    bound_audiences: audience === undefined ? [] : [audience],
  })
}

/**
 * Whoever has the role_id and a secret_id is the app.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/approle
 */
export async function provisionAppRole(call: CallVault, plan: KubevaultPlan): Promise<void> {
  await call('POST', `auth/${plan.authMount}/role/${plan.role}`, tokenSettings(plan))
}

function tokenSettings(plan: KubevaultPlan): object {
  return {
    token_policies: [plan.policyName],
    token_ttl: plan.tokenTtl,
    token_type: plan.tokenType,
    token_no_default_policy: plan.noDefaultPolicy,
    ...(plan.tokenMaxTtl === undefined ? {} : { token_max_ttl: plan.tokenMaxTtl }),
  }
}

/** The public keys of the cluster's ServiceAccount tokens, in PEM. */
async function signingKeys(kubernetes: Wire, token: string): Promise<readonly string[]> {
  const path = '/openid/v1/jwks'
  const answer = await kubernetes('GET', path, { token })
  expect2xx('GET', path, answer)
  const keys: unknown = isRecord(answer.body) ? answer.body['keys'] : undefined
  if (!Array.isArray(keys)) throw new Error(`${path}: no keys`)
  return keys.filter(isRecord).map((key) => {
    const pem = createPublicKey({ key, format: 'jwk' }).export({ type: 'spki', format: 'pem' })
    return pem.toString()
  })
}

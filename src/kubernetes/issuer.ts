/**
 * What a cluster publishes of its ServiceAccount tokens, for others to check them by.
 *
 * @see https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
 */
import { createPublicKey, type JsonWebKeyInput } from 'node:crypto'

import { isSecretManagerError, SecretManagerError, withFacts } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { isRecord, textOf } from '../lib/record.ts'
import type { KubernetesClient } from './client.ts'

/** Who signs the tokens, and by which keys. */
export interface Issuer {
  /** `iss` of the tokens. */
  readonly issuer: string
  /** In PEM; empty where the cluster names none. */
  readonly publicKeys: readonly string[]
}

const DISCOVERY = '/.well-known/openid-configuration'
const JWKS = '/openid/v1/jwks'

/**
 * Asks for both.
 *
 * @throws {@link SecretManagerError} SM_K8S_DENIED, SM_K8S_NOT_FOUND, SM_K8S_BAD_RESPONSE, SM_K8S_*
 */
export async function issuerOf(client: KubernetesClient, allowance: Allowance): Promise<Issuer> {
  const [about, publicKeys] = await Promise.all([
    published(client, allowance, DISCOVERY),
    publicKeysOf(client, allowance),
  ])
  const issuer = textOf(about['issuer'])
  if (issuer === '') throw badAnswer(client, DISCOVERY, 'has no issuer')
  return { issuer, publicKeys }
}

/** Asks for the keys alone. @throws {@link SecretManagerError} as {@link issuerOf} */
export async function publicKeysOf(
  client: KubernetesClient,
  allowance: Allowance,
): Promise<readonly string[]> {
  const { keys } = await published(client, allowance, JWKS)
  if (!Array.isArray(keys)) throw badAnswer(client, JWKS, 'has no list of keys')
  return keys.map((jwk: unknown, index) => {
    const pem = isRecord(jwk) ? publicKeyPem({ key: { ...jwk }, format: 'jwk' }) : undefined
    if (pem !== undefined) return pem
    throw badAnswer(client, JWKS, `has something at keys[${index}] that is no public key`)
  })
}

/** A public key in the one form that can be compared, PEM of its SubjectPublicKeyInfo; `undefined` for what is none. */
export function publicKeyPem(key: string | JsonWebKeyInput): string | undefined {
  try {
    return createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
  } catch {
    return undefined
  }
}

async function published(
  client: KubernetesClient,
  allowance: Allowance,
  path: string,
): Promise<Readonly<Record<string, unknown>>> {
  // It gives its keys to nobody who asks for plain JSON alone.
  const headers = { accept: 'application/json, application/jwk-set+json' }
  const operation = { verb: 'get', resource: path } as const
  const request = { method: 'GET', path, headers } as const
  try {
    const { json } = await client.request(allowance, operation, request)
    if (isRecord(json)) return json
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    const hint = HINTS.get(error.code)
    throw hint === undefined ? error : withFacts(error, { hint })
  }
  throw badAnswer(client, path, 'is no JSON object')
}

const HINTS: ReadonlyMap<string, string> = new Map([
  [
    'SM_K8S_DENIED',
    'the role system:service-account-issuer-discovery allows it: kubectl create clusterrolebinding NAME ' +
      '--clusterrole=system:service-account-issuer-discovery --user=YOU',
  ],
  [
    'SM_K8S_NOT_FOUND',
    'the API server publishes its keys only where --service-account-issuer is an https URL: set that; ' +
      'or use auth: kubernetes, where Vault asks the cluster itself',
  ],
])

function badAnswer({ access }: KubernetesClient, path: string, why: string): SecretManagerError {
  const message = `the answer of the API server at ${access.server} to ${path} ${why}`
  return new SecretManagerError('SM_K8S_BAD_RESPONSE', message, {
    hint: `look at it: kubectl get --raw ${path}; check that the address is that of the API server, and no proxy answers in its place`,
  })
}

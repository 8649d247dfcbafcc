/** What an operator does once an app is provisioned, over plain REST. */
import type { KubevaultPlan } from './plan.ts'
import { expect2xx, stringAt, type Wire } from './wire.ts'

/** Requests a ServiceAccount token. An empty list of audiences means the API server itself. */
export async function requestToken(
  kubernetes: Wire,
  request: {
    readonly adminToken: string
    readonly namespace: string
    readonly serviceAccount: string
    readonly audiences?: readonly string[] | undefined
    /** Seconds; the API server refuses less than 600. */
    readonly expirationSeconds?: number | undefined
  },
): Promise<string> {
  const {
    adminToken,
    namespace,
    serviceAccount,
    audiences = [],
    expirationSeconds = 3600,
  } = request
  const path = `/api/v1/namespaces/${namespace}/serviceaccounts/${serviceAccount}/token`
  const spec = { audiences, expirationSeconds }
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec }
  const answer = await kubernetes('POST', path, { token: adminToken, body })
  expect2xx('POST', path, answer)
  return stringAt(answer.body, 'status', 'token')
}

/** Reads the role_id of the plan's AppRole, and makes a secret_id for it. */
export async function appRoleIds(
  vault: Wire,
  { authMount, role, rootToken: token }: KubevaultPlan,
): Promise<{ readonly roleId: string; readonly secretId: string }> {
  const path = `/v1/auth/${authMount}/role/${role}`
  const roleId = await vault('GET', `${path}/role-id`, { token })
  expect2xx('GET', `${path}/role-id`, roleId)
  const secretId = await vault('POST', `${path}/secret-id`, { token, body: {} })
  expect2xx('POST', `${path}/secret-id`, secretId)
  return {
    roleId: stringAt(roleId.body, 'data', 'role_id'),
    secretId: stringAt(secretId.body, 'data', 'secret_id'),
  }
}

/** Encrypts a document as the Python original does; gives `vault:v1:…`. */
export async function encryptRaw(
  vault: Wire,
  plan: KubevaultPlan,
  document: string,
): Promise<string> {
  const path = `/v1/${plan.transitMount}/encrypt/${plan.transitKey}`
  const body = { plaintext: Buffer.from(document).toString('base64') }
  const answer = await vault('POST', path, { token: plan.rootToken, body })
  expect2xx('POST', path, answer)
  return stringAt(answer.body, 'data', 'ciphertext')
}

/** Creates or replaces a Secret (or ConfigMap) with these entries, given as text. */
export async function putObject(
  kubernetes: Wire,
  plan: KubevaultPlan,
  object: {
    readonly name: string
    readonly data: Readonly<Record<string, string>>
    readonly kind?: 'Secret' | 'ConfigMap' | undefined
  },
): Promise<void> {
  const { name, data, kind = 'Secret' } = object
  const path = `/api/v1/namespaces/${plan.namespace}/${kind === 'Secret' ? 'secrets' : 'configmaps'}`
  const encoded = Object.entries(data).map(([key, text]) => [
    key,
    Buffer.from(text).toString('base64'),
  ])
  const content = kind === 'Secret' ? Object.fromEntries(encoded) : data
  const body = { apiVersion: 'v1', kind, metadata: { name }, data: content }
  const { adminToken: token } = plan
  const created = await kubernetes('POST', path, { token, body })
  if (created.status !== 409) return expect2xx('POST', path, created)
  expect2xx('PUT', path, await kubernetes('PUT', `${path}/${name}`, { token, body }))
}

/** Deletes a Secret. @throws where there is none */
export async function deleteSecret(
  kubernetes: Wire,
  { namespace, adminToken: token }: KubevaultPlan,
  name: string,
): Promise<void> {
  const path = `/api/v1/namespaces/${namespace}/secrets/${name}`
  expect2xx('DELETE', path, await kubernetes('DELETE', path, { token }))
}

/** Reads an entry of a Secret, as text. */
export async function readEntry(
  kubernetes: Wire,
  { namespace, adminToken: token }: KubevaultPlan,
  name: string,
  key: string,
): Promise<string> {
  const path = `/api/v1/namespaces/${namespace}/secrets/${name}`
  const answer = await kubernetes('GET', path, { token })
  expect2xx('GET', path, answer)
  return Buffer.from(stringAt(answer.body, 'data', key), 'base64').toString()
}

/** Adds a version to the plan's Transit key. */
export async function rotateTransitKey(vault: Wire, plan: KubevaultPlan): Promise<void> {
  const path = `/v1/${plan.transitMount}/keys/${plan.transitKey}/rotate`
  expect2xx('POST', path, await vault('POST', path, { token: plan.rootToken, body: {} }))
}

/** What the API server's error answers stand for. Its text is not trusted; every word here is our own. */
import { SecretManagerError, type ErrorCode } from '../errors.ts'
import { waitAskedFor, type Answer, type Backend } from '../http/call.ts'
import { readClaims } from '../lib/jwt.ts'
import type { ClusterAccess } from './config.ts'

/** What was asked, in RBAC's words. */
export interface Operation {
  readonly verb: 'get' | 'create' | 'patch'
  readonly resource: 'secrets' | 'configmaps' | 'serviceaccounts/token'
  readonly namespace: string
  readonly name: string
}

/** Turns an answer that is not a success into the error it stands for. */
export function kubernetesError(
  backend: Backend,
  operation: Operation,
  answer: Answer,
  access: ClusterAccess,
  token: string | undefined,
): SecretManagerError {
  const { status } = answer
  const code = codeOf(status)
  const message = `the API server at ${backend.url} ${reasonOf(code, operation)} (${status})`
  return new SecretManagerError(code, message + origin(code, access), {
    hint: hintFor(code, operation, token),
    status,
    retryAfterMs: waitAskedFor(backend, answer),
  })
}

function codeOf(status: number): ErrorCode {
  return BY_STATUS[status] ?? (status >= 500 ? 'SM_K8S_5XX' : 'SM_K8S_REJECTED')
}

const BY_STATUS: Readonly<Record<number, ErrorCode>> = {
  401: 'SM_K8S_UNAUTHENTICATED',
  403: 'SM_K8S_DENIED',
  404: 'SM_K8S_NOT_FOUND',
  409: 'SM_K8S_CONFLICT',
  413: 'SM_TOO_LARGE',
  429: 'SM_K8S_RATE_LIMITED',
}

function reasonOf(code: ErrorCode, { verb, resource, namespace, name }: Operation): string {
  const object = `${resource} "${name}" in namespace "${namespace}"`
  if (code === 'SM_K8S_NOT_FOUND')
    return `has no ${KINDS[resource]} "${name}" in namespace "${namespace}"`
  return `${REASONS[code] ?? 'refused to'} ${verb} ${object}`
}

const KINDS: Readonly<Record<Operation['resource'], string>> = {
  secrets: 'Secret',
  configmaps: 'ConfigMap',
  'serviceaccounts/token': 'ServiceAccount',
}

const REASONS: Partial<Record<ErrorCode, string>> = {
  SM_K8S_UNAUTHENTICATED: 'does not know who asks to',
  SM_K8S_CONFLICT: 'met another change and did not',
  SM_K8S_RATE_LIMITED: 'is overloaded and did not',
  SM_K8S_5XX: 'failed to',
}

function origin(code: ErrorCode, access: ClusterAccess): string {
  return code === 'SM_K8S_UNAUTHENTICATED' ? `; credentials are from ${access.origin}` : ''
}

function hintFor(
  code: ErrorCode,
  operation: Operation,
  token: string | undefined,
): string | undefined {
  if (code === 'SM_K8S_DENIED') return grant(operation, token)
  if (code === 'SM_K8S_NOT_FOUND') return lookUp(operation)
  return undefined
}

/** The commands that grant exactly what was missing, and no more. */
function grant({ verb, resource, namespace, name }: Operation, token: string | undefined): string {
  const role = `secretmanager-${name}`.slice(0, 63)
  const claims = token === undefined ? undefined : readClaims(token)
  const subject =
    claims?.namespace !== undefined && claims.serviceAccount !== undefined
      ? `--serviceaccount=${claims.namespace}:${claims.serviceAccount}`
      : '--serviceaccount=NAMESPACE:NAME'
  // RBAC cannot match a name on create: the object has none yet; a subresource's parent has.
  const byName =
    verb === 'create' && resource !== 'serviceaccounts/token' ? '' : ` --resource-name=${name}`
  return (
    `grant it: kubectl -n ${namespace} create role ${role} --verb=${verb} --resource=${resource}${byName}` +
    ` && kubectl -n ${namespace} create rolebinding ${role} --role=${role} ${subject}`
  )
}

function lookUp({ resource, namespace }: Operation): string {
  const kind = resource === 'serviceaccounts/token' ? 'serviceaccounts' : resource
  return `check the name and the namespace: kubectl -n ${namespace} get ${kind}`
}

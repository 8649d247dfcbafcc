/** What the API server's error answers stand for. Its text is not trusted; every word here is our own. */
import { SecretManagerError, type ErrorCode } from '../errors.ts'
import { waitAskedFor, type Answer, type Backend } from '../http/call.ts'
import { readClaims } from '../lib/jwt.ts'
import { isDnsLabel, isDnsSubdomain } from '../lib/names.ts'
import type { ClusterAccess } from './config.ts'

/** What was asked, in RBAC's words. */
export interface Operation {
  readonly verb: 'get' | 'list' | 'watch' | 'create' | 'update' | 'patch' | 'delete'
  /** Such as `secrets`, `serviceaccounts/token`, `roles.rbac.authorization.k8s.io`. */
  readonly resource: string
  /** Absent: all of them, or an object of the cluster. */
  readonly namespace?: string | undefined
  /** Absent: the whole collection. */
  readonly name?: string | undefined
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

function reasonOf(code: ErrorCode, operation: Operation): string {
  const { verb, resource, name } = operation
  if (code === 'SM_K8S_NOT_FOUND') return `has no ${missing(operation)}`
  const object = name === undefined ? resource : `${resource} "${name}"`
  return `${REASONS[code] ?? 'refused to'} ${verb} ${object}${placeOf(operation)}`
}

function missing({ resource, namespace, name }: Operation): string {
  // Collections are never missing: then it is the resource that is not served.
  if (name === undefined) return `resource ${resource}`
  return `${KINDS[resource] ?? resource} "${name}"${placeOf({ verb: 'get', resource, namespace })}`
}

function placeOf({ verb, namespace }: Operation): string {
  if (namespace !== undefined) return ` in namespace "${namespace}"`
  return verb === 'list' || verb === 'watch' ? ' in all namespaces' : ''
}

const KINDS: Readonly<Record<string, string>> = {
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
function grant(operation: Operation, token: string | undefined): string {
  const { verb, resource, namespace, name } = operation
  const role = `secretmanager-${name ?? `${verb}-${resource.replace(/[^a-z0-9]+/g, '-')}`}`.slice(
    0,
    63,
  )
  const kind = namespace === undefined ? 'clusterrole' : 'role'
  const create = namespace === undefined ? 'kubectl create' : `kubectl -n ${namespace} create`
  return (
    `grant it: ${create} ${kind} ${role} --verb=${verb} --resource=${resource}${byName(operation)}` +
    ` && ${create} ${kind}binding ${role} --${kind}=${role} ${subjectOf(token)}`
  )
}

/** RBAC cannot match a name on create: the object has none yet; a subresource's parent has. */
function byName({ verb, resource, name }: Operation): string {
  const isNameless = name === undefined || (verb === 'create' && !resource.includes('/'))
  return isNameless ? '' : ` --resource-name=${name}`
}

/** A token may say anything of itself: only names go into a command. */
function subjectOf(token: string | undefined): string {
  const { namespace = '', serviceAccount = '' } = (token && readClaims(token)) || {}
  return isDnsLabel(namespace) && isDnsSubdomain(serviceAccount)
    ? `--serviceaccount=${namespace}:${serviceAccount}`
    : '--serviceaccount=NAMESPACE:NAME'
}

function lookUp({ resource, namespace, name }: Operation): string {
  if (name === undefined) return 'check that the address is that of a Kubernetes API server'
  const [collection] = resource.split('/')
  const scope = namespace === undefined ? '' : `-n ${namespace} `
  return `check the name and the namespace: kubectl ${scope}get ${collection}`
}

/** `serviceaccounts/NAME/token`; https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/ */
import type { Answer } from './answer.ts'
import { type Expected, readBody } from './body.ts'
import { type Cluster, randomUuid, timestamp } from './cluster.ts'
import { NAMESPACES, PODS, SERVICE_ACCOUNTS, type ServiceAccount } from './core-kinds.ts'
import { SECRETS } from './data-kinds.ts'
import { intType, listType, stringType, structType } from './decode.ts'
import { inNamespace } from './metadata.ts'
import { type KubernetesObject, OBJECT_META, type Resource, TYPE_META } from './objects.ts'
import type { ResourceRequest } from './request.ts'
import { type FieldError, badRequest, conflict, invalid, invalidValue, notFound } from './status.ts'
import { ISSUER, type KubernetesClaims, type ObjectRef } from './tokens.ts'

/** The object whose end ends the token. */
export interface BoundObjectReference {
  kind?: string
  apiVersion?: string
  name?: string
  uid?: string
}

/** What is asked for: audiences, seconds to live, binding. */
export interface TokenRequestSpec {
  audiences?: string[]
  expirationSeconds?: number
  boundObjectRef?: BoundObjectReference
}

/** A request for a token of the ServiceAccount in the URL. */
export interface TokenRequest extends KubernetesObject {
  spec?: TokenRequestSpec
}

const AUTHENTICATION = { group: 'authentication.k8s.io', version: 'v1' } as const
const DEFAULT_SECONDS = 3600
const MIN_SECONDS = 600
const MAX_SECONDS = 2 ** 32

const TOKEN_REQUEST: Expected<TokenRequest> = {
  ...AUTHENTICATION,
  kind: 'TokenRequest',
  type: structType<TokenRequest>('TokenRequest', {
    ...TYPE_META,
    metadata: OBJECT_META,
    spec: structType<TokenRequestSpec>(
      'TokenRequestSpec',
      {
        audiences: listType(stringType()),
        expirationSeconds: intType,
        boundObjectRef: structType<BoundObjectReference>(
          'BoundObjectReference',
          {
            kind: stringType(),
            apiVersion: stringType(),
            name: stringType(),
            uid: stringType('types.UID'),
          },
          'v1.',
        ),
      },
      'v1.',
    ),
  }),
}

/** POST: 201 with a signed token. */
export function requestToken(cluster: Cluster, request: ResourceRequest): Answer {
  const { object, warnings } = readBody(request.body, request.contentType, TOKEN_REQUEST, false)
  const account = accountOf(cluster, request, object)
  const {
    audiences = [ISSUER],
    expirationSeconds = DEFAULT_SECONDS,
    boundObjectRef,
  } = object.spec ?? {}
  const ref: ObjectRef = { name: request.name, uid: account.metadata.uid ?? '' }
  const bound = boundTo(cluster, request, boundObjectRef)
  const now = Math.floor(cluster.clock() / 1000)
  const token = cluster.signer.sign({
    aud: audiences,
    exp: now + expirationSeconds,
    iat: now,
    iss: ISSUER,
    jti: randomUuid(cluster),
    'kubernetes.io': { namespace: request.namespace, ...bound, serviceaccount: ref },
    nbf: now,
    sub: `system:serviceaccount:${request.namespace}:${request.name}`,
  })
  const body = {
    kind: 'TokenRequest',
    apiVersion: 'authentication.k8s.io/v1',
    metadata: { ...ref, namespace: request.namespace, creationTimestamp: timestamp(now * 1000) },
    spec: { audiences, expirationSeconds, boundObjectRef: boundObjectRef ?? null },
    status: { token, expirationTimestamp: timestamp((now + expirationSeconds) * 1000) },
  }
  return { status: 201, body, warnings }
}

function accountOf(
  { store }: Cluster,
  request: ResourceRequest,
  object: TokenRequest,
): ServiceAccount {
  const { namespace, name } = request
  const { name: given = name } = inNamespace(object.metadata, namespace)
  if (store.get(NAMESPACES, '', namespace) === undefined) throw notFound(NAMESPACES, namespace)
  const account = store.get(SERVICE_ACCOUNTS, namespace, name)
  if (account === undefined) throw notFound(SERVICE_ACCOUNTS, name)
  const text = 'must match the service account name if specified'
  if (given !== name) refuse(name, [invalidValue('metadata.name', given, text)])
  refuse('', secondsErrors(object.spec?.expirationSeconds))
  return account
}

function refuse(name: string, errors: readonly FieldError[]): void {
  if (errors.length > 0)
    throw invalid({ group: AUTHENTICATION.group, name: 'TokenRequest' }, name, errors)
}

function secondsErrors(seconds: number = DEFAULT_SECONDS): FieldError[] {
  const field = 'spec.expirationSeconds'
  if (seconds < MIN_SECONDS)
    return [invalidValue(field, seconds, 'may not specify a duration less than 10 minutes')]
  if (seconds > MAX_SECONDS)
    return [invalidValue(field, seconds, 'may not specify a duration larger than 2^32 seconds')]
  return []
}

/** The claims of a binding; the object must exist now, and be the one that was meant. */
function boundTo(
  cluster: Cluster,
  request: ResourceRequest,
  ref: BoundObjectReference | undefined,
): KubernetesClaims {
  if (ref === undefined) return {}
  if (ref.kind === 'Pod') return boundToPod(cluster, request, ref)
  if (ref.kind === 'Secret') return { secret: meant(cluster, SECRETS, request, ref).ref }
  throw badRequest(`cannot bind token to object of type ${groupVersionKind(ref)}`)
}

function boundToPod(
  cluster: Cluster,
  request: ResourceRequest,
  given: BoundObjectReference,
): KubernetesClaims {
  const { object, ref } = meant(cluster, PODS, request, given)
  const { serviceAccountName = '', nodeName = '' } = object.spec ?? {}
  if (serviceAccountName !== request.name) {
    throw badRequest(
      `cannot bind token for serviceaccount ${JSON.stringify(request.name)} to pod running with different serviceaccount name.`,
    )
  }
  return { ...(nodeName === '' ? {} : { node: { name: nodeName } }), pod: ref }
}

function meant<T extends KubernetesObject>(
  { store }: Cluster,
  resource: Resource<T>,
  { namespace }: ResourceRequest,
  { name = '', uid = '' }: BoundObjectReference,
): { object: T; ref: ObjectRef } {
  if (name === '') throw badRequest('Name parameter required.')
  const object = store.get(resource, namespace, name)
  if (object === undefined) throw notFound(resource, name)
  const ownUid = object.metadata.uid ?? ''
  if (uid !== '' && uid !== ownUid) {
    const record =
      'does not match the UID in record. The object might have been deleted and then recreated'
    throw conflict(
      { group: resource.group, name: resource.kind },
      name,
      `the UID in the bound object reference (${uid}) ${record}`,
    )
  }
  return { object, ref: { name, uid: ownUid } }
}

function groupVersionKind({ kind = '', apiVersion = '' }: BoundObjectReference): string {
  const at = apiVersion.lastIndexOf('/')
  return `${apiVersion.slice(0, Math.max(at, 0))}/${apiVersion.slice(at + 1)}, Kind=${kind}`
}

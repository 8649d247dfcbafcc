/**
 * Questions that are posted and answered, and never stored: whose token this is, who I am, what I may.
 *
 * https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-review-v1/
 * https://kubernetes.io/docs/reference/kubernetes-api/authorization-resources/
 */
import type { Answer } from './answer.ts'
import { type User, authenticate } from './authentication.ts'
import { type Expected, readBody } from './body.ts'
import { type Cluster, timestamp } from './cluster.ts'
import { type GoType, listType, stringType, structType } from './decode.ts'
import { type KubernetesObject, OBJECT_META, TYPE_META } from './objects.ts'
import { type Attributes, type ResourceAttributes, authorize, rulesOf } from './rbac.ts'
import type { PolicyRule } from './rbac-kinds.ts'
import type { ResourceRequest } from './request.ts'
import { badRequest, invalid, invalidValue } from './status.ts'

/** A question whose `status` is the answer. */
type Review<Spec> = KubernetesObject & { spec?: Spec }

interface TokenReviewSpec {
  token?: string
  audiences?: string[]
}

interface ResourceAttributesSpec {
  namespace?: string
  verb?: string
  group?: string
  version?: string
  resource?: string
  subresource?: string
  name?: string
}

interface AccessReviewSpec {
  resourceAttributes?: ResourceAttributesSpec
  nonResourceAttributes?: { path?: string; verb?: string }
  user?: string
  groups?: string[]
  uid?: string
}

const AUTHENTICATION = { group: 'authentication.k8s.io', version: 'v1' } as const
const AUTHORIZATION = { group: 'authorization.k8s.io', version: 'v1' } as const

const TOKEN_REVIEW: Expected<Review<TokenReviewSpec>> = {
  ...AUTHENTICATION,
  kind: 'TokenReview',
  type: reviewType(
    'TokenReview',
    structType<TokenReviewSpec>(
      'TokenReviewSpec',
      {
        token: stringType(),
        audiences: listType(stringType()),
      },
      'v1.',
    ),
  ),
}

const SELF_SUBJECT_REVIEW: Expected<Review<object>> = {
  ...AUTHENTICATION,
  kind: 'SelfSubjectReview',
  type: reviewType('SelfSubjectReview', structType<object>('SelfSubjectReviewSpec', {}, 'v1.')),
}

const RULES_REVIEW: Expected<Review<{ namespace?: string }>> = {
  ...AUTHORIZATION,
  kind: 'SelfSubjectRulesReview',
  type: reviewType(
    'SelfSubjectRulesReview',
    structType<{ namespace?: string }>(
      'SelfSubjectRulesReviewSpec',
      { namespace: stringType() },
      'v1.',
    ),
  ),
}

/** POST of a TokenReview: 201, also for a token that nobody has. */
export function reviewToken(cluster: Cluster, request: ResourceRequest): Answer {
  const { object, warnings } = readBody(request.body, request.contentType, TOKEN_REVIEW, false)
  const { token = '', audiences } = object.spec ?? {}
  if (token === '') throw badRequest('token is required for TokenReview in authentication')
  const verdict = authenticate(cluster, token, audiences)
  const status =
    'error' in verdict
      ? { user: {}, error: verdict.error }
      : { authenticated: true, user: verdict.user, audiences: verdict.audiences }
  return answered(TOKEN_REVIEW, object, { spec: object.spec ?? {}, status }, warnings)
}

/** POST of a SelfSubjectReview: who sent it. */
export function reviewSelf(cluster: Cluster, request: ResourceRequest): Answer {
  const { object, warnings } = readBody(
    request.body,
    request.contentType,
    SELF_SUBJECT_REVIEW,
    false,
  )
  const metadata = { ...object.metadata, creationTimestamp: timestamp(cluster.clock()) }
  return answered(
    SELF_SUBJECT_REVIEW,
    { metadata },
    { status: { userInfo: request.user } },
    warnings,
  )
}

/** POST of a SelfSubjectAccessReview: whether who sent it may do something. */
export function reviewOwnAccess(cluster: Cluster, request: ResourceRequest): Answer {
  return reviewAccess(cluster, request, 'SelfSubjectAccessReview', () => request.user)
}

/** POST of a SubjectAccessReview: whether somebody may do something. */
export function reviewAnyAccess(cluster: Cluster, request: ResourceRequest): Answer {
  return reviewAccess(cluster, request, 'SubjectAccessReview', (spec) => {
    const { user: username = '', groups = [], uid = '' } = spec
    if (username === '' && groups.length === 0) throw nobody()
    return { username, uid, groups }
  })
}

/** POST of a SelfSubjectRulesReview: all that who sent it may do in a namespace. */
export function reviewOwnRules(cluster: Cluster, request: ResourceRequest): Answer {
  const { object, warnings } = readBody(request.body, request.contentType, RULES_REVIEW, false)
  const { namespace = '' } = object.spec ?? {}
  if (namespace === '') throw badRequest('no namespace on request')
  const rules = cluster.rbac ? rulesOf(cluster, request.user, namespace) : EVERYTHING
  const resourceRules = rules.filter(({ resources = [] }) => resources.length > 0)
  const nonResourceRules = rules.filter(({ nonResourceURLs = [] }) => nonResourceURLs.length > 0)
  const status = { resourceRules, nonResourceRules, incomplete: false }
  return answered(RULES_REVIEW, object, { spec: {}, status }, warnings)
}

/** The rules where none are enforced. */
const EVERYTHING: readonly PolicyRule[] = [
  { verbs: ['*'], apiGroups: ['*'], resources: ['*'] },
  { verbs: ['*'], nonResourceURLs: ['*'] },
]

function nobody(): Error {
  const text = 'at least one of user or group must be specified'
  const error = invalidValue('spec.user', '', text)
  return invalid({ group: AUTHORIZATION.group, name: '' }, '', [error])
}

function reviewAccess(
  cluster: Cluster,
  request: ResourceRequest,
  kind: string,
  userOf: (spec: AccessReviewSpec) => User,
): Answer {
  const expected = { ...AUTHORIZATION, kind, type: reviewType(kind, accessReviewSpec(kind)) }
  const { object, warnings } = readBody(request.body, request.contentType, expected, false)
  const spec = object.spec ?? {}
  const { allowed, reason } = authorize(cluster, userOf(spec), attributesOf(spec))
  const status = { allowed, ...(reason === '' ? {} : { reason }) }
  return answered(expected, object, { spec, status }, warnings)
}

function reviewType<Spec>(kind: string, spec: GoType<NonNullable<Spec>>): GoType<Review<Spec>> {
  return structType<Review<Spec>>(kind, { ...TYPE_META, metadata: OBJECT_META, spec })
}

function accessReviewSpec(kind: string): GoType<AccessReviewSpec> {
  return structType<AccessReviewSpec>(
    `${kind}Spec`,
    {
      resourceAttributes: structType<ResourceAttributesSpec>(
        'ResourceAttributes',
        {
          namespace: stringType(),
          verb: stringType(),
          group: stringType(),
          version: stringType(),
          resource: stringType(),
          subresource: stringType(),
          name: stringType(),
        },
        'v1.',
      ),
      nonResourceAttributes: structType<{ path?: string; verb?: string }>(
        'NonResourceAttributes',
        {
          path: stringType(),
          verb: stringType(),
        },
        'v1.',
      ),
      user: stringType(),
      groups: listType(stringType()),
      uid: stringType(),
    },
    'v1.',
  )
}

function attributesOf({ resourceAttributes, nonResourceAttributes }: AccessReviewSpec): Attributes {
  if (resourceAttributes !== undefined && nonResourceAttributes === undefined) {
    return { ...NO_ATTRIBUTES, ...resourceAttributes }
  }
  if (nonResourceAttributes !== undefined && resourceAttributes === undefined) {
    return { verb: '', path: '', ...nonResourceAttributes }
  }
  const text = 'exactly one of nonResourceAttributes or resourceAttributes must be specified'
  const error = invalidValue('spec.resourceAttributes', null, text)
  throw invalid({ group: AUTHORIZATION.group, name: '' }, '', [error])
}

const NO_ATTRIBUTES: ResourceAttributes = {
  verb: '',
  group: '',
  resource: '',
  subresource: '',
  namespace: '',
  name: '',
}

function answered<T>(
  { group, version, kind }: Expected<T>,
  { metadata }: KubernetesObject,
  rest: object,
  warnings: readonly string[],
): Answer {
  const body = { kind, apiVersion: `${group}/${version}`, metadata, ...rest }
  return { status: 201, body, warnings }
}

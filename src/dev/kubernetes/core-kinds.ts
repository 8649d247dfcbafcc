/** The kinds of the core group without data: Namespace, ServiceAccount, Pod. */
import { anyType, boolType, listType, stringType, structType } from './decode.ts'
import { type KubernetesObject, OBJECT_META, type Resource, TYPE_META } from './objects.ts'
import { required } from './status.ts'
import { dnsLabel, dnsSubdomain } from './validation.ts'

/** A Namespace. */
export interface Namespace extends KubernetesObject {
  spec?: { finalizers?: string[] }
  status?: { phase?: string }
}

/** A ServiceAccount. */
export interface ServiceAccount extends KubernetesObject {
  secrets?: unknown[]
  imagePullSecrets?: unknown[]
  automountServiceAccountToken?: boolean
}

/** A Pod, as far as tokens are bound to it. */
export interface Pod extends KubernetesObject {
  spec?: PodSpec
  status?: unknown
}

/** The part of a Pod that a token request looks at; the rest is kept unseen. */
export interface PodSpec {
  containers?: unknown[]
  serviceAccountName?: string
  nodeName?: string
}

const CORE = { group: '', version: 'v1' } as const
/** https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/namespace-v1/ */
export const NAMESPACES: Resource<Namespace> = {
  ...CORE,
  name: 'namespaces',
  kind: 'Namespace',
  namespaced: false,
  deleteGives: 'object',
  selectable: ({ status }) => ({ 'status.phase': status?.phase ?? '' }),
  type: structType<Namespace>('Namespace', {
    ...TYPE_META,
    metadata: OBJECT_META,
    spec: structType<{ finalizers?: string[] }>(
      'NamespaceSpec',
      {
        finalizers: listType(stringType('v1.FinalizerName')),
      },
      'v1.',
    ),
    status: structType<{ phase?: string }>(
      'NamespaceStatus',
      {
        phase: stringType('v1.NamespacePhase'),
      },
      'v1.',
    ),
  }),
  complete(object) {
    const { name = '', labels = {} } = object.metadata
    const all = { ...labels, 'kubernetes.io/metadata.name': name }
    const spec = object.spec ?? { finalizers: ['kubernetes'] }
    const status = object.status ?? { phase: 'Active' }
    return { ...object, metadata: { ...object.metadata, labels: all }, spec, status }
  },
  validate: () => [],
  validateName: dnsLabel,
}

/** https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/service-account-v1/ */
export const SERVICE_ACCOUNTS: Resource<ServiceAccount> = {
  ...CORE,
  name: 'serviceaccounts',
  kind: 'ServiceAccount',
  namespaced: true,
  deleteGives: 'object',
  type: structType<ServiceAccount>('ServiceAccount', {
    ...TYPE_META,
    metadata: OBJECT_META,
    secrets: listType(anyType),
    imagePullSecrets: listType(anyType),
    automountServiceAccountToken: boolType,
  }),
  complete: (object) => object,
  validate: () => [],
  validateName: dnsSubdomain,
}

/** Pods are never run: they exist so that tokens can be bound to them. */
export const PODS: Resource<Pod> = {
  ...CORE,
  name: 'pods',
  kind: 'Pod',
  namespaced: true,
  deleteGives: 'object',
  selectable: ({ spec: { nodeName = '', serviceAccountName = '' } = {} }) => ({
    'spec.nodeName': nodeName,
    'spec.serviceAccountName': serviceAccountName,
  }),
  type: structType<Pod>('Pod', {
    ...TYPE_META,
    metadata: OBJECT_META,
    spec: podSpec(),
    status: anyType,
  }),
  complete: (object) => ({ ...object, status: { phase: 'Pending', qosClass: 'BestEffort' } }),
  validate: ({ spec }) => (spec?.containers === undefined ? [required('spec.containers')] : []),
  validateName: dnsSubdomain,
}

/** Keeps the fields it does not know: a Pod has hundreds and none of the others matters here. */
function podSpec(): typeof known {
  const known = structType<PodSpec>(
    'PodSpec',
    {
      containers: listType(anyType),
      serviceAccountName: stringType(),
      nodeName: stringType(),
    },
    'v1.',
  )
  return {
    ...known,
    read: (value, place) => ({ ...Object(value), ...known.read(value, { ...place, unknown: [] }) }),
  }
}

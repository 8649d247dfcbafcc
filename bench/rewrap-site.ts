/** A namespace of sealed documents on the real servers, and who may rewrap them and nothing else. */
import { documentFor, policyFor, rulesFor, sealedText } from './rewrap-documents.ts'
import type { Rig } from './rig.ts'

/** Documents that wait for a rewrap. */
export interface RewrapSite {
  readonly namespace: string
  readonly transitKey: string
  /** Path of a configuration in the native shape. */
  readonly configFile: string
  /** Adds a version to the key: all documents are behind then. */
  rotate(): Promise<void>
  look(): Promise<Look>
}

/** What is stored at one time. */
export interface Look {
  /** Documents that are under the latest version. */
  readonly current: number
  /** resourceVersion by name. */
  readonly versions: ReadonlyMap<string, string>
}

const [NAMESPACE, KEY, SERVICE_ACCOUNT] = ['rewrap', 'rewrap', 'rotator']
const BASE = `/api/v1/namespaces/${NAMESPACE}`
const RBAC = '/apis/rbac.authorization.k8s.io/v1'
const BATCH = 100
/** Objects that are written at once. */
const AT_ONCE = 8

/** Stores `count` sealed documents of about `bytes` bytes each. */
export async function rewrapSite(rig: Rig, count: number, bytes: number): Promise<RewrapSite> {
  await provision(rig)
  for (let at = 0; at < count; at += BATCH) {
    const length = Math.min(BATCH, count - at)
    const documents = Array.from({ length }, (_none, index) =>
      documentFor(NAMESPACE, at + index, bytes),
    )
    await store(rig, documents)
  }
  let latest = 1
  return {
    namespace: NAMESPACE,
    transitKey: KEY,
    configFile: await configFile(rig),
    rotate: async () => {
      await rig.vault('POST', `transit/keys/${KEY}/rotate`, {})
      latest += 1
    },
    look: async () => {
      const { items } = (await rig.kubernetes.api('GET', `${BASE}/secrets`)) as unknown as List
      const texts = items.flatMap(({ data = {} }) => Object.values(data)).map(decoded)
      return {
        current: texts.filter((text) => text.includes(`:vault:v${latest}:`)).length,
        versions: new Map(items.map(({ metadata }) => [metadata.name, metadata.resourceVersion])),
      }
    },
  }
}

interface List {
  readonly items: readonly {
    readonly metadata: { readonly name: string; readonly resourceVersion: string }
    readonly data?: Readonly<Record<string, string>>
  }[]
}

function decoded(base64: string): string {
  return Buffer.from(base64, 'base64').toString()
}

async function provision({ vault, kubernetes: { api } }: Rig): Promise<void> {
  const settings = { type: 'aes256-gcm96', derived: true }
  await vault('POST', `transit/keys/${KEY}`, settings)
  await vault('PUT', `sys/policies/acl/${KEY}`, { policy: policyFor(KEY) })
  await vault('POST', `auth/kubernetes/role/${KEY}`, {
    bound_service_account_names: [SERVICE_ACCOUNT],
    bound_service_account_namespaces: [NAMESPACE],
    audience: 'vault',
    token_policies: [KEY],
    token_no_default_policy: true,
    token_ttl: '10m',
    token_type: 'batch',
  })
  const name = SERVICE_ACCOUNT
  const apiGroup = 'rbac.authorization.k8s.io'
  await api('POST', '/api/v1/namespaces', { metadata: { name: NAMESPACE } })
  await api('POST', `${BASE}/serviceaccounts`, { metadata: { name } })
  const rbac = `${RBAC}/namespaces/${NAMESPACE}`
  await api('POST', `${rbac}/roles`, { metadata: { name }, rules: rulesFor() })
  await api('POST', `${rbac}/rolebindings`, {
    metadata: { name },
    roleRef: { apiGroup, kind: 'Role', name },
    subjects: [{ kind: 'ServiceAccount', name, namespace: NAMESPACE }],
  })
}

async function store(
  { vault, kubernetes }: Rig,
  documents: readonly ReturnType<typeof documentFor>[],
): Promise<void> {
  const batch_input = documents.map(({ plaintext, context }) => ({ plaintext, context }))
  const { data } = await vault('POST', `transit/encrypt/${KEY}`, { batch_input })
  const { batch_results: results } = data as { batch_results: { ciphertext: string }[] }
  const rest = documents.entries()
  const write = async (): Promise<void> => {
    for (const [at, { name, dataKey, revision }] of rest) {
      const text = sealedText(KEY, revision, results[at]?.ciphertext ?? '')
      const body = { metadata: { name }, stringData: { [dataKey]: text } }
      await kubernetes.api('POST', `${BASE}/secrets`, body)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, write))
}

async function configFile(rig: Rig): Promise<string> {
  const { vault, kubernetes } = rig.upstreams
  const token = async (audiences: readonly string[]): Promise<string> => {
    const path = `${BASE}/serviceaccounts/${SERVICE_ACCOUNT}/token`
    const spec = { audiences, expirationSeconds: 86_400 }
    const { status } = await rig.kubernetes.api('POST', path, { spec })
    return (status as { token: string }).token
  }
  const caCert = await rig.write('rewrap-vault.pem', vault.caPem)
  const auth = {
    method: 'kubernetes',
    role: KEY,
    jwtFile: await rig.write('rewrap.jwt', await token(['vault'])),
  }
  const kubeconfig = await rig.write('rewrap.kubeconfig', {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [
      {
        name: 'bench',
        cluster: {
          server: kubernetes.url,
          'certificate-authority': await rig.write('rewrap-kubernetes.pem', kubernetes.caPem),
        },
      },
    ],
    users: [{ name: 'rotator', user: { token: await token([]) } }],
    contexts: [
      { name: 'bench', context: { cluster: 'bench', user: 'rotator', namespace: NAMESPACE } },
    ],
    'current-context': 'bench',
  })
  return rig.write('rewrap.json', {
    vault: { url: vault.url, caCert, auth },
    kubernetes: { kubeconfig },
  })
}

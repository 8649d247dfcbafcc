/** Proof by trying of who renews the reviewer: it can do that, and nobody who takes its pod over is let in. */
import type { ClusterSpec } from '../config/provision-file.ts'
import type { VaultRequest } from '../vault/client.ts'
import { NO_CIPHERTEXT, NOBODY } from './attempts.ts'
import type { Attempted } from './proof.ts'
import { renewerName } from './names.ts'
import type { Proof } from './proof.ts'
import { renewedIn, type Renewed } from './renewal.ts'
import type { Servers } from './servers.ts'
import { judged, logInAs, tried } from './trying.ts'

/**
 * Tries everything of the renewer of one cluster, where it has one. Nothing is changed by it.
 *
 * @throws {@link SecretManagerError} where a server gives no answer
 */
export async function proveRenewer(
  servers: Servers,
  cluster: ClusterSpec,
): Promise<readonly Proof[]> {
  const renewed = renewedIn(cluster)
  if (renewed === undefined) return []
  const [inVault, inKubernetes] = await Promise.all([
    proveVault(servers, cluster, renewed),
    proveRbac(servers, cluster, renewed),
  ])
  return [...inVault, ...inKubernetes]
}

async function proveVault(
  servers: Servers,
  cluster: ClusterSpec,
  { namespace }: Renewed,
): Promise<readonly Proof[]> {
  const { mount, audience } = cluster
  const name = renewerName(mount)
  const who = { namespace, account: name, audience }
  const { token, ...login } = await logInAs(servers, cluster, name, who)
  const unable = { outcome: 'not tried', reason: 'it could not log in' } as const
  const proofs = requestsOf(mount, servers.file.transitMount).map(
    async ([what, expected, request]) => {
      const came = token === undefined ? unable : await tried(servers, { ...request, token })
      return proofOf(cluster, what, expected, came)
    },
  )
  return [proofOf(cluster, 'logs in', 'allowed', login), ...(await Promise.all(proofs))]
}

function requestsOf(
  mount: string,
  transitMount: string,
): readonly (readonly [string, Proof['expected'], VaultRequest])[] {
  const post = (path: string, body: object): VaultRequest => ({ method: 'POST', path, body })
  const config = `auth/${mount}/config`
  return [
    ['reads the configuration of its mount', 'allowed', { method: 'GET', path: config }],
    // Where the policy let these pass, Vault would still refuse an address that is none, and a role for nobody.
    ['names another API server', 'refused', post(config, { kubernetes_host: '' })],
    ['makes a role', 'refused', post(`auth/${mount}/role/${NOBODY}`, {})],
    [
      'decrypts',
      'refused',
      post(`${transitMount}/decrypt/${NOBODY}`, { ciphertext: NO_CIPHERTEXT }),
    ],
  ]
}

async function proveRbac(
  servers: Servers,
  cluster: ClusterSpec,
  { namespace, serviceAccount }: Renewed,
): Promise<readonly Proof[]> {
  const who = { namespace, account: renewerName(cluster.mount) }
  const token = { verb: 'create', resource: 'serviceaccounts/token', namespace }
  const list = { verb: 'list', resource: 'secrets', namespace }
  const [reviewer, anybody, secrets] = await Promise.all([
    onceKnown(servers, () => judged(servers, cluster, who, { ...token, name: serviceAccount })),
    judged(servers, cluster, who, token),
    judged(servers, cluster, who, list),
  ])
  return [
    proofOf(cluster, 'requests tokens of the reviewer in Kubernetes', 'allowed', reviewer),
    proofOf(cluster, 'requests tokens of anybody in Kubernetes', 'refused', anybody),
    proofOf(cluster, `lists Secrets of ${namespace} in Kubernetes`, 'refused', secrets),
  ]
}

const POLL_MS = 100
const TRIES = 20

/** A Role that was just made reaches the authorizer of an API server a moment later. */
async function onceKnown({ runtime }: Servers, ask: () => Promise<Attempted>): Promise<Attempted> {
  for (let left = TRIES; left > 0; left -= 1) {
    const came = await ask()
    if (came.outcome !== 'refused') return came
    await runtime.sleep(POLL_MS)
  }
  return ask()
}

function proofOf(
  { name, mount, adopt: isAdopted }: ClusterSpec,
  what: string,
  expected: Proof['expected'],
  { outcome, reason }: Attempted,
): Proof {
  return {
    cluster: name,
    what: `renewer of ${mount} ${what}`,
    expected,
    outcome,
    reason,
    isAdopted,
  }
}

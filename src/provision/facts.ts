/** What a cluster tells of itself, for Vault to trust it by. */
import { createPublicKey } from 'node:crypto'
import type { ClusterSpec } from '../config/provision-file.ts'
import { isSecretManagerError, SecretManagerError, systemCode, withFacts } from '../errors.ts'
import type { ClusterAccess } from '../kubernetes/access.ts'
import { isRecord, textOf } from '../lib/record.ts'
import type { Pem, Runtime } from '../runtime.ts'
import type { ClusterCalls } from './cluster-calls.ts'
import type { ClusterFacts, Fields } from './plan.ts'

/**
 * Asks a cluster.
 *
 * @throws {@link SecretManagerError} SM_K8S_*, SM_CONFIG_INVALID where the context is not the one that was named
 */
export async function factsOf(
  spec: ClusterSpec,
  calls: ClusterCalls,
  runtime: Runtime,
): Promise<ClusterFacts> {
  const access = await calls.access()
  refusePod(spec, access)
  const uid = await uidOf(calls)
  const { server = access.server } = spec
  if (spec.auth === 'jwt') {
    return { uid, ...(await trustOf(calls)), server, caPem: undefined }
  }
  // Where Vault asks the cluster itself, nobody else has to know its keys.
  return { uid, issuer: '', publicKeys: [], server, caPem: await caOf(spec, access, runtime) }
}

/** In a pod every context leads to the pod's own cluster. */
function refusePod({ name, context }: ClusterSpec, { identity }: ClusterAccess): void {
  if (context === undefined || identity === undefined) return
  throw new SecretManagerError(
    'SM_CONFIG_INVALID',
    `the cluster ${name} is to be reached by the context ${JSON.stringify(context)}, but in a pod no kubeconfig is read`,
    { hint: 'leave clusters[].context out for the cluster of the pod, or run it elsewhere' },
  )
}

/**
 * The UID of kube-system: it lives as long as the cluster.
 *
 * @throws {@link SecretManagerError} SM_K8S_*
 */
export async function uidOf(calls: ClusterCalls): Promise<string> {
  const metadata = (await calls.get('Namespace', 'kube-system'))?.['metadata']
  const uid = isRecord(metadata) ? textOf(metadata['uid']) : ''
  if (/^[\w-]{1,64}$/.test(uid)) return uid
  throw new SecretManagerError(
    'SM_K8S_BAD_RESPONSE',
    'the cluster has no namespace kube-system with a uid, by which it would be known again',
  )
}

/** @see https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery */
async function trustOf(calls: ClusterCalls): Promise<Pick<ClusterFacts, 'issuer' | 'publicKeys'>> {
  const [about, jwks] = await Promise.all(
    ['/.well-known/openid-configuration', '/openid/v1/jwks'].map((path) => calls.published(path)),
  ).catch((error: unknown) => {
    if (!isSecretManagerError(error) || error.code !== 'SM_K8S_DENIED') throw error
    throw withFacts(error, { hint: DISCOVERY })
  })
  const issuer = textOf(about?.['issuer'])
  if (issuer === '') throw badAnswer('/.well-known/openid-configuration has no issuer')
  return { issuer, publicKeys: publicKeysOf(jwks ?? {}) }
}

const DISCOVERY =
  'the role system:service-account-issuer-discovery allows it: kubectl create clusterrolebinding NAME ' +
  '--clusterrole=system:service-account-issuer-discovery --user=YOU'

function publicKeysOf({ keys }: Fields): readonly string[] {
  if (!Array.isArray(keys)) throw badAnswer('/openid/v1/jwks has no keys')
  return keys.filter(isRecord).map((key) => {
    try {
      return createPublicKey({ key, format: 'jwk' })
        .export({ type: 'spki', format: 'pem' })
        .toString()
    } catch {
      throw badAnswer('/openid/v1/jwks has a key that is none')
    }
  })
}

function badAnswer(what: string): SecretManagerError {
  return new SecretManagerError('SM_K8S_BAD_RESPONSE', `the answer of the API server to ${what}`)
}

async function caOf(
  { ca }: ClusterSpec,
  { transport }: ClusterAccess,
  runtime: Runtime,
): Promise<string | undefined> {
  const named: Pem | undefined = ca === undefined ? transport.ca : { kind: 'file', path: ca }
  if (named === undefined || named.kind === 'directory') return undefined
  return named.kind === 'text' ? named.pem : readPem(named.path, runtime)
}

async function readPem(path: string, runtime: Runtime): Promise<string> {
  try {
    return new TextDecoder().decode(await runtime.readFile(path))
  } catch (error) {
    const message = `the CA of the API server, ${path}, cannot be read`
    throw new SecretManagerError('SM_FILE_UNREADABLE', message, { causeClass: systemCode(error) })
  }
}

/** What a cluster tells of itself, for Vault to trust it by. */
import type { ClusterSpec } from '../config/provision-file.ts'
import { SecretManagerError, systemCode } from '../errors.ts'
import type { ClusterAccess } from '../kubernetes/access.ts'
import { certificatesIn } from '../kubernetes/pem.ts'
import { isRecord, textOf } from '../lib/record.ts'
import { word } from '../lib/shell-word.ts'
import type { Pem, Runtime } from '../runtime.ts'
import type { ClusterCalls } from './cluster-calls.ts'
import type { ClusterFacts } from './plan.ts'

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
    return { uid, ...(await calls.issuer()), server, caPem: undefined }
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
  const { server, origin } = await calls.access()
  const message = `the API server at ${server} (${origin}) has no namespace kube-system with a uid, by which the cluster would be known again`
  throw new SecretManagerError('SM_K8S_BAD_RESPONSE', message, {
    hint: 'look at it: kubectl get namespace kube-system -o yaml; every cluster has one: check that the context leads to a cluster, and not to a part of one',
  })
}

async function caOf(
  { name, ca }: ClusterSpec,
  { transport, origin }: ClusterAccess,
  runtime: Runtime,
): Promise<string | undefined> {
  const named: Pem | undefined = ca === undefined ? transport.ca : { kind: 'file', path: ca }
  if (named === undefined || named.kind === 'directory') return undefined
  if (named.kind === 'text') return certificatesIn(named.pem)
  const setting = ca === undefined ? `of ${origin}` : 'clusters[].ca'
  const what = `the CA of the API server of cluster ${name}, ${named.path} (${setting}),`
  const found = certificatesIn(await readText(named.path, what, runtime))
  if (found !== undefined) return found
  throw new SecretManagerError('SM_CONFIG_INVALID', `${what} has no certificate in PEM`, {
    hint: `convert it: openssl x509 -inform der -in ${word(named.path)} -out ca.crt; or name another in ${setting}`,
  })
}

async function readText(path: string, what: string, runtime: Runtime): Promise<string> {
  try {
    return new TextDecoder().decode(await runtime.readFile(path))
  } catch (error) {
    throw new SecretManagerError('SM_FILE_UNREADABLE', `${what} cannot be read`, {
      causeClass: systemCode(error),
      hint: `look at it: ls -l ${word(path)}; the CA of the current context: kubectl config view --raw --minify --flatten`,
    })
  }
}

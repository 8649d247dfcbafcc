import type { Runtime } from '../runtime.ts'
import type { ClusterAccess, ServiceAccountIdentity } from './access.ts'
import { readClaims } from '../lib/jwt.ts'
import { readIfPresent } from './named-file.ts'
import { parseTokenFile, readTokenFile, type TokenFile } from './token-file.ts'

/** Where the kubelet mounts the ServiceAccount's token, the CA and the namespace. */
const SERVICE_ACCOUNT_DIRECTORY = '/var/run/secrets/kubernetes.io/serviceaccount'

const TOKEN: TokenFile = {
  path: `${SERVICE_ACCOUNT_DIRECTORY}/token`,
  setting: 'the mounted ServiceAccount token',
  jwt: true,
}

/**
 * Gives the access that Kubernetes gives to every pod, or `undefined` outside one and where the
 * token is not mounted.
 *
 * @throws SM_FILE_UNREADABLE, SM_TOKEN_FILE_INVALID where the token is there but of no use
 */
export async function inClusterAccess(runtime: Runtime): Promise<ClusterAccess | undefined> {
  const host = runtime.env('KUBERNETES_SERVICE_HOST')
  const port = runtime.env('KUBERNETES_SERVICE_PORT')
  if (!host || !port) return undefined
  const [token, mountedNamespace] = await Promise.all([mountedToken(runtime), namespace(runtime)])
  if (token === undefined) return undefined
  const identity = identityOf(token)
  return {
    server: `https://${host.includes(':') ? `[${host}]` : host}:${port}`,
    transport: { ca: { kind: 'file', path: `${SERVICE_ACCOUNT_DIRECTORY}/ca.crt` } },
    namespace: mountedNamespace ?? identity?.namespace,
    origin: 'in-cluster',
    identity,
    token: () => readTokenFile(TOKEN, runtime),
  }
}

async function mountedToken(runtime: Runtime): Promise<string | undefined> {
  const bytes = await readIfPresent(TOKEN.path, TOKEN.setting, runtime)
  return bytes && parseTokenFile(bytes, TOKEN)
}

async function namespace(runtime: Runtime): Promise<string | undefined> {
  const path = `${SERVICE_ACCOUNT_DIRECTORY}/namespace`
  const bytes = await readIfPresent(path, 'the mounted namespace', runtime)
  return (bytes && new TextDecoder().decode(bytes).trim()) || undefined
}

function identityOf(token: string): ServiceAccountIdentity | undefined {
  const { serviceAccount, namespace: ofToken, pod } = readClaims(token) ?? {}
  if (serviceAccount === undefined || ofToken === undefined) return undefined
  return { serviceAccount, namespace: ofToken, pod }
}

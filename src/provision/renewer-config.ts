/** What the renewing CronJob has to know: its provision file, and how it reaches Vault. */
import type { ClusterSpec, ProvisionFile } from '../config/provision-file.ts'
import type { Settings } from '../config/settings.ts'
import { isPlainHttpAbroad } from '../config/url.ts'
import { SecretManagerError } from '../errors.ts'
import { readNamedFile } from '../kubernetes/named-file.ts'
import { certificatesIn } from '../kubernetes/pem.ts'
import { isLoopback } from '../lib/names.ts'
import type { Runtime } from '../runtime.ts'
import { renewedIn, type Renewed } from './renewal.ts'

/** How Vault is reached; none of it is secret. */
export interface VaultAddress {
  readonly url: string
  readonly namespace: string | undefined
  readonly serverName: string | undefined
  /** Its CA in PEM; absent: those that everybody trusts. */
  readonly caPem: string | undefined
}

/** Stands in where no object needs the address: to take an object away, its name is enough. */
export const NO_ADDRESS: VaultAddress = {
  url: 'https://vault.invalid',
  namespace: undefined,
  serverName: undefined,
  caPem: undefined,
}

/**
 * Finds out how a pod is to reach Vault: as we do, where nothing else is said.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where we reach it as no pod can; SM_FILE_UNREADABLE
 */
export async function vaultAddress(
  file: ProvisionFile,
  { vault: { url, namespace, transport } }: Settings,
  runtime: Runtime,
): Promise<VaultAddress> {
  const renewing = file.clusters.filter((cluster) => renewedIn(cluster))
  if (renewing.length === 0) return NO_ADDRESS
  const here = renewing.find((cluster) => renewedIn(cluster)?.renew.vaultUrl === undefined)
  if (here && isLoopback(new URL(url).hostname)) throw unreachable(here, url, 'which is this host')
  if (here && transport.proxy !== undefined) throw unreachable(here, url, 'as we do, by a proxy')
  if (transport.clientCert !== undefined) throw needsKey()
  const caPem = await caOf(transport.ca, runtime)
  return { url, namespace, serverName: transport.serverName, caPem }
}

function unreachable({ name }: ClusterSpec, url: string, why: string): SecretManagerError {
  const message = `the pod that renews the reviewer of cluster ${name} cannot reach Vault at ${url}, ${why}`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'say how a pod reaches it: reviewer.renew.vaultUrl of the cluster',
  })
}

function needsKey(): SecretManagerError {
  const message = 'reviewer.renew: its pod would need the client key that Vault is reached with'
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'leave renew out, and run provision FILE --renew-reviewer where that key is',
  })
}

async function caOf(
  ca: Settings['vault']['transport']['ca'],
  runtime: Runtime,
): Promise<string | undefined> {
  if (ca === undefined) return undefined
  if (ca.kind === 'text') return certificates(ca.pem, 'the CA of Vault')
  if (ca.kind === 'file') {
    const bytes = await readNamedFile(ca.path, 'vault.caCert', runtime)
    return certificates(
      Buffer.from(bytes).toString(),
      `the CA of Vault, ${JSON.stringify(ca.path)},`,
    )
  }
  throw new SecretManagerError(
    'SM_CONFIG_INVALID',
    'reviewer.renew: its pod takes the CA of Vault from one file, and here it is a directory',
    { hint: 'name the file that signed the certificate of Vault: --ca-cert FILE' },
  )
}

/** A ConfigMap is for everybody to read, and what stands in one file with a CA may be its key. */
function certificates(pem: string, what: string): string {
  const found = certificatesIn(pem)
  if (found !== undefined) return found
  const message = `reviewer.renew: ${what} has no certificate in PEM`
  throw new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'convert it: openssl x509 -inform der -in FILE -out ca.crt; and name that: --ca-cert ca.crt',
  })
}

/** Where the files are in the pod. */
export const CONFIG = '/etc/secretmanager'

/** The files of the pod, by name. They hold no more than the renewal of this one mount takes. */
export function renewerFiles(
  { name, auth, mount }: ClusterSpec,
  { namespace, serviceAccount, expiresInMs, renew }: Renewed,
  vault: VaultAddress,
): Readonly<Record<string, string>> {
  const { caPem, serverName } = vault
  const reviewer = { namespace, serviceAccount, expiresIn: `${Math.round(expiresInMs / 1000)}s` }
  const url = renew.vaultUrl ?? vault.url
  const address = {
    url,
    ...(vault.namespace !== undefined && { namespace: vault.namespace }),
    ...(serverName !== undefined && { serverName }),
    ...(caPem !== undefined && { caCert: `${CONFIG}/ca.crt` }),
    ...(isPlainHttpAbroad(url) && { allowInsecureHttp: true }),
  }
  return {
    'provision.json': textOf({ clusters: [{ name, auth, mount, reviewer }] }),
    'secretmanager.json': textOf({ vault: address }),
    ...(caPem !== undefined && { 'ca.crt': caPem }),
  }
}

function textOf(content: object): string {
  return `${JSON.stringify(content, undefined, 2)}\n`
}

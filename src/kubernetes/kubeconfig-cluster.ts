import { isPlainHttpAbroad } from '../config/url.ts'
import type { Pem, Runtime } from '../runtime.ts'
import { readPem } from './pem.ts'
import { flag, invalid, list, requiredText, section, text, type Section } from './section.ts'

/** Where the API server is and how it proves who it is. */
export interface Cluster {
  readonly server: string
  readonly ca: Pem | undefined
  readonly serverName: string | undefined
  readonly proxy: string | undefined
  /** What a credential plugin is told where it asks for it: field names of `ExecCredential.spec.cluster`. */
  readonly execInfo: Readonly<Record<string, unknown>>
}

/**
 * Checks a cluster of a kubeconfig. Certificates are always verified.
 *
 * @throws SM_CONFIG_INVALID, SM_FILE_UNREADABLE
 */
export async function readCluster(cluster: Section, runtime: Runtime): Promise<Cluster> {
  refuseUnverified(cluster)
  const server = serverUrl(cluster)
  const ca = await readPem(cluster, 'certificate-authority', runtime)
  const serverName = text(cluster, 'tls-server-name')
  const proxy = proxyUrl(cluster)
  const execInfo = {
    server,
    'tls-server-name': serverName,
    'certificate-authority-data': ca && Buffer.from(ca.text).toString('base64'),
    'proxy-url': proxy,
    config: execExtension(cluster),
  }
  return { server, ca: ca?.pem, serverName, proxy, execInfo }
}

function refuseUnverified(cluster: Section): void {
  if (!flag(cluster, 'insecure-skip-tls-verify')) return
  throw invalid(
    cluster.where,
    'insecure-skip-tls-verify is refused: whoever answers would receive the credentials',
    'remove it and set certificate-authority (a path) or certificate-authority-data to the CA of the cluster; where the certificate has another name, set tls-server-name',
  )
}

function serverUrl(cluster: Section): string {
  const url = parseUrl(requiredText(cluster, 'server'))
  if (!url || !isHttp(url)) {
    throw invalid(cluster.where, 'server is not an https URL', 'write https://HOST:PORT')
  }
  if (url.username || url.password || url.search || url.hash) {
    const problem = 'server must be a plain address, without credentials, ? or #'
    throw invalid(
      cluster.where,
      problem,
      'write https://HOST:PORT and put credentials into the user',
    )
  }
  if (isPlainHttpAbroad(url.href)) {
    const problem = 'server has plain http to another host, which would send tokens in the clear'
    throw invalid(cluster.where, problem, 'use the https address of the API server')
  }
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '')
}

function proxyUrl(cluster: Section): string | undefined {
  const written = text(cluster, 'proxy-url')
  if (written === undefined) return undefined
  const url = parseUrl(written)
  if (url && isHttp(url)) return written
  const problem = url?.protocol.startsWith('socks')
    ? 'proxy-url names a SOCKS proxy, which is not supported'
    : 'proxy-url is not an http:// or https:// URL'
  throw invalid(cluster.where, problem, 'use an http:// or https:// proxy that speaks CONNECT')
}

function parseUrl(written: string): URL | undefined {
  return URL.canParse(written) ? new URL(written) : undefined
}

function isHttp(url: URL): boolean {
  return url.protocol === 'https:' || url.protocol === 'http:'
}

/** Settings of the cluster that are meant for its credential plugin. */
function execExtension(cluster: Section): unknown {
  return list(cluster, 'extensions')
    .map((item) => section(item, cluster.file, `${cluster.where}: extensions`))
    .filter((extension) => text(extension, 'name') === 'client.authentication.k8s.io/exec')
    .map((extension) => extension.fields.get('extension'))[0]
}

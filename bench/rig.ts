/** Real servers, provisioned once for all figures, and the jobs that the measured programs get. */
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rootCertificates } from 'node:tls'
import { stringify } from 'yaml'
import type { Upstream } from './fault-proxy.ts'
import type { Job } from './job.ts'
import {
  encryptRaw,
  nativePlan,
  originalPlan,
  provisionKubevault,
  putObject,
  removeDirectory,
  requestToken,
  serverDirectory,
  startKubernetes,
  startToxiproxy,
  startVault,
  wireOfUrl,
  writeKubeconfig,
} from './servers.ts'
import type { KubernetesServer, ToxicProxy, VaultServer } from './servers.ts'

/** Paths of job files, by what the job is. */
export interface Jobs {
  /** `ca_cert` is a path, the kubeconfig JSON. */
  readonly path: string
  /** `ca_cert` is true: the CA is in the operating system's store, among its others. */
  readonly store: string
  /** The kubeconfig is YAML. */
  readonly yaml: string
  /** Mounted ciphertext and token file. */
  readonly zeroRbac: string
  /** Reads twice, the second time with open connections and without a token. */
  readonly again: string
  readonly zeroRbacAgain: string
}

/** Servers that run. */
export interface Rig {
  readonly jobs: Jobs
  /** The same servers through a proxy that adds `delay` to every answer. */
  readonly slowJobs: Jobs
  /** PEM file with the operating system's roots and the CA of Vault. */
  readonly storeFile: string
  /** The Python original's two files. */
  readonly cfgFile: string
  readonly defFile: string
  /** Sets the round trip time of {@link slowJobs}, in milliseconds. */
  delay(rttMs: number): Promise<void>
  /** Calls Vault's API as root, past everything that is measured; path without `/v1/`. */
  readonly vault: VaultServer['api']
  /** The same of the API server, as administrator. */
  readonly kubernetes: Pick<KubernetesServer, 'api' | 'adminToken'>
  /** What a {@link startFaultProxy} stands in front of. */
  readonly upstreams: { readonly vault: Upstream; readonly kubernetes: Upstream }
  /** The same jobs at other addresses of the same servers, in a directory of this name. */
  jobsAt(name: string, urls: { readonly vault: string; readonly kubernetes: string }): Promise<Jobs>
  /** Writes a file that ends with the servers, text as it is and else as JSON, and gives its path. */
  write(name: string, content: unknown): Promise<string>
  stop(): Promise<void>
}

/** Tokens of this role are used for a second, so that a second read logs in again. */
const SHORT = { role: 'short', tokenTtl: '2s' } as const
const AGAIN_AFTER_MS = 1300

const DOCUMENT = JSON.stringify({
  redis_url: 'redis://redis.default.svc:6379/0',
  postgres: { user: 'matrix', password: 'correct-horse-battery-staple', port: 5432 },
  features: ['a', 'b', true, null, 3.5],
})

/** Starts OpenBao with TLS, kube-apiserver with etcd, and toxiproxy. */
export async function startRig(): Promise<Rig> {
  const [vault, kubernetes, toxiproxy] = await Promise.all([
    startVault({ tls: true }),
    startKubernetes(),
    startToxiproxy(),
  ])
  const directory = await serverDirectory('bench')
  const stop = async (): Promise<void> => {
    await Promise.all([vault.stop(), kubernetes.stop(), toxiproxy.stop()])
    await removeDirectory(directory)
  }
  try {
    const site = await provision(directory, vault, kubernetes)
    const [slowVault, slowKubernetes] = await Promise.all([
      toxiproxy.proxy(vault.url),
      toxiproxy.proxy(kubernetes.url),
    ])
    return {
      jobs: await writeJobs(site, 'direct', vault.url, kubernetes.url),
      slowJobs: await writeJobs(site, 'slow', slowVault.url, slowKubernetes.url),
      storeFile: site.storeFile,
      cfgFile: join(directory, 'direct', 'secretcfg.json'),
      defFile: join(directory, 'direct', 'secretdef.json'),
      delay: delayOf([slowVault, slowKubernetes]),
      vault: vault.api,
      kubernetes,
      upstreams: {
        vault: upstreamOf(vault, vault.caPem ?? '', 'server'),
        kubernetes: upstreamOf(kubernetes, kubernetes.caPem, 'apiserver'),
      },
      jobsAt: (name, urls) => writeJobs(site, name, urls.vault, urls.kubernetes),
      write: async (name, content) => {
        const path = join(directory, name)
        await writeFile(path, typeof content === 'string' ? content : JSON.stringify(content))
        return path
      },
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Where test/real keeps the certificate that a server shows. */
function upstreamOf(
  { url, directory }: { readonly url: string; readonly directory: string },
  caPem: string,
  name: string,
): Upstream {
  const file = (suffix: string): string => join(directory, 'pki', `${name}.${suffix}`)
  return { url, caPem, certFile: file('crt'), keyFile: file('key') }
}

interface Site {
  readonly directory: string
  readonly kubernetes: KubernetesServer
  /** Token of the ServiceAccount `default/default`, as a kubeconfig has it. */
  readonly userToken: string
  readonly caFile: string
  readonly storeFile: string
  readonly mounted: { readonly directory: string; readonly tokenFile: string }
}

async function provision(
  directory: string,
  vault: VaultServer,
  kubernetes: KubernetesServer,
): Promise<Site> {
  const servers = {
    rootToken: vault.rootToken,
    adminToken: kubernetes.adminToken,
    kubernetesHost: kubernetes.url,
    kubernetesCaPem: kubernetes.caPem,
  }
  const vaultWire = wireOfUrl(vault.url, { ca: vault.caPem })
  const kubernetesWire = wireOfUrl(kubernetes.url, { ca: kubernetes.caPem })
  const original = originalPlan(servers)
  const native = nativePlan(servers, { namespace: 'zero-rbac', rules: [], format: 'raw' })
  for (const plan of [original, native, { ...original, ...SHORT }]) {
    await provisionKubevault(vaultWire, kubernetesWire, plan)
  }
  await provisionKubevault(vaultWire, kubernetesWire, { ...native, ...SHORT, role: 'short-native' })

  const ciphertext = await encryptRaw(vaultWire, original, DOCUMENT)
  const entry = { name: 'matrix-secrets', data: { 'secrets.json': ciphertext } }
  await putObject(kubernetesWire, original, entry)
  const mounted = { directory: join(directory, 'mounted'), tokenFile: join(directory, 'token') }
  await mkdir(join(mounted.directory, 'matrix-secrets'), { recursive: true })
  const mountedFile = join(mounted.directory, 'matrix-secrets', 'secrets.json')
  await writeFile(mountedFile, await encryptRaw(vaultWire, native, DOCUMENT))

  const token = { adminToken: kubernetes.adminToken, expirationSeconds: 86_400 }
  const app = { ...token, namespace: 'zero-rbac', serviceAccount: 'app', audiences: ['vault'] }
  await writeFile(mounted.tokenFile, await requestToken(kubernetesWire, app))
  const user = { ...token, namespace: 'default', serviceAccount: 'default' }
  const caFile = join(directory, 'vault-ca.pem')
  await writeFile(caFile, vault.caPem ?? '')
  const storeFile = join(directory, 'store.pem')
  await writeFile(storeFile, `${await systemRoots()}\n${vault.caPem ?? ''}`)
  const userToken = await requestToken(kubernetesWire, user)
  return { directory, kubernetes, userToken, caFile, storeFile, mounted }
}

/** What a store holds besides the private CA: reading it is part of the price. */
async function systemRoots(): Promise<string> {
  const bundle = '/etc/ssl/certs/ca-certificates.crt'
  return readFile(bundle, 'utf8').catch(() => rootCertificates.join('\n'))
}

async function writeJobs(
  { directory: top, kubernetes, userToken, caFile, storeFile, mounted }: Site,
  name: string,
  vaultUrl: string,
  server: string,
): Promise<Jobs> {
  const directory = join(top, name)
  await mkdir(directory)
  const user = { token: userToken }
  const kubeconfig = join(directory, 'kubeconfig')
  await writeKubeconfig(kubernetes, kubeconfig, { user, server })
  const yamlKubeconfig = join(directory, 'kubeconfig.yaml')
  await writeFile(yamlKubeconfig, stringify(JSON.parse(await readFile(kubeconfig, 'utf8'))))

  const config = {
    SOURCE: 'KUBEVAULT',
    kube_config: kubeconfig,
    service_account: 'default',
    namespace: 'default',
    vault_url: vaultUrl,
    role: 'demo',
    ca_cert: caFile,
  } as const
  const definition = {
    secret_name: 'matrix-secrets',
    namespace: 'default',
    read_type: 'SECRET',
    read_key: 'secrets.json',
    transit_key: 'aes256-key',
  } as const
  const path: Job = { config, definition, vaultCa: caFile }
  const zeroRbac = zeroRbacJob(path, mounted, 'app')
  const again = { afterMs: AGAIN_AFTER_MS }
  const write = async (file: string, content: object): Promise<string> => {
    await writeFile(join(directory, file), JSON.stringify(content))
    return join(directory, file)
  }
  await write('secretcfg.json', config)
  await write('secretdef.json', definition)
  return {
    path: await write('path.json', path),
    store: await write('store.json', {
      ...path,
      config: { ...config, ca_cert: true },
      vaultCa: storeFile,
    }),
    yaml: await write('yaml.json', { ...path, config: { ...config, kube_config: yamlKubeconfig } }),
    zeroRbac: await write('zero-rbac.json', zeroRbac),
    again: await write('again.json', { ...path, config: { ...config, role: 'short' }, again }),
    zeroRbacAgain: await write('zero-rbac-again.json', {
      ...zeroRbacJob(path, mounted, 'short-native'),
      again,
    }),
  }
}

/** Both shapes say the same: ours takes the native one, the floor the old one. */
function zeroRbacJob(job: Job, mounted: Site['mounted'], role: string): Job {
  const { vault_url: url } = job.config
  const auth = { method: 'kubernetes', role, jwtFile: mounted.tokenFile }
  return {
    ...job,
    config: { ...job.config, role },
    definition: { ...job.definition, transit_key: 'app' },
    mounted,
    native: {
      vault: { url, caCert: job.vaultCa, auth },
      kubernetes: { mountedAt: mounted.directory },
    },
  }
}

/** toxiproxy delays what comes from the server; on loopback nothing else takes time. */
function delayOf(proxies: readonly ToxicProxy[]): (rttMs: number) => Promise<void> {
  let removals: (() => Promise<void>)[] = []
  return async (rttMs) => {
    await Promise.all(removals.map((remove) => remove()))
    removals = []
    if (rttMs === 0) return
    const toxic = { type: 'latency', attributes: { latency: rttMs } } as const
    removals = await Promise.all(proxies.map((proxy) => proxy.toxic(toxic)))
  }
}

/** What the contract of provision runs on: servers that may be shared, and names that nobody else has. */
import type { SecretManagerConfig } from 'secretmanager'
import { parseConfig } from '../../src/config/schema.ts'
import { parseProvisionFile, type ProvisionFile } from '../../src/config/provision-file.ts'
import { closeCore, createCore } from '../../src/core.ts'
import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { requestToken } from '../../src/dev/operator.ts'
import { apply, compare, compareDestroyed } from '../../src/provision/apply.ts'
import type { Verdict } from '../../src/provision/change.ts'
import { renewerName } from '../../src/provision/names.ts'
import { CONFIG } from '../../src/provision/renewer-config.ts'
import { openServers, type Servers } from '../../src/provision/servers.ts'
import type { HttpRequest, Runtime } from '../../src/runtime.ts'
import { unique, type KubevaultUnderTest } from './kubevault-fixture.ts'
import type { WireAnswer } from './wire.ts'

/** One set-up. */
export interface Provisioned {
  readonly name: string
  readonly file: ProvisionFile
  /** Every request that was sent, in order. */
  readonly sent: readonly HttpRequest[]
  /** Forgets what was sent. */
  forget(): void
  /** Works with open servers. `fail` is asked before each request; what it throws, the request fails with. */
  with<T>(work: (servers: Servers) => Promise<T>, options?: Options): Promise<T>
  /** Compares and applies. */
  run(options?: Options): Promise<Verdict>
  /** Works as the pod of the CronJob: it knows what its ConfigMap says, and is who it logs in as. */
  asRenewer<T>(work: (servers: Servers) => Promise<T>): Promise<T>
  /** Compares and takes away. */
  destroy(options?: Options & { readonly keys?: boolean }): Promise<Verdict>
  vault(method: string, path: string, body?: object): Promise<WireAnswer>
  kubernetes(method: string, path: string, body?: object): Promise<WireAnswer>
}

export interface PodAccount {
  readonly namespace: string
  readonly serviceAccount: string
}

export interface Options {
  readonly file?: ProvisionFile
  readonly token?: string
  readonly fail?: (request: HttpRequest) => void
  /** Told of each answer; what it throws, the request fails with, though the server served it. */
  readonly lose?: (request: HttpRequest) => void
  /** Waiting then takes no time. */
  readonly isHurried?: boolean
}

/** A file for one app, with mounts of its own: servers are shared with other tests. */
export function fileFor(
  name: string,
  { cluster = {}, app = {} }: { readonly cluster?: object; readonly app?: object } = {},
): unknown {
  return {
    vault: { transitMount: `transit-${name}` },
    clusters: [
      {
        mount: `auth-${name}`,
        createNamespaces: true,
        ...cluster,
      },
    ],
    apps: [{ name, namespace: name, secrets: [{ secretName: 'matrix-secrets' }], ...app }],
  }
}

/** Prepares one set-up; nothing is provisioned yet. */
export function provisioned(
  world: KubevaultUnderTest,
  changes: { readonly cluster?: object; readonly app?: object } = {},
  name: string = unique(),
): Provisioned {
  const file = parseProvisionFile(fileFor(name, changes), 'provision file')
  const sent: HttpRequest[] = []
  const { rootToken, adminToken } = world.servers
  const withServers: Provisioned['with'] = async (work, options = {}) => {
    const admin = adminRuntime(world)
    const runtime = watched(options.isHurried ? hurried(admin) : admin, sent, options)
    const core = createCore(parseConfig(adminConfig(world, options.token ?? rootToken)), runtime)
    const servers = openServers(core, options.file ?? file, runtime, new AbortController().signal)
    try {
      return await work(servers)
    } finally {
      servers.close()
      await closeCore(core)
    }
  }
  return {
    name,
    file,
    sent,
    forget: () => void sent.splice(0),
    with: withServers,
    run: (options) =>
      withServers(async (servers) => {
        const verdict = await compare(servers)
        await apply(servers, verdict)
        return verdict
      }, options),
    asRenewer: async (work) => {
      const [cluster] = file.clusters
      if (cluster === undefined) throw new Error('the file has no cluster')
      const { auth: method, mount } = cluster
      const [namespace, role] = [cluster.reviewer?.namespace ?? '', renewerName(mount)]
      const path = `/api/v1/namespaces/${namespace}/configmaps/${role}`
      const { data } = (await world.kubernetes('GET', path, { token: adminToken })).body
      const mounted = Object.entries<string>(data).map(([key, text]) => [`${CONFIG}/${key}`, text])
      const account = { namespace, serviceAccount: role }
      const runtime = await podOf(world, account, Object.fromEntries(mounted))
      const { vault } = JSON.parse(data['secretmanager.json'])
      const auth = { method, mount, role, jwtFile: PROJECTED }
      const config = { vault: { ...vault, auth }, startup: { wait: 0 } }
      const own = parseProvisionFile(JSON.parse(data['provision.json']), 'its file')
      const core = createCore(parseConfig(config), runtime)
      const servers = openServers(core, own, runtime, new AbortController().signal)
      try {
        return await work(servers)
      } finally {
        servers.close()
        await closeCore(core)
      }
    },
    destroy: ({ keys = false, ...options } = {}) =>
      withServers(async (servers) => {
        const verdict = await compareDestroyed(servers, { keys })
        await apply(servers, verdict)
        return verdict
      }, options),
    vault: (method, path, body) => world.vault(method, `/v1/${path}`, { token: rootToken, body }),
    kubernetes: (method, path, body) => world.kubernetes(method, path, { token: adminToken, body }),
  }
}

const PROJECTED = '/var/run/secrets/vault/token'

/** The world of a pod of a ServiceAccount, with a projected token for Vault. */
export async function podOf(
  world: KubevaultUnderTest,
  { namespace, serviceAccount }: PodAccount,
  files: Readonly<Record<string, string>> = {},
): Promise<Runtime> {
  const { adminToken } = world.servers
  const identity = { adminToken, namespace, serviceAccount }
  const [token, projected] = await Promise.all([
    requestToken(world.kubernetes, identity),
    requestToken(world.kubernetes, { ...identity, audiences: ['vault'] }),
  ])
  const { hostname, port } = new URL(world.kubernetesUrl)
  const mount = '/var/run/secrets/kubernetes.io/serviceaccount'
  return world.runtime(
    {
      ...files,
      [`${mount}/token`]: token,
      [`${mount}/ca.crt`]: world.kubernetesCaPem,
      [`${mount}/namespace`]: namespace,
      [PROJECTED]: projected,
    },
    { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port },
  )
}

const KUBECONFIG = '/admin/kubeconfig'

/** Where the servers are for an administrator, who logs in to Vault by a token. */
export function adminConfig(world: KubevaultUnderTest, token: string): SecretManagerConfig {
  return {
    vault: {
      url: world.vaultUrl,
      ...(world.vaultCaPem !== '' && { caCert: { pem: world.vaultCaPem } }),
      auth: { method: 'token', token },
    },
    kubernetes: { kubeconfig: KUBECONFIG },
    startup: { wait: 0 },
  }
}

/** The world of an administrator of the cluster. */
export function adminRuntime(world: KubevaultUnderTest): Runtime {
  const { kubernetesUrl, kubernetesCaPem, servers } = world
  const caPem = kubernetesCaPem === '' ? undefined : kubernetesCaPem
  const kubeconfig = kubeconfigOf(kubernetesUrl, caPem, { ...servers, namespace: 'default' })
  return world.runtime({ [KUBECONFIG]: JSON.stringify(kubeconfig) }, {})
}

function hurried(runtime: Runtime): Runtime {
  let ahead = 0
  return {
    ...runtime,
    now: () => runtime.now() + ahead,
    sleep: (ms) => {
      ahead += ms
      return Promise.resolve()
    },
  }
}

function watched(
  runtime: Runtime,
  sent: HttpRequest[],
  { fail = () => undefined, lose = () => undefined }: Options,
): Runtime {
  return {
    ...runtime,
    transport: (options) => {
      const inner = runtime.transport(options)
      return {
        connect: (url) => inner.connect(url),
        close: () => inner.close(),
        send: async (request) => {
          fail(request)
          sent.push(request)
          const answer = await inner.send(request)
          lose(request)
          return answer
        },
      }
    },
  }
}

/** The requests that change what a server keeps. */
export function writesIn(sent: readonly HttpRequest[]): readonly string[] {
  return sent.filter(isWrite).map(({ method, url }) => `${method} ${new URL(url).pathname}`)
}

/** Reviews, logins and tokens are asked for by POST, and stored nowhere. */
export function isWrite({ method, url }: HttpRequest): boolean {
  const isAsked = /(?:capabilities-self|reviews|\/token|\/login)$/.test(new URL(url).pathname)
  return method !== 'GET' && !isAsked
}

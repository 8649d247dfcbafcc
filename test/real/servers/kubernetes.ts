/** A real Kubernetes API server on loopback, with etcd or kine (SQLite) behind it. */
import { createHash, createPublicKey, randomBytes, sign } from 'node:crypto'
import { cp, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { requireBinary } from './binaries.ts'
import { ask, demand } from './http.ts'
import { createAuthority, issue } from './pki.ts'
import { freePort, isListening, removeDirectory, serverDirectory, startProcess } from './process.ts'
import type { ProcessPlan, ServerProcess } from './process.ts'

const run = promisify(execFile)

/** How to start an API server. */
export interface KubernetesOptions {
  /** `kine` keeps objects in SQLite, as MicroK8s does. Default `etcd`. */
  readonly store?: 'etcd' | 'kine' | undefined
  /** `false`: everybody who is authenticated may do everything, as MicroK8s ships. Default `true`. */
  readonly rbac?: boolean | undefined
  /** Added to the API server's arguments, such as `--min-request-timeout=3`. */
  readonly args?: readonly string[] | undefined
}

/** What a client needs to reach an API server; plain data, so it can be handed to another process. */
export interface KubernetesAccess {
  readonly url: string
  readonly caFile: string
  readonly caPem: string
  /** A static bearer token of group `system:masters`. */
  readonly adminToken: string
  /** Paths of a client certificate of group `system:masters`. */
  readonly adminCert: string
  readonly adminKey: string
  /** Public key of the ServiceAccount tokens. */
  readonly saPublicKeyPem: string
  /** Path of the private key of the ServiceAccount tokens, for {@link mintToken}. */
  readonly saKeyFile: string
}

/** An API server that runs. */
export interface KubernetesServer extends KubernetesAccess {
  readonly store: 'etcd' | 'kine'
  readonly port: number
  readonly directory: string
  readonly logFile: string
  /** Calls the API as administrator; for what a test arranges. @throws unless 2xx */
  api(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>>
  /** Writes a kubeconfig and gives its path. */
  kubeconfig(path: string, options?: KubeconfigOptions): Promise<string>
  pause(): void
  resume(): void
  /** Ends and starts the API server on the same port and store: old resourceVersions are then 410. */
  restart(): Promise<void>
  /** Copies the store as it is at this moment; what it gives brings that back, and with it old resourceVersions. */
  backUp(): Promise<() => Promise<void>>
  stop(): Promise<void>
  logTail(lines?: number): string
}

/** What stands in a kubeconfig. */
export interface KubeconfigOptions {
  /** Default: the administrator's token. `certificate` names the administrator's files. */
  readonly user?: { readonly token: string } | 'certificate' | undefined
  readonly namespace?: string | undefined
  /** Another address of the same server, such as a proxy's. */
  readonly server?: string | undefined
}

/** A ServiceAccount token that the API server did not issue itself: expired, early, or for others. */
export interface MintPlan {
  readonly namespace: string
  readonly name: string
  readonly uid: string
  readonly audiences: readonly string[]
  /** Seconds from now; may be negative. The API server tolerates 60 s. Default 600. */
  readonly expiresInS?: number | undefined
  /** Seconds from now. Default 0. */
  readonly validFromS?: number | undefined
}

export const ISSUER = 'https://kubernetes.default.svc.cluster.local'

/** Starts a store and an API server on free ports and waits until both serve. */
export async function startKubernetes(options: KubernetesOptions = {}): Promise<KubernetesServer> {
  const { store = 'etcd' } = options
  const binaries = { store: requireBinary(store), kube: requireBinary('kube') }
  const directory = await serverDirectory('kubernetes')
  const [port, storePort] = [await freePort(), await freePort()]
  const access = await createAccess(directory, `https://127.0.0.1:${port}`)
  const files = join(directory, store)
  await mkdir(files, { mode: 0o700 })
  const storePlan: ProcessPlan = {
    ...(store === 'etcd' ? etcd(files, storePort, await freePort()) : kine(files, storePort)),
    ...{ name: store, command: binaries.store, directory },
  }
  const behind = await startProcess(storePlan)
  const plan = apiServer(options, { access, directory, port, storePort, command: binaries.kube })
  const server = await startProcess(plan).catch(async (error: unknown) => {
    await behind.kill()
    throw error
  })
  return control({ access, store, port, directory, files, plan, storePlan, server, behind })
}

/** Writes a kubeconfig and gives its path. */
export async function writeKubeconfig(
  access: KubernetesAccess,
  path: string,
  options: KubeconfigOptions = {},
): Promise<string> {
  const {
    user = { token: access.adminToken },
    namespace = 'default',
    server = access.url,
  } = options
  const credential =
    user === 'certificate'
      ? { 'client-certificate': access.adminCert, 'client-key': access.adminKey }
      : { token: user.token }
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'real',
    clusters: [{ name: 'real', cluster: { server, 'certificate-authority': access.caFile } }],
    users: [{ name: 'someone', user: credential }],
    contexts: [{ name: 'real', context: { cluster: 'real', user: 'someone', namespace } }],
  }
  // JSON is YAML.
  await writeFile(path, `${JSON.stringify(config, undefined, 2)}\n`, { mode: 0o600 })
  return path
}

/** Signs a ServiceAccount token with the API server's own key. */
export async function mintToken(access: KubernetesAccess, plan: MintPlan): Promise<string> {
  const der = createPublicKey(access.saPublicKeyPem).export({ type: 'spki', format: 'der' })
  const kid = createHash('sha256').update(der).digest('base64url')
  const now = Math.floor(Date.now() / 1000)
  const from = now + (plan.validFromS ?? 0)
  const claims = {
    iss: ISSUER,
    aud: plan.audiences,
    sub: `system:serviceaccount:${plan.namespace}:${plan.name}`,
    iat: from,
    nbf: from,
    exp: now + (plan.expiresInS ?? 600),
    jti: randomBytes(8).toString('hex'),
    'kubernetes.io': {
      namespace: plan.namespace,
      serviceaccount: { name: plan.name, uid: plan.uid },
    },
  }
  const encode = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
  const text = `${encode({ alg: 'RS256', kid })}.${encode(claims)}`
  const signature = sign('RSA-SHA256', Buffer.from(text), await readFile(access.saKeyFile, 'utf8'))
  return `${text}.${signature.toString('base64url')}`
}

async function createAccess(directory: string, url: string): Promise<KubernetesAccess> {
  const pki = join(directory, 'pki')
  const ca = await createAuthority(pki, 'ca')
  const san = 'IP:127.0.0.1,IP:10.0.0.1,DNS:localhost,DNS:kubernetes.default.svc'
  await issue(ca, pki, { name: 'apiserver', usage: 'server', san })
  const admin = await issue(ca, pki, {
    name: 'admin',
    usage: 'client',
    subject: '/O=system:masters/CN=admin',
  })
  const saKeyFile = join(pki, 'sa.key')
  await run('openssl', ['genrsa', '-out', saKeyFile, '2048'])
  await run('openssl', ['rsa', '-in', saKeyFile, '-pubout', '-out', join(pki, 'sa.pub')])
  const adminToken = randomBytes(16).toString('hex')
  await writeFile(join(pki, 'tokens.csv'), `${adminToken},admin,admin-uid,"system:masters"\n`, {
    mode: 0o600,
  })
  const saPublicKeyPem = await readFile(join(pki, 'sa.pub'), 'utf8')
  const { certFile: adminCert, keyFile: adminKey } = admin
  return {
    url,
    caFile: ca.certFile,
    caPem: ca.pem,
    adminToken,
    adminCert,
    adminKey,
    saPublicKeyPem,
    saKeyFile,
  }
}

type StorePlan = Pick<ProcessPlan, 'args' | 'ready'>

function etcd(files: string, port: number, peerPort: number): StorePlan {
  const [client, peer] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`]
  const args = flags({
    name: 't',
    'data-dir': files,
    // What a test stores need not survive a power cut.
    'unsafe-no-fsync': true,
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `t=${peer}`,
  })
  return { args, ready: async () => (await ask({ base: client, path: '/health' })).status === 200 }
}

function kine(files: string, port: number): StorePlan {
  const args = flags({
    'listen-address': `tcp://127.0.0.1:${port}`,
    endpoint: `sqlite://${join(files, 'kine.db')}?_journal=WAL&cache=shared`,
    'metrics-bind-address': 0,
  })
  // It speaks gRPC alone: whether it listens is all that can be asked.
  return { args, ready: () => isListening(port) }
}

function apiServer(
  options: KubernetesOptions,
  place: {
    access: KubernetesAccess
    directory: string
    port: number
    storePort: number
    command: string
  },
): ProcessPlan {
  const { access, directory, port, storePort, command } = place
  const pki = (file: string): string => join(directory, 'pki', file)
  const args = flags({
    'etcd-servers': `http://127.0.0.1:${storePort}`,
    'bind-address': '127.0.0.1',
    'advertise-address': '127.0.0.1',
    'secure-port': port,
    'tls-cert-file': pki('apiserver.crt'),
    'tls-private-key-file': pki('apiserver.key'),
    'cert-dir': pki(''),
    'client-ca-file': pki('ca.crt'),
    'token-auth-file': pki('tokens.csv'),
    'anonymous-auth': false,
    'authorization-mode': (options.rbac ?? true) ? 'RBAC' : 'AlwaysAllow',
    'service-cluster-ip-range': '10.0.0.0/24',
    'endpoint-reconciler-type': 'none',
    'disable-admission-plugins': 'ServiceAccount',
    'allow-privileged': true,
    profiling: false,
    'service-account-issuer': ISSUER,
    'service-account-key-file': pki('sa.pub'),
    'service-account-signing-key-file': pki('sa.key'),
  }).concat(options.args ?? [])
  const headers = { authorization: `Bearer ${access.adminToken}` }
  const probe = { base: access.url, path: '/readyz', ca: access.caPem, headers }
  return {
    name: 'kube-apiserver',
    command,
    args,
    directory,
    ready: async () => (await ask(probe)).status === 200,
  }
}

function flags(settings: Readonly<Record<string, string | number | boolean>>): string[] {
  return Object.entries(settings).map(([name, value]) => `--${name}=${value}`)
}

function control(parts: {
  access: KubernetesAccess
  store: 'etcd' | 'kine'
  port: number
  directory: string
  /** Of the store. */
  files: string
  plan: ProcessPlan
  storePlan: ProcessPlan
  server: ServerProcess
  behind: ServerProcess
}): KubernetesServer {
  const { access, store, port, directory, files, plan, storePlan } = parts
  let { server, behind } = parts
  let backups = 0
  const headers = { authorization: `Bearer ${access.adminToken}` }
  return {
    ...access,
    store,
    port,
    directory,
    logFile: server.logFile,
    api: (method, path, body) =>
      demand({
        method,
        path,
        body,
        base: access.url,
        ca: access.caPem,
        headers: {
          ...headers,
          // A patch needs a type of its own; a JSON merge patch is the one we use.
          ...(method === 'PATCH' ? { 'content-type': 'application/merge-patch+json' } : {}),
        },
      }),
    kubeconfig: (path, options) => writeKubeconfig(access, path, options),
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async () => {
      await server.stop()
      server = await startProcess(plan)
    },
    backUp: async () => {
      const copy = join(directory, `backup-${(backups += 1)}`)
      behind.pause()
      await cp(files, copy, { recursive: true }).finally(() => behind.resume())
      return async () => {
        await server.stop()
        await behind.kill()
        await rm(files, { recursive: true })
        await cp(copy, files, { recursive: true })
        behind = await startProcess(storePlan)
        server = await startProcess(plan)
      }
    },
    stop: async () => {
      await server.stop()
      await behind.stop()
      await removeDirectory(directory)
    },
    logTail: (lines) => server.logTail(lines),
  }
}

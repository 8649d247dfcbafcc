/** A real OpenBao, or HashiCorp Vault, on loopback. */
import { mkdir, readFile, realpath, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { requireBinary, serversDirectory } from './binaries.ts'
import { ask, demand } from './http.ts'
import { loopbackCert } from './pki.ts'
import { freePort, removeDirectory, serverDirectory, startProcess } from './process.ts'
import type { ProcessPlan, ServerProcess } from './process.ts'

/** How to start a Vault. */
export interface VaultOptions {
  /** `dev` keeps everything in memory, `raft` on disk and survives {@link VaultServer.restart}. Default `dev`. */
  readonly storage?: 'dev' | 'raft' | undefined
  /** `true`: a certificate for 127.0.0.1 and localhost from a CA of its own. Default `false`. */
  readonly tls?: boolean | VaultTls | undefined
  /** `bao` is OpenBao, `vault` HashiCorp Vault. Default `bao`. */
  readonly name?: 'bao' | 'vault' | undefined
  /** Serves the built plugins: `gcpauth` under OpenBao. Default `false`. */
  readonly plugins?: boolean | undefined
  /** Added to the server's environment. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** Added to the configuration file, as HCL. */
  readonly hcl?: string | undefined
  /** `false`: neither initialised nor unsealed; it has no keys and no token then. Default `true`. */
  readonly initialize?: boolean | undefined
}

/** A certificate to serve, and the CA that a client is told to trust. */
export interface VaultTls {
  readonly certFile: string
  readonly keyFile: string
  readonly caFile: string
  /** CA of the client certificates that the listener demands. */
  readonly clientCaFile?: string | undefined
}

/** What a client needs to reach a Vault; plain data, so it can be handed to another process. */
export interface VaultAccess {
  readonly url: string
  readonly caFile: string | undefined
  readonly caPem: string | undefined
  readonly rootToken: string
  readonly unsealKey: string
}

/** A Vault that runs, initialised and unsealed. */
export interface VaultServer extends VaultAccess {
  readonly name: 'bao' | 'vault'
  readonly port: number
  readonly directory: string
  readonly logFile: string
  /** Calls the API past TLS, over a Unix socket; for what a test arranges. Path without `/v1/`. @throws unless 2xx */
  api(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>>
  seal(): Promise<void>
  unseal(): Promise<void>
  /** SIGSTOP: accepts connections and never answers. */
  pause(): void
  resume(): void
  /** Ends and starts the process on the same port, then unseals it. Keeps data only with `raft`. */
  restart(options?: { readonly unseal?: boolean }): Promise<void>
  /** SIGKILL and no restart: connections are refused. */
  kill(): Promise<void>
  stop(): Promise<void>
  logTail(lines?: number): string
}

interface Prepared {
  readonly plan: ProcessPlan
  readonly socket: string
}

/** Starts a Vault on a free port, initialises and unseals it. */
export async function startVault(options: VaultOptions = {}): Promise<VaultServer> {
  const { name = 'bao' } = options
  const binary = requireBinary(name)
  const directory = await serverDirectory(name)
  const port = await freePort()
  const tls = await certificate(options.tls ?? false, directory)
  const prepared = await prepare(options, { binary, directory, port, tls })
  const server = await startProcess(prepared.plan)
  const keys = options.initialize === false ? NO_KEYS : await initialise(prepared.socket)
  const caPem = tls && (await readFile(tls.caFile, 'utf8'))
  const url = `${tls ? 'https' : 'http'}://127.0.0.1:${port}`
  const access = { url, caFile: tls?.caFile, caPem, ...keys }
  return control({ access, name, port, directory, prepared, server })
}

const NO_KEYS = { rootToken: '', unsealKey: '' }

async function certificate(
  tls: boolean | VaultTls,
  directory: string,
): Promise<VaultTls | undefined> {
  if (tls === false) return undefined
  return tls === true ? loopbackCert(join(directory, 'pki')) : tls
}

async function prepare(
  options: VaultOptions,
  place: { binary: string; directory: string; port: number; tls: VaultTls | undefined },
): Promise<Prepared> {
  const { name = 'bao' } = options
  const { binary, directory, port, tls } = place
  const socket = join(directory, 'control.sock')
  const config = join(directory, `${name}.hcl`)
  const clusterPort = await freePort()
  await writeFile(
    config,
    [
      await storage(options.storage ?? 'dev', directory),
      listener(port, tls),
      // A second listener for the harness, so that a test's bad certificate is no hindrance to it.
      `listener "unix" { address = "${socket}" }`,
      `api_addr = "${tls ? 'https' : 'http'}://127.0.0.1:${port}"`,
      `cluster_addr = "https://127.0.0.1:${clusterPort}"`,
      name === 'vault' ? 'disable_mlock = true' : '',
      await plugins(options),
      options.hcl ?? '',
    ].join('\n'),
  )
  const ready = async (): Promise<boolean> => (await health(socket)) > 0
  const args = ['server', `-config=${config}`, '-log-level=warn']
  return { socket, plan: { name, command: binary, args, env: options.env, directory, ready } }
}

/** The real path: OpenBao refuses a plugin directory that is reached through a symbolic link. */
async function plugins(options: VaultOptions): Promise<string> {
  if (!options.plugins) return ''
  return `plugin_directory = "${await realpath(join(serversDirectory(), 'plugins'))}"`
}

async function storage(kind: 'dev' | 'raft', directory: string): Promise<string> {
  if (kind === 'dev') return 'storage "inmem" {}'
  const path = join(directory, 'raft')
  await mkdir(path, { recursive: true })
  return `storage "raft" {\n  path = "${path}"\n  node_id = "n1"\n  performance_multiplier = 1\n}`
}

function listener(port: number, tls: VaultTls | undefined): string {
  const lines = [`address = "127.0.0.1:${port}"`, `tls_disable = ${tls === undefined}`]
  if (tls) lines.push(`tls_cert_file = "${tls.certFile}"`, `tls_key_file = "${tls.keyFile}"`)
  if (tls?.clientCaFile) {
    lines.push(
      'tls_require_and_verify_client_cert = true',
      `tls_client_ca_file = "${tls.clientCaFile}"`,
    )
  }
  return `listener "tcp" {\n  ${lines.join('\n  ')}\n}`
}

async function initialise(socket: string): Promise<{ rootToken: string; unsealKey: string }> {
  const body = { secret_shares: 1, secret_threshold: 1 }
  const answer = await demand({ method: 'PUT', path: '/v1/sys/init', base: socket, body })
  const keys = answer['keys_base64']
  const rootToken = answer['root_token']
  const unsealKey: unknown = Array.isArray(keys) ? keys[0] : undefined
  if (typeof rootToken !== 'string' || typeof unsealKey !== 'string') {
    throw new Error('sys/init answered without keys')
  }
  await unseal(socket, unsealKey)
  return { rootToken, unsealKey }
}

async function unseal(socket: string, key: string): Promise<void> {
  await demand({ method: 'PUT', path: '/v1/sys/unseal', base: socket, body: { key } })
  await until(socket, 200)
}

function control(parts: {
  access: VaultAccess
  name: 'bao' | 'vault'
  port: number
  directory: string
  prepared: Prepared
  server: ServerProcess
}): VaultServer {
  const { access, name, port, directory, prepared } = parts
  const { socket } = prepared
  let { server } = parts
  const api: VaultServer['api'] = (method, path, body) =>
    demand({
      method,
      path: `/v1/${path}`,
      base: socket,
      body,
      headers: { 'x-vault-token': access.rootToken },
    })
  return {
    ...access,
    name,
    port,
    directory,
    api,
    logFile: server.logFile,
    seal: async () => {
      await api('PUT', 'sys/seal')
      await until(socket, 503)
    },
    unseal: () => unseal(socket, access.unsealKey),
    pause: () => server.pause(),
    resume: () => server.resume(),
    restart: async (options = {}) => {
      await server.stop()
      server = await startProcess(prepared.plan)
      if (options.unseal ?? true) await unseal(socket, access.unsealKey)
    },
    kill: () => server.kill(),
    stop: async () => {
      await server.stop()
      await removeDirectory(directory)
    },
    logTail: (lines) => server.logTail(lines),
  }
}

/** 200 active, 429 standby, 501 not initialised, 503 sealed. */
async function health(socket: string): Promise<number> {
  return (await ask({ path: '/v1/sys/health', base: socket })).status
}

async function until(socket: string, status: number): Promise<void> {
  const deadline = performance.now() + 30_000
  let last = 0
  while ((last = await health(socket)) !== status) {
    if (performance.now() > deadline) throw new Error(`sys/health stays ${last}, awaited ${status}`)
    await delay(30)
  }
}

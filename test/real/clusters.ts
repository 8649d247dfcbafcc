/** Two API servers that share one Transit key, and a command line that reaches both. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect } from 'vitest'
import { isSecretManagerError, SecretManager, type SecretManagerConfig } from 'secretmanager'

import { expect2xx } from '../../src/dev/wire.ts'
import { createTransport } from '../../src/http/transport.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { given, runWith } from '../cli/authoring-world.ts'
import type { Ran } from '../cli/world.ts'
import { unique } from '../contracts/kubevault-fixture.ts'
import { rotatorPolicy } from '../contracts/rotation-desk.ts'
import { startKubernetes, type KubernetesServer } from './servers.ts'
import { sharedServers } from './shared.ts'

export const CLUSTERS = ['west', 'east'] as const
export type Cluster = (typeof CLUSTERS)[number]

/** Secrets in each of them. */
export const NAMES = ['a', 'b'] as const

const NAMESPACE = 'shop'
const DATA_KEY = 'app.json'

/** The data of each Secret as it was, by its name. */
export type Manifests = ReadonlyMap<Cluster, ReadonlyMap<string, object>>

/** Starts `west` on etcd and `east` on SQLite, with documents in both. The journal is in `west`. */
export async function openClusters(): Promise<Clusters> {
  const [west, east] = await Promise.all([
    startKubernetes({ store: 'etcd' }),
    startKubernetes({ store: 'kine' }),
  ])
  const clusters = new Clusters({ west, east })
  await clusters.prepare()
  return clusters
}

export class Clusters {
  readonly servers: Readonly<Record<Cluster, KubernetesServer>>
  readonly key: string = unique()
  /** Flags that name all there is. */
  readonly everywhere: readonly string[]
  readonly #directory: string = mkdtempSync(join(tmpdir(), 'secretmanager-clusters-'))
  readonly #mount: string = `transit-${this.key}`
  readonly #vault: ReturnType<typeof sharedServers> = sharedServers()
  /** Of who rotates: it can neither encrypt nor decrypt (I5). */
  #rotator = ''

  constructor(servers: Clusters['servers']) {
    this.servers = servers
    this.everywhere = this.inventory(...CLUSTERS)
  }

  async prepare(): Promise<void> {
    writeFileSync(this.#path('kubeconfig'), JSON.stringify(this.#kubeconfig()))
    writeFileSync(this.#path('config.json'), JSON.stringify(this.#config('west')))
    await this.#transit(`sys/mounts/${this.#mount}`, { type: 'transit' })
    await this.#transit(`${this.#mount}/keys/${this.key}`, { derived: true })
    const policy = rotatorPolicy({ mount: this.#mount, transitKey: this.key })
    await this.#transit(`sys/policies/acl/${this.key}`, { policy })
    const { auth } = await this.#transit('auth/token/create', { policies: [this.key] })
    this.#rotator = String(auth?.['client_token'])
    for (const cluster of CLUSTERS) {
      const metadata = { name: NAMESPACE }
      const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata }
      await this.servers[cluster].api('POST', '/api/v1/namespaces', namespace)
      for (const name of NAMES) await this.#encrypt(cluster, name)
    }
  }

  async close(): Promise<void> {
    await Promise.all(CLUSTERS.map((each) => this.servers[each].stop()))
    rmSync(this.#directory, { recursive: true })
  }

  /** Flags that name these clusters, and no others. */
  inventory(...names: readonly Cluster[]): readonly string[] {
    const path = this.#path(`${names.join('-')}.json`)
    const clusters = names.map((name) => ({ name, context: name, scan: true }))
    writeFileSync(path, JSON.stringify({ clusters }))
    return ['--inventory', path, '--transit-key', this.key]
  }

  /** Runs a command as who rotates. */
  run(args: readonly string[], clock: Clock = {}): Promise<Ran> {
    return this.#runAs(this.#rotator, args, '', clock)
  }

  async latest(): Promise<number> {
    return Number((await this.#facts())['latest_version'])
  }

  async minimum(): Promise<number> {
    return Number((await this.#facts())['min_decryption_version'])
  }

  async manifests(): Promise<Manifests> {
    const all = new Map<Cluster, Map<string, object>>()
    for (const cluster of CLUSTERS) {
      const manifests = new Map<string, object>()
      all.set(cluster, manifests)
      for (const name of NAMES) {
        const { data } = await this.servers[cluster].api('GET', pathOf(name))
        manifests.set(name, data as object)
      }
    }
    return all
  }

  /** As kubectl does it, whoever wrote meanwhile. */
  async apply(cluster: Cluster, name: string, data: object): Promise<void> {
    await this.servers[cluster].api('PATCH', pathOf(name), { data })
  }

  /** I2: as a service that has just started. */
  async expectAllOpen(): Promise<void> {
    expect(await this.failures()).toEqual([])
  }

  /** Of each document that does not open: cluster, name, code. */
  async failures(): Promise<readonly string[]> {
    const failures: string[] = []
    for (const cluster of CLUSTERS) {
      await using reader = new SecretManager(this.#config(cluster, this.#vault.vault.rootToken))
      for (const secretName of NAMES) {
        const definition = { secretName, namespace: NAMESPACE, readKey: DATA_KEY }
        const opened = await reader
          .readBytes({ ...definition, transitKey: this.key })
          .then((bytes) => Buffer.from(bytes).toString(), codeOf)
        if (opened !== documentOf(cluster, secretName))
          failures.push(`${cluster} ${secretName} ${opened}`)
      }
    }
    return failures
  }

  async #encrypt(cluster: Cluster, name: string): Promise<void> {
    const where = ['--cluster', cluster, '--context', cluster, '-n', NAMESPACE, '--key', DATA_KEY]
    const args = ['encrypt', name, ...where, '--transit-key', this.key, '--from', '-']
    const { rootToken } = this.#vault.vault
    const { code, stderr } = await this.#runAs(rootToken, args, documentOf(cluster, name))
    expect({ code, stderr }).toEqual({ code: 0, stderr })
  }

  #runAs(
    token: string,
    args: readonly string[],
    stdin: string,
    { laterMs = 0, speed = 1 }: Clock = {},
  ): Promise<Ran> {
    const variables: Readonly<Record<string, string>> = { VAULT_TOKEN: token }
    const real = systemRuntime((options) => createTransport(options, runtime))
    const runtime: Runtime = {
      ...real,
      env: (name) => variables[name],
      wallClock: () => real.wallClock() + laterMs,
      now: () => real.now() * speed,
      sleep: (ms, signal) => real.sleep(ms / speed, signal),
    }
    return runWith(given(stdin), [...args, '--config', this.#path('config.json')], runtime)
  }

  #config(cluster: Cluster, token?: string): SecretManagerConfig {
    const { url, caPem = '' } = this.#vault.vault
    const auth = { method: 'token', ...(token !== undefined && { token }) } as const
    return {
      vault: { url, caCert: { pem: caPem }, transitMount: this.#mount, auth },
      kubernetes: { kubeconfig: this.#path('kubeconfig'), context: cluster },
      cluster,
      timeout: '3s',
    }
  }

  #kubeconfig(): object {
    const all = CLUSTERS.map((name) => ({ name, server: this.servers[name] }))
    return {
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'west',
      clusters: all.map(({ name, server: { url, caFile } }) => ({
        name,
        cluster: { server: url, 'certificate-authority': caFile },
      })),
      users: all.map(({ name, server }) => ({ name, user: { token: server.adminToken } })),
      contexts: all.map(({ name }) => ({
        name,
        context: { cluster: name, user: name, namespace: NAMESPACE },
      })),
    }
  }

  async #facts(): Promise<Readonly<Record<string, number>>> {
    const { data } = await this.#transit(`${this.#mount}/keys/${this.key}`)
    return data as Readonly<Record<string, number>>
  }

  async #transit(path: string, body?: object): Promise<Answer> {
    const method = body === undefined ? 'GET' : 'POST'
    const { vaultWire, vault } = this.#vault
    const answer = await vaultWire(method, `/v1/${path}`, { token: vault.rootToken, body })
    expect2xx(method, path, answer)
    return answer.body === '' ? {} : (answer.body as Answer)
  }

  #path(name: string): string {
    return join(this.#directory, name)
  }
}

/** The time as a command sees it. */
export interface Clock {
  /** How much later it is than it is. */
  readonly laterMs?: number
  /** How much faster it goes: patience of seconds is not what is tested here. */
  readonly speed?: number
}

interface Answer {
  readonly auth?: Readonly<Record<string, unknown>>
  readonly data?: unknown
}

function pathOf(name: string): string {
  return `/api/v1/namespaces/${NAMESPACE}/secrets/${name}`
}

function documentOf(cluster: Cluster, name: string): string {
  return JSON.stringify({ of: `${name} in ${cluster}` })
}

function codeOf(error: unknown): string {
  if (isSecretManagerError(error)) return error.code
  throw error
}

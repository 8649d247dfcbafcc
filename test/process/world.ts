/** The embedded servers behind fronts, provisioned for one app, and the files of its pods. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'

import { readEntry, requestToken } from '../../src/dev/operator.ts'
import type { KubevaultPlan } from '../../src/dev/plan.ts'
import {
  createStack,
  DATA_KEY,
  provisionStack,
  sealDictionary,
  type Stack,
} from '../../src/dev/stack.ts'
import type { SecretDefinition } from '../../src/config/types.ts'
import { startFront, type Arrival, type Front } from './front.ts'

/** Where a program finds everything. */
export interface Place {
  readonly vaultUrl: string
  readonly role: string
  readonly jwtFile: string
  /** Ciphertexts as a volume; a folder per Secret. */
  readonly mountedAt: string
}

/** Servers for programs. */
export interface ProcessWorld {
  readonly stack: Stack
  readonly vault: Front
  readonly kubernetes: Front
  readonly place: Place
  readonly definition: (secretName: string) => SecretDefinition
  /** Encrypts a dictionary and stores it, in the cluster. */
  store(secretName: string, dictionary: object): Promise<void>
  /** Puts what is stored into the volume. */
  mount(secretName: string): Promise<void>
  /** Writes a kubeconfig, whose user is the app; the API server knows the client by the name. */
  kubeconfig(client: string): string
  seal(): Promise<void>
  unseal(): Promise<void>
  /** Revokes tokens, of this client or all; gives how many there were. */
  revoke(): Promise<number>
}

/** Starts it all; ended after the test. */
export async function processWorld(changes: Partial<KubevaultPlan> = {}): Promise<ProcessWorld> {
  const stack = createStack()
  const plan = await provisionStack(stack, 'native', { format: 'raw', ...changes })
  const directory = mkdtempSync(join(tmpdir(), 'secretmanager-world-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const vault = await startFront((request) => stack.vault.handle(request))
  const kubernetes = await startFront((request) => stack.kubernetes.handle(request))
  onTestFinished(async () => {
    await Promise.all([vault.close(), kubernetes.close()])
  })
  const write = (path: string, text: string): string => {
    const file = join(directory, path)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, text, { mode: 0o600 })
    return file
  }
  const { namespace, serviceAccount, adminToken, role, transitKey, rootToken } = plan
  const request = { adminToken, namespace, serviceAccount, expirationSeconds: 86_400 }
  const podToken = await requestToken(stack.kubernetesWire, request)
  const jwt = await requestToken(stack.kubernetesWire, { ...request, audiences: ['vault'] })
  const operator = (path: string, body: object): Promise<unknown> =>
    stack.vaultWire('PUT', path, { token: rootToken, body })
  return {
    stack,
    vault,
    kubernetes,
    place: {
      vaultUrl: vault.url,
      role,
      jwtFile: write('jwt', jwt),
      mountedAt: join(directory, 'mounted'),
    },
    definition: (secretName) => ({
      ...{ secretName, namespace, transitKey },
      readKey: DATA_KEY,
      format: 'raw',
    }),
    store: (name, dictionary) => sealDictionary(stack, plan, name, dictionary),
    mount: async (name) => {
      const stored = await readEntry(stack.kubernetesWire, plan, name, DATA_KEY)
      write(`mounted/${name}/${DATA_KEY}`, stored)
    },
    kubeconfig: (client) =>
      write(`kubeconfig-${client}`, kubeconfigOf(`${kubernetes.url}/${client}`, podToken)),
    seal: async () => void (await operator('/v1/sys/seal', {})),
    unseal: async () => {
      for (const key of stack.vault.unsealKeys) await operator('/v1/sys/unseal', { key })
    },
    revoke: async () => {
      const tokens = new Set(
        vault.arrivals.slice(-200).flatMap(({ token }: Arrival) => token ?? []),
      )
      for (const token of tokens) await operator('/v1/auth/token/revoke', { token })
      return tokens.size
    },
  }
}

/** A kubeconfig with one user, who has this token. */
export function kubeconfigOf(server: string, token: string): string {
  return JSON.stringify({
    'current-context': 'test',
    contexts: [{ name: 'test', context: { cluster: 'test', user: 'test' } }],
    clusters: [{ name: 'test', cluster: { server } }],
    users: [{ name: 'test', user: { token } }],
  })
}

/** The embedded stack on loopback sockets with TLS, and files that make clients find it. */
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'

import { createAuthority } from './certificates.ts'
import { kubeconfigOf } from './kubeconfig.ts'
import type { KubevaultPlan } from './plan.ts'
import { serve, type Served } from './serve.ts'
import { createStack, DATA_KEY, provisionStack, sealDictionary, type Stack } from './stack.ts'

/** Where to serve. */
export interface ServeStackOptions {
  /** Default: any free port. */
  readonly vaultPort?: number | undefined
  readonly kubernetesPort?: number | undefined
}

/** A stack that is served. */
export interface ServedStack {
  readonly stack: Stack
  readonly vaultUrl: string
  readonly kubernetesUrl: string
  /** CA of both servers, in PEM. */
  readonly caPem: string
  /** Ends both servers and waits until they have ended. */
  close(): Promise<void>
}

/** Serves an embedded Vault and Kubernetes on 127.0.0.1. */
export async function serveStack(options: ServeStackOptions = {}): Promise<ServedStack> {
  const stack = createStack()
  const authority = createAuthority()
  const tls = authority.issue({ hosts: ['localhost'], addresses: ['127.0.0.1'] })
  const vault = await serve((request) => stack.vault.handle(request), {
    tls,
    port: options.vaultPort,
  })
  const kubernetes = await serveOrClose(vault, () =>
    serve((request) => stack.kubernetes.handle(request), { tls, port: options.kubernetesPort }),
  )
  return {
    stack,
    vaultUrl: vault.url,
    kubernetesUrl: kubernetes.url,
    caPem: authority.caPem,
    close: async () => {
      await Promise.all([vault.close(), kubernetes.close()])
    },
  }
}

/** A second server that does not start must not leave the first behind. */
async function serveOrClose(first: Served, second: () => Promise<Served>): Promise<Served> {
  try {
    return await second()
  } catch (error) {
    await first.close()
    throw error
  }
}

/** Paths of what {@link writeClientFiles} wrote. */
export interface ClientFiles {
  readonly ca: string
  readonly kubeconfig: string
  readonly rootToken: string
  /** Opens Vault again once it was sealed. */
  readonly unsealKey: string
  /** In the Python original's shape. */
  readonly config: string
  readonly definition: string
}

/**
 * Provisions the Python original's set-up with a sample dictionary, and writes what a client needs.
 *
 * @param directory - created if absent; its files are for their owner alone
 */
export async function writeClientFiles(
  { stack, vaultUrl, kubernetesUrl, caPem }: ServedStack,
  directory: string,
): Promise<ClientFiles> {
  const plan = await provisionStack(stack, 'original')
  await sealDictionary(stack, plan, SAMPLE_NAME, SAMPLE)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const write = async (name: string, content: string | object): Promise<string> => {
    const path = join(directory, name)
    const text =
      typeof content === 'string' ? content : `${JSON.stringify(content, undefined, 2)}\n`
    await writeFile(path, text, { mode: 0o600 })
    return path
  }
  const ca = await write('ca.crt', caPem)
  const kubeconfig = await write('kubeconfig', kubeconfigOf(kubernetesUrl, caPem, plan))
  return {
    ca,
    kubeconfig,
    rootToken: await write('root-token', plan.rootToken),
    unsealKey: await write('unseal-key', stack.vault.unsealKeys.join('\n')),
    config: await write('secretcfg.json', configOf(plan, { vaultUrl, ca, kubeconfig })),
    definition: await write('secretdef.json', definitionOf(plan)),
  }
}

/** The Secret that the sample dictionary is stored in. */
export const SAMPLE_NAME = 'matrix-secrets'

/** What a first dictionary may look like. */
export const SAMPLE: Readonly<Record<string, string>> = {
  redis_url: 'redis://redis.example:6379/0',
  db_password: 'correct horse battery staple',
  api_token: 'sample-0123456789',
}

function configOf(
  { serviceAccount, namespace, role }: KubevaultPlan,
  { vaultUrl, ca, kubeconfig }: { vaultUrl: string; ca: string; kubeconfig: string },
): object {
  return {
    SOURCE: 'KUBEVAULT',
    kube_config: kubeconfig,
    service_account: serviceAccount,
    namespace,
    vault_url: vaultUrl,
    role,
    ca_cert: ca,
  }
}

function definitionOf({ namespace, transitKey }: KubevaultPlan): object {
  return {
    transit_key: transitKey,
    namespace,
    secret_name: SAMPLE_NAME,
    read_type: 'SECRET',
    read_key: DATA_KEY,
  }
}

/** The pod of examples/kubevault/job.yaml without a kubelet: its volumes, filled from servers. */
import { createTransport } from '../src/http/transport.ts'
import { requestToken } from '../src/dev/operator.ts'
import type { KubevaultPlan } from '../src/dev/plan.ts'
import type { ServedStack } from '../src/dev/serve-stack.ts'
import { systemRuntime, type Runtime } from '../src/runtime.ts'
import { manifests } from './example-program.ts'

type Files = Readonly<Record<string, string>>

interface Volume {
  readonly name: string
  readonly configMap?: { readonly name: string }
  readonly secret?: { readonly secretName: string }
  readonly projected?: { readonly sources: readonly { serviceAccountToken: TokenSource }[] }
}

interface TokenSource {
  readonly path: string
  readonly audience: string
  readonly expirationSeconds: number
}

interface Job {
  readonly spec: {
    readonly template: {
      readonly spec: {
        readonly containers: readonly { readonly volumeMounts: readonly Mount[] }[]
        readonly volumes: readonly Volume[]
      }
    }
  }
}

interface Mount {
  readonly name: string
  readonly mountPath: string
}

/** The files that the kubelet would mount, by their path; in its configuration Vault is where `served` has it. */
export async function mountedFiles(served: ServedStack, plan: KubevaultPlan): Promise<Files> {
  const { containers, volumes } = (await jobOf()).spec.template.spec
  const files: Record<string, string> = {}
  for (const { name, mountPath } of containers[0]?.volumeMounts ?? []) {
    const volume = volumes.find((each) => each.name === name)
    const content = await contentOf(volume ?? { name }, served, plan)
    for (const [file, text] of Object.entries(content)) files[`${mountPath}/${file}`] = text
  }
  return files
}

async function jobOf(): Promise<Job> {
  const job = (await manifests('job.yaml')).find(({ kind }) => kind === 'Job')
  return job as unknown as Job
}

async function contentOf(
  { name, configMap, secret, projected }: Volume,
  { stack, caPem, vaultUrl }: ServedStack,
  plan: KubevaultPlan,
): Promise<Files> {
  if (configMap?.name === 'vault-ca') return { 'ca.crt': caPem }
  if (configMap !== undefined) return configOf(configMap.name, vaultUrl)
  const { kubernetesWire } = stack
  if (secret !== undefined) {
    const path = `/api/v1/namespaces/default/secrets/${secret.secretName}`
    const { body } = await kubernetesWire('GET', path, { token: plan.adminToken })
    const entries = Object.entries((body as { data: Files }).data)
    return Object.fromEntries(entries.map(([key, text]) => [key, atob(text)]))
  }
  const source = projected?.sources[0]?.serviceAccountToken
  if (source === undefined) throw new Error(`job.yaml: nothing is mounted as ${name}`)
  const { path, audience, expirationSeconds } = source
  const request = { ...plan, audiences: [audience], expirationSeconds }
  return { [path]: await requestToken(kubernetesWire, request) }
}

async function configOf(name: string, vaultUrl: string): Promise<Files> {
  const all = await manifests('job.yaml')
  const map = all.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && (metadata as { name: string }).name === name,
  )
  const { data } = map as unknown as { data: Files }
  const entries = Object.entries(data)
  return Object.fromEntries(
    entries.map(([file, text]) => [file, text.replace('https://192.168.86.9:8200', vaultUrl)]),
  )
}

/** The world with these files, no variable and no kubeconfig: from it, no API server is in reach. */
export function filesRuntime(files: Files): Runtime {
  const real = systemRuntime(createTransport)
  const runtime: Runtime = {
    ...real,
    env: () => undefined,
    home: () => '/nowhere',
    readFile: (path) => {
      const text = files[path]
      return text === undefined ? real.readFile(path) : Promise.resolve(Buffer.from(text))
    },
    transport: (options) => createTransport(options, runtime),
  }
  return runtime
}

/** A pod without a cluster: what the kubelet gives to a process, over a runtime that lacks it. */
import type { Pem, Runtime } from '../runtime.ts'

/** What the kubelet knows. */
export interface Pod {
  /** URL of the API server. */
  readonly apiServer: string
  /** CA of the API server in PEM; absent where there is no TLS. */
  readonly caPem?: string | undefined
  readonly namespace: string
  /** Token of the pod's ServiceAccount. */
  readonly token: string
}

const MOUNT = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The world as a process in `pod` sees it: of the environment and the files, those that a pod has and no others. */
export function podRuntime(runtime: Runtime, pod: Pod): Runtime {
  const { hostname, port } = new URL(pod.apiServer)
  const env = new Map([
    ['KUBERNETES_SERVICE_HOST', hostname],
    ['KUBERNETES_SERVICE_PORT', port || '443'],
  ])
  const files = new Map([
    [`${MOUNT}/token`, pod.token],
    [`${MOUNT}/namespace`, pod.namespace],
    [`${MOUNT}/ca.crt`, pod.caPem ?? ''],
  ])
  return {
    ...runtime,
    env: (name) => env.get(name),
    readFile: (path) => readFrom(files, path),
    // A transport reads files by itself; those of the pod are here.
    transport: (options) => runtime.transport({ ...options, ca: inline(options.ca, files) }),
  }
}

function inline(pem: Pem | undefined, files: ReadonlyMap<string, string>): Pem | undefined {
  const text = pem?.kind === 'file' ? files.get(pem.path) : undefined
  return text === undefined ? pem : { kind: 'text', pem: text }
}

function readFrom(files: ReadonlyMap<string, string>, path: string): Promise<Uint8Array> {
  const text = files.get(path)
  if (text !== undefined) return Promise.resolve(Buffer.from(text))
  return Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' }))
}

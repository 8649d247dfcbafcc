/** The embedded servers as contracts want them. */
import { createStack, KUBERNETES_ORIGIN, VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { inProcessTransport } from '../../src/dev/transport.ts'
import { systemRuntime } from '../../src/runtime.ts'
import type { KubevaultUnderTest } from './kubevault-fixture.ts'
import { wireOfHandler } from './wire.ts'

/**
 * Starts both, empty. They count what clients ask, and not what tests arrange.
 *
 * @param kubernetesCaPem - there is no TLS within one process; but who is asked for a CA gives this one
 */
export function embeddedWorld(kubernetesCaPem = ''): KubevaultUnderTest {
  const { vault, kubernetes, servers } = createStack()
  const toVault = (request: Request): Promise<Response> => vault.handle(request)
  const toKubernetes = (request: Request): Promise<Response> => kubernetes.handle(request)
  const calls = { vault: 0, kubernetes: 0 }
  const handlers = new Map([
    [VAULT_ORIGIN, (request: Request) => (calls.vault++, toVault(request))],
    [KUBERNETES_ORIGIN, (request: Request) => (calls.kubernetes++, toKubernetes(request))],
  ])
  const world = systemRuntime(inProcessTransport(handlers))
  return {
    vault: wireOfHandler(toVault, VAULT_ORIGIN),
    kubernetes: wireOfHandler(toKubernetes, KUBERNETES_ORIGIN),
    servers,
    vaultUrl: VAULT_ORIGIN,
    vaultCaPem: '',
    kubernetesUrl: KUBERNETES_ORIGIN,
    kubernetesCaPem,
    runtime: (files, env) => ({
      ...world,
      env: (name) => env[name],
      readFile: (path) => {
        const text = files[path]
        if (text !== undefined) return Promise.resolve(Buffer.from(text))
        return Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' }))
      },
    }),
    calls: () => Promise.resolve({ ...calls }),
    close: () => Promise.resolve(),
  }
}

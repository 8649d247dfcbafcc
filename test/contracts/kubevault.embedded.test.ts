import { createStack, KUBERNETES_ORIGIN, VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { inProcessTransport } from '../../src/dev/transport.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { kubevaultContract } from './kubevault.ts'
import { wireOfHandler } from './wire.ts'

kubevaultContract('the embedded stack', () => {
  const { vault, kubernetes, servers } = createStack()
  const calls = { vault: 0, kubernetes: 0 }
  const handlers = new Map([
    [VAULT_ORIGIN, (request: Request) => (calls.vault++, vault.handle(request))],
    [KUBERNETES_ORIGIN, (request: Request) => (calls.kubernetes++, kubernetes.handle(request))],
  ])
  return Promise.resolve({
    vault: wireOfHandler((request) => vault.handle(request), VAULT_ORIGIN),
    kubernetes: wireOfHandler((request) => kubernetes.handle(request), KUBERNETES_ORIGIN),
    servers,
    vaultUrl: VAULT_ORIGIN,
    vaultCaPem: '',
    kubernetesUrl: KUBERNETES_ORIGIN,
    kubernetesCaPem: '',
    runtime: (files, env) => ({
      ...systemRuntime(inProcessTransport(handlers)),
      env: (name) => env[name],
      readFile: (path) => {
        const text = files[path]
        if (text !== undefined) return Promise.resolve(Buffer.from(text))
        return Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' }))
      },
    }),
    calls: () => Promise.resolve({ ...calls }),
    close: () => Promise.resolve(),
  })
})

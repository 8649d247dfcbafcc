import { createStack, KUBERNETES_ORIGIN, VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { inProcessTransport, type Handler } from '../../src/dev/transport.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { provisionContract } from './provision.ts'
import { wireOfHandler } from './wire.ts'

provisionContract('the embedded stack', () => {
  const { vault, kubernetes, servers } = createStack()
  const handlers = new Map<string, Handler>([
    [VAULT_ORIGIN, (request) => vault.handle(request)],
    [KUBERNETES_ORIGIN, (request) => kubernetes.handle(request)],
  ])
  return Promise.resolve({
    vault: wireOfHandler((request) => vault.handle(request), VAULT_ORIGIN),
    kubernetes: wireOfHandler((request) => kubernetes.handle(request), KUBERNETES_ORIGIN),
    servers,
    vaultUrl: VAULT_ORIGIN,
    vaultCaPem: '',
    kubernetesUrl: KUBERNETES_ORIGIN,
    // There is no TLS within one process, but Vault asks for a CA all the same.
    kubernetesCaPem: CA,
    runtime: (files, env) => ({
      ...systemRuntime(inProcessTransport(handlers)),
      env: (name) => env[name],
      readFile: (path) => {
        const text = files[path]
        if (text !== undefined) return Promise.resolve(Buffer.from(text))
        return Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' }))
      },
    }),
    close: () => Promise.resolve(),
  })
})

const CA = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'

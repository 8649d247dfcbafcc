import { createStack, KUBERNETES_ORIGIN, VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { inProcessTransport } from '../../src/dev/transport.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { loginsContract } from './logins.ts'
import { wireOfHandler } from './wire.ts'

loginsContract('the embedded Vault', () => {
  const { vault, kubernetes, servers } = createStack()
  const handle = (request: Request): Promise<Response> => vault.handle(request)
  const transport = inProcessTransport(new Map([[VAULT_ORIGIN, handle]]))
  return Promise.resolve({
    vault: wireOfHandler(handle, VAULT_ORIGIN),
    kubernetes: wireOfHandler((request) => kubernetes.handle(request), KUBERNETES_ORIGIN),
    servers,
    vaultUrl: VAULT_ORIGIN,
    vaultCaPem: '',
    runtime: () => ({
      ...systemRuntime(transport),
      env: () => undefined,
      readFile: () => Promise.reject(Object.assign(new Error('no such file'), { code: 'ENOENT' })),
    }),
    close: () => Promise.resolve(),
  })
})

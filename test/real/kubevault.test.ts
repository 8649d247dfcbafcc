import { createTransport } from '../../src/http/transport.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { kubevaultContract } from '../contracts/kubevault.ts'
import { describe } from 'vitest'
import { serversPresent } from './servers.ts'
import { sharedServers } from './shared.ts'

describe.skipIf(!serversPresent('bao', 'kube', 'etcd'))('on real servers', () => {
  kubevaultContract('OpenBao and kube-apiserver', () => {
    const { vault, kubernetes, vaultWire, kubernetesWire, servers } = sharedServers()
    return Promise.resolve({
      vault: vaultWire,
      kubernetes: kubernetesWire,
      servers,
      vaultUrl: vault.url,
      vaultCaPem: vault.caPem ?? '',
      kubernetesUrl: kubernetes.url,
      kubernetesCaPem: kubernetes.caPem,
      runtime: (files, env) => withFiles({ '/etc/vault/ca.crt': vault.caPem ?? '', ...files }, env),
      close: () => Promise.resolve(),
    })
  })
})

/** The real world with these files and variables in it. */
function withFiles(
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>>,
): Runtime {
  const real = systemRuntime((options) => createTransport(options, runtime))
  const runtime: Runtime = {
    ...real,
    env: (name) => env[name],
    readFile: (path) => {
      const text = files[path]
      return text === undefined ? real.readFile(path) : Promise.resolve(Buffer.from(text))
    },
  }
  return runtime
}

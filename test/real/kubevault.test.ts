import { kubevaultContract } from '../contracts/kubevault.ts'
import { describe } from 'vitest'
import { serversPresent } from './servers.ts'
import { sharedServers } from './shared.ts'
import { withFiles } from './with-files.ts'

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

/** Real servers as the contract of the pattern wants them. */
import { createTransport } from '../../src/http/transport.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import type { KubevaultUnderTest } from '../contracts/kubevault.ts'
import { wireOfUrl } from '../contracts/wire.ts'
import type { KubernetesAccess, VaultAccess } from './servers.ts'

/** A world of servers that somebody else ends. */
export function worldOf(vault: VaultAccess, kubernetes: KubernetesAccess): KubevaultUnderTest {
  const ca = vault.caPem ?? ''
  return {
    vault: wireOfUrl(vault.url, { ca }),
    kubernetes: wireOfUrl(kubernetes.url, { ca: kubernetes.caPem }),
    servers: {
      rootToken: vault.rootToken,
      adminToken: kubernetes.adminToken,
      kubernetesHost: kubernetes.url,
      kubernetesCaPem: kubernetes.caPem,
    },
    vaultUrl: vault.url,
    vaultCaPem: ca,
    kubernetesUrl: kubernetes.url,
    kubernetesCaPem: kubernetes.caPem,
    runtime: (files, env) => withFiles({ '/etc/vault/ca.crt': ca, ...files }, env),
    close: () => Promise.resolve(),
  }
}

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

/** The servers as sockets see them: facts for the checks of the network. */
import { proberOf, type Probe, type ProbedCertificate, type TlsProbe } from '../http/probe.ts'
import type { TransportOptions } from '../runtime.ts'
import { clusterAccess } from './cluster.ts'
import { Missing } from './verdict.ts'
import { fact, type World } from './world.ts'

/** A server that is connected to. */
export interface Server {
  /** First part of the ids of its checks. */
  readonly id: 'vault' | 'kubernetes'
  /** As people call it. */
  readonly name: string
  readonly url: string
  readonly transport: TransportOptions
  /** Setting that says where it is. */
  readonly addressedBy: string
  /** Setting that says whom to trust for it. */
  readonly trustedBy: string
}

/** Vault as the settings have it. */
export const vaultServer: (world: World) => Promise<Server> = fact(
  ({ settings: { vault, legacy } }) =>
    Promise.resolve({
      id: 'vault',
      name: 'Vault',
      url: vault.url,
      transport: vault.transport,
      addressedBy: legacy ? 'vault_url' : 'vault.url',
      trustedBy: legacy ? 'ca_cert' : 'vault.caCert',
    }),
)

/** The API server as the pod or the kubeconfig has it. */
export const kubernetesServer: (world: World) => Promise<Server> = fact(async (world) => {
  const { server, transport, origin } = await clusterAccess(world)
  return {
    id: 'kubernetes',
    name: 'the API server',
    url: server,
    transport,
    addressedBy: `the server of ${origin}`,
    trustedBy: `certificate-authority of ${origin}`,
  }
})

const ofVault: (world: World) => Promise<Probe> = fact(async (world) =>
  probe(world, await vaultServer(world)),
)
const ofKubernetes: (world: World) => Promise<Probe> = fact(async (world) =>
  probe(world, await kubernetesServer(world)),
)

/** How far a connection to one of the two comes. @throws {@link Missing} where nothing can look */
export function probeOf(world: World, { id }: Server): Promise<Probe> {
  return id === 'vault' ? ofVault(world) : ofKubernetes(world)
}

/** Looks at a server. @throws {@link Missing} through a proxy, and where there are no sockets */
export async function probe(
  { runtime, settings }: World,
  { url, transport: options }: Pick<Server, 'url' | 'transport'>,
): Promise<Probe> {
  if (options.proxy !== undefined) throw new Missing('a connection that no proxy stands in')
  const transport = runtime.transport(options)
  try {
    const prober = proberOf(transport)
    if (!prober) throw new Missing('a connection over sockets')
    return await prober.probe(url, { timeoutMs: settings.attempt.connectTimeoutMs })
  } finally {
    transport.close()
  }
}

/** The handshake with a server. @throws {@link Missing} with plain http */
export async function handshakeOf(world: World, server: Server): Promise<TlsProbe> {
  const { tls } = await probeOf(world, server)
  if (tls) return tls
  throw new Missing('TLS, and this is plain http')
}

/** The certificate of a server. @throws {@link Missing} where none came */
export async function certificateOf(world: World, server: Server): Promise<ProbedCertificate> {
  const { chain } = await handshakeOf(world, server)
  const [certificate] = chain
  if (certificate) return certificate
  throw new Missing('a certificate, and none came')
}

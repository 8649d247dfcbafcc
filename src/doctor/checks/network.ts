/** Name, connection and certificate of a server: the same questions for Vault and for the API server. */
import type { ProbeFailure } from '../../http/probe.ts'
import { isAddress } from '../../lib/ip.ts'
import { word } from '../../lib/shell-word.ts'
import {
  certificateOf,
  handshakeOf,
  kubernetesServer,
  probeOf,
  vaultServer,
  type Server,
} from '../probes.ts'
import { finding, ok, warning, type Verdict } from '../verdict.ts'
import type { Check, World } from '../world.ts'

/** Ids of the checks without which nothing of a server can be asked. */
export function reachable(id: Server['id']): readonly string[] {
  return STEPS.map(([step]) => `${id}.${step}`)
}

type Step = (world: World, server: Server) => Promise<Verdict>

/** In the order in which a connection meets them. */
const STEPS: readonly (readonly [id: string, title: (name: string) => string, run: Step])[] = [
  ['name', (name) => `name of ${name}`, resolution],
  ['tcp', (name) => `connection to ${name}`, connection],
  ['chain', (name) => `chain of the certificate of ${name}`, chain],
  ['san', (name) => `name in the certificate of ${name}`, subject],
  ['expiry', (name) => `validity of the certificate of ${name}`, expiry],
  ['key-usage', (name) => `key usage of the certificate of ${name}`, keyUsage],
]

const NAMES: Readonly<Record<Server['id'], string>> = {
  vault: 'Vault',
  kubernetes: 'the API server',
}

/** How Vault is reached. */
export const VAULT_NETWORK: readonly Check[] = networkChecks('vault', vaultServer, [])
/** How the API server is reached. */
export const KUBERNETES_NETWORK: readonly Check[] = networkChecks('kubernetes', kubernetesServer, [
  'kubernetes.access',
])

function networkChecks(
  id: Server['id'],
  find: (world: World) => Promise<Server>,
  first: readonly string[],
): readonly Check[] {
  return STEPS.map(([step, title, run], at) => ({
    id: `${id}.${step}`,
    title: title(NAMES[id]),
    // A certificate may be wrong in several ways at once; before it each step needs the last.
    needs: [...first, ...STEPS.slice(0, Math.min(at, 2)).map(([before]) => `${id}.${before}`)],
    run: async (world) => run(world, await find(world)),
  }))
}

async function resolution(world: World, server: Server): Promise<Verdict> {
  const { hostname } = new URL(server.url)
  const { addresses, causeClass } = await probeOf(world, server)
  // Of an IPv6 address a URL has brackets, too.
  if (addresses.includes(hostname.replaceAll(/[[\]]/g, ''))) return ok('an address, and no name')
  if (addresses.length > 0) return ok(`${hostname} is ${addresses.slice(0, 4).join(', ')}`)
  return finding(
    `the name ${hostname} does not resolve here (${causeClass ?? 'no address'})`,
    `getent hosts ${word(hostname)}; then correct ${server.addressedBy}, or the DNS of this host or pod`,
  )
}

async function connection(world: World, server: Server): Promise<Verdict> {
  const { host } = new URL(server.url)
  const { causeClass } = await probeOf(world, server)
  if (causeClass === undefined) return ok(`${host} accepts connections`)
  const what =
    causeClass === 'ECONNREFUSED'
      ? `nothing listens at ${host}`
      : `${host} cannot be reached (${causeClass})`
  return finding(
    what,
    `check that the server runs and that ${server.addressedBy} names its port; then firewalls and NetworkPolicies: nc -vz ${host
      .split(/:(?=\d+$)/)
      .map(word)
      .join(' ')}`,
  )
}

/** Each failure belongs to the one check that it is about. */
function stepOf({ code, detail }: ProbeFailure): string {
  if (code === 'SM_TLS_EXPIRED') return 'expiry'
  if (code === 'SM_TLS_NAME_MISMATCH') return 'san'
  return /key usage/.test(detail) ? 'key-usage' : 'chain'
}

async function chain(world: World, server: Server): Promise<Verdict> {
  const { protocol, failure, chain: certificates } = await handshakeOf(world, server)
  if (failure && stepOf(failure) === 'chain') return refused(server, failure)
  const root = certificates.at(-1)?.issuer ?? 'a CA'
  return ok(`${protocol === undefined ? '' : `${protocol}, `}signed by ${root}, which is trusted`)
}

function refused({ name, url, trustedBy }: Server, { code, detail, hint }: ProbeFailure): Verdict {
  const { host } = new URL(url)
  const show = `openssl s_client -connect ${word(host)} -showcerts </dev/null`
  const mend =
    hint ??
    (code === 'SM_TLS_UNTRUSTED'
      ? `set ${trustedBy} to the CA that signed it, and serve its intermediate along: ${show}`
      : `check that the server is not stuck, and that the port speaks TLS 1.2 or later: ${show}`)
  return finding(`${name} at ${url}: ${detail}`, mend)
}

async function subject(world: World, server: Server): Promise<Verdict> {
  const { names, isForHost } = await certificateOf(world, server)
  const { hostname } = new URL(server.url)
  const asked = server.transport.serverName ?? hostname.replaceAll(/[[\]]/g, '')
  if (isForHost) return ok(`it is for ${asked}`)
  const setting = server.id === 'vault' ? 'vault.serverName' : 'tls-server-name of the kubeconfig'
  return finding(
    `the certificate of ${server.name} is for ${names || 'no host at all'}, not for ${asked}`,
    `issue it with subjectAltName=${isAddress(asked) ? 'IP' : 'DNS'}:${asked}, or set ${setting} to a name that it has`,
  )
}

const DAY_MS = 86_400_000
/** Days before its end from which a certificate is told of. */
const SOON = 30

async function expiry(world: World, server: Server): Promise<Verdict> {
  const { chain: certificates } = await handshakeOf(world, server)
  await certificateOf(world, server)
  const now = world.runtime.wallClock()
  const early = certificates.find(({ validFrom }) => validFrom > now)
  if (early) {
    return finding(
      `the certificate ${early.subject} is not valid before ${day(early.validFrom)}`,
      'correct the clock of this host (timedatectl), or issue the certificate anew',
    )
  }
  const [first, ...rest] = certificates.map(({ validUntil }) => validUntil)
  const until = Math.min(first ?? 0, ...rest)
  const name = certificates.find(({ validUntil }) => validUntil === until)?.subject ?? ''
  const days = Math.floor((until - now) / DAY_MS)
  const mend = `renew the certificate of ${server.name} and let the server load it`
  if (until <= now) return finding(`the certificate ${name} expired on ${day(until)}`, mend)
  if (days < SOON) return warning(`the certificate ${name} expires in ${days} days`, mend)
  return ok(`valid until ${day(until)}`)
}

function day(unixMs: number): string {
  return new Date(unixMs).toISOString().slice(0, 10)
}

/** @see https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.12 for `id-kp-serverAuth` and `anyExtendedKeyUsage` */
const FOR_SERVERS: ReadonlySet<string> = new Set(['1.3.6.1.5.5.7.3.1', '2.5.29.37.0'])

async function keyUsage(world: World, server: Server): Promise<Verdict> {
  const { failure } = await handshakeOf(world, server)
  if (failure && stepOf(failure) === 'key-usage') return refused(server, failure)
  const { purposes } = await certificateOf(world, server)
  if (purposes === undefined) return ok('any purpose')
  if (purposes.some((purpose) => FOR_SERVERS.has(purpose))) return ok('serverAuth')
  return finding(
    `the certificate of ${server.name} is not for servers: its extendedKeyUsage lacks serverAuth`,
    'issue it anew with extendedKeyUsage=serverAuth',
  )
}

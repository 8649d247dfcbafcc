/**
 * Looks at a server without speaking to it: resolves its name, connects, shakes hands, and hangs up.
 *
 * The handshake verifies as every other does: what the server presents is looked at in the moment
 * before the verdict ends the connection.
 */
import { X509Certificate } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import { connect, type Socket } from 'node:net'
import {
  checkServerIdentity,
  connect as connectSecure,
  type DetailedPeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls'

import { isSecretManagerError, systemCode } from '../errors.ts'
import { isAddress } from '../lib/ip.ts'
import type { Probe, ProbedCertificate, ProbeFailure, TlsProbe } from './probe.ts'
import type { Target } from './transport-agent.ts'
import { isUntrusted, tlsFailure } from './transport-failure.ts'
import type { Trust } from './transport-trust.ts'

/**
 * Connects to `target` and tells how far it came.
 *
 * @param timeoutMs - limit of each step
 * @param trust - absent: plain http, which has no handshake
 */
export async function probe(
  target: Target,
  timeoutMs: number,
  trust: Trust | undefined,
): Promise<Probe> {
  const found = await addressesOf(target.host)
  if (typeof found === 'string') return { addresses: [], causeClass: found }
  return { addresses: found, ...(await connection(target, timeoutMs, trust)) }
}

/** The addresses, or the system's code of why there are none. */
async function addressesOf(host: string): Promise<readonly string[] | string> {
  if (isAddress(host)) return [host]
  try {
    const found = await lookup(host, { all: true })
    return found.map(({ address }) => address)
  } catch (error) {
    return codeOf(error)
  }
}

async function connection(
  target: Target,
  timeoutMs: number,
  trust: Trust | undefined,
): Promise<Omit<Probe, 'addresses'>> {
  const { host, port } = target
  const causeClass = await outcomeOf(connect({ host, port }), 'connect', timeoutMs)
  if (causeClass !== undefined) return { causeClass: codeOf(causeClass) }
  return trust ? { tls: await handshake(target, timeoutMs, trust) } : {}
}

/** What the socket failed with before `event`, or `undefined`; it is closed either way. */
function outcomeOf(socket: Socket, event: string, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve) => {
    const end = (outcome: unknown): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(outcome)
    }
    const timer = setTimeout(end, timeoutMs, Object.assign(new Error(), { code: 'ETIMEDOUT' }))
    socket.once(event, () => end(undefined))
    // Not once: what comes after the end must find a listener, too.
    socket.on('error', end)
    socket.once('close', () => end(Object.assign(new Error(), { code: 'ECONNRESET' })))
  })
}

/** Where a name has several addresses, Node reports all failures; the first will do. */
function codeOf(error: unknown): string {
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return systemCode(first) ?? systemCode(error) ?? 'UNKNOWN'
}

async function handshake(target: Target, timeoutMs: number, trust: Trust): Promise<TlsProbe> {
  try {
    const context = await trust.context()
    const first = await attempt(target, timeoutMs, context)
    const untrusted = isUntrusted(codeOf(first.error))
    if (!untrusted || !(await trust.renew(context, true))) return told(first, target.host)
    return told(await attempt(target, timeoutMs, await trust.context()), target.host)
  } catch (error) {
    // Files with certificates that cannot be read, or hold none.
    if (!isSecretManagerError(error)) throw error
    return { failure: { code: error.code, detail: error.message, hint: error.hint }, chain: [] }
  }
}

interface Attempt {
  readonly error: unknown
  readonly protocol: string | null
  readonly chain: readonly ProbedCertificate[]
}

async function attempt(
  target: Target,
  timeoutMs: number,
  secureContext: SecureContext | undefined,
): Promise<Attempt> {
  const { host, port, servername } = target
  const trust = secureContext && { secureContext }
  const options = { host, port, servername, minVersion: 'TLSv1.2', ...trust } as const
  const socket = connectSecure({ ...options, rejectUnauthorized: true })
  let seen: Pick<Attempt, 'protocol' | 'chain'> = { protocol: null, chain: [] }
  // Node's own listener of this event verifies, and ends what is not accepted.
  socket.prependOnceListener('secure', () => {
    seen = { protocol: socket.getProtocol(), chain: chainOf(socket, servername || host) }
  })
  const error = await outcomeOf(socket, 'secureConnect', timeoutMs)
  return { error, ...seen }
}

/** Longer ones are of no server. */
const LONGEST_CHAIN = 10

/** As legacy objects: to ask for the others here would leave none for Node's own verification. */
function chainOf(socket: TLSSocket, host: string): readonly ProbedCertificate[] {
  const chain: ProbedCertificate[] = []
  let next: Partial<DetailedPeerCertificate> | undefined = socket.getPeerCertificate(true)
  while (next?.raw && chain.length < LONGEST_CHAIN) {
    chain.push(certificateOf(new X509Certificate(next.raw), host))
    // A root is its own issuer.
    const above: DetailedPeerCertificate | undefined = next.issuerCertificate
    next = above && above.fingerprint256 !== next.fingerprint256 ? above : undefined
  }
  return chain
}

function certificateOf(certificate: X509Certificate, host: string): ProbedCertificate {
  const { subject, issuer, subjectAltName } = certificate
  // Node's name for what X.509 calls extended key usage; its types want it always there.
  const purposes: unknown = certificate.keyUsage
  return {
    subject: printable(subject),
    issuer: printable(issuer),
    names: printable(subjectAltName),
    isForHost: checkServerIdentity(host, certificate.toLegacyObject()) === undefined,
    validFrom: Date.parse(certificate.validFrom),
    validUntil: Date.parse(certificate.validTo),
    purposes: Array.isArray(purposes) ? purposes.map(String) : undefined,
  }
}

/** Whoever serves there chose these texts. OpenSSL puts the parts of a name on lines of their own. */
function printable(text: string | undefined): string {
  const line = (text ?? '').replaceAll('\n', ', ')
  return line.replaceAll(/[^\x20-\x7e]/g, '?').slice(0, 300)
}

function told({ error, protocol, chain }: Attempt, host: string): TlsProbe {
  if (error === undefined) return { protocol: protocol ?? 'TLS', chain }
  return { failure: failureOf(error, host), chain }
}

function failureOf(error: unknown, host: string): ProbeFailure {
  const known = tlsFailure(error, host)
  if (known) return known
  const detail =
    codeOf(error) === 'ETIMEDOUT'
      ? 'it does not answer the TLS handshake'
      : 'it ends the connection during the TLS handshake'
  return { code: 'SM_TLS_FAILED', detail }
}

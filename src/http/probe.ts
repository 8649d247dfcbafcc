/** What a look at a server without speaking to it tells; the look itself is in `transport-probe.ts`. */
import type { ErrorCode } from '../errors.ts'
import type { Transport } from '../runtime.ts'

/** A transport that can look. Those without sockets cannot. */
export interface Prober {
  /**
   * Connects once to tell what there is: nothing is sent. For diagnosis.
   *
   * @returns how far it came; never rejects for what it meets
   */
  probe(url: string, limits: ProbeLimits): Promise<Probe>
}

/** Limit of each step of a probe, in milliseconds. */
export interface ProbeLimits {
  readonly timeoutMs: number
}

/** How far a connection came, step by step. The last step that is there says why there is no other. */
export interface Probe {
  /** Empty where the name does not resolve. */
  readonly addresses: readonly string[]
  /** The system's code of what failed before TLS; absent where a connection was made. */
  readonly causeClass?: string | undefined
  /** Absent where there was no connection, and with plain http. */
  readonly tls?: TlsProbe | undefined
}

/** A handshake, with the same trust as every request. */
export interface TlsProbe {
  /** Such as `TLSv1.3`; absent where the handshake failed. */
  readonly protocol?: string | undefined
  readonly failure?: ProbeFailure | undefined
  /** The server's certificate first, then those above it that are known; empty where none came. */
  readonly chain: readonly ProbedCertificate[]
}

/** Why a handshake failed. */
export interface ProbeFailure {
  readonly code: ErrorCode
  /** A clause such as `its certificate has expired`. */
  readonly detail: string
  readonly hint?: string | undefined
}

/** What a certificate says; public, and of printable ASCII. */
export interface ProbedCertificate {
  readonly subject: string
  readonly issuer: string
  /** As OpenSSL writes them, such as `DNS:vault.example, IP Address:192.0.2.1`. */
  readonly names: string
  /** Whether it is for the name or the address that was asked for. */
  readonly isForHost: boolean
  /** Unix milliseconds. */
  readonly validFrom: number
  readonly validUntil: number
  /** Object identifiers of the extended key usage; absent: any. */
  readonly purposes?: readonly string[] | undefined
}

/** `transport` as one that can look, or `undefined`. */
export function proberOf(transport: Transport): Prober | undefined {
  return isProber(transport) ? transport : undefined
}

function isProber(transport: Transport | Prober): transport is Prober {
  return 'probe' in transport && typeof transport.probe === 'function'
}

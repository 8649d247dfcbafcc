/** Names the reasons for which a TLS handshake fails, and says what mends each. */
import { systemCode } from '../errors.ts'
import { isAddress } from '../lib/ip.ts'
import type { TlsFailure } from '../runtime.ts'

/** Verification results that more trusted CAs could change. */
const UNTRUSTED: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: 'its certificate has an issuer that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'its certificate has an issuer that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'its certificate has an issuer that is not trusted here, or comes without its intermediate',
  SELF_SIGNED_CERT_IN_CHAIN: 'its certificate ends in a root that is not trusted here',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'its certificate is self-signed and not trusted here',
  CERT_UNTRUSTED: 'its certificate ends in a root that is not trusted here',
  INVALID_CA:
    'its certificate was signed by a certificate that is not a CA (basicConstraints CA:TRUE is missing)',
  CERT_SIGNATURE_FAILURE: 'its certificate has a signature that its issuer did not make',
}

const KEY_USAGE_HINT =
  'issue the CA anew with basicConstraints=critical,CA:TRUE and keyUsage=critical,keyCertSign,cRLSign'

const OTHER: Readonly<Record<string, Omit<TlsFailure, 'hint'>>> = {
  CERT_HAS_EXPIRED: { code: 'SM_TLS_EXPIRED', detail: 'its certificate has expired' },
  CERT_NOT_YET_VALID: { code: 'SM_TLS_EXPIRED', detail: 'its certificate is not valid yet' },
  CERT_REVOKED: { code: 'SM_TLS_UNTRUSTED', detail: 'its certificate has been revoked' },
  INVALID_PURPOSE: {
    code: 'SM_TLS_UNTRUSTED',
    detail:
      'its certificate, or the CA of it, is not for this purpose (extended key usage serverAuth)',
  },
}

/** Alerts and refusals of a handshake, by the end of OpenSSL's name for each; the first that fits. */
const HANDSHAKE: readonly (readonly [pattern: RegExp, detail: string])[] = [
  [
    /CERTIFICATE_REQUIRED$|HANDSHAKE_FAILURE$/,
    'it demands a client certificate, or a cipher that Node does not have',
  ],
  [
    /ALERT_(?:BAD_CERTIFICATE|UNKNOWN_CA|CERTIFICATE_(?:EXPIRED|REVOKED|UNKNOWN))$/,
    'it does not accept the client certificate',
  ],
  [/PROTOCOL_VERSION$|UNSUPPORTED_PROTOCOL$/, 'it speaks no TLS 1.2 or later'],
  [
    /WRONG_VERSION_NUMBER$|PACKET_LENGTH_TOO_LONG$|^EPROTO$/,
    'what answers does not speak TLS: is it plain http?',
  ],
]

/**
 * Recognises a failed handshake.
 *
 * @param error - what `node:tls` gave
 * @param host - name or address that was asked for
 * @returns `undefined` when the failure is not one of TLS
 */
export function tlsFailure(error: unknown, host: string): TlsFailure | undefined {
  const code = systemCode(error)
  if (code === undefined) return undefined
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return nameMismatch(error, host)
  const untrusted = UNTRUSTED[code]
  if (untrusted !== undefined) return { code: 'SM_TLS_UNTRUSTED', detail: untrusted }
  if (code === 'UNSPECIFIED') return unspecified(error)
  if (OTHER[code]) return OTHER[code]
  const isHandshake =
    code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')
  return isHandshake ? { code: 'SM_TLS_FAILED', detail: handshakeDetail(code) } : undefined
}

function handshakeDetail(code: string): string {
  const known = HANDSHAKE.find(([pattern]) => pattern.test(code))
  return known ? known[1] : 'the TLS handshake failed'
}

/** Whether other trusted CAs could make the handshake succeed. */
export function isUntrusted(causeClass: string | undefined): boolean {
  return (
    causeClass !== undefined &&
    (Object.hasOwn(UNTRUSTED, causeClass) || causeClass === 'UNSPECIFIED')
  )
}

/** Node has no name for this result of OpenSSL, only its fixed sentence. */
function unspecified(error: unknown): TlsFailure {
  const text = error instanceof Error ? error.message : ''
  return text.includes('key usage')
    ? {
        code: 'SM_TLS_UNTRUSTED',
        detail:
          'its certificate was signed by a CA whose key usage does not allow signing certificates',
        hint: KEY_USAGE_HINT,
      }
    : { code: 'SM_TLS_UNTRUSTED', detail: 'its certificate was not accepted' }
}

/** Names in a certificate are public: they are what the person must compare. */
function nameMismatch(error: unknown, host: string): TlsFailure {
  const names = subjectNames(error)
  return {
    code: 'SM_TLS_NAME_MISMATCH',
    detail: names
      ? `its certificate is for ${names}, not for ${host}`
      : `its certificate names no host at all, so not ${host}`,
    hint: isAddress(host)
      ? `issue the certificate with subjectAltName=IP:${host} (a common name or DNS name does not count for an address), or set the server name that it was issued for (vault.serverName, VAULT_TLS_SERVER_NAME; tls-server-name of a kubeconfig)`
      : `issue the certificate with subjectAltName=DNS:${host}, or set the server name that it was issued for (vault.serverName, VAULT_TLS_SERVER_NAME; tls-server-name of a kubeconfig)`,
  }
}

function subjectNames(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('cert' in error)) return undefined
  const { cert } = error
  if (typeof cert !== 'object' || cert === null || !('subjectaltname' in cert)) return undefined
  const names = cert.subjectaltname
  return typeof names === 'string' ? names.replace(/[^\x20-\x7e]/g, '?').slice(0, 300) : undefined
}

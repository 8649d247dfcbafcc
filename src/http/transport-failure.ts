/** Names the reasons for which a TLS handshake fails, and says what mends each. */
import { isIP } from 'node:net'

import { systemCode } from '../errors.ts'
import type { TlsFailure } from '../runtime.ts'

/** Verification results that more trusted CAs could change. */
const UNTRUSTED: Readonly<Record<string, string>> = {
  UNABLE_TO_GET_ISSUER_CERT: 'has an issuer that is not trusted here',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'has an issuer that is not trusted here',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    'has an issuer that is not trusted here, or comes without its intermediate',
  SELF_SIGNED_CERT_IN_CHAIN: 'ends in a root that is not trusted here',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'is self-signed and not trusted here',
  CERT_UNTRUSTED: 'ends in a root that is not trusted here',
  INVALID_CA: 'was signed by a certificate that is not a CA (basicConstraints CA:TRUE is missing)',
  CERT_SIGNATURE_FAILURE: 'has a signature that its issuer did not make',
}

const KEY_USAGE_HINT =
  'issue the CA anew with basicConstraints=critical,CA:TRUE and keyUsage=critical,keyCertSign,cRLSign'

const OTHER: Readonly<Record<string, Omit<TlsFailure, 'hint'>>> = {
  CERT_HAS_EXPIRED: { code: 'SM_TLS_EXPIRED', detail: 'has expired' },
  CERT_NOT_YET_VALID: { code: 'SM_TLS_EXPIRED', detail: 'is not valid yet' },
  CERT_REVOKED: { code: 'SM_TLS_UNTRUSTED', detail: 'has been revoked' },
  INVALID_PURPOSE: {
    code: 'SM_TLS_UNTRUSTED',
    detail: 'or its CA is not for this purpose (extended key usage serverAuth)',
  },
  EPROTO: {
    code: 'SM_TLS_FAILED',
    detail: 'was not seen: what answers does not speak TLS, or refused the handshake',
  },
}

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
  if (code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_')) {
    return { code: 'SM_TLS_FAILED', detail: 'was not accepted in the handshake' }
  }
  return undefined
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
        detail: 'was signed by a CA whose key usage does not allow signing certificates',
        hint: KEY_USAGE_HINT,
      }
    : { code: 'SM_TLS_UNTRUSTED', detail: 'was not accepted' }
}

/** Names in a certificate are public: they are what the person must compare. */
function nameMismatch(error: unknown, host: string): TlsFailure {
  const names = subjectNames(error)
  const isAddress = isIP(host.replace(/^\[|\]$/g, '')) !== 0
  return {
    code: 'SM_TLS_NAME_MISMATCH',
    detail: names ? `is for ${names}, not for ${host}` : `names no host at all, so not ${host}`,
    hint: isAddress
      ? `issue the certificate with subjectAltName=IP:${host} (a common name or DNS name does not count for an address), or set the server name that it was issued for (vault.serverName, VAULT_TLS_SERVER_NAME)`
      : `issue the certificate with subjectAltName=DNS:${host}, or set the server name that it was issued for (vault.serverName, VAULT_TLS_SERVER_NAME)`,
  }
}

function subjectNames(error: unknown): string | undefined {
  if (typeof error !== 'object' || error === null || !('cert' in error)) return undefined
  const { cert } = error
  if (typeof cert !== 'object' || cert === null || !('subjectaltname' in cert)) return undefined
  const names = cert.subjectaltname
  return typeof names === 'string' ? names.replace(/[^\x20-\x7e]/g, '?').slice(0, 300) : undefined
}

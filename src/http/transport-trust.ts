/**
 * TLS material of one backend: read when a connection first needs it, and again when trust fails.
 *
 * With no CA configured, Node's bundled roots (and `NODE_EXTRA_CA_CERTS`, which Node adds to them) come
 * first; the operating system's store is read only when they do not know the issuer. Homelab CAs are
 * installed there, and Node alone ignores them.
 */
import { resolve } from 'node:path'
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls'

import { SecretManagerError, systemCode } from '../errors.ts'
import type { Pem, Runtime, TransportOptions } from '../runtime.ts'

/** Where distributions keep the system's store, in the order that Go and OpenSSL look. */
const SYSTEM_STORES = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem',
  '/etc/ssl/cert.pem',
]

type Files = Pick<Runtime, 'readFile' | 'listDirectory' | 'env'>

/** The trust of one backend over time. */
export class Trust {
  readonly #options: TransportOptions
  readonly #files: Files
  #material: Material | undefined
  #loading: Promise<SecureContext | undefined> | undefined

  constructor(options: TransportOptions, files: Files) {
    this.#options = options
    this.#files = files
  }

  /**
   * The context for new connections; `undefined` stands for Node's own.
   *
   * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, SM_TLS_FAILED for PEM that does not load
   */
  context(): Promise<SecureContext | undefined> | SecureContext | undefined {
    if (this.#material) return this.#material.context
    return this.#reload(false)
  }

  /**
   * Looks for material that a failed handshake lacked: files that changed, or the system's store.
   *
   * @param failed - the context of that handshake; another request may have renewed it since
   * @param untrusted - whether more trusted CAs could have made it succeed
   * @returns whether another handshake may go better
   * @throws {@link SecretManagerError} as {@link context}
   */
  async renew(failed: SecureContext | undefined, untrusted: boolean): Promise<boolean> {
    const widen = this.#options.ca === undefined && (untrusted || this.#material?.widened === true)
    if ((await this.#reload(widen)) !== failed) return true
    // Of the store only what Node lacks was trusted: the server may have moved to a CA that Node has.
    if (widen) return (await this.#reload(false)) !== failed
    if (untrusted) await checkPem(this.#options.ca, this.#material?.ca)
    return false
  }

  #reload(widen: boolean): Promise<SecureContext | undefined> {
    this.#loading ??= this.#load(widen).finally(() => (this.#loading = undefined))
    return this.#loading
  }

  async #load(widen: boolean): Promise<SecureContext | undefined> {
    const { clientCert, clientKey } = this.#options
    const [ca, cert, key] = await Promise.all([
      widen ? readSystemStore(this.#files) : readPem(this.#options.ca, this.#files),
      readPem(clientCert, this.#files),
      readPem(clientKey, this.#files),
    ])
    const fingerprint = [ca, cert, key].join('\0')
    if (fingerprint !== this.#material?.fingerprint) {
      this.#material = { context: secureContext(ca, cert, key), fingerprint, ca, widened: widen }
    }
    return this.#material.context
  }
}

interface Material {
  readonly context: SecureContext | undefined
  readonly fingerprint: string
  readonly ca: string | undefined
  readonly widened: boolean
}

function secureContext(
  ca: string | undefined,
  cert: string | undefined,
  key: string | undefined,
): SecureContext | undefined {
  if (ca === undefined && cert === undefined) return undefined
  try {
    return createSecureContext({ ca, cert, key, minVersion: 'TLSv1.2' })
  } catch {
    // OpenSSL's message may quote the files.
    const hint = 'check that both are PEM and that the key belongs to the certificate'
    throw doesNotLoad('the client certificate or its key does not load', hint)
  }
}

/** Node takes a CA that is none without a word, and then trusts nobody. */
async function checkPem(source: Pem | undefined, ca: string | undefined): Promise<void> {
  // Loaded on use: a handshake that succeeds has checked enough.
  const { X509Certificate } = await import('node:crypto')
  try {
    void new X509Certificate(ca ?? '')
  } catch {
    const name = source?.kind === 'text' || source === undefined ? 'the given PEM' : source.path
    throw doesNotLoad(`${name} holds no CA certificate`, 'name a PEM file with the CA certificate')
  }
}

function doesNotLoad(message: string, hint: string): SecretManagerError {
  return new SecretManagerError('SM_TLS_FAILED', message, { hint })
}

async function readPem(pem: Pem | undefined, files: Files): Promise<string | undefined> {
  switch (pem?.kind) {
    case undefined:
      return undefined
    case 'text':
      return pem.pem
    case 'file':
      return readText(pem.path, files)
    case 'directory':
      return readDirectory(pem.path, files)
  }
}

async function readDirectory(path: string, files: Files): Promise<string> {
  const names = await files.listDirectory(path).catch((error: unknown) => unreadable(path, error))
  const pems = names.filter((name) => /\.(?:pem|crt|cer|\d)$/.test(name))
  const texts = await Promise.all(pems.map((name) => readText(`${path}/${name}`, files)))
  return texts.join('\n')
}

async function readSystemStore(files: Files): Promise<string | undefined> {
  const named = files.env('SSL_CERT_FILE')
  for (const path of named ? [named, ...SYSTEM_STORES] : SYSTEM_STORES) {
    const bytes = await files.readFile(path).catch(() => undefined)
    if (bytes) return unknownToNode(Buffer.from(bytes).toString('latin1'))
  }
  return undefined
}

/** Node's own roots have just failed, and to parse them again takes longer than everything else here. */
function unknownToNode(store: string): string | undefined {
  const bundled = new Set(rootCertificates.map(endOf))
  const found = store.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const others = found.filter((pem) => !bundled.has(endOf(pem)))
  return others.length === 0 ? undefined : others.join('\n')
}

/** The end of the signature, whatever the line length: enough to tell certificates apart. */
function endOf(pem: string): string {
  return pem.slice(-110).replaceAll(/\s/g, '').slice(-90)
}

async function readText(path: string, files: Files): Promise<string> {
  const bytes = await files.readFile(path).catch((error: unknown) => unreadable(path, error))
  return Buffer.from(bytes).toString('latin1')
}

function unreadable(path: string, error: unknown): never {
  // What is relative is so to the current directory, wherever it was written.
  const message = `cannot read the certificate file ${resolve(path)}`
  throw new SecretManagerError('SM_FILE_UNREADABLE', message, { causeClass: systemCode(error) })
}

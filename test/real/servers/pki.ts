/** Certificates for loopback servers, good and bad, made by openssl. */
import { execFile } from 'node:child_process'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

/** A certificate authority. */
export interface Authority {
  readonly certFile: string
  readonly keyFile: string
  readonly pem: string
}

/** A certificate with its key, and whom a client must trust to accept it. */
export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  readonly certPem: string
  readonly keyPem: string
  readonly caFile: string
  readonly caPem: string
}

/** A certificate to be issued. */
export interface LeafPlan {
  readonly name: string
  /** Default `/CN=<name>`. */
  readonly subject?: string | undefined
  readonly usage: 'server' | 'client'
  /** Subject alternative names as openssl writes them. Default: 127.0.0.1 and localhost. */
  readonly san?: string | undefined
  /** Days from now until it is valid; may be negative. Default −1. */
  readonly fromDay?: number | undefined
  /** Days from now until it is no longer valid; may be negative. Default 365. */
  readonly untilDay?: number | undefined
  readonly digest?: 'sha256' | 'sha1' | undefined
}

/** Names of {@link badCerts}. */
export type BadCertName =
  | 'expired'
  | 'notYetValid'
  | 'wrongName'
  | 'noIpSan'
  | 'selfSigned'
  | 'otherCa'
  | 'caWithoutKeyCertSign'
  | 'missingIntermediate'
  | 'sha1'

const LOOPBACK = 'IP:127.0.0.1,DNS:localhost'
const CA_USAGE = 'keyUsage=critical,keyCertSign,cRLSign'

/** Makes a CA as it should be: CA:TRUE, and a key usage that lets it sign certificates. */
export async function createAuthority(
  directory: string,
  name: string,
  keyUsage: string = CA_USAGE,
): Promise<Authority> {
  await mkdir(directory, { recursive: true })
  const [keyFile, certFile] = [join(directory, `${name}.key`), join(directory, `${name}.crt`)]
  await createKey(keyFile)
  await run('openssl', [
    ...['req', '-x509', '-new', '-key', keyFile, '-subj', `/CN=${name}`, '-days', '3650'],
    ...['-addext', 'basicConstraints=critical,CA:TRUE', '-addext', keyUsage, '-out', certFile],
    // openssl.cnf of the system would add its own basicConstraints.
    ...['-config', await emptyConfig(directory)],
  ])
  return { certFile, keyFile, pem: await readFile(certFile, 'utf8') }
}

/** Issues a certificate for a server or a client. */
export async function issue(
  authority: Authority,
  directory: string,
  plan: LeafPlan,
): Promise<Certificate> {
  const usage = plan.usage === 'server' ? 'serverAuth' : 'clientAuth'
  const lines = [
    'basicConstraints=CA:FALSE',
    'keyUsage=digitalSignature',
    `extendedKeyUsage=${usage}`,
  ]
  if (plan.usage === 'server') lines.push(`subjectAltName=${plan.san ?? LOOPBACK}`)
  const files = await sign(authority, directory, plan, lines)
  return withPem(files, authority.certFile)
}

/** The good certificate of a loopback server, from a CA of its own. */
export async function loopbackCert(directory: string): Promise<Certificate> {
  const authority = await createAuthority(directory, 'ca')
  return issue(authority, directory, { name: 'server', usage: 'server' })
}

/**
 * Certificates that a client must refuse, each for its own reason, although it trusts `caFile`.
 * All are for 127.0.0.1 except `wrongName` and `noIpSan`; in `otherCa` the CA has signed nothing.
 */
export async function badCerts(directory: string): Promise<Record<BadCertName, Certificate>> {
  const ca = await createAuthority(directory, 'ca')
  const other = await createAuthority(directory, 'other-ca')
  const weak = await createAuthority(directory, 'weak-ca', 'keyUsage=critical,digitalSignature')
  const leaf = (
    name: string,
    plan: Partial<LeafPlan> = {},
    from: Authority = ca,
  ): Promise<Certificate> => issue(from, directory, { name, usage: 'server', ...plan })
  return {
    expired: await leaf('expired', { fromDay: -20, untilDay: -10 }),
    notYetValid: await leaf('not-yet-valid', { fromDay: 10, untilDay: 20 }),
    wrongName: await leaf('wrong-name', { san: 'DNS:vault.example,IP:192.0.2.1' }),
    noIpSan: await leaf('no-ip-san', { san: 'DNS:localhost' }),
    selfSigned: await selfSigned(directory, ca),
    otherCa: { ...(await leaf('other', {}, other)), caFile: ca.certFile, caPem: ca.pem },
    caWithoutKeyCertSign: await leaf('weak', {}, weak),
    missingIntermediate: await belowIntermediate(directory, ca),
    sha1: await leaf('sha1', { digest: 'sha1' }),
  }
}

async function selfSigned(directory: string, trusted: Authority): Promise<Certificate> {
  const [keyFile, certFile] = [join(directory, 'self.key'), join(directory, 'self.crt')]
  await createKey(keyFile)
  await run('openssl', [
    ...['req', '-x509', '-new', '-key', keyFile, '-subj', '/CN=self', '-days', '365'],
    ...['-addext', `subjectAltName=${LOOPBACK}`, '-out', certFile],
    ...['-config', await emptyConfig(directory)],
  ])
  return withPem({ certFile, keyFile }, trusted.certFile)
}

async function belowIntermediate(directory: string, root: Authority): Promise<Certificate> {
  const plan = { name: 'intermediate', usage: 'server' } as const
  const middle = await sign(root, directory, plan, ['basicConstraints=critical,CA:TRUE', CA_USAGE])
  const authority = { ...middle, pem: await readFile(middle.certFile, 'utf8') }
  const leaf = await issue(authority, directory, { name: 'below', usage: 'server' })
  return { ...leaf, caFile: root.certFile, caPem: root.pem }
}

/** `openssl ca`, because `openssl x509` cannot set a start date before version 3.4. */
async function sign(
  authority: Authority,
  directory: string,
  plan: LeafPlan,
  extensions: readonly string[],
): Promise<{ certFile: string; keyFile: string }> {
  const path = (suffix: string): string => join(directory, `${plan.name}.${suffix}`)
  const { name, subject = `/CN=${name}`, fromDay = -1, untilDay = 365, digest = 'sha256' } = plan
  await createKey(path('key'))
  await run('openssl', [
    'req',
    '-new',
    '-key',
    path('key'),
    '-subj',
    subject,
    '-out',
    path('csr'),
    '-config',
    await emptyConfig(directory),
  ])
  await writeFile(path('ext'), `${extensions.join('\n')}\n`)
  await writeFile(path('cnf'), signingConfig(path('db'), directory))
  await writeFile(path('db'), '')
  await run('openssl', [
    ...['ca', '-batch', '-notext', '-config', path('cnf'), '-in', path('csr'), '-out', path('crt')],
    ...['-cert', authority.certFile, '-keyfile', authority.keyFile, '-md', digest],
    ...['-extfile', path('ext'), '-startdate', asn1Time(fromDay), '-enddate', asn1Time(untilDay)],
  ])
  return { certFile: path('crt'), keyFile: path('key') }
}

function signingConfig(database: string, directory: string): string {
  const settings = `database=${database}\nnew_certs_dir=${directory}\nrand_serial=yes\npolicy=policy\nunique_subject=no`
  return `[ca]\ndefault_ca=it\n[it]\n${settings}\n[policy]\norganizationName=optional\ncommonName=supplied\n`
}

async function emptyConfig(directory: string): Promise<string> {
  const path = join(directory, 'empty.cnf')
  await writeFile(path, '[req]\ndistinguished_name=dn\n[dn]\n')
  return path
}

async function createKey(path: string): Promise<void> {
  await run('openssl', [
    'genpkey',
    '-algorithm',
    'EC',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-out',
    path,
  ])
}

async function withPem(
  files: { certFile: string; keyFile: string },
  caFile: string,
): Promise<Certificate> {
  const text = (path: string): Promise<string> => readFile(path, 'utf8')
  return {
    ...files,
    caFile,
    certPem: await text(files.certFile),
    keyPem: await text(files.keyFile),
    caPem: await text(caFile),
  }
}

/** YYYYMMDDHHMMSSZ, so many days from now. */
function asn1Time(days: number): string {
  const at = new Date(Date.now() + days * 86_400_000)
  return `${at.toISOString().replace(/[-:T]/g, '').slice(0, 14)}Z`
}

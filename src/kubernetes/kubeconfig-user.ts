import type { SecretManagerError } from '../errors.ts'
import type { Pem, Runtime } from '../runtime.ts'
import type { ExecCredentials } from './exec.ts'
import type { Cluster } from './kubeconfig-cluster.ts'
import { pathIn, readPem } from './pem.ts'
import { child, invalid, list, text, type Section } from './section.ts'
import { isBearerToken, readTokenFile } from './token-file.ts'

/** Who is asking: a client certificate, a bearer token, or both. */
export interface Credential {
  readonly clientCert: Pem | undefined
  readonly clientKey: Pem | undefined
  readonly token: (fresh: boolean, signal?: AbortSignal) => Promise<string | undefined>
}

/** Where the context names no user, as behind `kubectl proxy`. */
export const ANONYMOUS: Credential = {
  clientCert: undefined,
  clientKey: undefined,
  token: () => Promise.resolve(undefined),
}

/**
 * Checks a user of a kubeconfig, and runs its credential plugin for the first time.
 *
 * @throws SM_CONFIG_INVALID, SM_FILE_UNREADABLE, SM_EXEC_FAILED
 */
export async function readUser(
  user: Section,
  cluster: Cluster,
  runtime: Runtime,
): Promise<Credential> {
  refuseUnsupported(user)
  const certificate = await readCertificate(user, runtime)
  const token = bearerToken(user, runtime)
  if (token) return { ...certificate, token }
  const exec = child(user, 'exec')
  if (exec) {
    // Loaded on use: most kubeconfigs hold a token or a certificate.
    const [{ openExec }, { parseExecPlugin }] = await Promise.all([
      import('./exec.ts'),
      import('./exec-plugin.ts'),
    ])
    const plugin = parseExecPlugin(exec, cluster.execInfo)
    return fromExec(await openExec(plugin, runtime), certificate)
  }
  if (!certificate.clientCert) throw noCredential(user)
  return { ...ANONYMOUS, ...certificate }
}

/** Silence about these would ask as somebody else than the person who wrote them meant. */
function refuseUnsupported(user: Section): void {
  if (text(user, 'username') ?? text(user, 'password')) {
    const hint = 'use a token, tokenFile, client-certificate or exec'
    throw invalid(user.where, 'username and password ended with Kubernetes 1.19', hint)
  }
  if (child(user, 'auth-provider')) {
    const hint = 'use exec with the credential plugin of your cloud'
    throw invalid(user.where, 'auth-provider ended with Kubernetes 1.26', hint)
  }
  const impersonates =
    text(user, 'as') ??
    text(user, 'as-uid') ??
    list(user, 'as-groups')[0] ??
    child(user, 'as-user-extra')
  if (impersonates !== undefined) {
    const hint = 'use the credential of that user itself'
    throw invalid(user.where, 'impersonation (as, as-groups) is not supported', hint)
  }
}

type Certificate = Pick<Credential, 'clientCert' | 'clientKey'>

async function readCertificate(user: Section, runtime: Runtime): Promise<Certificate> {
  const [cert, key] = await Promise.all([
    readPem(user, 'client-certificate', runtime),
    readPem(user, 'client-key', runtime),
  ])
  if (!cert !== !key) {
    const missing = cert ? 'client-key' : 'client-certificate'
    throw invalid(user.where, `has no ${missing}`, 'a client certificate needs its key: set both')
  }
  return { clientCert: cert?.pem, clientKey: key?.pem }
}

/** As with kubectl, tokenFile wins over token, and either over exec. */
function bearerToken(user: Section, runtime: Runtime): Credential['token'] | undefined {
  const path = pathIn(user, 'tokenFile')
  if (path !== undefined) {
    const file = { path, setting: `tokenFile of ${user.where}`, jwt: false }
    return () => readTokenFile(file, runtime)
  }
  const token = text(user, 'token')
  if (token === undefined) return undefined
  if (!isBearerToken(token)) throw invalid(user.where, 'token is malformed', 'copy it in one piece')
  return () => Promise.resolve(token)
}

function fromExec(credentials: ExecCredentials, own: Certificate): Credential {
  const token: Credential['token'] = async (fresh, signal) =>
    (await credentials.current(fresh, signal)).token
  if (!credentials.held().certificate) return { ...own, token }
  // Getters: who connects anew because the old certificate was refused takes the new one.
  return {
    clientCert: livePem(() => credentials.held().certificate?.cert),
    clientKey: livePem(() => credentials.held().certificate?.key),
    token,
  }
}

function livePem(read: () => string | undefined): Pem {
  return {
    kind: 'text',
    get pem() {
      return read() ?? ''
    },
  }
}

function noCredential(user: Section): SecretManagerError {
  return invalid(
    user.where,
    'has no credential',
    'set token, tokenFile, client-certificate or exec',
  )
}

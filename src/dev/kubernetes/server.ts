/** The embedded Kubernetes API server: a function from Request to Response, without sockets. */
import type { Answer } from './answer.ts'
import { bootstrap } from './bootstrap.ts'
import { type Cluster, randomUuid } from './cluster.ts'
import { States } from './pages.ts'
import { route } from './router.ts'
import { Refusal, statusOf } from './status.ts'
import { Store } from './store.ts'
import { ISSUER, TokenSigner } from './tokens.ts'

/** Where an embedded API server gets its time and randomness, and how strict it is. */
export interface KubernetesOptions {
  /** Unix milliseconds. */
  readonly clock: () => number
  readonly randomBytes: (size: number) => Uint8Array
  /** Default true. False lets every authenticated user do everything, as MicroK8s ships. */
  readonly rbac?: boolean | undefined
  /**
   * RSA private key in PEM that signs ServiceAccount tokens. Absent: one that all clusters of this process
   * share, made on first use; their tokens differ by the uids in them.
   */
  readonly signingKey?: string | undefined
}

/** An API server in this process. */
export interface EmbeddedKubernetes {
  /** Answers as kube-apiserver 1.36 does; never rejects for what a request holds. */
  handle(request: Request): Promise<Response>
  /** Bearer token of user `admin`, group `system:masters`. */
  readonly adminToken: string
  /** `iss` of its tokens, and the audience of tokens for the server itself. */
  readonly issuer: string
  /** Public key of its tokens in PEM, for `jwt_validation_pubkeys` of Vault's jwt auth. */
  readonly issuerPublicKey: string
}

/** Starts an API server with the usual namespaces and roles and nothing else, as one without controllers. */
export function createKubernetes(options: KubernetesOptions): EmbeddedKubernetes {
  const { clock, randomBytes, rbac = true, signingKey } = options
  const adminToken = Buffer.from(randomBytes(16)).toString('hex')
  const signer = new TokenSigner(signingKey)
  const own = { store: new Store(), states: new States(), signer }
  const cluster: Cluster = { ...own, adminToken, rbac, clock, randomBytes }
  bootstrap(cluster)
  return {
    handle: (request) => answer(cluster, request),
    adminToken,
    issuer: ISSUER,
    get issuerPublicKey() {
      return signer.publicKeyPem
    },
  }
}

async function answer(cluster: Cluster, request: Request): Promise<Response> {
  return responseOf(await answerOrStatus(cluster, request), randomUuid(cluster))
}

async function answerOrStatus(cluster: Cluster, request: Request): Promise<Answer> {
  try {
    return await route(cluster, request)
  } catch (error) {
    if (error instanceof Refusal) return { status: error.code, body: statusOf(error) }
    throw error
  }
}

function responseOf(
  { status, body, warnings = [], contentType }: Answer,
  auditId: string,
): Response {
  const isText = typeof body === 'string'
  const headers = new Headers({
    'audit-id': auditId,
    'cache-control': 'no-cache, private',
    'content-type': contentType ?? (isText ? 'text/plain; charset=utf-8' : 'application/json'),
  })
  for (const text of warnings) headers.append('warning', `299 - ${JSON.stringify(text)}`)
  return new Response(isText ? body : `${JSON.stringify(body)}\n`, { status, headers })
}

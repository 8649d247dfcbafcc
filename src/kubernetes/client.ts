/**
 * The few calls of the Kubernetes API that the pattern needs, by plain HTTP.
 *
 * @see https://kubernetes.io/docs/reference/using-api/api-concepts/
 */
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { badResponse, call, type Answer, type Backend, type CallRequest } from '../http/call.ts'
import { isDnsLabel, isDnsSubdomain } from '../lib/names.ts'
import { isRecord } from '../lib/record.ts'
import type { Runtime } from '../runtime.ts'
import type { ClusterAccess } from './config.ts'
import { kubernetesError, type Operation } from './errors.ts'
import { readObject, type Kind, type KubernetesObject, type ObjectBody } from './objects.ts'

/** What a token is requested for. */
export interface TokenRequestSpec {
  readonly namespace: string
  readonly serviceAccount: string
  /** Absent: the API server itself. */
  readonly audience?: string | undefined
  /** Ties the token to a pod: it dies with it. */
  readonly pod?: { readonly name: string; readonly uid: string } | undefined
  /** What is asked for, from 600 on; absent: 600. */
  readonly seconds?: number | undefined
}

/** A requested token; the API server decides how long it lives, so only its answer counts. */
export interface RequestedToken {
  readonly jwt: string
  /** Unix milliseconds. */
  readonly expiresAt: number
}

/** Shortest life that the API server grants, in seconds. */
const TOKEN_SECONDS = 600

/** Names of kinds in URLs and RBAC rules. */
export const RESOURCES = { Secret: 'secrets', ConfigMap: 'configmaps' } as const

/** One API server, asked by one identity. */
export class KubernetesClient {
  readonly access: ClusterAccess
  readonly #runtime: Runtime
  #backend: Backend
  /** Whom the API server refused last: others may still have requests there. */
  #replaced: Backend | undefined

  constructor(access: ClusterAccess, runtime: Runtime) {
    this.access = access
    this.#runtime = runtime
    this.#backend = connect(access, runtime)
  }

  /**
   * Reads an object.
   *
   * @throws {@link SecretManagerError} SM_K8S_NOT_FOUND, SM_K8S_DENIED, SM_K8S_*
   */
  async get(
    allowance: Allowance,
    kind: Kind,
    namespace: string,
    name: string,
  ): Promise<KubernetesObject> {
    const resource = RESOURCES[kind]
    const path = pathOf({ resource, namespace, name })
    const operation = { verb: 'get', resource, namespace, name } as const
    return readObject(
      this.#backend,
      await this.request(allowance, operation, { method: 'GET', path, headers: {} }),
    )
  }

  /**
   * Creates an object.
   *
   * @throws {@link SecretManagerError} SM_K8S_CONFLICT when there is one already, SM_K8S_*
   */
  async create(
    allowance: Allowance,
    kind: Kind,
    namespace: string,
    body: ObjectBody,
  ): Promise<void> {
    const resource = RESOURCES[kind]
    const path = pathOf({ resource, namespace })
    const operation = { verb: 'create', resource, namespace, name: body.metadata.name } as const
    const request = {
      method: 'POST',
      path,
      headers: {},
      body: { apiVersion: 'v1', kind, ...body },
    } as const
    await this.request(allowance, operation, request)
  }

  /**
   * Changes an object by JSON merge patch: what the patch does not name stays as it is. A patch that
   * carries `metadata.resourceVersion` is refused when the object has changed since.
   *
   * @throws {@link SecretManagerError} SM_K8S_CONFLICT, SM_K8S_*
   * @see RFC 7396
   */
  async patch(
    allowance: Allowance,
    kind: Kind,
    namespace: string,
    body: ObjectBody,
  ): Promise<void> {
    const resource = RESOURCES[kind]
    const { name } = body.metadata
    const path = pathOf({ resource, namespace, name })
    const headers = { 'content-type': 'application/merge-patch+json' }
    const operation = { verb: 'patch', resource, namespace, name } as const
    await this.request(allowance, operation, { method: 'PATCH', path, headers, body })
  }

  /**
   * Requests a ServiceAccount token.
   *
   * @throws {@link SecretManagerError} SM_K8S_DENIED, SM_K8S_NOT_FOUND, SM_K8S_*
   * @see https://kubernetes.io/docs/reference/kubernetes-api/authentication-resources/token-request-v1/
   */
  async requestToken(allowance: Allowance, spec: TokenRequestSpec): Promise<RequestedToken> {
    const { namespace, serviceAccount: name, audience, pod, seconds = TOKEN_SECONDS } = spec
    const path = `${pathOf({ resource: 'serviceaccounts', namespace, name })}/token`
    const operation = {
      verb: 'create',
      resource: 'serviceaccounts/token',
      namespace,
      name,
    } as const
    const body = {
      apiVersion: 'authentication.k8s.io/v1',
      kind: 'TokenRequest',
      spec: {
        ...(audience !== undefined && { audiences: [audience] }),
        expirationSeconds: seconds,
        ...(pod && {
          boundObjectRef: { apiVersion: 'v1', kind: 'Pod', name: pod.name, uid: pod.uid },
        }),
      },
    }
    return readToken(
      this.#backend,
      await this.request(allowance, operation, { method: 'POST', path, headers: {}, body }),
    )
  }

  close(): void {
    this.#replaced?.transport.close()
    this.#backend.transport.close()
  }

  /**
   * Performs one operation, for what is no method here. After a 401 the credential is read anew, once:
   * the kubelet replaces the file under us.
   *
   * @param operation - what a refusal is told by; to a list, 410 is an answer
   * @throws {@link SecretManagerError} SM_K8S_*
   */
  async request(allowance: Allowance, operation: Operation, request: CallRequest): Promise<Answer> {
    const backend = this.#backend
    try {
      const token = await this.access.token(false, allowance.signal)
      return await this.#send(backend, allowance, operation, request, token)
    } catch (error) {
      if (!isSecretManagerError(error) || error.code !== 'SM_K8S_UNAUTHENTICATED') throw error
      await allowance.admit('kubernetes', error)
      const token = await this.access.token(true, allowance.signal)
      return this.#send(this.#renewed(backend), allowance, operation, request, token)
    }
  }

  #send(
    backend: Backend,
    allowance: Allowance,
    operation: Operation,
    request: CallRequest,
    token: string | undefined,
  ): Promise<Answer> {
    const headers = {
      ...request.headers,
      // The API server notes it as the manager of the fields that are written.
      'user-agent': 'secretmanager',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    }
    return call(backend, allowance, { ...request, headers }, (answer) => {
      if (answer.status >= 200 && answer.status < 300) return answer
      // A list that is too old to be continued is an answer too: it says how to go on.
      if (answer.status === 410 && operation.verb === 'list') return answer
      throw kubernetesError(backend, operation, answer, this.access, token)
    })
  }

  /** A credential plugin may have given another client certificate: of many that were refused, the first connects anew. */
  #renewed(refused: Backend): Backend {
    if (this.access.transport.clientCert && this.#backend === refused) {
      this.#replaced?.transport.close()
      this.#replaced = refused
      this.#backend = connect(this.access, this.#runtime)
    }
    return this.#backend
  }
}

function connect(access: ClusterAccess, runtime: Runtime): Backend {
  const transport = runtime.transport(access.transport)
  return { name: 'kubernetes', runtime, transport, url: access.server, redirectHosts: [] }
}

/** Where something is in the API. */
export interface Place {
  /** Absent: the core group. */
  readonly group?: string | undefined
  /** Such as `secrets`. */
  readonly resource: string
  /** Absent: in none, or in all of them. */
  readonly namespace?: string | undefined
  /** Absent: the collection. */
  readonly name?: string | undefined
}

/**
 * The path of an object or a collection: the last gate before names are part of a URL.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID
 */
export function pathOf({ group = '', resource, namespace, name }: Place): string {
  if (namespace !== undefined && !isDnsLabel(namespace)) throw badName('namespace')
  if (name !== undefined && !isDnsSubdomain(name)) throw badName('name')
  const root = group === '' ? '/api/v1' : `/apis/${group}/v1`
  const place = namespace === undefined ? '' : `/namespaces/${namespace}`
  const collection = `${root}${place}/${resource}`
  return name === undefined ? collection : `${collection}/${name}`
}

function badName(what: string): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', `the ${what} is not one of Kubernetes`)
}

function readToken(backend: Backend, { status, json }: Answer): RequestedToken {
  const { token: jwt, expirationTimestamp: expires } =
    isRecord(json) && isRecord(json['status']) ? json['status'] : {}
  const expiresAt = typeof expires === 'string' ? Date.parse(expires) : Number.NaN
  if (typeof jwt === 'string' && jwt !== '' && !Number.isNaN(expiresAt)) return { jwt, expiresAt }
  throw badResponse(backend, status, 'has no status.token with an expirationTimestamp')
}

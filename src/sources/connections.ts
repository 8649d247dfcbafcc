/** The servers of one SecretManager: made at once, connected on first use. */
import type { Settings } from '../config/schema.ts'
import type { Allowance, Budget } from '../http/budget.ts'
import { untilAborted } from '../lib/abort.ts'
import type { ClusterAccess } from '../kubernetes/access.ts'
import { KubernetesClient, type TokenRequestSpec } from '../kubernetes/client.ts'
import { resolveAccess } from '../kubernetes/config.ts'
import { projectedToken, requestedToken } from '../kubernetes/service-account.ts'
import type { Runtime } from '../runtime.ts'
import { VaultClient } from '../vault/client.ts'
import { loginOf } from '../vault/logins.ts'
import type { JwtSource } from '../vault/jwt-login.ts'
import { Session } from '../vault/session.ts'
import { Transit } from '../vault/transit.ts'

/** Vault and Kubernetes as one SecretManager reaches them. */
export class Connections {
  readonly vault: VaultClient
  readonly session: Session
  readonly transit: Transit
  /** Gives the ServiceAccount JWT that logins use. */
  readonly jwt: JwtSource
  readonly #settings: Settings
  readonly #runtime: Runtime
  #kubernetes: Promise<KubernetesClient> | undefined
  #tokenRequest: Promise<string> | undefined

  constructor(settings: Settings, budget: Budget, runtime: Runtime) {
    this.#settings = settings
    this.#runtime = runtime
    const { auth, transitMount } = settings.vault
    const { jwtFile, audience } = 'audience' in auth ? auth : NO_JWT
    this.jwt =
      jwtFile === undefined
        ? this.#requestedToken(audience)
        : projectedToken(jwtFile, audience, runtime)
    const client = new VaultClient(settings.vault, runtime)
    const login = loginOf(auth, this.jwt, runtime)
    this.vault = client
    this.session = new Session({ client, login, method: auth.method, budget, runtime })
    this.transit = new Transit(client, this.session, transitMount, budget)
  }

  /**
   * The API server, found on first use.
   *
   * @throws {@link SecretManagerError} SM_CONFIG_INVALID, SM_FILE_UNREADABLE, SM_EXEC_FAILED
   */
  kubernetes(allowance: Allowance): Promise<KubernetesClient> {
    this.#kubernetes ??= resolveAccess(this.#settings.kubernetes, this.#runtime).then(
      (access) => new KubernetesClient(access, this.#runtime),
      (error: unknown) => {
        // A kubeconfig may appear later.
        this.#kubernetes = undefined
        throw error
      },
    )
    return untilAborted(this.#kubernetes, allowance.signal)
  }

  /**
   * Waits for a TokenRequest under way: its connection then serves the next call, and the API server is
   * spared a second handshake. The login goes on meanwhile, so nothing is lost by it.
   *
   * @throws {@link SecretManagerError} what it fails with
   */
  async tokenRequested(): Promise<void> {
    await this.#tokenRequest
  }

  /** Revokes what would live on, and closes every connection. */
  async close(allowance: Allowance): Promise<void> {
    await this.session.close(allowance)
    this.vault.close()
    // Not waited for: a credential plugin may hang, and until it answers there is nothing to close.
    this.#kubernetes?.then(
      (kubernetes) => kubernetes.close(),
      () => undefined,
    )
  }

  #requestedToken(audience: string): JwtSource {
    const source = requestedToken(
      (allowance) => this.kubernetes(allowance),
      ({ access }) => tokenSpec(this.#settings, audience, access),
      this.#runtime,
    )
    return (allowance, refused) => {
      const flight = source(allowance, refused)
      const done = (): void => {
        if (this.#tokenRequest === flight) this.#tokenRequest = undefined
      }
      this.#tokenRequest = flight
      flight.then(done, done)
      return flight
    }
  }
}

/** Of a login that needs no JWT; who asks for one anyway gets one for Vault. */
const NO_JWT = { jwtFile: undefined, audience: 'vault' } as const

/** The Python original asks for its configured ServiceAccount, exactly so; we bind the token to the pod where we can. */
function tokenSpec(
  { kubernetes, legacy }: Settings,
  audience: string,
  { identity, namespace: ofContext = 'default' }: ClusterAccess,
): TokenRequestSpec {
  const own = identity ?? { namespace: ofContext, serviceAccount: 'default', pod: undefined }
  const { namespace = own.namespace, serviceAccount = own.serviceAccount } = kubernetes
  // The API server refuses to bind a token to a pod that runs as another ServiceAccount.
  const isOwn = namespace === own.namespace && serviceAccount === own.serviceAccount
  const pod = isOwn && !legacy ? own.pod : undefined
  return { namespace, serviceAccount, audience, pod }
}

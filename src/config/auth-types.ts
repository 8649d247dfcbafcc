/** The ways to log in to Vault, as a person writes them: the part of the reference manual behind `vault.auth`. */
import type { Duration } from '../lib/duration.ts'

/**
 * Login with the Kubernetes ServiceAccount.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/kubernetes
 */
export interface KubernetesAuth {
  readonly method: 'kubernetes'
  /** Role of the auth mount. */
  readonly role: string
  /** Mount path of the auth method. Default `kubernetes`. */
  readonly mount?: string | undefined
  /**
   * Audience of the JWT. Default `vault`, so that whoever receives it cannot replay it against the
   * API server. A token file with another audience is refused.
   */
  readonly audience?: string | undefined
  /** Path of a projected ServiceAccount token, read anew for each login. Absent: one is requested by TokenRequest. */
  readonly jwtFile?: string | undefined
}

/** How to log in to Vault. */
export type AuthConfig = KubernetesAuth | JwtAuth | AppRoleAuth | GcpAuth | TokenAuth | CustomAuth

/**
 * Login with a ServiceAccount JWT that Vault checks by the cluster's public keys: no TokenReview, so
 * no reviewer that can expire. The JWT of a deleted pod works until it expires.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/jwt#jwt-login
 */
export interface JwtAuth {
  readonly method: 'jwt'
  /** Role of the auth mount. */
  readonly role: string
  /** Mount path of the auth method. Default `jwt`. */
  readonly mount?: string | undefined
  /** Audience of the JWT, one of the role's `bound_audiences`. Default `vault`. */
  readonly audience?: string | undefined
  /** Path of a projected ServiceAccount token, read anew for each login. Absent: one is requested by TokenRequest. */
  readonly jwtFile?: string | undefined
}

/**
 * Login with a role_id and a secret_id, each given as a value or by the path of a file that is read
 * anew for each login.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/approle#login-with-approle
 */
export interface AppRoleAuth {
  readonly method: 'approle'
  /** Mount path of the auth method. Default `approle`. */
  readonly mount?: string | undefined
  /** This or {@link roleIdFile}. */
  readonly roleId?: string | undefined
  readonly roleIdFile?: string | undefined
  /** Absent, and no {@link secretIdFile}: the role does not bind one. */
  readonly secretId?: string | undefined
  readonly secretIdFile?: string | undefined
  /** The secret_id is response-wrapped: what is given is the wrapping token. Default `false`. */
  readonly wrapped?: boolean | undefined
  /**
   * The secret_id works once: a login whose outcome is unknown is never repeated with it.
   * Default: as {@link wrapped}.
   */
  readonly singleUse?: boolean | undefined
}

/**
 * Login as a Google Cloud service account (`iam`) or as a Compute Engine instance (`gce`).
 *
 * @see https://developer.hashicorp.com/vault/api-docs/auth/gcp#login
 */
export interface GcpAuth {
  readonly method: 'gcp'
  /** Role of the auth mount. */
  readonly role: string
  /** Mount path of the auth method. Default `gcp`. */
  readonly mount?: string | undefined
  /**
   * `iam` (default): a JWT signed by IAM Credentials, with Application Default Credentials, which
   * need the optional package `google-auth-library`. `gce`: the identity token of the metadata server.
   */
  readonly type?: 'iam' | 'gce' | undefined
  /** `iam`: email of the service account to be. Default: that of the credentials. */
  readonly serviceAccount?: string | undefined
  /** `iam`: path of a credentials file. Default: Application Default Credentials are looked for. */
  readonly credentials?: string | undefined
  /** `iam`: base address of IAM Credentials. Default `https://iamcredentials.googleapis.com`. */
  readonly iamEndpoint?: string | undefined
}

/** A token that somebody else got: for people. It is used until Vault refuses it, and never revoked. */
export interface TokenAuth {
  readonly method: 'token'
  readonly token?: string | undefined
  /** Path of a file with the token. Default, without {@link token}: `~/.vault-token`, then `~/.bao-token`. */
  readonly tokenFile?: string | undefined
}

/** Login by a function of the user's own. */
export interface CustomAuth {
  readonly method: 'custom'
  readonly login: CustomLogin
}

/**
 * Gives a token. Called once per token, never twice at the same time; how often is bounded as for every login.
 *
 * @param vault - logs in at any auth mount, within the time limits and retries of every call
 * @example
 * const login: CustomLogin = (vault) => vault.login('auth/userpass/login/dave', { password })
 */
export type CustomLogin = (
  vault: LoginEndpoint,
  options: { readonly signal: AbortSignal },
) => Promise<IssuedToken>

/** Vault as a {@link CustomLogin} sees it. */
export interface LoginEndpoint {
  /**
   * Posts `body` to a login path.
   *
   * @param path - such as `auth/ldap/login/dave`
   */
  login(path: string, body: Readonly<Record<string, unknown>>): Promise<IssuedToken>
}

/** A token that a {@link CustomLogin} got. */
export interface IssuedToken {
  readonly token: string
  /** Its life, counted from when the login was called. Absent: it is used until Vault refuses it. */
  readonly ttl?: Duration | undefined
  /** Whether it can be renewed. Default `false`. */
  readonly renewable?: boolean | undefined
}

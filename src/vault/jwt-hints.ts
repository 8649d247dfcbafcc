/** What to do next when Vault refuses a ServiceAccount JWT, by the sentence that it gives. */
import type { JwtSettings } from '../config/settings.ts'

/** The next action after a refused login; `sentence` is empty where Vault gives no reason. */
export function jwtHint(settings: JwtSettings, sentence: string): string {
  const at: Place = {
    config: `vault read auth/${settings.mount}/config`,
    role: `vault read auth/${settings.mount}/role/${settings.role}`,
    roles: `vault list auth/${settings.mount}/role`,
  }
  const hints = settings.method === 'jwt' ? JWT : KUBERNETES
  return (hints.get(sentence) ?? UNKNOWN[settings.method])(at)
}

/** Commands that show what to compare. */
interface Place {
  readonly config: string
  readonly role: string
  readonly roles: string
}

type Hint = (at: Place) => string

const AUDIENCE: Hint = ({ role }) =>
  `audience of the role and of the JWT differ: ${role}, then set vault.auth.audience or mount a token with that audience`

const NO_ROLE: Hint = ({ roles }) => `the role does not exist there: ${roles}`

const EXPIRED: Hint = () =>
  'the JWT has expired by the clock of Vault: compare the clocks of Vault and of the cluster, and check that the token file is replaced'

/** @see https://developer.hashicorp.com/vault/api-docs/auth/kubernetes#create-update-role */
const KUBERNETES: ReadonlyMap<string, Hint> = new Map([
  ['invalid audience (aud) claim', AUDIENCE],
  ['token is expired', EXPIRED],
  ['invalid role name', NO_ROLE],
  [
    'service account name not authorized',
    ({ role }) =>
      `the ServiceAccount is not among bound_service_account_names of the role: ${role}`,
  ],
  [
    'namespace not authorized',
    ({ role }) =>
      `the namespace is not among bound_service_account_namespaces of the role: ${role}`,
  ],
])

const EARLY: Hint = () =>
  'the JWT is not valid yet by the clock of Vault: compare the clocks of Vault and of the cluster (NTP)'

const CLAIMS: Hint = ({ role }) => `bound_claims of the role do not fit the JWT: ${role}`

const KEYS: Hint = ({ config }) =>
  `no key of the mount signed the JWT, which is of another cluster, or the cluster has new keys: ${config}, and compare with kubectl get --raw /openid/v1/jwks`

const KEYS_UNREACHABLE: Hint = ({ config }) =>
  `Vault could not fetch the keys that check the JWT: ${config}, and check that Vault reaches jwks_url or oidc_discovery_url, and trusts its certificate`

/** @see https://developer.hashicorp.com/vault/api-docs/auth/jwt#create-update-role */
const JWT: ReadonlyMap<string, Hint> = new Map([
  ['invalid audience (aud) claim', AUDIENCE],
  [
    'no audiences bound to the role',
    ({ role }) => `the role has no bound_audiences, and must have that of the JWT: ${role}`,
  ],
  [
    'invalid subject (sub) claim',
    ({ role }) => `bound_subject of the role is another ServiceAccount: ${role}`,
  ],
  ['does not match any associated bound claim values', CLAIMS],
  ['error validating claims', CLAIMS],
  [
    'not found in token',
    ({ role }) =>
      `user_claim of the role is a claim that the JWT does not have; "sub" is one: ${role}`,
  ],
  ['could not be found', NO_ROLE],
  ['oidc role_type is not allowed', ({ role }) => `role_type of the role must be "jwt": ${role}`],
  ['token is expired', EXPIRED],
  ['token not yet valid', EARLY],
  ['token issued in the future', EARLY],
  [
    'invalid issuer (iss) claim',
    ({ config }) =>
      `bound_issuer of the mount is not the cluster's issuer: ${config}, and compare with kubectl get --raw /.well-known/openid-configuration`,
  ],
  ['no known key successfully validated the token signature', KEYS],
  ['failed to verify id token signature', KEYS_UNREACHABLE],
  ['error configuring token validator', KEYS_UNREACHABLE],
  [
    'could not load configuration',
    ({ config }) =>
      `the mount has no configuration: vault write ${config.replace('vault read ', '')} jwt_validation_pubkeys=@PUBLIC_KEYS`,
  ],
])

const UNKNOWN: Readonly<Record<JwtSettings['method'], Hint>> = {
  kubernetes: ({ config, role }) =>
    `Vault gives no reason. Check in this order: the mount exists (vault auth list); the JWT is of the cluster that ${config} names ` +
    `and not expired; its token_reviewer_jwt is valid and may create tokenreviews (ClusterRole system:auth-delegator); ${role}`,
  jwt: ({ role }) =>
    `Vault gives no reason. Check in this order: the mount exists (vault auth list) and is of type jwt; token_bound_cidrs of the role admit this host: ${role}`,
}

/** How Vault checks a ServiceAccount token: by asking the cluster, or by its public keys. */
import { isSecretManagerError, type SecretManagerError } from '../../errors.ts'
import { publicKeyPem, publicKeysOf } from '../../kubernetes/issuer.ts'
import { isRecord } from '../../lib/record.ts'
import type { VaultReply } from '../../vault/client.ts'
import { isDue, readRecord } from '../../provision/record.ts'
import { vaultField } from '../../lib/shell-word.ts'
import { cluster } from '../cluster.ts'
import { kubernetesServer, probe } from '../probes.ts'
import { jwtSettings, login, look, mountConfig, role, textIn, textsIn } from '../vault.ts'
import { finding, ifDenied, Missing, ok, warning, type Verdict } from '../verdict.ts'
import { fact, type Check, type World } from '../world.ts'

/** The auth mount as it is configured. */
export const AUTH_MOUNT: readonly Check[] = [
  {
    id: 'auth.config',
    title: 'configuration of the auth mount',
    needs: ['vault.unsealed'],
    run: configured,
  },
  {
    id: 'auth.ca',
    title: 'CA that Vault trusts for the API server',
    needs: ['auth.config', 'kubernetes.access', 'kubernetes.name', 'kubernetes.tcp'],
    run: currentCa,
  },
  {
    id: 'auth.host',
    title: 'address at which Vault asks the cluster',
    // Where these fail, it is they that the login fails by.
    needs: ['auth.config', 'jwt.token', 'role.audience', 'role.identity'],
    run: currentHost,
  },
  {
    id: 'auth.reviewer',
    title: 'Vault can review tokens',
    needs: ['role.audience', 'role.identity', 'auth.ca', 'auth.host'],
    run: reviews,
  },
  {
    id: 'auth.reviewer-term',
    title: 'the reviewer of Vault has time left',
    needs: ['auth.config'],
    run: reviewerTerm,
  },
  {
    id: 'auth.keys',
    title: "Vault has the cluster's public keys",
    needs: ['auth.config', 'kubernetes.version'],
    run: currentKeys,
  },
]

/** The configuration, which must be there. @throws {@link Missing} */
const config: (world: World) => Promise<VaultReply> = fact(async (world) => {
  const found = await mountConfig(world)
  if (found) return found
  throw new Missing('a configuration of the auth mount')
})

function pathOf(world: World): string {
  return `auth/${jwtSettings(world).mount}/config`
}

function only(world: World, method: 'kubernetes' | 'jwt', what: string): void {
  const { method: own } = jwtSettings(world)
  if (own !== method) throw new Missing(`${what}, and auth/${own} has none`)
}

async function configured(world: World): Promise<Verdict> {
  const { method, mount } = jwtSettings(world)
  if (await mountConfig(world)) return ok(`auth/${mount} is configured`)
  const fields =
    method === 'jwt' ? 'jwt_validation_pubkeys=@PUBLIC_KEYS' : 'kubernetes_host=https://…'
  return finding(
    `auth/${mount} is not there, or has no configuration`,
    `vault auth list; then set vault.auth.mount (that of secretmanager provision is ${method}-CLUSTER), or set it up: secretmanager provision; by hand: vault auth enable -path=${mount} ${method}; vault write ${pathOf(world)} ${fields}`,
  )
}

async function currentCa(world: World): Promise<Verdict> {
  only(world, 'kubernetes', 'a CA for the API server')
  const pem = textIn(await config(world), 'kubernetes_ca_cert')
  if (pem === '') return ok('that of the pod in which Vault runs')
  const server = await kubernetesServer(world)
  const transport = { ...server.transport, ca: { kind: 'text', pem } } as const
  const { tls } = await probe(world, { url: server.url, transport })
  if (!tls) throw new Missing('TLS at the API server')
  const { failure } = tls
  // Which name Vault asks for is another question.
  if (!failure || failure.code !== 'SM_TLS_UNTRUSTED')
    return ok('it signed the certificate that the API server has now')
  return finding(
    'the CA that Vault has stored did not sign the certificate that the API server has now: the cluster has a new CA (microk8s refresh-certs), or Vault has that of another',
    `vault write ${pathOf(world)} ${vaultField('kubernetes_host', textIn(await config(world), 'kubernetes_host'))} kubernetes_ca_cert=@CLUSTER_CA token_reviewer_jwt=… (a write replaces them all)`,
  )
}

/** Why the login fails; `undefined` where it works. */
async function loginFailure(world: World): Promise<SecretManagerError | undefined> {
  try {
    await login(world)
    return undefined
  } catch (error) {
    if (isSecretManagerError(error)) return error
    throw error
  }
}

async function currentHost(world: World): Promise<Verdict> {
  only(world, 'kubernetes', 'an address of the API server')
  const found = await config(world)
  const host = textIn(found, 'kubernetes_host')
  if (!(await loginFailure(world))) return ok(`${host} answers Vault: the login went through it`)
  if (!URL.canParse(host))
    return finding(`kubernetes_host is no URL: ${host.slice(0, 100)}`, rewrite(world))
  const pem = textIn(found, 'kubernetes_ca_cert')
  const transport = pem === '' ? {} : ({ ca: { kind: 'text', pem } } as const)
  const { addresses, causeClass } = await probe(world, { url: host, transport })
  if (addresses.length > 0 && causeClass === undefined)
    return ok(`${host} accepts connections from here`)
  return finding(
    `${host}, where Vault asks the cluster, cannot be reached from here either (${causeClass ?? 'no address'}), and the login fails`,
    rewrite(world),
  )
}

function rewrite(world: World): string {
  return `vault write ${pathOf(world)} kubernetes_host=https://ADDRESS:PORT kubernetes_ca_cert=@CLUSTER_CA token_reviewer_jwt=… (an address that Vault reaches)`
}

async function reviews(world: World): Promise<Verdict> {
  only(world, 'kubernetes', 'TokenReviews')
  const failure = await loginFailure(world)
  if (!failure) return ok('it reviewed the token of this login')
  await role(world)
  if (failure.status !== 403) throw new Missing('a login that Vault answers')
  const reviewer = (await config(world))['token_reviewer_jwt_set'] === true
  return finding(
    reviewer
      ? 'role and token agree, and Vault refuses the login: its token_reviewer_jwt has expired, or may not create tokenreviews, or is of another cluster'
      : 'role and token agree, and Vault refuses the login: it has no token_reviewer_jwt, and the token of the login may not review itself',
    `secretmanager provision, where it made the mount; by hand: kubectl create clusterrolebinding vault-reviewer --clusterrole=system:auth-delegator --serviceaccount=NAMESPACE:REVIEWER; then vault write ${pathOf(world)} with a new token_reviewer_jwt, kubernetes_host and kubernetes_ca_cert; or use auth/jwt, which needs no reviewer`,
  )
}

/** When the reviewer ends is in no answer of Vault: provision writes it into the mount's description. */
async function reviewerTerm(world: World): Promise<Verdict> {
  only(world, 'kubernetes', 'a reviewer')
  const { mount } = jwtSettings(world)
  const mounts = await look(world, 'sys/auth')
  const about = mounts?.[`${mount}/`]
  const term = readRecord(isRecord(about) ? textIn(about, 'description') : '')?.reviewer
  if (!term)
    throw new Missing(
      `the term of the reviewer, which secretmanager provision records at auth/${mount}`,
    )
  const now = world.runtime.wallClock()
  const until = new Date(term.until).toISOString().slice(0, 10)
  const mend =
    'secretmanager provision; or run its CronJob, or use auth/jwt, which needs no reviewer'
  if (now >= term.until)
    return finding(`the reviewer of Vault expired on ${until}: no login works`, mend)
  if (isDue(term, now))
    return warning(`half the life of the reviewer of Vault is over: it expires on ${until}`, mend)
  return ok(`until ${until}`)
}

async function currentKeys(world: World): Promise<Verdict> {
  only(world, 'jwt', 'public keys')
  const found = await config(world)
  const fetched = textIn(found, 'jwks_url') || textIn(found, 'oidc_discovery_url')
  if (fetched !== '') return ok('Vault fetches them itself')
  const stored = new Set(
    textsIn(found, 'jwt_validation_pubkeys').flatMap((pem) => publicKeyPem(pem) ?? []),
  )
  const current = await clusterKeys(world)
  const lacking = current.filter((key) => !stored.has(key))
  const mend = `kubectl get --raw /openid/v1/jwks; convert each key to PEM, then: vault write ${pathOf(world)} jwt_validation_pubkeys=@PUBLIC_KEYS (secretmanager provision does it)`
  if (lacking.length === current.length) {
    return finding(
      'none of the public keys that the cluster has now is in Vault: every login is refused',
      mend,
    )
  }
  if (lacking.length > 0) {
    return finding(
      `${lacking.length} of ${current.length} public keys of the cluster are not in Vault: logins fail with tokens that they sign`,
      mend,
    )
  }
  const retired = stored.size - current.length
  if (retired <= 0) return ok(`${current.length} of ${current.length}`)
  return warning(
    `Vault has ${retired} further public keys, which are not the cluster's now: who has their private halves logs in as anybody`,
    mend,
  )
}

async function clusterKeys(world: World): Promise<readonly string[]> {
  const client = await cluster(world)
  const found = await world
    .call((allowance) => publicKeysOf(client, allowance))
    .catch((error: unknown) => {
      throw ifDenied('SM_K8S_DENIED', error, 'get on /openid/v1/jwks of the API server')
    })
  if (found.length > 0) return found
  throw new Missing('public keys, and the API server names none')
}

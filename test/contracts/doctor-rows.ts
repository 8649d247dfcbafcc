/** Set-ups that are broken in one way each. */
import { generateKeyPairSync } from 'node:crypto'
import { expect } from 'vitest'

import type { SecretManagerConfig } from 'secretmanager'
import { createAuthority } from '../../src/dev/certificates.ts'
import { requestToken } from '../../src/dev/operator.ts'
import type { KubevaultPlan } from '../../src/dev/plan.ts'
import type { Outcome } from '../../src/doctor/verdict.ts'
import { withRecord } from '../../src/provision/record.ts'
import type { Journal } from '../../src/rotation/journal-text.ts'
import { formatSealed } from '../../src/sealed/format.ts'
import { wrapDocument } from '../../src/sealed/plaintext.ts'
import {
  asAdministrator,
  DATA_KEY,
  DOCUMENT,
  writeJournal,
  type Fresh,
  type Service,
} from './doctor-setup.ts'
import { secretCfg } from './kubevault-fixture.ts'

/** How a set-up is broken, and what must be said of it. */
export interface Row {
  readonly name: string
  /** Check that must tell of it. */
  readonly id: string
  /** Default `finding`. */
  readonly outcome?: Outcome
  readonly words: RegExp
  /** What the mending command must have. */
  readonly mend?: RegExp
  /** Checks that may find something, too. */
  readonly also?: readonly string[]
  readonly plan?: (plan: KubevaultPlan) => Partial<KubevaultPlan>
  /** `null`: none is stored. */
  readonly document?: string | null
  readonly arrange?: (service: Service) => Promise<void> | void
  readonly fresh?: Fresh
  /** The mending command, carried out, mends it. */
  readonly mends?: boolean
  readonly flags?: readonly string[]
}

const POD = '/var/run/secrets/kubernetes.io/serviceaccount'

const vaultOf = (service: Service): SecretManagerConfig['vault'] =>
  (service.config as SecretManagerConfig).vault

/** Changes settings of Vault. */
function vault(change: (service: Service) => object): (service: Service) => void {
  return (service) => {
    service.config = {
      ...service.config,
      vault: { ...vaultOf(service), ...change(service) },
    }
  }
}

/** Changes settings of the login. */
function auth(change: object): (service: Service) => void {
  return vault((service) => ({ auth: { ...vaultOf(service).auth, ...change } }))
}

const role = (fields: object) => async (service: Service) => {
  await service.vault('POST', `auth/${service.plan.authMount}/role/${service.plan.role}`, fields)
}

/** Writes the configuration of the auth mount anew: a write replaces it. */
const mountConfig = (fields: object) => async (service: Service) => {
  const { authMount, kubernetesHost, kubernetesCaPem } = service.plan
  const reviewer = await requestToken(service.world.kubernetes, {
    ...service.plan,
    namespace: 'kube-system',
    serviceAccount: 'vault-reviewer',
  })
  await service.vault('POST', `auth/${authMount}/config`, {
    kubernetes_host: kubernetesHost,
    kubernetes_ca_cert: kubernetesCaPem,
    disable_local_ca_jwt: true,
    token_reviewer_jwt: reviewer,
    ...fields,
  })
}

const grants = (more: (plan: KubevaultPlan) => string) => (plan: KubevaultPlan) => ({
  policy: `${plan.policy}${more(plan)}`,
})

const key = (service: Service): string =>
  `${service.plan.transitMount}/keys/${service.plan.transitKey}`

const ALL_OF_LOGIN = ['login']

const CONFIGURATION: readonly Row[] = [
  {
    name: 'K7: the old shape asks for tokens that the API server takes',
    id: 'config.audience',
    outcome: 'warning',
    words: /for the API server too .*Python original/,
    mend: /audience=vault/,
    plan: oldPlan,
    arrange: oldShape,
  },
  {
    name: 'K7: a jwt login asks for tokens that the API server takes',
    id: 'config.audience',
    outcome: 'warning',
    words: /for the API server too/,
    mend: /role_type=jwt bound_audiences=vault/,
    also: ['role.audience', ...ALL_OF_LOGIN],
    plan: () => ({ auth: 'jwt' }),
    arrange: auth({ audience: 'https://kubernetes.default.svc.cluster.local' }),
  },
  {
    name: 'T1: ca_cert: true trusts every CA that this host has',
    id: 'config.trust',
    outcome: 'warning',
    words: /ca_cert: true trusts every public CA/,
    also: ['config.audience'],
    plan: oldPlan,
    arrange: (service) => {
      oldShape(service)
      service.config = { ...service.config, ca_cert: true } as never
      service.files['/etc/store.crt'] = service.world.vaultCaPem
      service.env['SSL_CERT_FILE'] = '/etc/store.crt'
    },
  },
  {
    name: 'plain http over a network',
    id: 'config.http',
    outcome: 'warning',
    words: /plain http to vault\.invalid/,
    also: ['vault.name'],
    arrange: vault(() => ({ url: 'http://vault.invalid:8200', allowInsecureHttp: true })),
  },
]

/** The old shape has no words for mounts. */
function oldPlan({ transitKey, policy }: KubevaultPlan): Partial<KubevaultPlan> {
  const [, ...rest] = policy.split('\n')
  return {
    format: 'raw',
    audience: 'https://kubernetes.default.svc',
    keySettings: {},
    transitMount: 'transit',
    authMount: 'kubernetes',
    policy: [`path "transit/decrypt/${transitKey}" { capabilities = ["update"] }`, ...rest].join(
      '\n',
    ),
  }
}

function oldShape(service: Service): void {
  service.files['/etc/vault/ca.crt'] = service.world.vaultCaPem
  service.config = secretCfg(service.world, service.plan)
}

const NETWORK: readonly Row[] = [
  {
    name: 'V1: the name of Vault does not resolve',
    id: 'vault.name',
    words: /vault\.invalid does not resolve/,
    arrange: vault(() => ({ url: 'https://vault.invalid:8200' })),
  },
  {
    name: 'V1: nothing listens where Vault should be',
    id: 'vault.tcp',
    words: /nothing listens at 127\.0\.0\.1:1$/,
    mend: /nc -vz 127\.0\.0\.1 1/,
    arrange: vault(() => ({ url: 'https://127.0.0.1:1' })),
  },
  {
    name: 'T1: the certificate of Vault is of another CA',
    id: 'vault.chain',
    words: /issuer that is not trusted|root that is not trusted|self-signed/,
    mend: /vault\.caCert/,
    arrange: vault(() => ({ caCert: { pem: otherCa() } })),
  },
  {
    name: 'T1: the certificate of Vault is for another name',
    id: 'vault.san',
    words: /not for vault\.example/,
    mend: /subjectAltName=DNS:vault\.example|subjectAltName/,
    arrange: vault(() => ({ serverName: 'vault.example' })),
  },
  {
    name: 'K1: nothing listens where the API server should be',
    id: 'kubernetes.tcp',
    words: /nothing listens at 127\.0\.0\.1:1$/,
    arrange: (service) => {
      service.env['KUBERNETES_SERVICE_PORT'] = '1'
    },
  },
  {
    name: 'T1: the certificate of the API server is of another CA',
    id: 'kubernetes.chain',
    words: /not trusted|self-signed/,
    mend: /certificate-authority/,
    arrange: ({ files }) => {
      files[`${POD}/ca.crt`] = otherCa()
    },
  },
]

const SERVERS: readonly Row[] = [
  {
    name: 'V4: Vault is sealed',
    id: 'vault.unsealed',
    words: /sealed/,
    mend: /vault operator unseal/,
    fresh: 'vault',
    arrange: async (service) => void (await service.vault('PUT', 'sys/seal', {})),
  },
  {
    name: 'C1: the clock of this host is ahead',
    id: 'vault.clock',
    words: /300 s ahead|30[01] s ahead|299 s ahead/,
    also: ['kubernetes.clock'],
    arrange: (service) => {
      service.aheadMs = 300_000
    },
  },
  {
    name: 'C1: and a little ahead',
    id: 'vault.clock',
    outcome: 'warning',
    words: /(29|30|31) s ahead/,
    also: ['kubernetes.clock'],
    arrange: (service) => {
      service.aheadMs = 30_000
    },
  },
  {
    name: 'no audit device',
    id: 'vault.audit',
    outcome: 'warning',
    words: /no audit device/,
    mend: /vault audit enable file/,
    fresh: 'no audit',
  },
  {
    name: 'an audit device writes everything as it is',
    id: 'vault.audit-raw',
    outcome: 'critical',
    words: /log_raw/,
    fresh: 'log_raw',
  },
]

const CLUSTER: readonly Row[] = [
  {
    name: 'no kubeconfig, and no pod',
    id: 'kubernetes.access',
    words: /kubeconfig/,
    arrange: (service) => {
      service.env = { VAULT_TOKEN: service.plan.rootToken, KUBECONFIG: '/nowhere/kubeconfig' }
    },
  },
  {
    name: 'K3: a credential that the API server does not know',
    id: 'kubernetes.version',
    words: /does not know who asks/,
    arrange: ({ files }) => {
      files[`${POD}/token`] = forged({ sub: 'system:serviceaccount:app:app', exp: 4_000_000_000 })
    },
  },
  {
    name: 'the authorizer is off',
    id: 'kubernetes.authorizer',
    outcome: 'critical',
    words: /any pod may mint a token/,
    mend: /microk8s enable rbac/,
    fresh: 'no rbac',
  },
  {
    mends: true,
    name: 'K3: the object may not be read',
    id: 'rbac.read',
    words: /may not get secrets kv-.*\/app/,
    mend: /--verb=get --resource=secrets --resource-name=app .*--serviceaccount=kv-.*:sa-kv/,
    plan: ({ rules }) => ({ rules: rules.slice(1) }),
  },
  {
    mends: true,
    name: 'K3: a token may not be requested',
    id: 'rbac.token',
    words: /may not create serviceaccounts\/token/,
    mend: /--verb=create --resource=serviceaccounts\/token --resource-name=sa-kv/,
    plan: ({ rules }) => ({ rules: rules.slice(0, 1) }),
  },
  {
    name: 'I16: every Secret of the cluster may be listed',
    id: 'rbac.list',
    outcome: 'warning',
    words: /may list every Secret of the cluster/,
    arrange: async ({ kubernetes, plan: { namespace, serviceAccount: name } }) => {
      const rbac = '/apis/rbac.authorization.k8s.io/v1'
      const apiVersion = 'rbac.authorization.k8s.io/v1'
      const metadata = { name: `doctor-${namespace}` }
      const rules = [{ apiGroups: [''], resources: ['secrets'], verbs: ['list'] }]
      await kubernetes('POST', `${rbac}/clusterroles`, {
        apiVersion,
        kind: 'ClusterRole',
        metadata,
        rules,
      })
      await kubernetes('POST', `${rbac}/clusterrolebindings`, {
        apiVersion,
        kind: 'ClusterRoleBinding',
        metadata,
        roleRef: {
          apiGroup: 'rbac.authorization.k8s.io',
          kind: 'ClusterRole',
          name: metadata.name,
        },
        subjects: [{ kind: 'ServiceAccount', namespace, name }],
      })
    },
  },
]

const TOKENS: readonly Row[] = [
  {
    name: 'K4: there is no such ServiceAccount',
    id: 'jwt.token',
    words: /has no ServiceAccount "sa-kv/,
    mend: /or make it: secretmanager provision/,
    arrange: async (service) => {
      asAdministrator(service)
      const { namespace, serviceAccount } = service.plan
      service.config = {
        ...service.config,
        kubernetes: { namespace, serviceAccount: `${serviceAccount}-gone` },
      } as never
    },
    also: ['rbac.read', 'rbac.token'],
  },
  {
    name: 'I16: tokens of other ServiceAccounts may be minted',
    id: 'rbac.others',
    outcome: 'warning',
    words: /may mint tokens of every ServiceAccount in kv-/,
    mend: /resourceNames: \[sa-kv-/,
    plan: ({ rules }) => ({
      rules: [
        ...rules.slice(0, 1),
        { apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] },
      ],
    }),
  },
  {
    name: 'K7: the mounted token has expired',
    id: 'jwt.token',
    words: /expired \d+ s ago/,
    arrange: (service) => {
      service.files['/run/token'] = forged({ aud: ['vault'], exp: 1_600_000_000 })
      auth({ jwtFile: '/run/token' })(service)
    },
  },
  {
    name: 'K7: the mounted token is for the API server',
    id: 'jwt.token',
    words: /not for vault alone/,
    arrange: async (service) => {
      service.files['/run/token'] = await requestToken(service.world.kubernetes, service.plan)
      auth({ jwtFile: '/run/token' })(service)
    },
  },
  {
    name: 'K7: there is no mounted token',
    id: 'jwt.token',
    words: /cannot read the token file/,
    arrange: auth({ jwtFile: '/run/nothing' }),
  },
  {
    name: 'the mounted token never changes',
    id: 'pod.sub-path',
    words: /\/run\/token is mounted by subPath/,
    arrange: async (service) => {
      const audiences = ['vault']
      service.files['/run/token'] = await requestToken(service.world.kubernetes, {
        ...service.plan,
        audiences,
      })
      service.files['/proc/self/mountinfo'] = '36 35 98:0 /token /run/token rw - tmpfs tmpfs rw\n'
      auth({ jwtFile: '/run/token' })(service)
    },
  },
]

const ROLES: readonly Row[] = [
  {
    name: 'V8: the role does not exist',
    id: 'role.exists',
    words: /has no role "nobody"/,
    mend: /vault list auth\/auth-kv/,
    also: ALL_OF_LOGIN,
    arrange: auth({ role: 'nobody' }),
  },
  {
    mends: true,
    name: 'V8: the role is for another audience',
    id: 'role.audience',
    words: /audience of the role is elsewhere, and the token is for vault/,
    mend: /audience=vault/,
    also: ALL_OF_LOGIN,
    arrange: role({ audience: 'elsewhere' }),
  },
  {
    mends: true,
    name: 'the role takes tokens for any audience',
    id: 'role.audience',
    outcome: 'warning',
    words: /any audience/,
    plan: () => ({ audience: undefined }),
  },
  {
    mends: true,
    name: 'V8: the role is for another ServiceAccount',
    id: 'role.identity',
    words: /bound_service_account_names is other, and the token says sa-kv/,
    mend: /^set vault\.auth\.role to the role of .* only if .*bound_service_account_names=sa-kv/,
    also: ALL_OF_LOGIN,
    arrange: role({ bound_service_account_names: ['other'] }),
  },
  {
    name: 'V8: the role is for another ServiceAccount, and Vault asks the cluster elsewhere',
    id: 'role.identity',
    words: /bound_service_account_names is other/,
    also: ALL_OF_LOGIN,
    arrange: async (service) => {
      await role({ bound_service_account_names: ['other'] })(service)
      await mountConfig({ kubernetes_host: 'https://127.0.0.1:1' })(service)
    },
  },
  {
    mends: true,
    name: 'V8: the role is for another namespace',
    id: 'role.identity',
    words: /bound_service_account_namespaces is other, and the token says kv-/,
    also: ALL_OF_LOGIN,
    arrange: role({ bound_service_account_namespaces: ['other'] }),
  },
  {
    mends: true,
    name: 'V8: the jwt role is for another ServiceAccount',
    id: 'role.identity',
    words: /bound_subject is system:serviceaccount:a:b/,
    also: ALL_OF_LOGIN,
    plan: () => ({ auth: 'jwt' }),
    arrange: role({
      role_type: 'jwt',
      user_claim: 'sub',
      bound_audiences: ['vault'],
      bound_subject: 'system:serviceaccount:a:b',
    }),
  },
  {
    mends: true,
    name: 'I16: the role lets in by a pattern',
    id: 'role.bounds',
    outcome: 'warning',
    words: /namespaces by a pattern \(\*\)/,
    mend: /bound_service_account_namespaces=kv-/,
    arrange: role({ bound_service_account_namespaces: ['*'] }),
  },
]

const MOUNTS: readonly Row[] = [
  {
    name: 'the auth mount does not exist',
    id: 'auth.config',
    words: /is not there, or has no configuration/,
    mend: /^vault auth list; then set vault\.auth\.mount .*vault auth enable -path=nowhere kubernetes/,
    also: [...ALL_OF_LOGIN, 'role.exists'],
    arrange: auth({ mount: 'nowhere' }),
  },
  {
    name: 'Vault trusts a CA that the cluster does not have any more',
    id: 'auth.ca',
    words: /did not sign the certificate that the API server has now/,
    mend: /kubernetes_ca_cert=@CLUSTER_CA/,
    also: [...ALL_OF_LOGIN, 'auth.reviewer'],
    arrange: (service) => mountConfig({ kubernetes_ca_cert: otherCa() })(service),
  },
  {
    name: 'Vault asks the cluster where it is not',
    id: 'auth.host',
    words: /127\.0\.0\.1:1, where Vault asks the cluster, cannot be reached/,
    also: ALL_OF_LOGIN,
    arrange: mountConfig({ kubernetes_host: 'https://127.0.0.1:1' }),
  },
  {
    name: 'the reviewer of Vault has expired',
    id: 'auth.reviewer',
    words: /token_reviewer_jwt has expired/,
    mend: /system:auth-delegator/,
    also: ALL_OF_LOGIN,
    arrange: mountConfig({ token_reviewer_jwt: forged({ exp: 1_600_000_000 }) }),
  },
  {
    name: 'half the life of the reviewer is over',
    id: 'auth.reviewer-term',
    outcome: 'warning',
    words: /half the life of the reviewer of Vault is over/,
    mend: /secretmanager provision/,
    arrange: reviewerTerm(-2, 1),
  },
  {
    name: 'the whole life of the reviewer is over',
    id: 'auth.reviewer-term',
    words: /expired on 20/,
    arrange: reviewerTerm(-2, -1),
  },
  {
    name: 'Vault has the public keys of another cluster',
    id: 'auth.keys',
    words: /none of the public keys/,
    mend: /jwt_validation_pubkeys/,
    also: ALL_OF_LOGIN,
    plan: () => ({ auth: 'jwt' }),
    arrange: async (service) => {
      const body = { jwt_validation_pubkeys: [otherKey()] }
      await service.vault('POST', `auth/${service.plan.authMount}/config`, body)
    },
  },
  {
    name: 'Vault has a public key that the cluster does not have any more',
    id: 'auth.keys',
    outcome: 'warning',
    words: /1 further public keys/,
    plan: () => ({ auth: 'jwt' }),
    arrange: async (service) => {
      const path = `auth/${service.plan.authMount}/config`
      const { data } = await service.vault('GET', path)
      const { jwt_validation_pubkeys: keys } = data as unknown as Record<string, string[]>
      await service.vault('POST', path, { jwt_validation_pubkeys: [...(keys ?? []), otherKey()] })
    },
  },
]

const POLICIES: readonly Row[] = [
  {
    mends: true,
    name: 'tokens live for hours',
    id: 'token.ttl',
    outcome: 'warning',
    words: /lives 2 h/,
    mend: /token_ttl=10s/,
    plan: () => ({ tokenTtl: '2h' }),
  },
  {
    mends: true,
    name: 'tokens of a jwt role live for hours',
    id: 'token.ttl',
    outcome: 'warning',
    words: /lives 2 h/,
    plan: () => ({ auth: 'jwt', tokenTtl: '2h' }),
  },
  {
    name: 'the token is root',
    id: 'token.policies',
    outcome: 'critical',
    words: /root/,
    also: ['policy.encrypt', 'policy.config', 'policy.export'],
    arrange: vault(({ plan }) => ({ auth: { method: 'token', token: plan.rootToken } })),
  },
  {
    name: 'V7: the policy of the role is not there',
    id: 'token.policies',
    words: /gives kv-.* and there is no such policy/,
    mend: /^secretmanager provision; or vault policy write kv-/,
    also: ['document.opens'],
    arrange: async (service) => {
      const { policyName } = service.plan
      await service.vault('DELETE', `sys/policies/acl/${policyName}`)
    },
  },
  {
    name: 'V7: the policy does not let the service decrypt',
    id: 'policy.decrypt',
    words: /do not grant transit-kv.*\/decrypt\/kv-/,
    mend: /path "transit-kv.*" \{ capabilities = \["update"\] \}/,
    plan: ({ policy }) => ({ policy: policy.split('\n').slice(1).join('\n') }),
  },
  {
    name: 'V7: the policy lets the service create, which decrypts nothing',
    id: 'policy.decrypt',
    words: /do not grant transit-kv/,
    plan: ({ policy }) => ({ policy: policy.replaceAll('["update"]', '["create", "read"]') }),
    arrange: async ({ vault: call, plan }) => {
      const policy = `${plan.policy}\npath "sys/capabilities-self" { capabilities = ["update"] }`
      await call('PUT', `sys/policies/acl/${plan.policyName}`, { policy })
    },
  },
  {
    name: 'I16: the service may encrypt',
    id: 'policy.encrypt',
    outcome: 'warning',
    words: /may use transit-kv.*\/encrypt\//,
    plan: grants(
      ({ transitMount, transitKey }) =>
        `path "${transitMount}/encrypt/${transitKey}" { capabilities = ["update"] }\n`,
    ),
  },
  {
    name: 'I16: the service may change the key',
    id: 'policy.config',
    outcome: 'warning',
    words: /keys\/kv-.*\/config, .*\/rotate/,
    plan: grants(
      ({ transitMount }) => `path "${transitMount}/keys/*" { capabilities = ["update"] }\n`,
    ),
  },
  {
    name: 'I16: the service may take the key out',
    id: 'policy.export',
    outcome: 'critical',
    words: /export\/encryption-key/,
    plan: grants(
      ({ transitMount }) => `path "${transitMount}/export/*" { capabilities = ["read"] }\n`,
    ),
  },
]

const DAY = '2026-11-01T00:00:00.000Z'
const STOCK = {
  site: 'there',
  where: 'there',
  extent: [],
  at: DAY,
  isComplete: true,
  documents: 1,
  oldest: 1,
} as const

/** As rotations write it down. */
function journal(changes: Partial<Journal>): (service: Service) => Promise<void> {
  return (service) => writeJournal(service, changes)
}

const KEYS: readonly Row[] = [
  {
    name: 'V17: there is no such key',
    id: 'key.exists',
    words: /has no key|knows nothing/,
    mend: /vault list transit/,
    arrange: async (service) => {
      await service.vault('POST', `${key(service)}/config`, { deletion_allowed: true })
      await service.vault('DELETE', key(service))
    },
  },
  {
    name: 'a document that claims to be bound, under a key that binds nothing',
    id: 'document.binding',
    outcome: 'critical',
    words: /opened the document with another context/,
    also: ['key.derived'],
    plan: () => ({ keySettings: {} }),
    document: null,
    arrange: sealUnbound,
  },
  {
    name: 'the key is not derived',
    id: 'key.derived',
    words: /is not derived: Transit ignores/,
    mend: /derived=true/,
    also: ['document.binding'],
    plan: () => ({ keySettings: {} }),
    document: null,
    arrange: sealUnbound,
  },
  {
    name: 'a raw document under a derived key',
    id: 'key.derived',
    words: /raw documents have no context/,
    also: ['document.opens'],
    arrange: async (service) => {
      service.definition = { ...service.definition, format: 'raw' } as never
      await service.storeText(/vault:.*/.exec(await service.stored())?.[0] ?? '')
    },
  },
  {
    name: 'Vault was restored from a snapshot that is older than a rotation',
    id: 'key.snapshot',
    words: /older than v2 of the key: ConfigMap kv-.* has v2, and the latest is v1/,
    mend: /^neither rotate nor rewrap now: .*raft snapshot restore.*encrypt.*rotate only then/,
    arrange: journal({ phase: 'done', from: 1, doneAt: DAY }),
  },
  {
    name: 'and than one that is not over',
    id: 'key.snapshot',
    words: /older than v2 of the key/,
    arrange: journal({ phase: 'rewrapping', from: 1 }),
  },
  {
    name: 'and than a retirement',
    id: 'key.snapshot',
    words: /older than v4 of the key/,
    arrange: journal({ from: 1, retirement: { phase: 'raising', from: 1, to: 4, at: DAY } }),
  },
  {
    name: 'and than a document that a rotation saw',
    id: 'key.snapshot',
    words: /a document under v5 was seen \(far, 2026-.*\), and the latest is v1/,
    mend: /neither rotate nor rewrap.* a snapshot of Vault that has v5/,
    arrange: journal({
      sites: {
        there: { ...STOCK, newest: 3 },
        far: { ...STOCK, site: 'far', newest: 5 },
        here: { ...STOCK, site: 'here', newest: null },
      },
    }),
  },
  {
    name: 'versions that were retired open again',
    id: 'key.snapshot',
    outcome: 'warning',
    words: /versions below v2 were retired .*, and open again from v1 on/,
    mend: /secretmanager rewrap, and secretmanager retire/,
    also: ['document.version'],
    arrange: async (service) => {
      await service.vault('POST', `${key(service)}/rotate`, {})
      await journal({
        from: 1,
        doneAt: DAY,
        retirement: { phase: 'done', from: 1, to: 2, at: DAY },
      })(service)
    },
  },
  {
    name: 'a journal that is of another key',
    id: 'key.snapshot',
    words: /is not the journal of transit-kv/,
    arrange: journal({ transitKey: 'other' }),
  },
  {
    name: 'the key may leave Vault',
    id: 'key.exportable',
    outcome: 'warning',
    words: /exportable, for ever/,
    plan: ({ keySettings }) => ({ keySettings: { ...keySettings, exportable: true } }),
  },
  {
    mends: true,
    name: 'the key may be deleted',
    id: 'key.exportable',
    outcome: 'warning',
    words: /may be deleted/,
    mend: /deletion_allowed=false/,
    arrange: async (service) =>
      void (await service.vault('POST', `${key(service)}/config`, { deletion_allowed: true })),
  },
]

const DOCUMENTS: readonly Row[] = [
  {
    name: 'K4: there is no such Secret',
    id: 'document.stored',
    words: /has no Secret "app"/,
    mend: /or make it: secretmanager encrypt app -n kv-\S+ --key secrets\.json --transit-key kv-/,
    document: null,
  },
  {
    name: 'K4: the Secret has no such entry',
    id: 'document.stored',
    words: /has no entry "other\.json"/,
    mend: /secrets\.json/,
    arrange: (service) => {
      service.definition = { ...service.definition, readKey: 'other.json' } as never
    },
  },
  {
    name: 'a raw ciphertext where the definition says sealed',
    id: 'document.format',
    words: /is raw/,
    mend: /secretmanager adopt/,
    arrange: async (service) =>
      service.storeText(/vault:.*/.exec(await service.stored())?.[0] ?? ''),
  },
  {
    name: 'plaintext where a ciphertext should be',
    id: 'document.format',
    words: /not a sealed document/,
    mend: /plaintext JSON/,
    arrange: (service) => service.storeText(DOCUMENT),
  },
  {
    name: 'a document that claims another binding',
    id: 'document.claims',
    words: /binding "none" where the definition has "strict"/,
    arrange: async (service) =>
      service.store(DOCUMENT, { ...definitionOf(service), binding: 'none' }),
  },
  {
    mends: true,
    name: 'V13: a key version that is not decrypted any more',
    id: 'document.version',
    words: /under v1, and .* decrypts from v2 on/,
    mend: /min_decryption_version=1/,
    arrange: async (service) => {
      await service.vault('POST', `${key(service)}/rotate`, {})
      await service.vault('POST', `${key(service)}/config`, { min_decryption_version: 2 })
    },
  },
  {
    name: 'a key version that is not the latest',
    id: 'document.version',
    outcome: 'warning',
    words: /under v1, and the latest is v2/,
    mend: /secretmanager rewrap/,
    arrange: async (service) => void (await service.vault('POST', `${key(service)}/rotate`, {})),
  },
  {
    name: 'V13: a key version that does not exist',
    id: 'document.version',
    words: /under v9, and the latest version .* is v1: Vault was restored from a snapshot/,
    mend: /neither rotate nor rewrap now: .*has v9/,
    arrange: async (service) =>
      service.storeText((await service.stored()).replace(':vault:v1:', ':vault:v9:')),
  },
  {
    name: 'I6: a document of another place',
    id: 'document.opens',
    words: /cannot open secrets\.json of Secret/,
    mend: /only where it was sealed for/,
    arrange: async (service) => {
      const text = await service.stored()
      const elsewhere = { ...definitionOf(service), secretName: 'elsewhere' }
      await service.store(DOCUMENT, elsewhere)
      const path = `/api/v1/namespaces/${service.plan.namespace}/secrets/elsewhere`
      const { data } = await service.kubernetes('GET', path)
      const other = (data as unknown as Record<string, string>)[DATA_KEY] ?? ''
      expect(text).not.toBe('')
      await service.storeText(Buffer.from(other, 'base64').toString())
    },
  },
  {
    name: 'X1: what was decrypted is no dictionary',
    id: 'document.payload',
    words: /not JSON|is a string|unexpected|byte/i,
    document: 'canary-value-4711 is no JSON',
  },
  {
    name: 'an empty dictionary',
    id: 'document.payload',
    outcome: 'warning',
    words: /empty dictionary/,
    document: '{}',
  },
]

function definitionOf({ plan }: Service): {
  secretName: string
  readKey: string
  transitKey: string
  namespace: string
} {
  const { transitKey, namespace } = plan
  return { secretName: 'app', readKey: DATA_KEY, transitKey, namespace }
}

/** As somebody might who believes that a context always counts. */
async function sealUnbound(service: Service): Promise<void> {
  const { transitMount: mount, transitKey } = service.plan
  const plaintext = Buffer.from(wrapDocument(7, Buffer.from(DOCUMENT))).toString('base64')
  const { data } = await service.vault('POST', `${mount}/encrypt/${transitKey}`, { plaintext })
  const { ciphertext = '' } = data as unknown as Record<string, string>
  const claims = { mount, transitKey, scope: 'strict', revision: 7 } as const
  await service.storeText(formatSealed(claims, ciphertext))
}

/** A JWT that nobody signed. */
function forged(claims: object): string {
  const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${part({ alg: 'RS256' })}.${part(claims)}.${Buffer.from('nobody').toString('base64url')}`
}

/** As provision records it: days from now. */
function reviewerTerm(from: number, until: number) {
  return async ({ vault: call, plan }: Service): Promise<void> => {
    const at = (days: number): number => Date.now() + days * 86_400_000
    const reviewer = { from: at(from), until: at(until) }
    const description = withRecord('', { cluster: 'c', uid: 'u', reviewer })
    await call('POST', `sys/auth/${plan.authMount}/tune`, { description })
  }
}

function otherCa(): string {
  return createAuthority().caPem
}

function otherKey(): string {
  const { publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  return publicKey.export({ type: 'spki', format: 'pem' }).toString()
}

export const BROKEN: readonly Row[] = [
  ...CONFIGURATION,
  ...NETWORK,
  ...SERVERS,
  ...CLUSTER,
  ...TOKENS,
  ...ROLES,
  ...MOUNTS,
  ...POLICIES,
  ...KEYS,
  ...DOCUMENTS,
]

/** Who renews the reviewer's token in the cluster: a CronJob with a role that can do this and nothing else. */
import type { ClusterSpec, RenewSpec, ReviewerSpec } from '../config/provision-file.ts'
import { LABELS, plainMount, POLICY_MARK } from './names.ts'
import type { Fields, PolicyItem, RoleItem } from './plan.ts'

/** Longer, and a CronJob could not name its Jobs. */
const LONGEST = 52

/** Name of all that renewing one mount consists of: ServiceAccount, role, policy, Role, CronJob and ConfigMap. */
export function renewerName(mount: string): string {
  return `secretmanager-renewer-${plainMount(mount)}`.slice(0, LONGEST).replace(/-+$/, '')
}

/** A reviewer that is renewed in the cluster. */
export type Renewed = ReviewerSpec & { readonly renew: RenewSpec }

/** The reviewer of a cluster, where a CronJob renews it. */
export function renewedIn({ auth, reviewer }: ClusterSpec): Renewed | undefined {
  const renew = auth === 'kubernetes' ? reviewer?.renew : undefined
  return reviewer && renew && { ...reviewer, renew }
}

/**
 * The policy of the renewer. Where Vault asks, and whom it trusts, is pinned to what it is: whoever takes the
 * pod over can change the reviewer's token, and so break logins, but let nobody in.
 */
export function renewerPolicy({ mount }: ClusterSpec, config: Fields): PolicyItem {
  const pinned = Object.entries(config).map(([name, value]) => {
    const allowed = variantsOf(value).map((one) => JSON.stringify(one))
    return `    ${JSON.stringify(name)} = [${allowed.join(', ')}]\n`
  })
  const text = `${POLICY_MARK}renewer of ${mount}
path "auth/${mount}/config" {
  capabilities = ["read", "update"]
  allowed_parameters = {
${pinned.join('')}    "token_reviewer_jwt" = []
  }
}
path "sys/auth" {
  capabilities = ["read"]
}
path "sys/auth/${mount}/tune" {
  capabilities = ["update", "sudo"]
  allowed_parameters = {
    "description" = []
  }
}
`
  return { kind: 'policy', name: renewerName(mount), text, adopt: false }
}

/** Who wrote a certificate by hand may have left out its last line break. */
function variantsOf(value: unknown): readonly unknown[] {
  return typeof value === 'string' ? [...new Set([value, value.trim()])] : [value]
}

/** The role of the renewer. */
export function renewerRole(cluster: ClusterSpec, { namespace }: Renewed): RoleItem {
  const { mount, auth: type, audience } = cluster
  const name = renewerName(mount)
  const who = { namespace, serviceAccount: name, audience }
  return {
    kind: 'role',
    mount,
    type,
    name,
    policy: name,
    ...who,
    adopt: false,
  }
}

const CONFIG = '/etc/secretmanager'
const TOKEN = '/var/run/secrets/vault'

/** The CronJob. Provision file and configuration come from a ConfigMap of its name. */
export function renewerCronJob(
  { mount, audience }: ClusterSpec,
  { namespace, renew }: Renewed,
): object {
  const name = renewerName(mount)
  const args = [
    'provision',
    `${CONFIG}/provision.yaml`,
    '--renew-reviewer',
    `--config=${CONFIG}/secretmanager.yaml`,
    '--auth-method=kubernetes',
    `--auth-mount=${mount}`,
    `--role=${name}`,
    `--jwt-file=${TOKEN}/token`,
    `--audience=${audience}`,
  ]
  const volumeMounts = [
    { name: 'config', mountPath: CONFIG, readOnly: true },
    { name: 'vault-token', mountPath: TOKEN, readOnly: true },
  ]
  const token = { serviceAccountToken: { audience, path: 'token', expirationSeconds: 600 } }
  const pod = {
    serviceAccountName: name,
    restartPolicy: 'OnFailure',
    containers: [
      { name: 'renew', image: renew.image, args, volumeMounts, securityContext: NOTHING },
    ],
    volumes: [
      { name: 'config', configMap: { name } },
      { name: 'vault-token', projected: { sources: [token] } },
    ],
  }
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name, namespace, labels: LABELS },
    spec: {
      schedule: renew.schedule,
      concurrencyPolicy: 'Forbid',
      jobTemplate: { spec: { backoffLimit: 6, template: { spec: pod } } },
    },
  }
}

const NOTHING = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  capabilities: { drop: ['ALL'] },
}

/** Who renews the reviewer's token in the cluster: a CronJob with a role that can do this and nothing else. */
import type { ClusterSpec, RenewSpec, ReviewerSpec } from '../config/provision-file.ts'
import { POLICY_MARK, renewerName } from './names.ts'
import type { Fields, PolicyItem, RoleItem } from './items.ts'

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

/** What the things that provision makes are called, and how they are known again. */
import { createHash } from 'node:crypto'
import type { AppSpec } from '../config/provision-file.ts'

/** A job of an app, each with a role of its own. */
export type Job = 'reader' | 'writer' | 'rotator'

/** All of them, in the order in which they are told of. */
export const JOBS: readonly Job[] = ['reader', 'writer', 'rotator']

/** Says of a Kubernetes object that it may be changed and removed. */
export const LABELS: Readonly<Record<string, string>> = {
  'app.kubernetes.io/managed-by': 'secretmanager',
}

/** Begins the text of each policy, and says that it may be changed and removed. */
export const POLICY_MARK = '# managed by secretmanager provision: '

/** Kept in Vault's audit log in clear: it joins a failure with its entry. */
export const CORRELATION_HEADER = 'X-Correlation-Id'

/** Role and RoleBinding of one job in one namespace. */
export function rbacName({ name }: Pick<AppSpec, 'name'>, job: Job): string {
  return `secretmanager-${name}-${job}`
}

/** ClusterRole and ClusterRoleBinding of who reviews tokens for Vault. */
export function reviewerName(mount: string): string {
  return nameWith('secretmanager-reviewer', mount, LONGEST_NAME)
}

/** Name of all that renewing one mount consists of: ServiceAccount, role, policy, Role, CronJob and ConfigMap. */
export function renewerName(mount: string): string {
  return nameWith('secretmanager-renewer', mount, LONGEST_OF_CRON_JOB)
}

const LONGEST_NAME = 253
/** Longer, and it could not name its Jobs. */
const LONGEST_OF_CRON_JOB = 52
const DIGEST = 8

/**
 * A mount within a name of Kubernetes. Vault's mounts may have capitals, dots, slashes and any length: what is no
 * such name as it is gets a digest of the mount, so that no two mounts have one name.
 */
function nameWith(prefix: string, mount: string, longest: number): string {
  const name = `${prefix}-${mount}`
  if (/^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(mount) && name.length <= longest) return name
  const plain = name.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
  const cut = plain.slice(0, longest - DIGEST - 1).replace(/-+$/, '')
  return `${cut}-${createHash('sha256').update(mount).digest('hex').slice(0, DIGEST)}`
}

/** The Transit keys of an app: its own, and those that its documents name besides. */
export function keysOf({ transitKey, secrets }: AppSpec): readonly string[] {
  return [...new Set([transitKey, ...secrets.map((each) => each.transitKey)])]
}

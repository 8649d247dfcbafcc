/** What the things that provision makes are called, and how they are known again. */
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
  return `secretmanager-reviewer-${plainMount(mount)}`
}

/** A mount as a part of names of Kubernetes. */
export function plainMount(mount: string): string {
  return mount.toLowerCase().replaceAll(/[^a-z0-9-]/g, '-')
}

/** The Transit keys of an app: its own, and those that its documents name besides. */
export function keysOf({ transitKey, secrets }: AppSpec): readonly string[] {
  return [...new Set([transitKey, ...secrets.map((each) => each.transitKey)])]
}

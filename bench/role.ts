/** Jobs whose tokens live as a figure needs it. */
import { readFile } from 'node:fs/promises'
import type { Job } from './job.ts'
import type { Rig } from './rig.ts'

/** Tokens of a role. */
export interface Tokens {
  /** A Go duration. */
  readonly ttl: string
  readonly type: 'batch' | 'service'
}

/**
 * Makes a role for the ServiceAccount of the zero-RBAC job at `path`, and the same job with it.
 *
 * @returns the path of the job
 */
export async function jobOfRole(
  rig: Rig,
  path: string,
  role: string,
  { ttl, type }: Tokens,
): Promise<string> {
  await rig.vault('POST', `auth/kubernetes/role/${role}`, {
    bound_service_account_names: ['app'],
    bound_service_account_namespaces: ['zero-rbac'],
    audience: 'vault',
    token_policies: ['app'],
    token_ttl: ttl,
    token_type: type,
  })
  const job = JSON.parse(await readFile(path, 'utf8')) as Job & { readonly native: NativeConfig }
  const { native, config } = job
  const auth = { ...native.vault.auth, role }
  return rig.write(`${role}.json`, {
    ...job,
    config: { ...config, role },
    native: { ...native, vault: { ...native.vault, auth } },
  })
}

interface NativeConfig {
  readonly vault: { readonly auth: object }
}

import { refusal } from '../core/failure.ts'
import { WRAPPING_POLICY_NAME } from '../policy/wrapping.ts'

/** One token; times are Unix milliseconds, durations seconds, and 0 means without limit. */
export interface Token {
  readonly id: string
  /** Empty for batch tokens. */
  readonly accessor: string
  readonly type: 'service' | 'batch'
  readonly policies: readonly string[]
  /** Where it was issued, such as `auth/kubernetes/login`. */
  readonly path: string
  readonly metadata: Readonly<Record<string, string>> | undefined
  readonly displayName: string
  readonly entityId: string
  readonly renewable: boolean
  readonly period: number
  readonly explicitMaxTtl: number
  /** Lifetime at creation. */
  readonly ttl: number
  readonly issuedAt: number
  /** Absent: the token dies with its parent. */
  readonly orphan: boolean
  readonly parent: Token | undefined
  /** What the last renewal gave; a renewal that asks for nothing gives it again. */
  leaseTtl: number
  /** Undefined: never. */
  expiresAt: number | undefined
  renewedAt: number | undefined
  /** Uses at creation; 0 means without limit. */
  readonly maxUses: number
  /** Uses left; -1 while the last one runs. */
  numUses: number
}

/** The `auth` block of a login, a token creation or a renewal. */
export function authBlock(token: Token, leaseDuration: number): Readonly<Record<string, unknown>> {
  return {
    client_token: token.id,
    accessor: token.accessor,
    policies: token.policies,
    token_policies: token.policies,
    metadata: token.metadata ?? null,
    lease_duration: leaseDuration,
    renewable: token.renewable,
    entity_id: token.entityId,
    token_type: token.type,
    orphan: token.orphan,
    mfa_requirement: null,
    num_uses: token.maxUses,
  }
}

/** Policy names as Vault keeps them: lower case, sorted, once each; `root` stands alone. */
export function sanitizePolicies(names: readonly string[], addDefault: boolean): string[] {
  const lower = names.map((name) => name.trim().toLowerCase()).filter((name) => name !== '')
  if (lower.includes('root')) return ['root']
  return [...new Set(addDefault ? [...lower, 'default'] : lower)].toSorted()
}

/** @throws VaultFailure for a policy that only Vault itself gives */
export function checkAssignable(policies: readonly string[]): void {
  if (!policies.includes(WRAPPING_POLICY_NAME)) return
  throw refusal(`cannot assign policy ${JSON.stringify(WRAPPING_POLICY_NAME)}`)
}

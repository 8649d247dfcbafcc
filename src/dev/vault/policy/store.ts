import { refusal } from '../core/failure.ts'
import type { World } from '../core/operation.ts'
import type { Token } from '../token/token.ts'
import { createAcl, ROOT_ACL, type Acl } from './acl.ts'
import { DEFAULT_POLICY } from './default-policy.ts'
import { parsePolicy, type PathRule } from './policy.ts'
import { WRAPPING_POLICY, WRAPPING_POLICY_NAME } from './wrapping.ts'

/** One stored policy. */
export interface StoredPolicy {
  readonly name: string
  readonly text: string
  readonly rules: readonly PathRule[]
  readonly version: number
  /** ISO time; `root` has none. */
  readonly modified: string | undefined
}

/** All policies by name. */
export interface PolicyStore {
  /** Names in order, `root` last; that of wrapping tokens is not among them. */
  names(): readonly string[]
  get(name: string): StoredPolicy | undefined
  /** @throws VaultFailure when the text does not parse or the policy is fixed */
  put(name: string, text: string): void
  remove(name: string): void
  /** What the policies of a token grant together; names without a policy grant nothing. */
  aclOf(token: Pick<Token, 'policies'>): Acl
}

const ROOT: StoredPolicy = { name: 'root', text: '', rules: [], version: 0, modified: undefined }

/** Opens a store with `root` and `default`. */
export function createPolicyStore({ clock }: Pick<World, 'clock'>): PolicyStore {
  const policies = new Map<string, StoredPolicy>()
  const put = (name: string, text: string): void => {
    const rules = parsePolicy(text)
    if (name === 'root') throw refusal('cannot update "root" policy')
    const version = (policies.get(name)?.version ?? 0) + 1
    const modified = new Date(clock()).toISOString()
    policies.set(name, { name, text, rules, version, modified })
  }
  put('default', DEFAULT_POLICY)
  put(WRAPPING_POLICY_NAME, WRAPPING_POLICY)
  const listed = (): readonly string[] =>
    [...policies.keys()].filter((name) => name !== WRAPPING_POLICY_NAME).toSorted()
  return {
    names: () => [...listed(), 'root'],
    get: (name) => (name === 'root' ? ROOT : policies.get(name)),
    put(name, text) {
      if (name === WRAPPING_POLICY_NAME) throw refusal(`cannot update "${name}" policy`)
      put(name, text)
    },
    remove(name) {
      if (name === 'root' || name === WRAPPING_POLICY_NAME) {
        throw refusal(`cannot delete "${name}" policy`)
      }
      if (name === 'default') throw refusal('cannot delete default policy')
      policies.delete(name)
    },
    aclOf: (token) =>
      token.policies.includes('root')
        ? ROOT_ACL
        : createAcl(token.policies.flatMap((name) => policies.get(name)?.rules ?? [])),
  }
}

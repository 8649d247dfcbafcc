/** `sys`: mounts, auth methods, policies, capabilities. https://openbao.org/api-docs/system/ */
import { fault, refusal } from '../core/failure.ts'
import type { MountTable } from '../core/mounts.ts'
import type { Backend, Reply } from '../core/operation.ts'
import { backendOf, type Call, type PathSpec } from '../core/paths.ts'
import type { PolicyStore } from '../policy/store.ts'
import { caller } from '../token/deps.ts'
import type { TokenStore } from '../token/store.ts'
import type { Token } from '../token/token.ts'
import type { Wrappings } from '../wrapping/wrappings.ts'
import { wrappingPaths } from '../wrapping/paths.ts'
import { auditHeaderPaths } from './audit-headers.ts'
import { mountPaths } from './mounts.ts'
import { policyPaths } from './policies.ts'

/** What `sys` administers. */
export interface SysDeps {
  readonly engines: MountTable
  readonly methods: MountTable
  readonly policies: PolicyStore
  readonly tokens: TokenStore
  readonly wrappings: Wrappings
}

/** Vault's own backend, but for what answers while sealed (see `status.ts`). */
export function createSysBackend(deps: SysDeps): Backend {
  const { engines, methods, policies, tokens, wrappings } = deps
  return backendOf(
    [
      ...mountPaths('mounts', engines),
      ...mountPaths('auth', methods),
      ...policyPaths(policies),
      ...capabilityPaths(policies, tokens),
      ...leasePaths(),
      ...wrappingPaths(wrappings, tokens),
      ...auditHeaderPaths(),
    ],
    {
      isLogin: (path) => path === 'wrapping/lookup',
      isRootPath: (path) => /^(?:auth|config\/auditing)\//.test(path),
    },
  )
}

function capabilityPaths(policies: PolicyStore, tokens: TokenStore): readonly PathSpec[] {
  const answer = (call: Call, token: Token): Reply => {
    const asked = [...call.fields.list('paths'), ...call.fields.list('path')]
    if (asked.length === 0) throw refusal('paths must be supplied')
    const given = call.fields.raw('paths')
    if (Array.isArray(given) && given.includes('')) throw fault('missing path', 400)
    const acl = policies.aclOf(token)
    const data = Object.fromEntries(asked.map((path) => [path, acl.capabilities(path)]))
    const [only = ''] = asked
    // A single path answers in the form from before there were several.
    return { data: asked.length === 1 ? { ...data, capabilities: data[only] } : data }
  }
  return [
    {
      pattern: 'capabilities-self',
      fields: { token: 'string', path: 'list', paths: 'list' },
      on: { update: (call) => answer(call, caller(call.operation)) },
    },
    {
      pattern: 'capabilities',
      fields: { token: 'string', path: 'list', paths: 'list' },
      on: {
        update: (call) => {
          const token = tokens.find(call.fields.string('token'))
          if (!token) throw refusal('invalid token')
          return answer(call, token)
        },
      },
    },
  ]
}

/** No backend here leases anything, so no lease is ever known. */
function leasePaths(): readonly PathSpec[] {
  const fail = (message: string) => (): never => {
    throw refusal(message)
  }
  const fields = { lease_id: 'string', increment: 'duration', sync: 'bool' } as const
  return [
    { pattern: 'leases/lookup', fields, on: { update: fail('invalid lease') } },
    { pattern: 'leases/renew', fields, on: { update: fail('lease not found') } },
    { pattern: 'leases/revoke', fields, on: { update: () => undefined } },
  ]
}

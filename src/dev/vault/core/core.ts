/** The way of a request through Vault: token, policies, route, backend, token of a login. */
import { createHash } from 'node:crypto'
import type { PolicyStore } from '../policy/store.ts'
import type { TokenStore } from '../token/store.ts'
import { authBlock, checkAssignable, sanitizePolicies, type Token } from '../token/token.ts'
import { calculateTtl } from '../token/ttl.ts'
import type { Wrappings } from '../wrapping/wrappings.ts'
import { fault, multierror, refusal, VaultFailure } from './failure.ts'
import type { Mount } from './mounts.ts'
import type { Demand, Grant, Operation, OperationKind, Reply } from './operation.ts'

/** What the core works on. */
export interface CoreDeps {
  readonly wrappings: Wrappings
  readonly tokens: TokenStore
  readonly policies: PolicyStore
  /** The mount with the longest path that `path` starts with. */
  readonly mountOf: (path: string) => Mount | undefined
}

/** Handles one request. @throws VaultFailure */
export async function handleDemand(deps: CoreDeps, demand: Demand): Promise<Reply | undefined> {
  if (demand.path.endsWith('/') && demand.kind === 'update') {
    throw refusal("cannot write to a path ending in '/'")
  }
  deps.wrappings.check(demand)
  const mount = deps.mountOf(demand.path)
  const below = mount ? demand.path.slice(mount.path.length) : ''
  const reply = mount?.backend.isLogin(below)
    ? await login(deps, mount, demand, below)
    : await serve(deps, mount, demand, below)
  return deps.wrappings.wrap(demand, reply)
}

async function login(
  { tokens }: CoreDeps,
  mount: Mount,
  demand: Demand,
  path: string,
): Promise<Reply | undefined> {
  const operation = { ...operationOf(demand, path), token: undefined, sudo: false }
  const reply = await mount.backend.handle(operation)
  if (!reply?.grant) return reply
  const { token, warnings } = issue(tokens, mount, reply.grant, demand.path)
  return { auth: authBlock(token, token.ttl), warnings: [...(reply.warnings ?? []), ...warnings] }
}

function issue(
  tokens: TokenStore,
  mount: Mount,
  grant: Grant,
  path: string,
): { token: Token; warnings: readonly string[] } {
  const { params } = grant
  const policies = sanitizePolicies(params.policies, !params.noDefaultPolicy)
  if (policies.includes('root')) throw refusal('auth methods cannot create root tokens')
  checkAssignable(policies)
  const ttl = calculateTtl({ ...params, increment: 0, age: 0 })
  const type = params.type === 'batch' ? 'batch' : 'service'
  const mountName = mount.path.replace(/^auth\//, '').replaceAll('/', '')
  const token = tokens.create({
    type,
    policies,
    path,
    displayName: [mountName, grant.displayName].filter((part) => part !== '').join('-'),
    metadata: grant.metadata,
    entityId: entityId(mount, grant.alias),
    ttl: ttl.seconds,
    renewable: type === 'service',
    period: params.period,
    explicitMaxTtl: params.explicitMaxTtl,
    numUses: type === 'batch' ? 0 : params.numUses,
  })
  return { token, warnings: ttl.warnings }
}

/** One entity per alias of a mount; derived, so that nothing has to be remembered. */
function entityId(mount: Mount, alias: string): string {
  const hex = createHash('sha256').update(`${mount.uuid} ${alias}`).digest('hex')
  return hex.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

async function serve(
  deps: CoreDeps,
  mount: Mount | undefined,
  demand: Demand,
  path: string,
): Promise<Reply | undefined> {
  const token = deps.tokens.find(demand.tokenId ?? '')
  if (!token) throw refusal('permission denied', 403)
  const acl = deps.policies.aclOf(token)
  const sudo = acl.hasSudo(demand.path)
  const asked = { ...operationOf(demand, path), token, sudo }
  const operation = { ...asked, kind: writeKind(mount, asked) }
  deps.tokens.use(token)
  try {
    const allowed = acl.allows({ kind: operation.kind, path: demand.path, data: demand.data })
    if (!allowed || (mount?.backend.isRootPath(path) && !sudo)) {
      throw refusal(multierror(['permission denied']), 403)
    }
    if (!mount) {
      throw refusal(`no handler for route "${demand.path}". route entry not found.`, 404)
    }
    return await mount.backend.handle(operation)
  } catch (error) {
    throw wrapped(error)
  } finally {
    if (token.numUses === -1) deps.tokens.revoke(token)
  }
}

/** A write creates where its backend says that there is nothing yet. */
function writeKind(mount: Mount | undefined, operation: Operation): OperationKind {
  if (operation.kind !== 'update') return operation.kind
  return mount?.backend.exists(operation) === false ? 'create' : 'update'
}

function operationOf(
  { id, kind, data, path: fullPath, tokenId, wrapTtl }: Demand,
  path: string,
): Omit<Operation, 'token' | 'sudo'> {
  return { id, kind, data, path, fullPath, tokenId, wrapTtl }
}

function wrapped(error: unknown): unknown {
  if (!(error instanceof VaultFailure) || !error.wrapped) return error
  return fault(multierror([error.message]), error.status)
}

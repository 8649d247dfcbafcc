/** `auth/token`: what a token may ask about tokens. https://openbao.org/api-docs/auth/token/ */
import { fault, refusal, VaultFailure } from '../core/failure.ts'
import type { Schema } from '../core/fields.ts'
import type { Backend, Reply, TokenParams } from '../core/operation.ts'
import { backendOf, type Call, type PathSpec } from '../core/paths.ts'
import { CREATE_FIELDS, createToken } from './create.ts'
import { caller, type TokenDeps } from './deps.ts'
import type { TokenStore } from './store.ts'
import { authBlock, type Token } from './token.ts'
import { calculateTtl } from './ttl.ts'

/** The token backend. */
export function createTokenBackend(deps: TokenDeps): Backend {
  return backendOf([...createPaths(deps), ...lookupPaths(deps), ...lifePaths(deps)], {
    isRootPath: (path) => path.startsWith('accessors'),
  })
}

const BY_TOKEN: Schema = { token: 'string' }
const BY_ACCESSOR: Schema = { accessor: 'string' }
const RENEWAL: Schema = { token: 'string', increment: 'duration' }

function createPaths(deps: TokenDeps): readonly PathSpec[] {
  const create = (orphan: boolean) => (call: Call) => createToken(deps, call, orphan)
  return [
    { pattern: 'create', fields: CREATE_FIELDS, on: { update: create(false) } },
    { pattern: 'create-orphan', fields: CREATE_FIELDS, on: { update: create(true) } },
  ]
}

function lookupPaths(deps: TokenDeps): readonly PathSpec[] {
  const { tokens } = deps
  const self = ({ operation }: Call): Reply => describe(caller(operation), deps)
  const lookup = (call: Call): Reply => {
    const id = call.fields.string('token')
    if (id === '') return self(call)
    const token = tokens.find(id)
    if (!token) throw refusal('bad token', 403)
    return describe(token, deps)
  }
  return [
    { pattern: 'lookup-self', fields: BY_TOKEN, on: { read: self, update: self } },
    { pattern: 'lookup', fields: BY_TOKEN, on: { read: lookup, update: lookup } },
    {
      pattern: 'lookup-accessor',
      fields: BY_ACCESSOR,
      on: { update: (call) => lookupAccessor(call, deps) },
    },
    { pattern: 'accessors', on: { list: () => ({ data: { keys: tokens.accessors() } }) } },
  ]
}

function lifePaths(deps: TokenDeps): readonly PathSpec[] {
  const { tokens } = deps
  const named = (call: Call): Token | undefined => {
    const id = call.fields.string('token')
    if (id === '') throw refusal('missing token ID')
    return tokens.find(id)
  }
  const renewNamed = (call: Call): Reply => {
    const token = named(call)
    if (!token) throw refusal('token not found')
    return renew(token, call, deps)
  }
  return [
    {
      pattern: 'renew-self',
      fields: RENEWAL,
      on: { update: (call) => renew(caller(call.operation), call, deps) },
    },
    { pattern: 'renew', fields: RENEWAL, on: { update: renewNamed } },
    { pattern: 'revoke-self', on: { update: (call) => revoke(caller(call.operation), tokens) } },
    {
      pattern: 'revoke',
      fields: BY_TOKEN,
      on: { update: (call) => revoke(named(call), tokens) },
    },
    {
      pattern: 'revoke-accessor',
      fields: BY_ACCESSOR,
      on: { update: (call) => revokeAccessor(call, tokens) },
    },
  ]
}

function describe(token: Token, { clock }: Pick<TokenDeps, 'clock'>): Reply {
  const { expiresAt, renewedAt } = token
  return {
    data: {
      accessor: token.accessor,
      creation_time: Math.floor(token.issuedAt / 1000),
      creation_ttl: token.ttl,
      display_name: token.displayName,
      entity_id: token.entityId,
      expire_time: expiresAt === undefined ? null : new Date(expiresAt).toISOString(),
      explicit_max_ttl: token.explicitMaxTtl,
      id: token.id,
      issue_time: new Date(token.issuedAt).toISOString(),
      meta: token.metadata ?? null,
      num_uses: token.numUses,
      orphan: token.orphan,
      path: token.path,
      policies: token.policies,
      renewable: token.renewable,
      ttl: expiresAt === undefined ? 0 : Math.floor((expiresAt - clock()) / 1000),
      type: token.type,
      ...(token.period === 0 ? {} : { period: token.period }),
      ...(renewedAt === undefined
        ? {}
        : {
            last_renewal: new Date(renewedAt).toISOString(),
            last_renewal_time: Math.floor(renewedAt / 1000),
          }),
    },
  }
}

function checkRenewable({ type, path, renewable, numUses }: Token): void {
  if (type === 'batch') throw refusal('batch tokens cannot be renewed')
  if (path === 'auth/token/root') throw refusal('invalid lease ID')
  if (!renewable) throw refusal('lease is not renewable')
  // The use that asks for it already ended it.
  if (numUses === -1) throw refusal('token not found')
}

function renew(token: Token, { fields }: Call, deps: TokenDeps): Reply {
  checkRenewable(token)
  const params = paramsOfToday(token, deps)
  const ttl = calculateTtl({
    increment: fields.seconds('increment'),
    ttl: params?.ttl ?? token.leaseTtl,
    period: params?.period ?? token.period,
    maxTtl: params?.maxTtl ?? 0,
    explicitMaxTtl: token.explicitMaxTtl,
    age: Math.floor(deps.clock() / 1000) - Math.floor(token.issuedAt / 1000),
  })
  deps.tokens.extend(token, ttl.seconds)
  return { auth: authBlock(token, ttl.seconds), warnings: ttl.warnings }
}

function paramsOfToday(token: Token, { paramsOf }: TokenDeps): TokenParams | undefined {
  try {
    return paramsOf(token)
  } catch (error) {
    if (!(error instanceof VaultFailure)) throw error
    throw fault(`failed to renew entry: ${error.message}`)
  }
}

function revoke(token: Token | undefined, tokens: TokenStore): undefined {
  if (token?.type === 'batch') throw refusal('batch tokens cannot be revoked')
  if (token) tokens.revoke(token)
  return undefined
}

function lookupAccessor({ fields }: Call, deps: TokenDeps): Reply {
  const token = deps.tokens.findByAccessor(fields.string('accessor'))
  if (!token) throw refusal('1 error occurred:\n\t* invalid accessor\n\n')
  const { data } = describe(token, deps)
  return { data: { ...data, id: '' } }
}

function revokeAccessor({ fields }: Call, tokens: TokenStore): Reply | undefined {
  const token = tokens.findByAccessor(fields.string('accessor'))
  if (!token) return { warnings: ['No token found with this accessor'] }
  return revoke(token, tokens)
}

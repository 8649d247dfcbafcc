/**
 * Response wrapping: an answer waits behind a token that works once.
 *
 * https://openbao.org/docs/concepts/response-wrapping/
 */
import { refusal } from '../core/failure.ts'
import { isEmptyList } from '../core/http.ts'
import type { Demand, Reply, World, WrapInfo } from '../core/operation.ts'
import { WRAPPING_POLICY_NAME } from '../policy/wrapping.ts'
import type { TokenStore } from '../token/store.ts'
import type { Token } from '../token/token.ts'

/** An answer that waits. */
export interface Wrapped {
  readonly reply: Reply
  /** Path of the request that got the answer. */
  readonly creationPath: string
  /** Unix milliseconds. */
  readonly creationTime: number
  /** Seconds. */
  readonly creationTtl: number
}

/** All answers that wait. */
export interface Wrappings {
  /** @throws VaultFailure where a path of `sys/wrapping` gets a token that nothing waits behind */
  check(demand: Demand): void
  /** The reply itself, or in its place a token for it where the request asked for that. */
  wrap(demand: Demand, reply: Reply | undefined): Reply | undefined
  /** Puts an answer behind a new token. */
  put(reply: Reply, creationPath: string, ttl: number): WrapInfo
  find(tokenId: string): Wrapped | undefined
}

/** Opens the store; answers go with the token they wait behind. */
export function createWrappings({ clock }: Pick<World, 'clock'>, tokens: TokenStore): Wrappings {
  const waiting = new WeakMap<Token, Wrapped>()
  const find = (tokenId: string): Wrapped | undefined => {
    const token = tokens.find(tokenId)
    return token && waiting.get(token)
  }
  const put = (reply: Reply, creationPath: string, ttl: number): WrapInfo => {
    const token = tokens.create({ ...LOOK, path: creationPath, ttl, explicitMaxTtl: ttl })
    const creationTime = clock()
    waiting.set(token, { reply, creationPath, creationTime, creationTtl: ttl })
    return {
      token: token.id,
      accessor: token.accessor,
      ttl,
      creation_time: new Date(creationTime).toISOString(),
      creation_path: creationPath,
      ...accessorInside(reply),
    }
  }
  return {
    find,
    put,
    check: (demand) => {
      if (!DEMANDS_TOKEN.test(demand.path) || find(wrappingToken(demand))) return
      throw refusal('wrapping token is not valid or does not exist')
    },
    wrap: (demand, reply) => {
      if (demand.wrapTtl === 0 || !reply || reply.wrapInfo || isEmptyList(demand, reply))
        return reply
      return { wrapInfo: put({ requestId: demand.id, ...reply }, demand.path, demand.wrapTtl) }
    },
  }
}

const LOOK = {
  type: 'service',
  policies: [WRAPPING_POLICY_NAME],
  displayName: '',
  renewable: false,
  numUses: 1,
} as const

const DEMANDS_TOKEN = /^sys\/wrapping\/(?:lookup|rewrap|unwrap)$/

/** A token in the body goes before the one that the request came with. */
function wrappingToken({ data, tokenId = '' }: Demand): string {
  const given = data['token'] ?? undefined
  const token = given ?? tokenId
  if (typeof token !== 'string') throw invalid('could not decode token in request body')
  if (token === '') throw invalid(given === '' ? 'empty token in request body' : 'token is empty')
  return token
}

function invalid(reason: string): Error {
  return refusal(`error validating wrapping token: ${reason}`, 403)
}

/** The accessor that `wrap_info` tells, though what it belongs to is hidden. */
function accessorInside({ auth, data }: Reply): Partial<WrapInfo> {
  const accessor = auth ? auth['accessor'] : data?.['secret_id_accessor']
  return typeof accessor === 'string' && accessor !== '' ? { wrapped_accessor: accessor } : {}
}

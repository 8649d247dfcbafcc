/** `sys/wrapping`. https://openbao.org/api-docs/system/wrapping-unwrap/ */
import { fault, refusal } from '../core/failure.ts'
import type { Schema } from '../core/fields.ts'
import type { Reply } from '../core/operation.ts'
import type { Call, PathSpec } from '../core/paths.ts'
import { caller } from '../token/deps.ts'
import type { TokenStore } from '../token/store.ts'
import type { Wrapped, Wrappings } from './wrappings.ts'

const BY_TOKEN: Schema = { token: 'string' }

/** The paths; that the token is one with an answer behind it was checked before they are reached. */
export function wrappingPaths(wrappings: Wrappings, tokens: TokenStore): readonly PathSpec[] {
  const lookup = (call: Call): Reply => describe(found(wrappings, call))
  return [
    { pattern: 'wrapping/lookup', fields: BY_TOKEN, on: { read: lookup, update: lookup } },
    {
      pattern: 'wrapping/unwrap',
      fields: BY_TOKEN,
      on: { update: (call) => take(wrappings, tokens, call).reply },
    },
    {
      pattern: 'wrapping/rewrap',
      fields: BY_TOKEN,
      on: {
        update: (call) => {
          const { reply, creationPath, creationTtl } = take(wrappings, tokens, call)
          const { wrapped_accessor: _, ...info } = wrappings.put(reply, creationPath, creationTtl)
          return { wrapInfo: info }
        },
      },
    },
    { pattern: 'wrapping/wrap', on: { update: wrapData } },
  ]
}

function describe({ creationPath, creationTime, creationTtl }: Wrapped): Reply {
  return {
    data: {
      creation_path: creationPath,
      creation_time: new Date(creationTime).toISOString(),
      creation_ttl: creationTtl,
    },
  }
}

/** Uses up a token of the body here; one that the request came with ends with the request. */
function take(wrappings: Wrappings, tokens: TokenStore, call: Call): Wrapped {
  const wrapped = found(wrappings, call)
  const token = tokens.find(call.fields.string('token'))
  if (!token) return wrapped
  if (token === caller(call.operation)) {
    throw fault(
      "error decrementing wrapping token's use-count: " +
        'invalid token entry provided for use count decrementing',
    )
  }
  tokens.revoke(token)
  return wrapped
}

function found(wrappings: Wrappings, { fields, operation }: Call): Wrapped {
  const wrapped = wrappings.find(fields.string('token') || (operation.tokenId ?? ''))
  if (!wrapped) throw refusal('wrapping token is not valid or does not exist')
  return wrapped
}

function wrapData({ operation }: Call): Reply {
  if (operation.wrapTtl === 0) throw refusal('endpoint requires response wrapping to be used')
  return { data: operation.data }
}

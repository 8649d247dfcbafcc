import { refusal } from '../core/failure.ts'
import type { Operation, TokenParams, World } from '../core/operation.ts'
import type { TokenStore } from './store.ts'
import type { Token } from './token.ts'

/** What `auth/token` needs of the rest of Vault. */
export interface TokenDeps {
  readonly tokens: TokenStore
  readonly clock: World['clock']
  readonly policyExists: (name: string) => boolean
  /** Settings of today's role of the auth method that issued the token. */
  readonly paramsOf: (token: Token) => TokenParams | undefined
}

/** The token of a request that needed one. */
export function caller({ token }: Operation): Token {
  if (!token) throw refusal('permission denied', 403)
  return token
}

/** What the two ways of proving an identity to the gcp auth method share. */
import { SecretManagerError } from '../errors.ts'
import type { Allowance } from '../http/budget.ts'
import { badResponse, waitAskedFor, type Answer, type Backend } from '../http/call.ts'

/** A JWT that Google signed, and what a person must know of it when Vault refuses it. */
export interface GcpProof {
  readonly jwt: string
  /** Email of the service account; of an instance the unique id of its service account. */
  readonly subject: string
  readonly audience: string
}

/** Gets a new proof; called once per login. */
export type ProveToGcp = (allowance: Allowance) => Promise<GcpProof>

/**
 * Takes a JWT out of an answer of Google.
 *
 * @param jwt - what should be one
 * @throws {@link SecretManagerError} SM_GOOGLE_BAD_RESPONSE
 */
export function checkedJwt(backend: Backend, status: number, jwt: unknown): string {
  if (typeof jwt === 'string' && /^[\w-]+\.[\w-]+\.[\w-]+$/.test(jwt)) return jwt
  throw badResponse(backend, status, 'has no JWT')
}

/** The error of an answer that means "not now"; `undefined` for one that means "not so". */
export function notNow(
  backend: Backend,
  what: string,
  answer: Answer,
): SecretManagerError | undefined {
  const { status } = answer
  if (status < 500 && status !== 429) return undefined
  const facts = { status, retryAfterMs: waitAskedFor(backend, answer) }
  const message = `google at ${backend.url} did not ${what} (${status})`
  if (status !== 429) return new SecretManagerError('SM_GOOGLE_5XX', message, facts)
  const hint =
    'a quota of the Google Cloud project refused the request: gcloud quotas, or fewer logins'
  return new SecretManagerError('SM_GOOGLE_5XX', message, { ...facts, hint })
}

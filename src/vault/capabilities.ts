/**
 * What the policies of a token allow, before anything is tried.
 *
 * @see https://developer.hashicorp.com/vault/api-docs/system/capabilities-self
 */
import type { Allowance } from '../http/budget.ts'
import { recordField, type VaultClient } from './client.ts'
import type { Session } from './session.ts'
import { badField } from './transit.ts'

const PATH = 'sys/capabilities-self'

/** OpenBao takes 1,000 JSON strings in a request (`max_request_json_strings`). */
const MAX_PATHS = 500

/**
 * Asks what the session's token may do at each path: names such as `read` or `update`, `root` for
 * everything, `deny` for nothing. Parameters that a policy pins are not told. The policy `default`
 * grants the question.
 *
 * @param paths - below `/v1/`, without a leading slash; none may be empty
 * @returns the capabilities by path
 * @throws {@link SecretManagerError} SM_VAULT_DENIED, SM_VAULT_BAD_RESPONSE where a path has no answer, SM_VAULT_*
 */
export async function capabilities(
  client: VaultClient,
  session: Session,
  allowance: Allowance,
  paths: Iterable<string>,
): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const found = new Map<string, ReadonlySet<string>>()
  const wanted = [...new Set(paths)]
  for (let at = 0; at < wanted.length; at += MAX_PATHS) {
    const asked = wanted.slice(at, at + MAX_PATHS)
    const body = { paths: asked }
    const reply = await session.use(allowance, PATH, (token) =>
      client.request(allowance, { method: 'POST', path: PATH, token, body }),
    )
    const data = recordField(reply, 'data')
    for (const path of asked) found.set(path, namesOf(data[path], path))
  }
  return found
}

/** Vault says `deny` where there is nothing: no names are no answer. */
function namesOf(value: unknown, path: string): ReadonlySet<string> {
  const names: readonly unknown[] = Array.isArray(value) ? value : []
  const texts = names.filter((name) => typeof name === 'string')
  if (texts.length > 0 && texts.length === names.length) return new Set(texts)
  throw badField(PATH, path)
}

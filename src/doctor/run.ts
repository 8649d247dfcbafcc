/** Runs checks in their order, and skips those whose needs are not met. */
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { failed, Missing, notChecked, type Verdict } from './verdict.ts'
import type { Check, World } from './world.ts'

/** What one check came to. */
export interface Result extends Verdict {
  readonly id: string
  readonly title: string
}

/**
 * Runs each check and gives its result at once: who waits sees how far it is.
 *
 * @throws {@link SecretManagerError} SM_ABORTED; nothing else, what fails is a result
 */
export async function* diagnose(
  world: World,
  checks: readonly Check[],
): AsyncGenerator<Result, void> {
  /** What stands in the way of others, by the check that has failed or could not run for it. */
  const unmet = new Map<string, Result>()
  for (const check of checks) {
    const { id, title, needs = [] } = check
    const [root] = needs.flatMap((need) => unmet.get(need) ?? [])
    const verdict = root === undefined ? await verdictOf(check, world) : notChecked(root.id)
    const result = { id, title, ...verdict }
    // What is critical works all the same: it makes answers worthless, and stands in nobody else's way.
    if (root?.outcome === 'finding') unmet.set(id, root)
    if (verdict.outcome === 'finding' || verdict.outcome === 'critical') unmet.set(id, result)
    yield result
  }
}

async function verdictOf(check: Check, world: World): Promise<Verdict> {
  try {
    return await check.run(world)
  } catch (error) {
    if (error instanceof Missing) return notChecked(error.message)
    if (!isSecretManagerError(error) || isEnd(error)) throw error
    return failed(error)
  }
}

function isEnd({ code }: SecretManagerError): boolean {
  return code === 'SM_ABORTED' || code === 'SM_CLOSED'
}

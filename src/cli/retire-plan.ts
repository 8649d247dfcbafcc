/** What `retire` is about to close, and the question before it does. */
import { SecretManagerError } from '../errors.ts'
import type { KeyFacts } from '../vault/keyring.ts'
import { processInput } from './input.ts'
import type { Context } from './context.ts'

/** What is to be closed, as far as the key alone says it. */
export interface Plan {
  /** Oldest version that opens now, and then. */
  readonly from: number
  readonly to: number
  /** Oldest version that is not destroyed. */
  readonly available: number
  readonly isIdle: boolean
}

/** Says what retiring all but `keep` old versions would close. */
export function planOf(
  { latestVersion, minDecryptionVersion, minAvailableVersion }: KeyFacts,
  keep: number,
): Plan {
  const from = Math.max(minDecryptionVersion, 1)
  const to = Math.max(latestVersion - keep, from)
  return { from, to, available: Math.max(minAvailableVersion, 1), isIdle: to === from }
}

/** Says a span of versions. */
export function versions(from: number, to: number): string {
  if (to <= from) return `version ${from}`
  return `versions ${from} to ${to}`
}

/** What a person is asked about. */
export interface Question {
  readonly key: string
  readonly plan: Plan
  readonly isTrim: boolean
  /** Whether the answer was given already. */
  readonly isSure: boolean
  /** Whether a cluster is looked at in part alone: what is elsewhere stands in the way of nothing. */
  readonly isPartial: boolean
}

/**
 * Asks before versions are closed: always at a terminal; elsewhere nobody can be, so that what needs an answer is refused.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where nobody can be asked, SM_ABORTED where the answer is no
 */
export async function confirm(
  question: Question,
  { input = processInput(process), interrupt }: Context,
): Promise<void> {
  const { isSure, isTrim, isPartial } = question
  if (isSure || closesNothing(question)) return
  if (input.isTerminal) {
    if (await input.confirm(textOf(question), 'no', interrupt)) return
    throw new SecretManagerError('SM_ABORTED', 'nothing was changed', { hint: 'run it again' })
  }
  if (isTrim) throw unasked(ABOUT_TRIM)
  if (isPartial) throw unasked(ABOUT_PART)
}

function closesNothing({ plan, isTrim }: Question): boolean {
  return isTrim ? plan.to <= plan.available : plan.isIdle
}

function textOf({ key, plan, isTrim, isPartial }: Question): string {
  const { from, to, available } = plan
  const part = isPartial ? 'Only a part of the cluster is looked at. ' : ''
  return isTrim
    ? `${part}Destroy ${versions(available, to - 1)} of ${key}? What is under them, backups too, never opens again.`
    : `${part}Retire ${versions(from, to - 1)} of ${key}? What is under them does not open until unretire.`
}

interface Unasked {
  readonly what: string
  readonly hint: string
}

const ABOUT_TRIM: Unasked = {
  what: 'nobody is here to be asked about --trim',
  hint: '--yes, if the versions are to be destroyed',
}

const ABOUT_PART: Unasked = {
  what: 'nothing was retired: only a part of the cluster would be looked at, and documents elsewhere would not open any more',
  hint: 'name all of it: --inventory FILE, or -A; or --yes, if there is no document of this key elsewhere',
}

function unasked({ what, hint }: Unasked): SecretManagerError {
  return new SecretManagerError('SM_CONFIG_INVALID', what, { hint })
}

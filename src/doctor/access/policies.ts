/** The policies that Vault has, read and judged: which of them let somebody decrypt. */
import { isPathSegments } from '../../lib/names.ts'
import { word } from '../../lib/shell-word.ts'
import { look, textIn, transitPaths } from '../vault.ts'
import { Missing } from '../verdict.ts'
import type { World } from '../world.ts'
import { rulesOf, type PathRule } from './policy-text.ts'
import { mayUpdate } from './policy.ts'

/** What the policies of a role come to. */
export interface Granting {
  /** Those that grant it. */
  readonly policies: readonly string[]
  /** Those that may, and why nobody can tell; each counts as one that does. */
  readonly doubts: readonly string[]
}

/** Makes a judge of the policies that a role names, which reads each of them once. */
export function policyJudge(world: World): (names: readonly string[]) => Promise<Granting> {
  const known = new Map<string, Promise<Policy>>()
  const { decrypt } = transitPaths(world)
  return async (names) => {
    const policies: Policy[] = []
    for (const name of names) {
      const policy = known.get(name) ?? read(world, name)
      known.set(name, policy)
      policies.push(await policy)
    }
    return judged(policies, decrypt)
  }
}

interface Policy {
  readonly name: string
  /** Empty for one that is not there, which Vault gives without a word. */
  readonly rules: readonly PathRule[]
  /** Why its rules are not known. */
  readonly unread?: string | undefined
}

const ROOT: readonly PathRule[] = [{ path: '*', capabilities: ['update'], isCertain: true }]

async function read(world: World, name: string): Promise<Policy> {
  if (name === 'root') return { name, rules: ROOT }
  if (!isPathSegments(name)) {
    return { name, rules: [], unread: `was not read (vault policy read ${word(name)})` }
  }
  try {
    const data = await look(world, `sys/policies/acl/${name}`)
    if (data === undefined) return { name, rules: [] }
    const rules = rulesOf(textIn(data, 'policy'))
    if (rules === undefined) return { name, rules: [], unread: 'could not be understood' }
    // OpenBao forgets a policy at its time, and what it denies with it.
    const isForAWhile = textIn(data, 'expiration') !== ''
    return { name, rules: isForAWhile ? rules.map(uncertain) : rules }
  } catch (error) {
    if (error instanceof Missing) return { name, rules: [], unread: `needs ${error.message}` }
    throw error
  }
}

function uncertain(rule: PathRule): PathRule {
  return { ...rule, isCertain: false }
}

function judged(policies: readonly Policy[], path: string): Granting {
  const isGranted = mayUpdate(rulesIn(policies), path) !== 'no'
  // Whatever they grant together, one of them grants alone; what one grants, another may deny.
  const granting = isGranted ? policies.filter((each) => mayUpdate(each.rules, path) !== 'no') : []
  const sure = granting.filter((each) => mayUpdate(each.rules, path) === 'yes')
  const unsure = granting.filter((each) => !sure.includes(each))
  const unread = policies.filter((each) => each.unread !== undefined)
  return {
    policies: sure.map(({ name }) => name),
    doubts: [
      ...unsure.map(({ name }) => `policy ${name} grants it to some, by a template or for a time`),
      ...unread.map(({ name, unread: why }) => `policy ${name} ${why}: counts as may decrypt`),
    ],
  }
}

function rulesIn(policies: readonly Policy[]): readonly PathRule[] {
  return policies.flatMap(({ rules }) => rules)
}

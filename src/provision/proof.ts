/** What was tried to prove a set-up, and what came of it. */
import type { AppSpec, ClusterSpec } from '../config/provision-file.ts'
import type { Servers } from './servers.ts'

/** One thing that was tried. */
export interface Proof {
  readonly cluster: string
  /** Absent: of what the cluster has for all apps. */
  readonly app?: string | undefined
  /** In words, such as `reader decrypts`. */
  readonly what: string
  readonly expected: 'allowed' | 'refused'
  readonly outcome: 'allowed' | 'refused' | 'not tried'
  /** Why it was not tried. */
  readonly reason?: string | undefined
  /** Whether it is of a set-up that was there before, and stays as wide as it is. */
  readonly isAdopted: boolean
}

/** Who tries, and where. */
export interface Trial {
  readonly servers: Servers
  readonly cluster: ClusterSpec
  readonly app: AppSpec
}

/** What came of a trial. */
export interface Attempted {
  readonly outcome: Proof['outcome']
  readonly reason?: string | undefined
}

/** Whether something is otherwise than it should be; what was not tried says nothing. */
export function isOtherwise({ expected, outcome }: Proof): boolean {
  return outcome !== 'not tried' && outcome !== expected
}

/** Whether something is otherwise than it must be: what was adopted may let in more. */
export function isBroken(proof: Proof): boolean {
  return isOtherwise(proof) && !(proof.isAdopted && proof.expected === 'refused')
}

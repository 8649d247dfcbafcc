/** What every benchmark is given, and what it gives. */
import type { Figure } from './figure.ts'
import type { Installation } from './package.ts'
import type { Rig } from './rig.ts'

/** Things that are expensive to make: each is made on first use and shared. Each rejects with why it cannot be. */
export interface Context {
  /** Rounds; a benchmark may have a minimum of its own. */
  readonly samples: number
  rig(): Promise<Rig>
  installation(): Promise<Installation>
  /** Path of the program that uses node-vault and @kubernetes/client-node; others stand beside it. */
  peers(): Promise<string>
}

/** Measures one headline figure with its parts, the headline first. */
export type Benchmark = (context: Context) => Promise<readonly Figure[]>

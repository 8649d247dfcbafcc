import type { World } from '../core/operation.ts'
import type { TransitKey } from './key.ts'

/** The keys of one mount, and its one setting. */
export interface Keyring {
  readonly keys: Map<string, TransitKey>
  disableUpsert: boolean
  readonly world: World
}

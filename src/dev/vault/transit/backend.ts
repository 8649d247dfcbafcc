/** The Transit secrets engine. https://openbao.org/api-docs/secret/transit/ */
import type { Backend, World } from '../core/operation.ts'
import { backendOf } from '../core/paths.ts'
import { cipherPaths } from './cipher.ts'
import type { TransitKey } from './key.ts'
import { keyPaths } from './keys.ts'

/** The keys of one mount, and its one setting. */
export interface Keyring {
  readonly keys: Map<string, TransitKey>
  disableUpsert: boolean
  readonly world: World
}

/** A Transit engine without keys. */
export function createTransitBackend(world: World): Backend {
  const keyring: Keyring = { keys: new Map(), disableUpsert: false, world }
  return backendOf([...keyPaths(keyring), ...cipherPaths(keyring)])
}

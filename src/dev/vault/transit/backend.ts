/** The Transit secrets engine. https://openbao.org/api-docs/secret/transit/ */
import type { Backend, World } from '../core/operation.ts'
import { backendOf } from '../core/paths.ts'
import { cipherPaths } from './cipher.ts'
import type { Keyring } from './keyring.ts'
import { keyPaths } from './keys.ts'

/** A Transit engine without keys. */
export function createTransitBackend(world: World): Backend {
  const keyring: Keyring = { keys: new Map(), disableUpsert: false, world }
  return backendOf([...keyPaths(keyring), ...cipherPaths(keyring)])
}

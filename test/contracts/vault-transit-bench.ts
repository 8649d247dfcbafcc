import { b64, type VaultClient } from './vault-under-test.ts'
import type { WireAnswer } from './wire.ts'

/** A Transit mount of its own with a key `app`. */
export interface Bench {
  readonly vault: VaultClient
  readonly mount: string
  /** A ciphertext of `hello` under the key `app`. */
  readonly ciphertext: string
  readonly decrypt: (body: object) => Promise<WireAnswer>
}

/** Makes the mount, the key with these settings, and the ciphertext. */
export async function openBench(
  vault: VaultClient,
  settings: object,
  context: string | undefined,
): Promise<Bench> {
  const mount = await vault.transit()
  await vault.data('POST', `${mount}/keys/app`, settings)
  const body = { plaintext: b64('hello'), context }
  const { ciphertext } = await vault.data('POST', `${mount}/encrypt/app`, body)
  const decrypt = (request: object) => vault.call('POST', `${mount}/decrypt/app`, request)
  return { vault, mount, ciphertext, decrypt }
}

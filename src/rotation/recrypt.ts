/** How ciphertexts come to a later version: by Transit's rewrap, or, for old policies, by decrypting and encrypting. */
import type { Core } from '../core.ts'
import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import { inParallel } from '../lib/in-parallel.ts'
import type { Runtime } from '../runtime.ts'
import { keyVersionOf } from '../sealed/raw.ts'
import type { Keyring, RewrapItem, Rewrapped } from '../vault/keyring.ts'

/** Encrypts anew; the result is in the order of the items. */
export type Recrypt = (
  items: readonly RewrapItem[],
  signal: AbortSignal,
) => Promise<readonly Rewrapped[]>

/** How often a standby that lags behind is asked again, and how long it is given each time. */
const LAG_TRIES = 5
const LAG_MS = 400

/** Gives Transit's batch rewrap: no plaintext leaves Vault. */
export function rewrapper(
  { calls }: Core,
  keyring: Keyring,
  transitKey: string,
  runtime: Runtime,
): (latest: number) => Recrypt {
  return (latest) => async (items, signal) => {
    const results = new Map<RewrapItem, Rewrapped>()
    let asked = items
    for (let tries = 1; asked.length > 0; tries += 1) {
      const some = asked
      const answers = await calls.run({ signal }, (allowance) =>
        keyring.rewrap(allowance, transitKey, some),
      )
      for (const [at, item] of some.entries()) {
        const answer = answers[at]
        if (answer) results.set(item, tries === LAG_TRIES ? behindLatest(answer, latest) : answer)
      }
      asked = tries === LAG_TRIES ? [] : some.filter((item) => isLagging(results.get(item), latest))
      if (asked.length > 0) await runtime.sleep(LAG_MS, signal)
    }
    return items.map((item) => results.get(item) ?? lost())
  }
}

function isLagging(result: Rewrapped | undefined, latest: number): boolean {
  return result !== undefined && 'keyVersion' in result && result.keyVersion < latest
}

function behindLatest(result: Rewrapped, latest: number): Rewrapped {
  if (!isLagging(result, latest)) return result
  const message = `a standby rewraps to an older version than ${latest}`
  return { error: new SecretManagerError('SM_VAULT_STALE_REPLICA', message) }
}

function lost(): Rewrapped {
  return { error: new SecretManagerError('SM_VAULT_BAD_RESPONSE', 'a document was not rewrapped') }
}

/** Documents that are in plaintext at once. */
const OPEN_AT_ONCE = 4

/**
 * Decrypts and encrypts in memory, byte for byte, and opens the result before it is used. This sees
 * plaintext: it is for policies that know no rewrap.
 */
export function recrypter(
  { calls, connections }: Core,
  transitKey: string,
): (latest: number) => Recrypt {
  const { transit } = connections
  return (latest) => (items, signal) =>
    inParallel(items, OPEN_AT_ONCE, async ({ ciphertext, context }): Promise<Rewrapped> => {
      const plaintexts: Uint8Array[] = []
      const open = async (text: string): Promise<Uint8Array> => {
        const plaintext = await calls.run({ signal }, (it) =>
          transit.decrypt(it, transitKey, text, context),
        )
        plaintexts.push(plaintext)
        return plaintext
      }
      try {
        const plaintext = await open(ciphertext)
        const again = await calls.run({ signal }, (allowance) =>
          transit.encrypt(allowance, transitKey, plaintext, context),
        )
        const isSame = Buffer.compare(plaintext, await open(again)) === 0
        if (!isSame) return differs()
        return behindLatest({ ciphertext: again, keyVersion: keyVersionOf(again) }, latest)
      } catch (error) {
        if (!isSecretManagerError(error) || error.component !== 'ciphertext') throw error
        return { error }
      } finally {
        for (const plaintext of plaintexts) plaintext.fill(0)
      }
    })
}

function differs(): Rewrapped {
  const message = 'a document that was encrypted again does not open as what it was'
  return { error: new SecretManagerError('SM_VAULT_BAD_RESPONSE', message) }
}

/**
 * Initialisation, sealing and unsealing.
 *
 * A sealed embedded Vault refuses service like a real one, but its data stays in this process's
 * memory as it is: nothing here protects it from the process itself.
 */
import { refusal } from '../core/failure.ts'
import type { World } from '../core/operation.ts'
import { randomUuid } from '../core/random.ts'
import { combine, split } from './shamir.ts'

/** What `sys/seal-status` tells of the state. */
export interface SealState {
  readonly initialized: boolean
  readonly sealed: boolean
  readonly threshold: number
  readonly shares: number
  readonly progress: number
  readonly nonce: string
}

/** The seal of one Vault. */
export interface Seal {
  state(): SealState
  /** Makes the root key and gives its shares; the seal is closed then. @throws VaultFailure */
  initialize(shares: number, threshold: number): readonly Uint8Array[]
  seal(): void
  /** Takes one share. @throws VaultFailure when it cannot be one, or the key is wrong */
  unseal(share: Uint8Array): void
  reset(): void
}

const KEY_BYTES = 32
const MIN_SHARE_BYTES = 16
/** A share is the key and one byte of x. */
const MAX_SHARE_BYTES = KEY_BYTES + 1

const WRONG_KEY =
  'unable to retrieve stored keys: invalid key: failed to decrypt keys from storage: ' +
  'cipher: message authentication failed'

/** Whether `length` can be that of a share. */
export function isShareLength(length: number): boolean {
  return length >= MIN_SHARE_BYTES && length <= MAX_SHARE_BYTES
}

/** A seal that was never initialised. */
export function createSeal({ randomBytes }: World): Seal {
  let key: Buffer | undefined
  let config = { shares: 0, threshold: 0 }
  let sealed = true
  let given: Uint8Array[] = []
  let nonce = ''

  const reset = (): void => {
    given = []
    nonce = ''
  }
  return {
    state: () => ({
      ...config,
      initialized: key !== undefined,
      sealed,
      progress: given.length,
      nonce,
    }),
    initialize(shares, threshold) {
      if (key) throw refusal('Vault is already initialized')
      checkConfig(shares, threshold)
      config = { shares, threshold }
      key = Buffer.from(randomBytes(KEY_BYTES))
      return split(key, shares, threshold, randomBytes)
    },
    seal() {
      sealed = true
      reset()
    },
    unseal(share) {
      if (!key) throw refusal('Vault is not initialized')
      checkLength(share.length)
      if (!sealed || given.some((known) => Buffer.from(known).equals(share))) return
      if (nonce === '') nonce = randomUuid(randomBytes)
      given.push(share)
      if (given.length < config.threshold) return
      const matches = key.equals(combine(given))
      reset()
      if (!matches) throw refusal(WRONG_KEY)
      sealed = false
    },
    reset,
  }
}

function checkConfig(shares: number, threshold: number): void {
  const problem = configProblem(shares, threshold)
  if (problem) throw refusal(`invalid seal configuration: ${problem}`)
}

function configProblem(shares: number, threshold: number): string | undefined {
  if (shares < 1) return 'shares must be at least one'
  if (threshold < 1) return 'threshold must be at least one'
  if (shares > 1 && threshold === 1) return 'threshold must be greater than one for multiple shares'
  if (shares > 255) return 'shares must be less than 256'
  if (threshold > 255) return 'threshold must be less than 256'
  return threshold > shares ? 'threshold cannot be larger than shares' : undefined
}

function checkLength(length: number): void {
  if (length < MIN_SHARE_BYTES) {
    throw refusal(`invalid key: key is shorter than minimum ${MIN_SHARE_BYTES} bytes`)
  }
  if (length > MAX_SHARE_BYTES) {
    throw refusal(`invalid key: key is longer than maximum ${MAX_SHARE_BYTES} bytes`)
  }
}

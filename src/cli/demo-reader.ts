import { isSecretManagerError, SecretManagerError } from '../errors.ts'
import type { SecretManager } from '../manager.ts'
import type { SecretDefinition } from '../config/types.ts'
import type { Runtime } from '../runtime.ts'
import type { SecretValues } from '../values.ts'

/** Between two reads, in milliseconds: what is shown beside needs the same processor. */
const PAUSE_MS = 5

/** A service that reads all the while, each time from the servers. */
export class Reader {
  succeeded = 0
  failed = 0
  readonly #end = new AbortController()
  readonly #running: Promise<void>
  readonly #waiting = new Set<(read: SecretValues) => void>()

  constructor(
    service: SecretManager,
    definition: SecretDefinition,
    runtime: Runtime,
    signal: AbortSignal,
  ) {
    this.#running = this.#read(service, definition, runtime, signal)
    // Told by end().
    this.#running.catch(() => undefined)
  }

  /**
   * Waits until what is read is as it should be.
   *
   * @throws {@link SecretManagerError} SM_ABORTED
   */
  async until(isSo: (read: SecretValues) => boolean): Promise<void> {
    const seen = new Promise<void>((resolve) => {
      const look = (read: SecretValues): void => {
        if (!isSo(read)) return
        this.#waiting.delete(look)
        resolve()
      }
      this.#waiting.add(look)
    })
    const isOver = await Promise.race([seen, this.#running.then(() => true)])
    if (isOver === true) throw new SecretManagerError('SM_ABORTED', 'the service reads no more')
  }

  /** Ends it with the read that is under way. */
  async end(): Promise<void> {
    this.#end.abort()
    await this.#running
  }

  async #read(
    service: SecretManager,
    definition: SecretDefinition,
    runtime: Runtime,
    signal: AbortSignal,
  ): Promise<void> {
    while (!this.#end.signal.aborted && !signal.aborted) {
      try {
        const read = await service.readSecrets(definition, { signal, fresh: true })
        this.succeeded += 1
        for (const look of this.#waiting) look(read)
      } catch (error) {
        if (!isSecretManagerError(error)) throw error
        if (!signal.aborted) this.failed += 1
      }
      await runtime.sleep(PAUSE_MS, this.#end.signal)
    }
  }
}

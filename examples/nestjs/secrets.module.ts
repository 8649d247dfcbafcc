import { Inject, Logger, Module, type OnApplicationShutdown } from '@nestjs/common'
import { loadConfig, SecretManager } from 'secretmanager'

import { logEvents } from '../events.ts'

/** Gives one SecretManager to whoever injects it. */
@Module({
  providers: [
    {
      provide: SecretManager,
      useFactory: async () => new SecretManager(await loadConfig()),
    },
  ],
  exports: [SecretManager],
})
export class SecretsModule implements OnApplicationShutdown {
  readonly #logger = new Logger('secrets')
  readonly #stopLogging = logEvents((line) => this.#logger.warn(line))

  // The token is named, so that no compiler has to emit the types of parameters.
  constructor(@Inject(SecretManager) private readonly secrets: SecretManager) {}

  /** Nest calls it when the server is closed and the last request answered. */
  async onApplicationShutdown(): Promise<void> {
    await this.secrets.close()
    this.#stopLogging()
  }
}

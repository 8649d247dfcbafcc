import { Catch, Controller, Get, HttpStatus, Inject, Logger, Module, Query } from '@nestjs/common'
import { ServiceUnavailableException } from '@nestjs/common'
import type { ArgumentsHost, ExceptionFilter } from '@nestjs/common'
import { APP_FILTER } from '@nestjs/core'
import type { Response } from 'express'
import { SecretManager, SecretManagerError } from 'secretmanager'

import { readiness, sign, type Readiness } from '../secrets.ts'
import { SecretsModule } from './secrets.module.ts'

@Controller()
class HealthController {
  constructor(@Inject(SecretManager) private readonly secrets: SecretManager) {}

  @Get('healthz')
  alive(): { alive: true } {
    return { alive: true }
  }

  @Get('readyz')
  ready(): Readiness {
    const state = readiness(this.secrets)
    if (state.ready) return state
    throw new ServiceUnavailableException(state)
  }
}

@Controller()
class SignController {
  constructor(@Inject(SecretManager) private readonly secrets: SecretManager) {}

  @Get('sign')
  async sign(@Query('text') text: string): Promise<{ signature: string }> {
    return { signature: await sign(this.secrets, text) }
  }
}

/** While there are no secrets, the client is told that and no more; the log has the reason. */
@Catch(SecretManagerError)
class SecretsFilter implements ExceptionFilter<SecretManagerError> {
  readonly #logger = new Logger('secrets')

  catch(error: SecretManagerError, host: ArgumentsHost): void {
    this.#logger.error(error.toJSON())
    const response = host.switchToHttp().getResponse<Response>()
    response.status(HttpStatus.SERVICE_UNAVAILABLE).json({ error: 'unavailable' })
  }
}

@Module({
  imports: [SecretsModule],
  controllers: [HealthController, SignController],
  providers: [{ provide: APP_FILTER, useClass: SecretsFilter }],
})
export class AppModule {}

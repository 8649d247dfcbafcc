import 'reflect-metadata'
import { NestFactory } from '@nestjs/core'

import { AppModule } from './app.module.ts'

const app = await NestFactory.create(AppModule)
// On SIGTERM Nest closes the server, then calls onApplicationShutdown.
app.enableShutdownHooks(['SIGTERM'])
await app.listen(process.env.PORT ?? 3000, process.env.HOST ?? '0.0.0.0')
console.log(`listening on ${await app.getUrl()}`)

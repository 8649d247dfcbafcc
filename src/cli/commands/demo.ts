import { inspect } from 'node:util'

import type { Command } from 'commander'

import { isSecretManagerError, SecretManagerError } from '../../errors.ts'
import { SecretManager } from '../../manager.ts'
import type { Runtime } from '../../runtime.ts'
import { names } from '../../values.ts'
import { dim, paragraph, seconds, strong, type Output } from '../output.ts'
import type { Context } from '../program.ts'

/** Adds `secretmanager demo`: the whole pattern in a few seconds, with nothing but this package. */
export function addDemoCommand(program: Command, context: Context): void {
  program
    .command('demo')
    .description('show the whole pattern at work, on servers in this process')
    .action(() => demo(context))
}

async function demo({ runtime, output, interrupt }: Context): Promise<void> {
  const { data } = output
  // Loaded on use: no other command needs a server.
  const { startDemo } = await import('../../dev/demo.ts')
  const step = steps(runtime, output)
  const world = await step('start a Vault and a Kubernetes on loopback, with TLS', () =>
    startDemo(runtime),
  )
  try {
    const { definition, config } = world
    await step(
      'provision a Transit key, a policy to decrypt, a role for one account',
      world.provision,
    )
    await step('seal the sample dictionary into a Secret', world.seal)
    paragraph(data, `stored: ${await world.stored()}`)

    await using service = new SecretManager(config, { runtime: await world.pod('app') })
    const options = { signal: interrupt }
    const secrets = await step('a service reads it with its ServiceAccount', () =>
      service.readSecrets(definition, options),
    )
    paragraph(data, `entries: ${names(secrets).join(', ')}; in a log it is ${inspect(secrets)}`)

    await step('rotate the key', world.rotate)
    await step('the service reads on: old versions still open', () =>
      service.readSecrets(definition, options),
    )
    await step('seal anew, with the new version of the key', world.seal)
    paragraph(data, `stored: ${await world.stored()}`)
    await step('the service reads the new document', () => service.readSecrets(definition, options))

    await using stranger = new SecretManager(config, { runtime: await world.pod('stranger') })
    const refusal = await step('another ServiceAccount is refused, and told why', () =>
      refusalOf(stranger.readSecrets(definition, options)),
    )
    paragraph(data, refusal.message)
    paragraph(data, `try: ${refusal.hint}`)
  } finally {
    await world.close()
  }
  data.line('demo ok')
}

type Step = <T>(title: string, work: () => Promise<T>) => Promise<T>

function steps(runtime: Runtime, { data }: Output): Step {
  return async (title, work) => {
    const begun = runtime.now()
    const result = await work()
    const took = dim(data, `(${seconds(runtime.now() - begun)})`)
    data.line(`${strong(data, '✓')} ${title} ${took}`)
    return result
  }
}

async function refusalOf(promise: Promise<unknown>): Promise<SecretManagerError> {
  const error: unknown = await promise.catch((reason: unknown) => reason)
  if (isSecretManagerError(error) && error.component !== 'client') return error
  throw new SecretManagerError('SM_INTERNAL', 'a stranger was let in')
}

import { inspect } from 'node:util'

import type { Command } from 'commander'

import type { DemoWorld } from '../../dev/demo.ts'
import { isSecretManagerError, SecretManagerError } from '../../errors.ts'
import { SecretManager } from '../../manager.ts'
import { isBroken } from '../../provision/proof.ts'
import type { Runtime } from '../../runtime.ts'
import { names } from '../../values.ts'
import { Reader } from '../demo-reader.ts'
import { beginning, showRotation, type Step } from '../demo-rotation.ts'
import { dim, paragraph, seconds, strong, type Output } from '../output.ts'
import type { Context } from '../context.ts'

/** Adds `secretmanager demo`: the whole pattern in a few seconds, with nothing but this package. */
export function addDemoCommand(program: Command, context: Context): void {
  program
    .command('demo')
    .description('show the whole pattern at work, on servers in this process')
    .action(() => demo(context))
}

async function demo(context: Context): Promise<void> {
  const { runtime, output } = context
  // Loaded on use: no other command needs a server.
  const { startDemo } = await import('../../dev/demo.ts')
  const step = steps(runtime, output)
  const world = await step('start a Vault and a Kubernetes on loopback, with TLS', () =>
    startDemo(runtime),
  )
  try {
    await show(world, step, context)
  } finally {
    await world.close()
  }
  output.data.line('demo ok')
}

async function show(world: DemoWorld, step: Step, context: Context): Promise<void> {
  const { runtime, output, interrupt: signal } = context
  const { data } = output
  const { definition, config } = world
  const proofs = await step('provision a Transit key, and who may do what with it', () =>
    world.provision(),
  )
  const broken = proofs.filter(isBroken)
  if (broken.length > 0) throw new SecretManagerError('SM_INTERNAL', 'a proof of provision failed')
  paragraph(data, `tried: ${proofs.length} things that must work, or must be refused`)
  await step('seal the sample dictionary into a Secret', () => world.seal())
  paragraph(data, `stored: ${beginning(await world.stored())}`)

  await using service = new SecretManager(config, { runtime: await world.pod('app') })
  const secrets = await step('a service reads it with its ServiceAccount', () =>
    service.readSecrets(definition, { signal }),
  )
  paragraph(data, `entries: ${names(secrets).join(', ')}; in a log it is ${inspect(secrets)}`)

  const reader = new Reader(service, definition, runtime, signal)
  try {
    await step('seal anew, with another entry, while the service reads on', async () => {
      await world.seal({ smtp_password: 'sample-9876543210' })
      await reader.until((dictionary) => names(dictionary).includes('smtp_password'))
    })
    await showRotation(world, step, context)
  } finally {
    await reader.end()
  }
  paragraph(data, `the service read ${reader.succeeded} times meanwhile, ${reader.failed} failed`)
  if (reader.failed > 0) throw new SecretManagerError('SM_INTERNAL', 'a read failed meanwhile')

  await using stranger = new SecretManager(config, { runtime: await world.pod('stranger') })
  const refusal = await step('another ServiceAccount is refused, and told why', () =>
    refusalOf(stranger.readSecrets(definition, { signal })),
  )
  paragraph(data, refusal.message)
  paragraph(data, `try: ${refusal.hint}`)
}

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

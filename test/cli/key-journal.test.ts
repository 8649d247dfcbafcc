/** Where the journal of a rotation lies: one for everybody, whatever their contexts say. */
import { beforeEach, describe, expect, test } from 'vitest'

import { parseConfig } from '../../src/config/schema.ts'
import { closeCore, createCore } from '../../src/core.ts'
import { expect2xx } from '../../src/dev/wire.ts'
import { KeyJob } from '../../src/rotation/job.ts'
import type { Runtime } from '../../src/runtime.ts'
import { intercepted, operatorRuntime } from './authoring-world.ts'
import {
  BY_CONTEXT,
  BY_KEY,
  everything,
  keyWorld,
  runKey,
  versionsOf,
  type KeyWorld,
} from './key-world.ts'
import type { Ran } from './world.ts'

const NAME = 'secretmanager-rotation-app'

let world: KeyWorld

beforeEach(async () => {
  world = await keyWorld('one')
  const { stack, plan } = world
  for (const name of ['ops', 'team']) {
    const body = { metadata: { name } }
    const path = '/api/v1/namespaces'
    expect2xx(
      'POST',
      path,
      await stack.kubernetesWire('POST', path, { token: plan.adminToken, body }),
    )
  }
})

const FILES = {
  '/file.yaml': `clusters: [{ scan: [app] }]`,
  '/apps.yaml': `clusters: [{ scan: [app] }]\napps: [{ name: other, namespace: team }, { name: app, namespace: app }]`,
}

/** Whose context points to that namespace. */
function operatorIn(namespace: string): Runtime {
  return operatorRuntime({ ...world, plan: { ...world.plan, namespace } }, FILES)
}

function rotateFrom(namespace: string, ...args: readonly string[]): Promise<Ran> {
  return runKey(world, ['rotate', ...BY_KEY, ...args], operatorIn(namespace))
}

const BY_FILE = ['--inventory', '/file.yaml']

/** Namespaces that have one. */
async function journals(): Promise<readonly string[]> {
  const { stack, plan } = world
  const spaces = ['app', 'default', 'ops', 'team']
  const found = await Promise.all(
    spaces.map(async (namespace) => {
      const path = `/api/v1/namespaces/${namespace}/configmaps/${NAME}`
      const { status } = await stack.kubernetesWire('GET', path, { token: plan.adminToken })
      return status === 200 ? [namespace] : []
    }),
  )
  return found.flat()
}

describe('of an inventory', () => {
  test('it lies where the file says, whoever begins it, and nothing has to be said', async () => {
    const first = await rotateFrom('ops', ...BY_FILE)
    expect(first).toMatchObject({ code: 0 })
    expect(first.stderr).not.toContain('the journal is')
    expect(await journals()).toEqual(['app'])
    const second = await rotateFrom('default', ...BY_FILE)
    expect(second).toMatchObject({ code: 0 })
    expect(second.stderr).not.toContain('the journal is')
    expect(await journals()).toEqual(['app'])
  })

  test('a run that did not end is found from another context', async () => {
    const person = new AbortController()
    const runtime = intercepted(operatorIn('ops'), (request) => {
      if (request.includes('/rewrap/')) person.abort('SIGINT')
      return undefined
    })
    const args = ['rotate', ...BY_KEY, ...BY_FILE]
    expect(await runKey(world, args, runtime, undefined, person.signal)).toMatchObject({
      code: 130,
    })
    const again = await rotateFrom('default', ...BY_FILE)
    expect(again.stderr).toContain('did not end: this one goes on with it')
    expect(await versionsOf(world)).toMatchObject({ latest: 2 })
  })

  test('one that is reached in two ways is one', async () => {
    await rotateFrom('app', ...BY_FILE)
    const again = await rotateFrom('app', ...BY_FILE)
    expect(again).toMatchObject({ code: 0 })
    expect(again.stderr).not.toContain('the journal is')
  })

  test('an app that has the key says the namespace', async () => {
    expect(await rotateFrom('ops', '--inventory', '/apps.yaml')).toMatchObject({ code: 0 })
    expect(await journals()).toEqual(['app'])
  })

  test('one that was begun by a context is gone on with, and that is said', async () => {
    await rotateFrom('ops', '-n', 'app')
    expect(await journals()).toEqual(['ops'])
    const ran = await rotateFrom('ops', ...BY_FILE)
    expect(ran).toMatchObject({ code: 0 })
    expect(ran.stderr).toContain(`the journal is ConfigMap ops/${NAME}, where it was begun\n`)
    expect(await journals()).toEqual(['ops'])
  })
})

describe('without one', () => {
  test('it lies where the context points, and that is said', async () => {
    const ran = await rotateFrom('ops', '-n', 'app')
    expect(ran.stderr).toContain(BY_CONTEXT.replace('ConfigMap app/', 'ConfigMap ops/'))
    expect(await journals()).toEqual(['ops'])
  })

  test('one in a namespace that is looked through is found', async () => {
    await rotateFrom('app')
    const ran = await rotateFrom('ops', '-n', 'app')
    expect(ran.stderr).toContain(`the journal is ConfigMap app/${NAME}, where it was begun\n`)
    expect(await journals()).toEqual(['app'])
  })

  test('a namespace that is named is no guess', async () => {
    const named = await rotateFrom('ops', '--journal-namespace', 'team')
    expect(named.stderr).not.toContain('the journal is')
    expect(await journals()).toEqual(['team'])
    expect((await rotateFrom('app', '-n', 'app')).stderr).not.toContain('the journal is')
  })
})

describe('two journals', () => {
  beforeEach(async () => {
    await rotateFrom('app')
    await rotateFrom('ops', '--journal-namespace', 'ops')
    expect(await journals()).toEqual(['app', 'ops'])
  })

  test.each([['rotate'], ['retire', '--keep', '2'], ['rotate', '--dry-run']])(
    'stop %s %s %s, until it is said which',
    async (...command) => {
      const before = await everything(world)
      const args = [...command, ...BY_KEY, ...BY_FILE]
      const ran = await runKey(world, args, operatorIn('ops'))
      expect(ran).toMatchObject({ code: 2, stdout: '' })
      expect(ran.stderr).toContain(`ConfigMap app/${NAME} and ConfigMap ops/${NAME}`)
      expect(await everything(world)).toEqual(before)
      const said = await runKey(world, [...args, '--journal-namespace', 'app'], operatorIn('ops'))
      expect(said).toMatchObject({ code: 0 })
    },
  )

  test('are told by status, which shows the rest', async () => {
    const ran = await runKey(world, ['status', ...BY_KEY, ...BY_FILE], operatorIn('ops'))
    expect(ran).toMatchObject({ code: 8 })
    expect(ran.stdout.replaceAll(/\s+/g, ' ')).toContain(
      'last rotation: not known: there are two journals of the Transit key app: ConfigMap',
    )
    expect(ran.stdout).toContain('documents:     1 behind\n')
  })
})

test('a question to Vault that was given up is asked anew by the next', async () => {
  const person = new AbortController()
  const runtime = intercepted(world.operator, (request) => {
    if (request === 'GET /v1/sys/seal-status') person.abort()
    return undefined
  })
  const vault = { url: 'https://vault.test:8200', auth: { method: 'token' } }
  const settings = parseConfig({ vault, kubernetes: { kubeconfig: '/kubeconfig' } })
  await rotateFrom('app')
  const core = createCore(settings, runtime)
  const key = { mount: 'transit', transitKey: 'app' }
  const parts = { core, runtime, key, sites: [], journal: 'app', isCompat: false }
  const { journal } = new KeyJob(parts)
  await expect(journal.read(person.signal)).rejects.toMatchObject({ code: 'SM_ABORTED' })
  const { signal } = new AbortController()
  await expect(journal.read(signal)).resolves.toMatchObject({ journal: { phase: 'done' } })
  await closeCore(core)
})

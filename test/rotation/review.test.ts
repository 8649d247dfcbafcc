/** Faults that were found by reading: each row was a way to retire too early, to rotate unseen, or to steer a terminal. */
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, relative } from 'node:path'

import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { parseConfig } from '../../src/config/schema.ts'
import { closeCore, createCore } from '../../src/core.ts'
import { Clusters } from '../../src/rotation/sites.ts'
import { rotate } from '../../src/rotation/rotate.ts'
import { operatorRuntime } from '../cli/authoring-world.ts'
import {
  BY_KEY,
  changeKey,
  keyWorld,
  lineOf,
  putLine,
  runKey,
  versionsOf,
  type KeyWorld,
} from '../cli/key-world.ts'
import { optionsOf, rotationWorld } from './rotation-world.ts'

describe('I21: what was not looked at stands in the way of a retirement', () => {
  let world: KeyWorld
  let directory: string

  beforeEach(async () => {
    world = await keyWorld('one', 'two')
    directory = await realpath(await mkdtemp(join(tmpdir(), 'secretmanager-review-')))
  })

  afterEach(() => rm(directory, { recursive: true }))

  const RETIRE = ['retire', ...BY_KEY, '--keep', '0']

  test('files alone are no look at the cluster, of which one object was rotated', async () => {
    const one = ['one', ...BY_KEY, '--key', 'secrets.json']
    expect(await runKey(world, ['rotate', ...one])).toMatchObject({ code: 0 })
    const ran = await runKey(world, [...RETIRE, '--files', directory])
    expect(ran).toMatchObject({ code: 2 })
    expect(ran.stderr).toContain('--inventory FILE, or -A')
    expect(await versionsOf(world)).toMatchObject({ latest: 2, decrypt: 1 })
  })

  test('a namespace that is not there is not an empty one', async () => {
    const runtime = operatorRuntime(world, { '/inventory.yaml': 'clusters: [{ scan: [ap] }]' })
    const inventory = ['--inventory', '/inventory.yaml']
    const mistyped = await runKey(world, ['rotate', ...BY_KEY, ...inventory], runtime)
    expect(mistyped).toMatchObject({ code: 4 })
    expect(mistyped.stderr).toContain('nothing was changed: ')
    expect(await versionsOf(world)).toMatchObject({ latest: 1 })
    await runKey(world, ['rotate', ...BY_KEY])
    expect((await runKey(world, [...RETIRE, ...inventory], runtime)).code).not.toBe(0)
    expect(await versionsOf(world)).toMatchObject({ latest: 2, decrypt: 1 })
  })

  test.each([
    [
      'values of a chart',
      8,
      (line: string) => `kind: HelmRelease\nspec: { values: { a: '${line}' } }`,
    ],
    [
      'the copy of kubectl apply',
      0,
      (line: string) => `apiVersion: v1
kind: Secret
metadata:
  name: other
  annotations:
    kubectl.kubernetes.io/last-applied-configuration: |
      {"data":{"a":"${Buffer.from(line).toString('base64')}"}}`,
    ],
  ])('beside a ConfigMap in one file, %s: exit %i', async (_what, code, besides) => {
    const configMap = 'apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\ndata: { a: b }\n'
    const text = `${configMap}---\n${besides(await lineOf(world, 'one'))}\n`
    const path = join(directory, 'all.yaml')
    await writeFile(path, text)
    const runtime = operatorRuntime(world, { [path]: text })
    await runKey(world, ['rotate', ...BY_KEY])
    const ran = await runKey(world, [...RETIRE, '-A', '--files', directory], runtime)
    expect(ran).toMatchObject({ code })
    expect(await versionsOf(world)).toMatchObject({ decrypt: code === 0 ? 2 : 1 })
  })

  test.each([
    ['app.properties', 8, (line: string) => `# ours\nsealed=${line}\n`],
    ['.env', 8, (line: string) => `SEALED=${Buffer.from(line).toString('base64')}\n`],
    ['README.md', 0, () => 'What Vault says begins with `vault:v1:`, or `sealed:v1:`.\n'],
  ])('what a manifest may be made from, %s: exit %i', async (name, code, content) => {
    const text = content(await lineOf(world, 'one'))
    const path = join(directory, name)
    await writeFile(path, text)
    const runtime = operatorRuntime(world, { [path]: text })
    await runKey(world, ['rotate', ...BY_KEY])
    const ran = await runKey(world, [...RETIRE, '-A', '--files', directory], runtime)
    expect(ran).toMatchObject({ code })
    expect(ran.stderr.includes(`files, ${directory} was not looked at completely`)).toBe(code === 8)
    expect(await versionsOf(world)).toMatchObject({ decrypt: code === 0 ? 2 : 1 })
  })

  test('a directory is one place however it is named, and of two repositories it is two', async () => {
    const [ours, theirs] = [join(directory, 'a/deploy'), join(directory, 'b/deploy')]
    await mkdir(ours, { recursive: true })
    await mkdir(theirs, { recursive: true })
    const names = [relative('.', ours), `${ours}/`, ours, theirs]
    for (const name of names) await runKey(world, ['rotate', ...BY_KEY, '--files', name])
    const { stdout } = await runKey(world, ['status', ...BY_KEY, '-A'])
    const recorded = stdout.replaceAll(/\s+/g, ' ').match(/(?<=also recorded: )[^ ]+ [^ ]+,/g)
    expect(recorded).toEqual([`files, ${ours},`, `files, ${theirs},`])
    const forget = ['--forget', `files, ${ours}`, `files, ${theirs}`]
    await runKey(world, [...RETIRE, '-A', ...forget])
    expect((await runKey(world, ['status', ...BY_KEY, '-A'])).stdout).not.toContain('also recorded')
  })

  test('two clusters that are reached the same way are one', async () => {
    await runKey(world, ['rotate', ...BY_KEY])
    const clusters = 'clusters: [{ name: east, scan: true }, { name: west, scan: true }]'
    const runtime = operatorRuntime(world, { '/inventory.yaml': clusters })
    const ran = await runKey(world, [...RETIRE, '--inventory', '/inventory.yaml'], runtime)
    expect(ran).toMatchObject({ code: 2 })
    expect(ran.stderr).toContain('the clusters east and west of the inventory')
    expect(await versionsOf(world)).toMatchObject({ decrypt: 1 })
  })

  test('in a pod, the cluster of a context is not taken for its own', async () => {
    const vault = { url: 'https://vault.test:8200', auth: { method: 'token', token: 'none' } }
    const core = createCore(parseConfig({ vault }), world.runtime)
    const connect = new Clusters(core, world.runtime).connect('east')
    const signal = new AbortController().signal
    await expect(core.calls.run({ signal }, connect)).rejects.toMatchObject({
      code: 'SM_CONFIG_INVALID',
      message: 'the context "east" cannot be followed: in a pod no kubeconfig is read',
    })
    await closeCore(core)
  })
})

describe('a rotation that was asked for', () => {
  test('is done, though the clock of who rotated last was ahead', async () => {
    const world = rotationWorld()
    await rotate(world.parts(), optionsOf())
    const { runtime } = world
    const behind = { ...runtime, wallClock: () => runtime.wallClock() - 60_000 }
    await rotate(world.parts({ runtime: behind }), optionsOf())
    expect(world.added).toBe(2)
  })

  test('V15: is not done while the replica that was asked for its version lags behind', async () => {
    const world = rotationWorld()
    const ask = (): Promise<number> => {
      world.version += 1
      return Promise.resolve(1)
    }
    const lagging = world.parts({
      rotate: ask,
      facts: () => Promise.resolve({ latestVersion: 1, createdAt: new Map() }),
    })
    await expect(rotate(lagging, optionsOf())).rejects.toMatchObject({
      code: 'SM_VAULT_STALE_REPLICA',
    })
    expect(await world.journal()).toMatchObject({ phase: 'rotating' })
    expect(await rotate(world.parts(), optionsOf())).toMatchObject({ to: 2, isDone: true })
    expect(world).toMatchObject({ version: 2, documentVersion: 2 })
  })
})

test.each(['status', 'retire'])(
  '%s: who writes the journal does not steer a terminal',
  async (it) => {
    const world = await keyWorld('one')
    await runKey(world, ['rotate', ...BY_KEY])
    await forge(world, (journal) => {
      const old = journal.replaceAll(/"at":"20\d\d/g, '"at":"2001')
      return old.replaceAll(/cluster default[^"]*/g, String.raw`cluster x\u001b[2J`)
    })
    const ran = await runKey(world, [it, ...BY_KEY, '-A', ...(it === 'retire' ? ['--yes'] : [])])
    expect(`${ran.stdout}${ran.stderr}`).not.toContain('\u001B')
  },
)

describe('I4: a retirement that did not end goes on', () => {
  const RETIRE = ['retire', ...BY_KEY, '-A', '--keep', '0']
  let world: KeyWorld
  let old: string

  beforeEach(async () => {
    world = await keyWorld('one')
    old = await lineOf(world, 'one')
    await runKey(world, ['rotate', ...BY_KEY])
    await runKey(world, RETIRE)
    await runKey(world, ['rotate', ...BY_KEY])
    await runKey(world, RETIRE)
    await forge(world, (journal) => {
      return journal.replace(/("retirement":\{"phase":)"done"/, '$1"raising"')
    })
    expect(await versionsOf(world)).toMatchObject({ latest: 3, decrypt: 3 })
  })

  test('though versions were destroyed meanwhile', async () => {
    await changeKey(world, 'trim', { min_available_version: 3 })
    expect(await runKey(world, RETIRE)).toMatchObject({ code: 0 })
    expect(await versionsOf(world)).toMatchObject({ decrypt: 3, available: 3 })
  })

  test('I2: and does not close what unretire opened meanwhile', async () => {
    await runKey(world, ['unretire', ...BY_KEY])
    await putLine(world, 'one', old)
    expect(await runKey(world, RETIRE)).toMatchObject({ code: 8 })
    expect(await versionsOf(world)).toMatchObject({ decrypt: 1 })
  })
})

test('--compat says that it sees plaintext in a rehearsal, too', async () => {
  const world = await keyWorld('one')
  const ran = await runKey(world, ['rotate', ...BY_KEY, '--compat', '--dry-run'])
  expect(ran.stderr).toContain('--compat: documents are decrypted and encrypted here')
})

/** Changes the text of the journal, as who may write ConfigMaps can. */
async function forge({ stack, plan }: KeyWorld, change: (text: string) => string): Promise<void> {
  const path = `/api/v1/namespaces/${plan.namespace}/configmaps/secretmanager-rotation-app`
  const token = plan.adminToken
  const { body } = await stack.kubernetesWire('GET', path, { token })
  const { data, ...rest } = body as { data: Record<string, string> }
  const text = change(data['journal.json'] ?? '')
  const forged = { ...rest, data: { 'journal.json': text } }
  expect(await stack.kubernetesWire('PUT', path, { token, body: forged })).toMatchObject({
    status: 200,
  })
}

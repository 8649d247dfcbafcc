/** `rewrap --files`: manifests in a repository, for who has Vault and no cluster. */
import { readFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { beforeEach, expect, test } from 'vitest'

import type { Runtime } from '../../src/runtime.ts'
import { secretYaml } from '../authoring/lines.ts'
import { intercepted } from './authoring-world.ts'
import {
  asWho,
  BY_KEY,
  changeKey,
  jsonLines,
  keyWorld,
  lineOf,
  ROTATOR,
  runKey,
  versionsOf,
  type KeyWorld,
} from './key-world.ts'
import { repository, type Repository } from './repository.ts'

let world: KeyWorld
let files: Repository
let manifest: string
let path: string

beforeEach(async () => {
  world = await keyWorld('one')
  files = repository()
  manifest = secretYaml(
    { 'secrets.json': await lineOf(world, 'one') },
    { name: 'one', namespace: 'app', isManaged: false },
  )
  path = files.write('deploy/one.yaml', manifest)
  await changeKey(world, 'rotate')
})

const version = (): string | undefined => {
  const data = /secrets\.json: (\S+)/.exec(readFileSync(path, 'utf8'))?.[1] ?? ''
  return /vault:v\d/.exec(`${Buffer.from(data, 'base64').toString()} ${data}`)?.[0]
}

test('it rewraps where they stand; no cluster and no kubeconfig is needed', async () => {
  const runtime = clusterless(await asWho(world, ROTATOR))
  const flags = [...BY_KEY.slice(0, 4), '--transit-key', 'app']
  const ran = await runKey(world, ['rewrap', ...flags, '--files', files.path], runtime)
  expect(ran).toMatchObject({ code: 0, stderr: 'app version 2: 1 rewrapped\n' })
  expect(ran.stdout).toMatch(
    /^rewrapped {2}secrets\.json of Secret app\/one in .*one\.yaml, version 1 -> 2\n$/,
  )
  expect(version()).toBe('vault:v2')
  expect(await runKey(world, ['rewrap', ...flags, '--files', files.path], runtime)).toMatchObject({
    code: 0,
    stdout: '',
    stderr: 'app version 2: 1 current\n',
  })
})

test('--dry-run leaves every byte', async () => {
  const ran = await rewrap('--files', files.path, '--dry-run', '--json')
  expect(jsonLines(ran.stdout)).toMatchObject([{ name: 'one', state: 'behind', version: 1 }])
  expect(readFileSync(path, 'utf8')).toBe(manifest)
})

test('a path that is not there is told, and exit 8', async () => {
  const ran = await rewrap('--files', `${files.path}/typo`)
  expect(ran).toMatchObject({ code: 8, stdout: '' })
  expect(ran.stderr).toContain('not looked at')
  const { stdout } = await rewrap('--files', `${files.path}/typo`, '--json')
  expect(jsonLines(stdout)).toMatchObject([{ state: 'unread', code: 'SM_FILE_UNREADABLE' }])
})

test('--inventory may name files, too', async () => {
  const inventory = files.write('inventory.yaml', `files: [${JSON.stringify(files.path)}]\n`)
  const ran = await rewrap('--inventory', inventory)
  expect(ran).toMatchObject({ code: 0, stderr: 'app version 2: 1 rewrapped\n' })
  expect(version()).toBe('vault:v2')
})

test('status of files asks no cluster; rotate does, for its journal, before anything is changed', async () => {
  const runtime = clusterless(world.operator)
  const looked = await runKey(world, ['status', ...BY_KEY, '--files', files.path], runtime)
  expect(looked).toMatchObject({ code: 8, stderr: '' })
  expect(looked.stdout).toContain('last rotation: no cluster was asked for the journal')
  const ran = await runKey(world, ['rotate', ...BY_KEY, '--files', files.path], runtime)
  expect(ran.code).toBe(2)
  expect(await versionsOf(world)).toMatchObject({ latest: 2 })
})

test('rotate --files keeps its journal in the namespace of the context', async () => {
  const runtime = withDisk(world.operator)
  const ran = await runKey(world, ['rotate', ...BY_KEY, '--files', files.path], runtime)
  expect(ran).toMatchObject({ code: 0 })
  expect(version()).toBe('vault:v3')
  expect(world.requests).toContain('POST /api/v1/namespaces/app/configmaps')
})

function rewrap(...args: readonly string[]): ReturnType<typeof runKey> {
  return runKey(world, ['rewrap', ...BY_KEY, ...args], clusterless(world.operator))
}

/** The same world with the files of this machine, where it has none of that path. */
function withDisk(runtime: Runtime): Runtime {
  const readFromDisk: Runtime['readFile'] = (name) => readFile(name)
  return {
    ...runtime,
    readFile: (name) => runtime.readFile(name).catch(() => readFromDisk(name)),
  }
}

/** And without a cluster: nothing says where one is, and none answers. */
function clusterless(runtime: Runtime): Runtime {
  const disk = withDisk(runtime)
  const lonely = {
    ...disk,
    readFile: (name: string) => (name === '/kubeconfig' ? readFile('/none') : disk.readFile(name)),
  }
  return intercepted(lonely, (request) => {
    if (/ \/apis?\//.test(request)) throw new TypeError('no cluster was to be asked')
    return undefined
  })
}

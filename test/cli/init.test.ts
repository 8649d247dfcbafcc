import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest'

import type { Input } from '../../src/cli/input.ts'
import { loadConfig, loadDefinition } from '../../src/config/load.ts'
import { loadProvisionFile } from '../../src/config/provision-file.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { createTransport } from '../../src/http/transport.ts'
import { given, runWith } from './authoring-world.ts'
import { run, type Ran } from './world.ts'

const runtime: Runtime = {
  ...systemRuntime((options) => createTransport(options, runtime)),
  env: () => undefined,
}
const URL_FLAGS = ['--vault-url', 'https://192.168.86.9:8200/']
let directory = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'secretmanager-init-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
})

describe('init', () => {
  test('what it writes is read by the commands that it is for', async () => {
    const { code, stdout } = await init(['app', '-n', 'prod', ...URL_FLAGS, '--ca-cert', 'ca.crt'])
    expect(code).toBe(0)
    const names = ['secretmanager.yaml', 'app.yaml', 'provision.yaml']
    expect(stdout.trim().split('\n')).toEqual(names.map((name) => join(directory, name)))
    const [config, definition, provision] = names.map((name) => join(directory, name))
    expect(await loadConfig({ file: config }, runtime)).toMatchObject({
      vault: {
        url: 'https://192.168.86.9:8200',
        caCert: 'ca.crt',
        auth: { method: 'jwt', mount: 'jwt-default', role: 'app' },
      },
      kubernetes: { namespace: 'prod', serviceAccount: 'app' },
    })
    expect(await loadDefinition({ file: definition }, runtime)).toEqual({
      secretName: 'app',
      namespace: 'prod',
      readKey: 'secrets.json',
      transitKey: 'app',
    })
    const file = await loadProvisionFile(provision ?? '', runtime)
    expect(file.clusters).toMatchObject([{ name: 'default', auth: 'jwt', mount: 'jwt-default' }])
    expect(file.apps).toMatchObject([{ name: 'app', namespace: 'prod', transitKey: 'app' }])
  })

  test('the mount of the configuration is the one that is provisioned, whatever the cluster', async () => {
    const flags = ['--cluster', 'west', '--context', 'west-1', '--auth-method', 'kubernetes']
    expect(await init(['app', ...URL_FLAGS, ...flags])).toMatchObject({ code: 0 })
    const config = parseConfig(
      await loadConfig({ file: join(directory, 'secretmanager.yaml') }, runtime),
    )
    const { clusters } = await loadProvisionFile(join(directory, 'provision.yaml'), runtime)
    expect(clusters).toMatchObject([{ name: 'west', context: 'west-1' }])
    expect(config.cluster).toBe('west')
    expect(config.vault.auth).toMatchObject({ mount: clusters[0]?.mount, method: 'kubernetes' })
  })

  test('a person is asked for what no flag says; a bare return takes what is offered', async () => {
    const input = given(undefined, 'app', '', 'https://vault.example:8200', '')
    expect(await init([], input)).toMatchObject({ code: 0 })
    expect(readdirSync(directory).toSorted()).toEqual([
      'app.yaml',
      'provision.yaml',
      'secretmanager.yaml',
    ])
    expect(readFileSync(join(directory, 'app.yaml'), 'utf8')).toContain('namespace: app')
  })

  test.each([
    ['no name', [...URL_FLAGS], 'secretmanager init NAME --vault-url'],
    ['no address', ['app'], 'secretmanager init NAME --vault-url'],
  ])('where nobody can be asked, %s is refused by its flag', async (_what, args, hint) => {
    const { code, stderr } = await init(args)
    expect(code).toBe(2)
    expect(stderr).toContain(hint)
    expect(readdirSync(directory)).toEqual([])
  })

  test.each([
    ['a name that no ServiceAccount can have', ['App_1', ...URL_FLAGS]],
    ['an address that is none', ['app', '--vault-url', 'vault']],
    ['a namespace that is none', ['app', '-n', 'a/b', ...URL_FLAGS]],
    ['a cluster with a star', ['app', '--cluster', '*', ...URL_FLAGS]],
  ])('%s is refused before anything is written', async (_what, args) => {
    const { code, stderr } = await init(args)
    expect(code).toBe(2)
    if (args.includes('vault')) expect(stderr).toMatch(/try: +secretmanager init NAME --vault-url/)
    expect(readdirSync(directory)).toEqual([])
  })

  test('at a terminal what to type next stands in one line each', async () => {
    const { stderr } = await run(['init', 'app', ...URL_FLAGS, '--dir', directory], {
      runtime,
      isTerminal: true,
      width: 40,
    })
    const lines = stderr.trimEnd().split('\n')
    expect(lines.filter((line) => line.startsWith('  secretmanager '))).toHaveLength(5)
    expect(lines.filter((line) => line.length > 40 && !line.startsWith('  secretm'))).toEqual([])
  })

  test.each([
    ['a file where the directory should be', 'ENOTDIR', () => join(someFile(), 'deploy')],
    ['a name that no file can have', 'ENAMETOOLONG', () => join(directory, 'a'.repeat(300))],
    ['a link to itself', 'ELOOP', () => join(loop(), 'deploy')],
  ])('%s is told, and nothing is written', async (_what, causeClass, to) => {
    const path = to()
    const before = readdirSync(directory)
    const { code, stderr } = await runWith(
      given(''),
      ['init', 'app', ...URL_FLAGS, '--dir', path],
      runtime,
    )
    expect(code).toBe(2)
    expect(stderr).toContain(`cannot be looked at (${causeClass})`)
    expect(readdirSync(directory)).toEqual(before)
  })

  test('nothing is written where one of the files is there; --force writes over it', async () => {
    writeFileSync(join(directory, 'provision.yaml'), 'mine')
    const { code, stderr } = await init(['app', ...URL_FLAGS])
    expect(code).toBe(2)
    expect(stderr).toContain('--force')
    expect(readdirSync(directory)).toEqual(['provision.yaml'])
    expect(await init(['app', ...URL_FLAGS, '--force'])).toMatchObject({ code: 0 })
    expect(readFileSync(join(directory, 'provision.yaml'), 'utf8')).toContain('apps:')
  })
})

function someFile(): string {
  const path = join(directory, 'file')
  writeFileSync(path, '')
  return path
}

function loop(): string {
  const path = join(directory, 'loop')
  symlinkSync(path, path)
  return path
}

function init(args: readonly string[], input: Input = given('')): Promise<Ran> {
  return runWith(input, ['init', ...args, '--dir', directory], runtime)
}

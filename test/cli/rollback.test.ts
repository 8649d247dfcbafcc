import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'

import { readEntry } from '../../src/dev/operator.ts'
import { VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { SecretManager } from '../../src/manager.ts'
import type { Runtime } from '../../src/runtime.ts'
import { parseSealed } from '../../src/sealed/format.ts'
import { sealedLine, secretYaml } from '../authoring/lines.ts'
import { rejection } from '../faults/world.ts'
import { authorWorld, objectOf, runAt, withBytes, type StoredObject } from './author.ts'
import { OPENED, SERVERS, type CliWorld, type Ran } from './world.ts'

const OLD = '{"password": "canary-old"}'
const NEW = '{"password": "canary-new", "b": 1}'

let world: CliWorld
/** Stored lines, the old one first. */
let old: string
let current: string

beforeAll(async () => {
  world = await authorWorld()
})

beforeEach(async () => {
  await world.put('app-secrets', OLD)
  old = await stored()
  await world.put('app-secrets', NEW)
  current = await stored()
})

const stored = (): Promise<string> =>
  readEntry(world.stack.kubernetesWire, world.plan, 'app-secrets', 'secrets.json')

const revisionOf = (line: string): number => parseSealed(line, 'it').claims.revision

const manifest = (line: string): string =>
  secretYaml({ 'secrets.json': line }, { name: 'app-secrets', namespace: world.plan.namespace })

async function rollback(stdin: string, ...more: readonly string[]): Promise<Ran> {
  return rollbackIn(world.runtime, stdin, ...more)
}

async function rollbackIn(
  runtime: Runtime,
  stdin: string,
  ...more: readonly string[]
): Promise<Ran> {
  const args = ['rollback', 'app-secrets', ...OPENED, ...SERVERS, '--from', '-', ...more]
  const ran = await runAt(args, { runtime, stdin })
  for (const secret of ['canary', ...world.credentials]) {
    expect(`${ran.stdout}${ran.stderr}`).not.toContain(secret)
  }
  return ran
}

function reader(): SecretManager {
  const auth = { method: 'kubernetes', role: 'app' } as const
  return new SecretManager({ vault: { url: VAULT_ORIGIN, auth } }, world)
}

/** The same world, where something happens before each request. */
function interrupted(runtime: Runtime, happens: (url: string) => Promise<void>): Runtime {
  return {
    ...runtime,
    transport: (options) => {
      const transport = runtime.transport(options)
      const send: typeof transport.send = async (request) => {
        await happens(request.url)
        return transport.send(request)
      }
      return { ...transport, send }
    },
  }
}

const DEFINITION = { secretName: 'app-secrets', readKey: 'secrets.json', transitKey: 'app' }
const FRESH = { fresh: true }

describe('going back', () => {
  test.each([
    ['a stored document', () => old],
    ['a manifest', () => manifest(old)],
    [
      'a manifest that leaves the namespace open',
      () => manifest(old).replace(/ {2}namespace.*\n/, ''),
    ],
    ['one manifest of many', () => `${secretYaml({ s: sealedLine() })}---\n${manifest(old)}`],
  ])('from %s: the old content under a new revision', async (_what, text) => {
    const before = revisionOf(current)
    const { code, stdout, stderr } = await rollback(text())
    const now = revisionOf(await stored())
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(stderr).toBe(
      `stored the content of revision ${revisionOf(old)} in place of revision ${before} in secrets.json of Secret app/app-secrets, as revision ${now}\n`,
    )
    expect(now).toBeGreaterThan(before)
    await using manager = reader()
    expect((await manager.readSecrets(DEFINITION))['password']).toBe('canary-old')
  })

  test('I7, I22: a reader of the current revision takes it, and refuses the reverted manifest', async () => {
    await using manager = reader()
    expect((await manager.readSecrets(DEFINITION))['password']).toBe('canary-new')
    await world.putRaw('app-secrets', old)
    const refused = await rejection(manager.readSecrets(DEFINITION, FRESH))
    expect(refused.code).toBe('SM_ROLLBACK_REFUSED')
    await world.putRaw('app-secrets', current)
    await rollback(manifest(old))
    expect((await manager.readSecrets(DEFINITION, FRESH))['password']).toBe('canary-old')
  })

  test('I22: of ten readers, half of them restarted, all take a rollback; of a revert each tells what it can know', async () => {
    const running = Array.from({ length: 10 }, reader)
    try {
      await Promise.all(running.map((each) => each.readSecrets(DEFINITION)))
      await world.putRaw('app-secrets', old)
      await Promise.all(running.splice(5).map((each) => each.close()))
      const restarted = Array.from({ length: 5 }, reader)
      running.push(...restarted)
      const asked = await Promise.allSettled(
        running.map((each) => each.readSecrets(DEFINITION, FRESH)),
      )
      // Who has read the newer one refuses the older one, and says so; a new process cannot know of it.
      expect(asked.map(({ status }) => status)).toEqual([
        ...Array<string>(5).fill('rejected'),
        ...Array<string>(5).fill('fulfilled'),
      ])
      const troubles = running.map((each) => each.status().definitions[0]?.trouble?.code ?? 'none')
      expect(troubles.toSorted()).toEqual([
        ...Array<string>(5).fill('SM_ROLLBACK_REFUSED'),
        ...Array<string>(5).fill('none'),
      ])
      await world.putRaw('app-secrets', current)
      await rollback(manifest(old))
      const now = await Promise.all(running.map((each) => each.readSecrets(DEFINITION, FRESH)))
      expect(new Set(now.map((each) => each['password']))).toEqual(new Set(['canary-old']))
    } finally {
      await Promise.all(running.map((each) => each.close()))
    }
  })

  test('I7: after a reverted manifest the newer content comes back above both revisions', async () => {
    await using manager = reader()
    await manager.readSecrets(DEFINITION)
    await world.putRaw('app-secrets', old)
    expect(await rollback(current)).toMatchObject({ code: 0 })
    expect(revisionOf(await stored())).toBeGreaterThan(revisionOf(current))
    expect((await manager.readSecrets(DEFINITION, FRESH))['password']).toBe('canary-new')
  })

  test('what is broken is replaced unread, and that is said', async () => {
    await world.putRaw('app-secrets', `${current.slice(0, -8)}AAAAAAA=`)
    const { code, stderr } = await rollback(old)
    expect(code).toBe(0)
    expect(stderr).toContain('(SM_CT_AUTH_FAILED): it is replaced unread\n')
    expect(stderr).toContain('in place of what is broken in')
    expect(revisionOf(await stored())).toBeGreaterThan(revisionOf(current))
  })

  test('--json: the revisions for a program', async () => {
    const { stdout } = await rollback(old, '--json')
    expect(JSON.parse(stdout)).toEqual({
      kind: 'Secret',
      namespace: 'app',
      name: 'app-secrets',
      entry: 'secrets.json',
      from: revisionOf(current),
      content: revisionOf(old),
      to: revisionOf(await stored()),
      dryRun: false,
    })
  })

  test('--dry-run: nothing is written', async () => {
    const { metadata } = await objectOf(world, 'app-secrets')
    const { code, stderr } = await rollback(old, '--dry-run')
    expect(code).toBe(0)
    expect(stderr).toMatch(/^would store the content of revision \d+ .*; nothing was written\n$/)
    expect((await objectOf(world, 'app-secrets')).metadata).toEqual(metadata)
  })
})

describe('into a manifest, for GitOps: nothing is written to the cluster', () => {
  const writes = (): readonly string[] =>
    world.requests.filter((each) =>
      /^(?:POST|PUT|PATCH|DELETE) \/api\/v1\/.*(?:secrets|configmaps)/.test(each),
    )

  /** The line of the app in a manifest, and the cluster as it was. */
  async function lineIn(text: string, kind: 'yaml' | 'json' = 'yaml'): Promise<string> {
    expect(await stored()).toBe(current)
    const { data } = (kind === 'json' ? JSON.parse(text) : parse(text)) as StoredObject
    return Buffer.from(data['secrets.json'] ?? '', 'base64').toString()
  }

  async function contentOf(line: string): Promise<unknown> {
    await world.putRaw('app-secrets', line)
    await using manager = reader()
    return (await manager.readSecrets(DEFINITION))['password']
  }

  test.each(['yaml', 'json'] as const)('-o %s: above the revision in the cluster', async (kind) => {
    const before = writes()
    const { code, stdout, stderr } = await rollback(manifest(old), '-o', kind)
    expect(code).toBe(0)
    const line = await lineIn(stdout, kind)
    expect(stderr).toBe(
      `encrypted the content of revision ${revisionOf(old)} in place of revision ${revisionOf(current)} in the cluster, for secrets.json of Secret app/app-secrets, as revision ${revisionOf(line)}; as a manifest, nothing was written to the cluster\n`,
    )
    expect(revisionOf(line)).toBeGreaterThan(revisionOf(current))
    expect(writes()).toEqual(before)
    expect(await contentOf(line)).toBe('canary-old')
  })

  test('-o where the cluster has none, and that is said', async () => {
    const encrypt = ['encrypt', 'app-secrets', ...OPENED, ...SERVERS, '--type', 'CONFIG_MAP']
    const before = await runAt([...encrypt, '-o', 'yaml'], { ...world, stdin: OLD })
    const line = (parse(before.stdout) as StoredObject).data['secrets.json'] ?? ''
    const { code, stdout, stderr } = await rollback(line, '-o', 'yaml', '--type', 'CONFIG_MAP')
    expect(code).toBe(0)
    expect(stderr).toContain('in place of none in the cluster, for secrets.json of ConfigMap')
    const { data } = parse(stdout) as StoredObject
    expect(revisionOf(data['secrets.json'] ?? '')).toBeGreaterThan(revisionOf(line))
  })

  test('--onto a file: above the revision in it, every other byte stays, Vault alone is asked', async () => {
    const file = `# ours\r\n${secretYaml({ s: sealedLine() })}---\n${manifest(current)}# end`
    const runtime = withBytes(world.runtime, { '/app.yaml': Buffer.from(file) })
    const before = world.requests.length
    const { code, stdout, stderr } = await rollbackIn(runtime, old, '--onto', '/app.yaml')
    expect(code).toBe(0)
    const encoded = (line: string): string => Buffer.from(line).toString('base64')
    const [head, tail] = file.split(encoded(current))
    expect(stdout.startsWith(head ?? '?') && stdout.endsWith(tail ?? '?')).toBe(true)
    const value = stdout.slice(head?.length, stdout.length - (tail?.length ?? 0))
    const line = Buffer.from(value, 'base64').toString()
    expect(stderr).toBe(
      `encrypted the content of revision ${revisionOf(old)} in place of revision ${revisionOf(current)} in secrets.json of Secret app/app-secrets, as revision ${revisionOf(line)}; as a manifest, nothing was written to the cluster\n`,
    )
    expect(revisionOf(line)).toBeGreaterThan(revisionOf(current))
    expect(
      world.requests.slice(before).filter((each) => /\/(?:secrets|configmaps)/.test(each)),
    ).toEqual([])
    expect(await stored()).toBe(current)
    expect(await contentOf(line)).toBe('canary-old')
  })

  test('--onto a file whose document is broken: it is replaced unread, and that is said', async () => {
    const broken = `${current.slice(0, -8)}AAAAAAA=`
    const runtime = withBytes(world.runtime, { '/app.yaml': Buffer.from(manifest(broken)) })
    const { code, stdout, stderr } = await rollbackIn(runtime, old, '--onto', '/app.yaml')
    expect(code).toBe(0)
    expect(stderr).toContain('(SM_CT_AUTH_FAILED): it is replaced unread\n')
    expect(revisionOf(await lineIn(stdout))).toBeGreaterThan(revisionOf(current))
  })

  test.each([
    ['-o', 'yaml'],
    ['--onto', '/app.yaml'],
  ])('%s %s --dry-run: prints no manifest', async (...how) => {
    const runtime = withBytes(world.runtime, { '/app.yaml': Buffer.from(manifest(current)) })
    const encrypts = world.requests.filter((each) => each.includes('/encrypt/')).length
    const ran = await rollbackIn(runtime, old, ...how, '--dry-run')
    expect(ran).toMatchObject({ code: 0, stdout: '' })
    expect(ran.stderr).toMatch(
      /^would encrypt the content of revision \d+ .*; nothing was written\n$/,
    )
    expect(world.requests.filter((each) => each.includes('/encrypt/'))).toHaveLength(encrypts)
  })

  test.each<readonly [string, readonly string[], () => string, number, string]>([
    ['-o and --onto', ['-o', 'yaml', '--onto', '/app.yaml'], () => '', 2, 'cannot be used with'],
    ['-o and --json', ['-o', 'yaml', '--json'], () => '', 2, 'cannot be used with'],
    ['--onto and --json', ['--onto', '/app.yaml', '--json'], () => '', 2, 'cannot be used with'],
    ['--onto what is not there', ['--onto', '/none.yaml'], () => '', 2, 'SM_FILE_UNREADABLE'],
    ['--onto an empty file', ['--onto', '/app.yaml'], () => '', 2, 'is empty'],
    ['--onto a file of others', ['--onto', '/app.yaml'], () => secretYaml({ s: 'x' }), 2, 'has no'],
    [
      '--onto a file that has the content already',
      ['--onto', '/app.yaml'],
      () => manifest(old),
      2,
      'has this content already',
    ],
    [
      'I22: --onto a file where it is sealed under another key',
      ['--onto', '/app.yaml'],
      () => manifest(sealedLine({ transitKey: 'other' })),
      6,
      'SM_BINDING_MISMATCH',
    ],
  ])('%s is refused, and nothing printed', async (_what, how, file, code, told) => {
    const runtime = withBytes(world.runtime, { '/app.yaml': Buffer.from(file()) })
    const ran = await rollbackIn(runtime, old, ...how)
    expect(ran).toMatchObject({ code, stdout: '' })
    expect(ran.stderr).toContain(told)
    expect(await stored()).toBe(current)
  })

  test('-o, where the cluster has that content already, is refused', async () => {
    const ran = await rollback(current, '-o', 'yaml')
    expect(ran).toMatchObject({ code: 2, stdout: '' })
    expect(ran.stderr).toContain('has this content already')
  })
})

describe('what is refused', () => {
  test('the current content, even as another ciphertext', async () => {
    await world.put('app-secrets', NEW)
    const { resourceVersion } = (await objectOf(world, 'app-secrets')).metadata
    const { code, stderr } = await rollback(current)
    expect(code).toBe(2)
    expect(stderr).toMatch(/has this content already \(revision \d+\); nothing was written/)
    expect((await objectOf(world, 'app-secrets')).metadata.resourceVersion).toBe(resourceVersion)
  })

  test.each([
    ['I22: another key', () => sealedLine({ transitKey: 'other' }), 'SM_BINDING_MISMATCH'],
    ['I22: another scope', () => sealedLine({ scope: 'none' }), 'SM_BINDING_MISMATCH'],
    ['I22: raw', () => 'vault:v1:AAAA', 'SM_CT_FORMAT'],
    ['another object', () => secretYaml({ s: sealedLine() }), 'SM_CONFIG_INVALID'],
    [
      'another entry',
      () => manifest(old).replace('secrets.json', 'other.json'),
      'SM_CONFIG_INVALID',
    ],
    ['the same object twice', () => `${manifest(old)}---\n${manifest(old)}`, 'SM_CONFIG_INVALID'],
    ['plaintext', () => OLD, 'SM_CONFIG_INVALID'],
    ['nothing', () => '', 'SM_CONFIG_INVALID'],
  ])('%s, before any call', async (_what, text, code) => {
    const before = world.requests.length
    const ran = await rollback(text())
    expect(ran).toMatchObject({ code: code === 'SM_CONFIG_INVALID' ? 2 : 6, stdout: '' })
    expect(ran.stderr).toContain(code)
    expect(world.requests).toHaveLength(before)
  })

  test('I1: what somebody else wrote meanwhile', async () => {
    const theirs = '{"password": "canary-theirs"}'
    const between = (path: string): Promise<void> =>
      path.includes('/encrypt/') ? world.put('app-secrets', theirs) : Promise.resolve()
    const args = ['rollback', 'app-secrets', ...OPENED, ...SERVERS, '--from', '-']
    const ran = await runAt(args, { runtime: interrupted(world.runtime, between), stdin: old })
    expect(ran).toMatchObject({ code: 7, stdout: '' })
    expect(ran.stderr).toContain('SM_K8S_CONFLICT')
    await using manager = reader()
    expect((await manager.readSecrets(DEFINITION))['password']).toBe('canary-theirs')
  })

  test('a document that was sealed for another place', async () => {
    await world.put('other', OLD)
    const other = await readEntry(world.stack.kubernetesWire, world.plan, 'other', 'secrets.json')
    const ran = await rollback(other)
    expect(ran).toMatchObject({ code: 6, stdout: '' })
    expect(ran.stderr).toContain('SM_CT_AUTH_FAILED')
    expect(await stored()).toBe(current)
  })
})

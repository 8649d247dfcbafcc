import { chmodSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build, type BuildOptions } from 'esbuild'
import { beforeAll, describe, expect, test } from 'vitest'

import { readEntry } from '../../src/dev/operator.ts'
import { rawLine, sealedLine, secretYaml } from '../authoring/lines.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import { authorWorld, withBytes } from './author.ts'
import { repository, type Repository } from './repository.ts'
import { run, SERVERS, withFiles, type CliWorld, type Ran } from './world.ts'

let world: CliWorld

beforeAll(async () => {
  world = await authorWorld()
})

async function stored(document: string, name = 'app-secrets'): Promise<string> {
  await world.put(name, document)
  return readEntry(world.stack.kubernetesWire, world.plan, name, 'secrets.json')
}

const manifest = (line: string, name = 'app-secrets'): string =>
  secretYaml({ 'secrets.json': line }, { name, namespace: world.plan.namespace })

async function textconv(text: string, at: Repository, ...more: readonly string[]): Promise<Ran> {
  const runtime = withFiles(world.runtime, { '/tmp/blob.yaml': text })
  const args = ['textconv', '/tmp/blob.yaml', '--repository', at.path, ...more]
  const ran = await run(args, { runtime })
  for (const secret of ['canary', ...world.credentials]) {
    expect(`${ran.stdout}${ran.stderr}`).not.toContain(secret)
  }
  return ran
}

const OPENING = ['--transit-key', 'app', ...SERVERS]

/** Lines that differ, as `git diff` would show them. */
async function changes(before: string, after: string, at = repository()): Promise<string[]> {
  const [one, two] = [await textconv(before, at, ...OPENING), await textconv(after, at, ...OPENING)]
  expect([one.stderr, two.stderr]).toEqual(['', ''])
  const old = new Set(one.stdout.split('\n'))
  return two.stdout
    .split('\n')
    .filter((line) => !old.has(line))
    .map((line) => line.trim().replace(/ (hmac:)?[\da-f]+$/, ''))
}

describe('without Vault', () => {
  test('claims and a digest of the ciphertext stand in place of each document', async () => {
    const before = world.requests.length
    const text = `# a comment\n${secretYaml({ a: sealedLine({ revision: 7 }), b: 'PEM', c: rawLine(4) })}---\nkind: Other\n`
    const { code, stdout, stderr } = await textconv(text, repository())
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.replaceAll(/sha256:[\da-f]{16}/g, 'sha256:…')).toBe(`# a comment
apiVersion: v1
kind: Secret
metadata:
  name: app
  namespace: prod
  labels:
    kubevault.secretmanager/managed: 'true'
data:
  a: sealed
      key transit/app
      scope strict
      revision 7
      key version 3
      ciphertext sha256:…
  b: UEVN
  c: raw
      key version 4
      ciphertext sha256:…
---
kind: Other
`)
    expect(world.requests).toHaveLength(before)
  })

  test('block scalars and JSON, too', async () => {
    const line = sealedLine()
    const block = `apiVersion: v1\nkind: ConfigMap\ndata:\n  a: |\n    ${line}\n  b: x\n`
    const json = JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', data: { a: line, b: 'x' } })
    expect((await textconv(block, repository())).stdout).toMatch(
      /\n {2}a: sealed\n {6}key transit\/app\n[^]*sha256:[\da-f]{16}\n {2}b: x\n$/,
    )
    expect((await textconv(json, repository())).stdout).toMatch(/"a":sealed\n[^]*,"b":"x"\}\}$/)
  })

  test.each([
    ['no manifest', 'hello: "world'],
    ['a manifest without documents', secretYaml({ a: 'x' })],
    ['a document that is cut', secretYaml({ a: 'sealed:v1:transit' })],
  ])('%s is passed on as it is', async (_what, text) => {
    expect(await textconv(text, repository())).toEqual({ code: 0, stdout: text, stderr: '' })
  })
})

test('what is no UTF-8 is passed on byte for byte', async () => {
  const bytes = Buffer.concat([Buffer.from(secretYaml({ a: sealedLine() })), Buffer.of(0xff)])
  const written: Uint8Array[] = []
  const sheet = { line: () => undefined, isTerminal: false, hasColor: false, width: undefined }
  const code = await runCommandLine(['textconv', '/blob'], {
    runtime: withBytes(world.runtime, { '/blob': bytes }),
    output: {
      data: { ...sheet, bytes: (each) => void written.push(each) },
      notes: { ...sheet, bytes: () => undefined },
    },
    interrupt: new AbortController().signal,
  })
  expect(code).toBe(0)
  expect(Buffer.concat(written).equals(bytes)).toBe(true)
})

test('git diff shows it', async () => {
  const at = repository()
  const outfile = join(at.path, '.git/cli.mjs')
  await build(bundle(outfile))
  at.write('.gitattributes', '*.yaml diff=secretmanager\n')
  at.write('app.yaml', manifest(sealedLine({ revision: 7 })))
  at.git('config', 'diff.secretmanager.textconv', `${process.execPath} ${outfile} textconv`)
  at.commit()
  at.write('app.yaml', manifest(sealedLine({ revision: 8 })))
  const lines = at.git('diff', '-U0').split('\n')
  expect(lines.filter((line) => /^[+-] /.test(line))).toEqual([
    '-      revision 7',
    '+      revision 8',
  ])
})

describe('I10: with Vault, which entries changed and no value', () => {
  test('a changed, an added and a removed one', async () => {
    const before = manifest(
      await stored('{"a": "canary-1", "b": "canary-2", "c": {"d": 1, "e": 2}}'),
    )
    const after = manifest(await stored('{"c": {"e": 2, "d": 1}, "a": "canary-3", "n": null}'))
    expect(await changes(before, after)).toEqual(
      ['revision', 'entry a', 'entry n'].map((line) =>
        line === 'revision' ? expect.stringMatching(/^revision/) : line,
      ),
    )
    const gone = (await changes(after, before)).filter((line) => line.startsWith('entry'))
    expect(gone).toEqual(['entry a', 'entry b'])
  })

  test('a document without names', async () => {
    const [one, two] = [manifest(await stored('canary-1')), manifest(await stored('canary-2'))]
    expect((await changes(one, two)).at(-1)).toBe('document')
  })

  test('the same value in another entry, another object or another clone has another digest', async () => {
    const at = repository()
    const value = '{"a": "canary-1", "b": "canary-1"}'
    const one = await textconv(manifest(await stored(value)), at, ...OPENING)
    const two = await textconv(manifest(await stored(value, 'other'), 'other'), at, ...OPENING)
    const three = await textconv(manifest(await stored(value)), repository(), ...OPENING)
    const digests = [one, two, three].flatMap(
      ({ stdout }) => stdout.match(/hmac:[\da-f]{16}/g) ?? [],
    )
    expect(new Set(digests).size).toBe(6)
  })

  test('by a definition: its own document, and no other', async () => {
    const at = repository()
    const text = `${manifest(await stored('{"a": 1}'))}---\n${manifest(await stored('{"a": 1}', 'other'), 'other')}`
    const definition = { secretName: 'app-secrets', readKey: 'secrets.json', transitKey: 'app' }
    const files = { '/def.json': JSON.stringify(definition), '/tmp/blob.yaml': text }
    const runtime = withFiles(world.runtime, files)
    const args = ['textconv', '/tmp/blob.yaml', '--repository', at.path]
    const { stdout } = await run([...args, '--def', '/def.json', ...SERVERS], { runtime })
    expect(stdout.match(/(entry a hmac|ciphertext sha256)/g)).toEqual([
      'entry a hmac',
      'ciphertext sha256',
    ])
  })
})

describe('what cannot be opened is said, and shown by its claims', () => {
  test.each<readonly [string, () => Promise<string> | string, readonly string[], string]>([
    [
      'sealed for another key',
      () => sealedLine({ transitKey: 'other' }),
      OPENING,
      'SM_BINDING_MISMATCH',
    ],
    ['sealed for another place', () => stored('{}', 'other'), OPENING, 'SM_CT_AUTH_FAILED'],
    [
      'no Vault',
      () => stored('{}'),
      [
        '--transit-key',
        'app',
        '--vault-url',
        'https://elsewhere.test',
        '--role',
        'app',
        '--wait',
        '0',
      ],
      'SM_VAULT_UNREACHABLE',
    ],
    ['no settings', () => stored('{}'), ['--transit-key', 'app'], 'SM_CONFIG_INVALID'],
  ])('%s', async (_what, line, flags, code) => {
    const { stdout, stderr, ...ran } = await textconv(
      manifest(await line()),
      repository(),
      ...flags,
    )
    expect(ran.code).toBe(0)
    expect(stderr).toMatch(new RegExp(`opened: .*\\(${code}\\)\n$`))
    expect(stdout).toContain('ciphertext sha256:')
  })

  test('a key that others can read is not used', async () => {
    const at = repository()
    const text = manifest(await stored('{"a": 1}'))
    await textconv(text, at, ...OPENING)
    chmodSync(keyOf(at), 0o644)
    const { stdout, stderr } = await textconv(text, at, ...OPENING)
    expect(stderr).toContain('can be read by others (SM_FILE_UNREADABLE)')
    expect(stdout).toContain('ciphertext sha256:')
  })
})

describe('the key of a repository', () => {
  test('is made once, for its owner alone, and is no part of the work tree', async () => {
    const at = repository()
    const text = manifest(await stored('{"a": 1}'))
    const [one, two] = await Promise.all([
      textconv(text, at, ...OPENING),
      textconv(text, at, ...OPENING),
    ])
    expect(one.stdout).toBe(two.stdout)
    expect(statSync(keyOf(at)).mode & 0o777).toBe(0o600)
    expect(readFileSync(keyOf(at))).toHaveLength(32)
    expect(at.git('status', '--porcelain')).toBe('')
    expect(at.git('count-objects')).toMatch(/^0 objects/)
  })

  test('is not made where nothing is opened', async () => {
    const at = repository()
    await textconv(manifest(sealedLine()), at)
    expect(() => statSync(keyOf(at))).toThrow('ENOENT')
  })

  test('of a wrong length is refused', async () => {
    const at = repository()
    writeFileSync(keyOf(at), '', { mode: 0o600 })
    const { stderr } = await textconv(manifest(await stored('{"a": 1}')), at, ...OPENING)
    expect(stderr).toContain('does not have 32 bytes')
  })
})

const keyOf = ({ path }: Repository): string => `${path}/.git/secretmanager-textconv-key`

const bundle = (outfile: string): BuildOptions => ({
  entryPoints: [join(import.meta.dirname, '../../src/cli/main.ts')],
  outfile,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20.19',
  external: ['google-auth-library'],
  // For the packages in it that are CommonJS.
  banner: {
    js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url)",
  },
})

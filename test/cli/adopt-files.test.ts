/** Raw documents in a repository: sealed in place, and every other byte as it was. */
import { chmodSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, test } from 'vitest'

import { encryptRaw, rotateTransitKey } from '../../src/dev/operator.ts'
import { expect2xx } from '../../src/dev/wire.ts'
import type { Runtime } from '../../src/runtime.ts'
import { rawLine, sealedLine, secretYaml } from '../authoring/lines.ts'
import { authorWorld, objectOf, runAt, unproven, type Desk } from './author.ts'
import { intercepted, spellings } from './authoring-world.ts'
import { repository, type Repository } from './repository.ts'
import { run, SERVERS, type CliWorld, type Ran } from './world.ts'

const CANARY = 'CANARY-plaintext-value'
const DOCUMENT = `{"password": "${CANARY}",\r\n "id": 12345678901234567890}`
const KEYS = ['--transit-key', 'app', '--from-transit-key', 'aes256-key']

let world: CliWorld
let files: Repository

beforeEach(async () => {
  const { runtime, ...others } = await authorWorld('aes256-key')
  world = { ...others, runtime: withDisk(runtime) }
  const { vaultWire } = world.stack
  const path = '/v1/transit/keys/aes256-key'
  const body = { type: 'aes256-gcm96' }
  expect2xx('POST', path, await vaultWire('POST', path, { token: world.plan.rootToken, body }))
  files = repository()
})

/** The same world with the files of this machine, where it has none of that path. */
function withDisk(runtime: Runtime): Runtime {
  const readFromDisk: Runtime['readFile'] = (path) => readFile(path)
  return {
    ...runtime,
    readFile: (path) => runtime.readFile(path).catch(() => readFromDisk(path)),
  }
}

function raw(document = DOCUMENT): Promise<string> {
  return encryptRaw(world.stack.vaultWire, { ...world.plan, transitKey: 'aes256-key' }, document)
}

function manifest(line: string, name = 'app-secrets', namespace = 'app'): string {
  return secretYaml({ 'secrets.json': line }, { name, namespace, isManaged: false })
}

/** Runs `adopt`; I10: nothing secret is in what it prints. */
async function adopt(args: readonly string[], desk: Partial<Desk> = {}): Promise<Ran> {
  const ran = await runAt(['adopt', ...args, ...SERVERS], { runtime: world.runtime, ...desk })
  const ciphertexts = ['vault:v1:', 'sealed:v1:'].flatMap(spellings)
  for (const secret of [...spellings(CANARY), ...ciphertexts, ...world.credentials]) {
    expect(`${ran.stdout}${ran.stderr}`).not.toContain(secret)
  }
  return ran
}

function adoptAll(at: string, ...more: readonly string[]): Promise<Ran> {
  return adopt([...KEYS, '--yes', ...more, '--files', at])
}

const textOf = (path: string): string => readFileSync(path, 'utf8')

/** The line of an entry, in base64 or not, and what stands around it. */
function around(before: string, line: string, after: string): string {
  const value = Buffer.from(line).toString('base64')
  const at = before.includes(value) ? value : line
  const [head = '', tail = ''] = before.split(at)
  expect(after.startsWith(head) && after.endsWith(tail)).toBe(true)
  const now = after.slice(head.length, after.length - tail.length)
  return at === value ? Buffer.from(now, 'base64').toString() : now
}

/** Applies a line to the cluster, and reads it as a service would. */
async function opened(line: string, name = 'app-secrets'): Promise<string> {
  await world.putRaw(name, line)
  const args = ['read', name, '--key', 'secrets.json', '--transit-key', 'app', '--json']
  return (await runAt([...args, ...SERVERS], world)).stdout
}

const objects = (): readonly string[] =>
  world.requests.filter((each) => /\/api\/v1\/.*\/(?:secrets|configmaps)/.test(each))

describe('in place', () => {
  test.each<readonly [string, (line: string) => string]>([
    ['with comments and CRLF around it', (line) => `# ours\r\n---\r\n${manifest(line)}# end`],
    ['quoted', (line) => manifest(line).replace(/(secrets\.json: )(.*)/, '$1"$2" # it')],
    [
      'in a list of JSON',
      (line) =>
        `{"apiVersion": "v1", "kind": "List", "items": [ {"apiVersion":"v1","kind":"Secret","metadata":{"name":"app-secrets","namespace":"app"},"data":{"secrets.json":"${Buffer.from(line).toString('base64')}"}} ]}`,
    ],
    ['behind a byte order mark', (line) => `\uFEFF${manifest(line)}`],
  ])('%s: byte for byte elsewhere; a service reads it', async (_what, text) => {
    const line = await raw()
    const file = files.write('app.yaml', text(line))
    const ran = await adoptAll(file)
    expect(ran).toMatchObject({ code: 0, stdout: '' })
    const now = around(text(line), line, textOf(file))
    expect(now).toMatch(/^sealed:v1:transit:app:strict:\d+:vault:v1:/)
    expect(objects()).toEqual([])
    expect(await opened(now)).toBe(DOCUMENT)
  })

  test('it is told, per document and without a word of it', async () => {
    const file = files.write('app.yaml', manifest(await raw()))
    const { stderr } = await adoptAll(file)
    const revision = /revision (\d+)/.exec(stderr)?.[1]
    expect(stderr.split('\n')).toEqual([
      `secrets.json of Secret app/app-secrets in ${file} is raw`,
      expect.stringContaining('readers with a raw definition'),
      `sealed secrets.json of Secret app/app-secrets in ${file}: revision ${revision}, key app version 1`,
      '',
    ])
  })

  test('a directory, Secrets and ConfigMaps, several in a file; what is no document stays', async () => {
    const lines = [await raw('{"a":1}'), await raw('{"b":2}'), await raw('{"c":3}')] as const
    const plain = 'a: ${x}\n# Secret\n{{ template }}'
    const other = manifest(sealedLine({ transitKey: 'other' }), 'other')
    const config = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: app}\ndata:\n  secrets.json: ${lines[2]}\n`
    const many = `${manifest(lines[0], 'one')}---\n${other}---\n${manifest(lines[1], 'two')}`
    const [first, second] = [files.write('a/many.yaml', many), files.write('b/c.yml', config)]
    const template = files.write('b/template.yaml', plain)
    const { code, stdout } = await adoptAll(files.path, '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout).documents).toMatchObject([
      { file: first, kind: 'Secret', name: 'one', adopted: true, keyVersion: 1 },
      { file: first, kind: 'Secret', name: 'two', adopted: true },
      { file: second, kind: 'ConfigMap', name: 'c', dataKey: 'secrets.json', adopted: true },
    ])
    expect(textOf(first)).toContain(other)
    expect(textOf(template)).toBe(plain)
    const config_ = around(config, lines[2], textOf(second))
    expect(config_).toMatch(/^sealed:v1:/)
  })

  test.each([
    ['--type CONFIG_MAP', ['--type', 'CONFIG_MAP'], 'Secret'],
    ['--key', ['--key', 'other.json'], 'Secret'],
  ])('without NAME %s restricts them', async (_what, flags) => {
    const text = manifest(await raw())
    const file = files.write('app.yaml', text)
    const ran = await adoptAll(file, ...flags)
    expect(ran).toMatchObject({ code: 0, stderr: 'nothing to be sealed in 1 file\n' })
    expect(textOf(file)).toBe(text)
  })

  test('with NAME that object alone', async () => {
    const [line, theirs] = [await raw(), await raw('{"theirs":1}')]
    const file = files.write('app.yaml', `${manifest(theirs, 'other')}---\n${manifest(line)}`)
    const args = ['app-secrets', '--key', 'secrets.json', ...KEYS, '--yes', '--files', file]
    expect(await adopt(args)).toMatchObject({ code: 0 })
    expect(textOf(file)).toContain(manifest(theirs, 'other'))
    expect(textOf(file)).not.toContain(Buffer.from(line).toString('base64'))
  })

  test("by the original's own definition, which says raw and the old key", async () => {
    const line = await raw()
    const text = `${manifest(line)}---\n${manifest(line, 'other')}`
    const file = files.write('app.yaml', text)
    const definition = {
      secret_name: 'app-secrets',
      namespace: 'app',
      read_type: 'SECRET',
      read_key: 'secrets.json',
      transit_key: 'aes256-key',
    }
    const def = files.write('secretdef.json', JSON.stringify(definition))
    const args = ['--def', def, ...KEYS, '--yes', '--files', file]
    expect(await adopt(args)).toMatchObject({ code: 0 })
    expect(textOf(file).endsWith(manifest(line, 'other'))).toBe(true)
    expect(textOf(file).startsWith(manifest(line))).toBe(false)
  })

  test.each([
    ['the manifest', 'prod', 'prod'],
    ['-n, where the manifest leaves it open', undefined, 'app'],
  ])('the namespace is that of %s', async (_what, namespace, expected) => {
    const text = manifest(await raw(), 'app-secrets', 'NS')
    const within = namespace === undefined ? /\n {2}namespace: NS/ : 'NS'
    const file = files.write('app.yaml', text.replace(within, namespace ?? ''))
    const { code, stdout } = await adoptAll(file, '-n', 'app', '--json')
    expect(code).toBe(0)
    expect(JSON.parse(stdout).documents[0].namespace).toBe(expected)
  })

  test('a second run finds nothing, and with NAME says the revision', async () => {
    const file = files.write('app.yaml', manifest(await raw()))
    await adoptAll(file)
    await rotateTransitKey(world.stack.vaultWire, world.plan)
    const [text, { mtimeMs }] = [textOf(file), statSync(file)]
    expect((await adoptAll(file)).stderr).toBe('nothing to be sealed in 1 file\n')
    const args = ['app-secrets', '--key', 'secrets.json', ...KEYS, '--yes', '--json']
    const again = await adopt([...args, '--files', file])
    expect(again.stderr).toMatch(
      /^secrets\.json of Secret app\/app-secrets in .* is already sealed, revision \d+\nnothing/,
    )
    expect(JSON.parse(again.stdout).documents).toMatchObject([{ adopted: false, keyVersion: 1 }])
    expect([textOf(file), statSync(file).mtimeMs]).toEqual([text, mtimeMs])
  })

  test('the mode of the file stays', async () => {
    const file = files.write('app.yaml', manifest(await raw()))
    chmodSync(file, 0o640)
    await adoptAll(file)
    expect(statSync(file).mode & 0o777).toBe(0o640)
  })
})

describe('asked before', () => {
  test('off a terminal --yes is needed, before any call', async () => {
    const text = manifest(await raw())
    const file = files.write('app.yaml', text)
    const before = world.requests.length
    const { code, stderr } = await adopt([...KEYS, '--files', file])
    expect(code).toBe(2)
    expect(stderr).toContain('--yes')
    expect(world.requests).toHaveLength(before)
    expect(textOf(file)).toBe(text)
  })

  test.each([
    [true, 0],
    [false, 1],
  ])('on a terminal the person is: %s', async (answer, code) => {
    const text = manifest(await raw())
    const file = files.write('app.yaml', text)
    const ran = await adopt([...KEYS, '--files', file], { isTerminal: true, answer })
    expect(ran.code).toBe(code)
    expect(textOf(file) === text).toBe(!answer)
  })

  test('--dry-run asks nobody, opens and seals, and writes nothing', async () => {
    const text = manifest(await raw())
    const file = files.write('app.yaml', text)
    const args = [...KEYS, '--dry-run', '--json', '--files', file]
    const { code, stdout, stderr } = await adopt(args)
    expect(code).toBe(0)
    expect(stderr).toContain(`would seal secrets.json of Secret app/app-secrets in ${file}`)
    expect(JSON.parse(stdout).documents).toMatchObject([{ adopted: false, keyVersion: 1 }])
    expect(textOf(file)).toBe(text)
  })
})

describe('what fails stays as it is, and does not stop the others', () => {
  test.each<readonly [string, (good: string) => string, number, string]>([
    ['another key', (good) => good.replace(/.{12}$/, rawLine().slice(-12)), 6, 'SM_CT_AUTH_FAILED'],
    ['a key version that there is none of', () => rawLine(9), 6, 'SM_CT_TOO_NEW'],
  ])('%s', async (_what, spoil, code, told) => {
    const [bad, good] = [spoil(await raw()), await raw('{"good":1}')]
    const text = `${manifest(bad, 'bad')}---\n${manifest(good, 'good')}`
    const file = files.write('a.yaml', text)
    const next = files.write('b.yaml', manifest(await raw('{"next":1}'), 'next'))
    const ran = await adoptAll(files.path, '--json')
    expect(ran.code).toBe(code)
    expect(ran.stderr).toContain(told)
    expect(ran.stderr).toContain(`${file}: cannot open secrets.json of Secret app/bad`)
    expect(ran.stderr).toContain('2 adopted, 1 failed\n')
    expect(JSON.parse(ran.stdout).documents).toMatchObject([
      { name: 'good', adopted: true },
      { file: next, adopted: true },
      { name: 'bad', dataKey: 'secrets.json', adopted: false, code: told },
    ])
    expect(textOf(file).startsWith(manifest(bad, 'bad'))).toBe(true)
    expect(around(text, good, textOf(file))).toMatch(/^sealed:v1:/)
  })

  test.each<readonly [string, (line: string) => string, number, string]>([
    [
      'in stringData',
      (line) => `apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  s: ${line}\n`,
      2,
      'in stringData',
    ],
    ['twice in a file', (line) => `${manifest(line)}---\n${manifest(line)}`, 2, 'more than once'],
    ['of an object without a name', (line) => manifest(line, '""'), 2, 'secretName'],
    ['of a name that is none', (line) => manifest(line, '"../x"'), 2, 'secretName'],
    [
      'under a name that steers a terminal',
      (line) => manifest(line, '"a\\u001B[2J"'),
      2,
      'secretName',
    ],
    [
      'behind an alias',
      (line) =>
        manifest('x')
          .replace(/: \S*\n$/, `: *it\n`)
          .replace('name: app', `name: &it ${Buffer.from(line).toString('base64')} #`),
      2,
      'SM_CONFIG_INVALID',
    ],
    ['in what is not YAML', (line) => `Secret: [\n# ${line}`, 2, 'the file is not YAML'],
    ['in what is not UTF-8', (line) => `${manifest(line)}# \u00E4`, 2, 'is not UTF-8'],
  ])('%s, without a call for it', async (_what, text, code, told) => {
    const bad = Buffer.from(text(await raw()), told.includes('UTF-8') ? 'latin1' : 'utf8')
    files.write('a.yaml', '')
    writeFileSync(join(files.path, 'a.yaml'), bad)
    const before = world.requests.filter((each) => each.includes('/transit/'))
    const ran = await adoptAll(files.path)
    expect(ran.code).toBe(code)
    expect(ran.stderr).toContain(told)
    expect(ran.stderr).not.toContain('\u001B')
    expect(readFileSync(join(files.path, 'a.yaml'))).toEqual(bad)
    expect(world.requests.filter((each) => each.includes('/transit/'))).toEqual(before)
  })

  test('D2: through a symbolic link nothing is replaced', async () => {
    const text = manifest(await raw())
    const target = files.write('elsewhere.txt', text)
    symlinkSync(target, join(files.path, 'app.yaml'))
    const ran = await adoptAll(files.path)
    expect(ran.code).toBe(2)
    expect(ran.stderr).toContain('is a symbolic link')
    expect(textOf(target)).toBe(text)
  })

  test('D1: a file that somebody changes meanwhile is not overwritten', async () => {
    const file = files.write('app.yaml', manifest(await raw()))
    const runtime = during('/transit/encrypt/', () => writeFileSync(file, 'theirs'))
    const ran = await adopt([...KEYS, '--yes', '--json', '--files', file], { runtime })
    expect(ran.code).toBe(2)
    expect(ran.stderr).toContain('changed while it was worked on')
    expect(JSON.parse(ran.stdout).documents).toMatchObject([{ adopted: false }])
    expect(textOf(file)).toBe('theirs')
  })

  test.each(['refused', 'altered'] as const)(
    'the new document, when its opening is %s: proof before the old one goes',
    async (how) => {
      const text = manifest(await raw())
      const file = files.write('app.yaml', text)
      const runtime = unproven(world.runtime, how)
      const ran = await adopt([...KEYS, '--yes', '--files', file], { runtime })
      expect(ran.code).toBe(how === 'refused' ? 3 : 6)
      expect(textOf(file)).toBe(text)
    },
  )

  test('a Vault that cannot be asked is not asked for each', async () => {
    const texts = ['a', 'b', 'c'].map((name) => [name, name] as const)
    for (const [name] of texts) files.write(`${name}.yaml`, manifest(await raw(), name))
    await world.seal()
    const ran = await adoptAll(files.path, '--wait', '0s')
    expect(ran.code).toBe(5)
    expect(ran.stderr).toContain('0 adopted, 1 failed, 2 not tried\n')
  })

  test.each([
    ['plaintext', DOCUMENT, 6, 'is not a Transit ciphertext'],
    ['sealed otherwise', sealedLine({ transitKey: 'other' }), 6, 'SM_BINDING_MISMATCH'],
  ])('by NAME: %s', async (_what, line, code, told) => {
    const file = files.write('app.yaml', manifest(line))
    const args = ['app-secrets', '--key', 'secrets.json', ...KEYS, '--yes', '--files', file]
    const ran = await adopt(args)
    expect(ran.code).toBe(code)
    expect(ran.stderr).toContain(told)
    expect(textOf(file)).toBe(manifest(line))
  })

  test.each([
    ['what is not base64', manifest('x').replace('eA==', 'e'), 6, 'is not base64'],
    [
      'a namespace that steers a terminal',
      manifest(DOCUMENT, 'app-secrets', '"a\\u001B[2J"'),
      2,
      'namespace must be',
    ],
  ])('by NAME: %s', async (_what, text, code, told) => {
    const file = files.write('app.yaml', text)
    const args = ['app-secrets', '--key', 'secrets.json', ...KEYS, '--yes', '--files', file]
    const ran = await adopt(args)
    expect(ran.code).toBe(code)
    expect(ran.stderr).toContain(told)
    expect(ran.stderr).not.toContain('\u001B')
    expect(textOf(file)).toBe(text)
  })

  test.each([
    ['an object', 'none', 'secrets.json', 'no file has a Secret none'],
    ['an entry', 'app-secrets', 'none', 'no file has none of Secret app-secrets'],
  ])('by NAME: %s that no file has', async (_what, name, key, told) => {
    const file = files.write('app.yaml', manifest(await raw()))
    const ran = await adopt([name, '--key', key, ...KEYS, '--yes', '--files', file])
    expect(ran.code).toBe(4)
    expect(ran.stderr).toContain(told)
  })

  test('a path that is not there', async () => {
    expect(await adoptAll('/nowhere/at-all')).toMatchObject({ code: 2, stdout: '' })
  })
})

test('D1: stopped at any request, each file is as it was or done; run again, all are', async () => {
  const lines = [await raw('{"a":1}'), await raw('{"b":2}')] as const
  const names = ['a', 'b'] as const
  const args = ['adopt', ...KEYS, '--yes', ...SERVERS, '--files', files.path]
  let isStopped = true
  for (let stopAt = 1; isStopped; stopAt += 1) {
    const before = names.map((name, at) => manifest(lines[at] ?? '', name))
    const paths = names.map((name, at) => files.write(`${name}.yaml`, before[at] ?? ''))
    const stop = new AbortController()
    let count = 0
    const runtime = intercepted(world.runtime, () => {
      count += 1
      if (count === stopAt) stop.abort('SIGINT')
      return undefined
    })
    const { code } = await run(args, { runtime, interrupt: stop.signal })
    isStopped = stop.signal.aborted
    expect(code).toBe(isStopped ? 130 : 0)
    for (const [at, path] of paths.entries()) {
      const text = textOf(path)
      if (text !== before[at]) expect(around(before[at] ?? '', lines[at] ?? '', text)).toMatch(/^s/)
    }
    expect(await adoptAll(files.path)).toMatchObject({ code: 0 })
    for (const [at, path] of paths.entries()) {
      const now = around(before[at] ?? '', lines[at] ?? '', textOf(path))
      expect(await opened(now, names[at])).toBe(['{"a":1}', '{"b":2}'][at])
    }
    if (!isStopped) expect(stopAt).toBeGreaterThan(8)
  }
})

test('the cluster is as it was', async () => {
  const line = await raw()
  await world.putRaw('app-secrets', line)
  const before = await objectOf(world, 'app-secrets')
  await adoptAll(files.write('app.yaml', manifest(line)))
  expect(await objectOf(world, 'app-secrets')).toEqual(before)
})

/** The same world, where something happens before a request whose path has this part. */
function during(part: string, happens: () => void): Runtime {
  return intercepted(world.runtime, (request) => {
    if (request.includes(part)) happens()
    return undefined
  })
}

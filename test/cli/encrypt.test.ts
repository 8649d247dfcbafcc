import { beforeEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'

import { OPENED, SERVERS, withFiles, type CliWorld, type Ran } from './world.ts'
import { largestDocument } from '../../src/sealed/format.ts'
import { authorWorld, createObject, objectOf, runAt, withBytes, type Desk } from './author.ts'

const CANARY = 'CANARY-plaintext-value'
const DOCUMENT = `{"password": "${CANARY}",\r\n "id": 12345678901234567890}`

const ENCRYPT = ['encrypt', 'app-secrets', ...OPENED, ...SERVERS]

let world: CliWorld

beforeEach(async () => {
  world = await authorWorld()
})

describe('into the cluster', () => {
  test('from a pipe, byte for byte, with revision and key version on stderr', async () => {
    const before = Date.now()
    const ran = await encrypt([], { stdin: DOCUMENT })
    expect(ran).toMatchObject({ code: 0, stdout: '' })
    const [, revision] =
      /^sealed secrets\.json of Secret app\/app-secrets: revision (\d+), key app version 1; the object is new\n$/.exec(
        ran.stderr,
      ) ?? []
    expect(Number(revision)).toBeGreaterThanOrEqual(before)
    const { data, metadata } = await objectOf(world, 'app-secrets')
    expect(Object.keys(data)).toEqual(['secrets.json'])
    expect(decoded(data['secrets.json'])).toContain(
      `sealed:v1:transit:app:strict:${revision}:vault:v1:`,
    )
    expect(metadata.labels).toEqual({
      'app.kubernetes.io/managed-by': 'secretmanager',
      'kubevault.secretmanager/managed': 'true',
    })
    expect(await read()).toBe(DOCUMENT)
  })

  test.each([
    ['/app.json', DOCUMENT, [], DOCUMENT],
    ['/.env', `PASSWORD="${CANARY}"\r\n`, [], `{\n  "PASSWORD": "${CANARY}"\n}\n`],
    ['/app.yaml', `password: ${CANARY}`, [], `{\n  "password": "${CANARY}"\n}\n`],
    ['/app.txt', `password: ${CANARY}`, ['--input', 'yaml'], `{\n  "password": "${CANARY}"\n}\n`],
    ['/empty.json', '{}', [], '{}'],
  ])('from %s', async (path, text, more, expected) => {
    const runtime = withFiles(world.runtime, { [path]: text })
    expect(await encrypt(['--from', path, ...more], { runtime })).toMatchObject({ code: 0 })
    expect(await read()).toBe(expected)
  })

  test('P: a binary payload, as bytes', async () => {
    const payload = Uint8Array.from({ length: 1000 }, (_, at) => (at * 7) % 256)
    const runtime = withBytes(world.runtime, { '/key.der': payload })
    const args = ['--from', '/key.der', '--input', 'bytes']
    expect(await encrypt(args, { runtime })).toMatchObject({ code: 0 })
    const { stderr } = await runAt(['read', 'app-secrets', ...OPENED, ...SERVERS], world)
    expect(stderr).toContain('SM_PAYLOAD_INVALID')
    expect(await readBytes()).toEqual(payload)
  })

  test('siblings, labels, annotations and type of an object stay, and the revision grows', async () => {
    await createObject(world, {
      type: 'example.com/custom',
      metadata: { name: 'app-secrets', labels: { team: 'a' }, annotations: { note: 'b' } },
      data: { sibling: 'AAEC' },
    })
    const first = await encrypt(['--json'], { stdin: DOCUMENT })
    const second = await encrypt(['--json'], { stdin: '{}' })
    const [older, newer] = [first, second].map(({ stdout }) => JSON.parse(stdout))
    expect(older).toMatchObject({
      kind: 'Secret',
      namespace: 'app',
      name: 'app-secrets',
      created: false,
    })
    expect(newer.revision).toBeGreaterThan(older.revision)
    expect(await objectOf(world, 'app-secrets')).toMatchObject({
      type: 'example.com/custom',
      metadata: { labels: { team: 'a' }, annotations: { note: 'b' } },
      data: { sibling: 'AAEC' },
    })
    expect(await read()).toBe('{}')
  })

  test('a revision from the future is exceeded', async () => {
    const far = 2_000_000_000_000
    await world.putRaw(
      'app-secrets',
      `sealed:v1:transit:app:strict:${far}:vault:v1:${'A'.repeat(64)}`,
    )
    const { stderr } = await encrypt([], { stdin: '{}' })
    expect(stderr).toContain(`revision ${far + 1}`)
  })

  test('a ConfigMap', async () => {
    const type = ['--type', 'CONFIG_MAP']
    expect(await encrypt(type, { stdin: '{}' })).toMatchObject({ code: 0 })
    const { data } = await objectOf(world, 'app-secrets', 'configmaps')
    expect(data['secrets.json']).toMatch(/^sealed:v1:/)
    expect(await read(type)).toBe('{}')
  })

  test('an immutable object is refused, and stays', async () => {
    await createObject(world, { metadata: { name: 'app-secrets' }, immutable: true })
    const { code, stderr } = await encrypt([], { stdin: DOCUMENT })
    expect(code).toBe(1)
    expect(stderr).toContain('Secret app/app-secrets is immutable')
    expect(stderr).toContain('SM_K8S_REJECTED')
  })

  test('what somebody else wrote meanwhile is not overwritten: exit 7', async () => {
    await world.putRaw('app-secrets', 'theirs')
    const runtime = interfering(() => world.putRaw('app-secrets', 'theirs, newer'))
    expect(await encrypt([], { stdin: '{}', runtime })).toMatchObject({ code: 7, stdout: '' })
    expect(decoded((await objectOf(world, 'app-secrets')).data['secrets.json'])).toBe(
      'theirs, newer',
    )
  })
})

describe('as a manifest', () => {
  test.each(['SECRET', 'CONFIG_MAP'])(
    '-o yaml of a %s: what it must have, nothing else',
    async (type) => {
      const ran = await encrypt(['-o', 'yaml', '--type', type, '-n', 'prod'], { stdin: DOCUMENT })
      expect(ran.code).toBe(0)
      const { data, ...rest } = parse(ran.stdout)
      expect(rest).toEqual({
        apiVersion: 'v1',
        kind: type === 'SECRET' ? 'Secret' : 'ConfigMap',
        metadata: {
          name: 'app-secrets',
          namespace: 'prod',
          labels: {
            'app.kubernetes.io/managed-by': 'secretmanager',
            'kubevault.secretmanager/managed': 'true',
          },
        },
      })
      const stored = type === 'SECRET' ? decoded(data['secrets.json']) : data['secrets.json']
      expect(stored).toMatch(/^sealed:v1:transit:app:strict:\d+:vault:v1:\S+$/)
      expect(ran.stdout.split('\n').filter((line) => line.includes('secrets.json'))).toHaveLength(1)
      expect(ran.stderr).toContain('nothing was written to the cluster')
    },
  )

  test('-o json; once it is applied a service reads it', async () => {
    const { stdout } = await encrypt(['-o', 'json'], { stdin: DOCUMENT })
    await createObject(world, JSON.parse(stdout))
    expect(await read()).toBe(DOCUMENT)
  })

  test('with a token of Vault no API server is asked', async () => {
    const token = world.plan.rootToken
    const before = world.requests.length
    const runtime = withFiles(world.runtime, {}, { VAULT_TOKEN: token })
    const args = [...ENCRYPT, '--auth-method', 'token', '-n', 'prod', '-o', 'yaml']
    const flags = args.filter((each) => each !== '--role' && each !== 'app')
    const key = flags.toSpliced(flags.indexOf('--transit-key') + 1, 0, 'app')
    expect(await runAt(key, { runtime, stdin: '{}' })).toMatchObject({ code: 0 })
    expect(world.requests.slice(before)).toEqual([
      'GET /v1/transit/keys/app',
      'POST /v1/transit/encrypt/app',
    ])
  })
})

describe('--onto a file of manifests', () => {
  const MANIFESTS = (value: string): string =>
    `# ours\napiVersion: v1\nkind: Secret\nmetadata: {name: app-secrets} # no namespace\ndata:\n  sibling: AAEC\n  secrets.json: ${value}\n---\nkind: Other\n`

  test('the document is replaced, every other byte stays, and the revision grows', async () => {
    const far = 2_000_000_000_000
    const old = Buffer.from(`sealed:v1:transit:app:strict:${far}:vault:v1:${'A'.repeat(64)}`)
    const runtime = withFiles(world.runtime, { '/app.yaml': MANIFESTS(old.toString('base64')) })
    const ran = await encrypt(['--onto', '/app.yaml'], { runtime, stdin: DOCUMENT })
    expect(ran.stderr).toContain(`revision ${far + 1}`)
    const value = /secrets\.json: (\S+)/.exec(ran.stdout)?.[1] ?? ''
    expect(ran.stdout).toBe(MANIFESTS(value))
    expect(decoded(value)).toContain(`sealed:v1:transit:app:strict:${far + 1}:`)
  })

  test.each([
    [
      'in quotes, in JSON',
      '{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"app-secrets"},"data":{"secrets.json":"sealed:v1:x"}}',
    ],
    [
      'as a block',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app-secrets}\ndata:\n  secrets.json: |\n    sealed:v1:x\n  z: y\n',
    ],
    [
      'folded, at the end',
      'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app-secrets}\ndata:\n  secrets.json: >-\n    sealed:v1:x',
    ],
  ])('a value %s', async (_how, file) => {
    const runtime = withFiles(world.runtime, { '/app.yaml': file })
    const args = ['--onto', '/app.yaml', '--type', 'CONFIG_MAP']
    const { code, stdout, stderr } = await encrypt(args, { runtime, stdin: '{}' })
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(parse(stdout).data).toMatchObject({
      ...parse(file).data,
      'secrets.json': expect.stringMatching(/^sealed:v1:transit:app:strict:\d+:vault:v1:\S+$/),
    })
  })

  test.each([
    ['empty', '', 'the file "/app.yaml" is empty'],
    [
      'of another object',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: other}',
      'has no secrets.json of Secret app/app-secrets',
    ],
    [
      'of another namespace',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: app-secrets, namespace: b}\ndata: {secrets.json: AAAA}',
      'has no',
    ],
    ['that is broken', `a: "${CANARY}\nb`, 'is not YAML'],
    ['with text that is no base64', MANIFESTS(CANARY), 'is not base64'],
    [
      'with stringData',
      `apiVersion: v1\nkind: Secret\nmetadata: {name: app-secrets}\nstringData: {secrets.json: ${CANARY}}`,
      'in stringData',
    ],
    ['that names it twice', `${MANIFESTS('AAAA')}---\n${MANIFESTS('AAAA')}`, 'more than once'],
  ])('a file %s is refused, before any call', async (_what, file, told) => {
    const before = world.requests.length
    const runtime = withFiles(world.runtime, { '/app.yaml': file })
    const ran = await encrypt(['--onto', '/app.yaml'], { runtime, stdin: DOCUMENT })
    expect(ran).toMatchObject({ code: 2, stdout: '' })
    expect(ran.stderr).toContain(told)
    expect(ran.stderr).not.toContain('CANARY')
    expect(world.requests).toHaveLength(before)
  })
})

describe('before any call', () => {
  const MOST = largestDocument({ mount: 'transit', transitKey: 'app', scope: 'strict' })

  test('P: the largest document fits, one byte more is refused', async () => {
    const largest = withBytes(world.runtime, { '/x.bin': new Uint8Array(MOST).fill(255) })
    const args = ['--from', '/x.bin', '--input', 'bytes']
    expect(await encrypt(args, { runtime: largest })).toMatchObject({ code: 0 })
    const before = world.requests.length
    const more = withBytes(world.runtime, { '/x.bin': new Uint8Array(MOST + 1) })
    for (const how of [[], ['-o', 'yaml'], ['--dry-run']]) {
      const { code, stdout, stderr } = await encrypt([...args, ...how], { runtime: more })
      expect({ code, stdout }).toEqual({ code: 6, stdout: '' })
      expect(stderr).toContain(`has ${MOST + 1} bytes, the most is ${MOST}`)
    }
    expect(world.requests).toHaveLength(before)
  })

  test.each([
    ['a name that comes twice', [], `{"a": "${CANARY}", "a": 1}`, 6, 'SM_PAYLOAD_INVALID'],
    ['no dictionary', [], `["${CANARY}"]`, 6, 'SM_PAYLOAD_INVALID'],
    ['nothing', [], '', 6, 'SM_PAYLOAD_INVALID'],
    ['.env with a broken line', ['--input', 'env'], `A=1\n${CANARY}`, 6, 'SM_PAYLOAD_INVALID'],
    ['a file that is not there', ['--from', '/none'], '', 2, 'SM_FILE_UNREADABLE'],
    ['-o and --onto', ['-o', 'yaml', '--onto', '/x'], '{}', 2, 'cannot be used with'],
    ['-o and --json', ['-o', 'yaml', '--json'], '{}', 2, 'cannot be used with'],
    ['another notation', ['--input', 'toml'], '{}', 2, 'json, yaml, env, bytes'],
    ['a value as an argument', [`{"a":"${CANARY}"}`], '', 2, 'too many arguments'],
  ])('I10: %s is refused', async (_what, more, stdin, code, told) => {
    const before = world.requests.length
    const ran = await encrypt(more, { stdin })
    expect(ran).toMatchObject({ code, stdout: '' })
    expect(ran.stderr).toContain(told)
    expect(ran.stderr).not.toContain('CANARY')
    expect(world.requests).toHaveLength(before)
  })

  test('a terminal without input is told what to give; --from - reads from it', async () => {
    const ran = await encrypt([], { isTerminal: true, stdin: '{}' })
    expect(ran).toMatchObject({ code: 2, stdout: '' })
    expect(ran.stderr).toContain('stdin is a terminal')
    expect(ran.stderr).toContain('--from FILE')
    const typed = await encrypt(['--from', '-'], { isTerminal: true, stdin: '{}' })
    expect(typed.code).toBe(0)
    expect(typed.stderr).toContain('ctrl-d ends it')
  })

  test('--dry-run says what would be done, and calls nobody', async () => {
    const before = world.requests.length
    const ran = await encrypt(['--dry-run'], { stdin: DOCUMENT })
    expect(ran).toMatchObject({ code: 0, stdout: '' })
    expect(ran.stderr).toBe(
      `would encrypt ${DOCUMENT.length} bytes of JSON for secrets.json of Secret app/app-secrets with the key app, bound to that place; nothing was encrypted or written\n`,
    )
    expect(world.requests).toHaveLength(before)
  })
})

describe('I10: whatever happens, no output has a secret', () => {
  test.each([
    ['a success', [], 0],
    ['a manifest', ['-o', 'yaml'], 0],
    ['a dry run', ['--dry-run'], 0],
    ['a key that is not derived', ['--transit-key', 'plain'], 3],
    ['a namespace without rights', ['-n', 'default'], 3],
    ['a role that may not log in', ['--audience', 'elsewhere'], 3],
  ])('%s', async (_what, more, code) => {
    const ran = await encrypt([...more, '--wait', '0'], { stdin: DOCUMENT })
    expect(ran.code).toBe(code)
    for (const secret of [CANARY, ...world.credentials]) {
      for (const form of [
        secret,
        secret.slice(-16),
        Buffer.from(secret).toString('base64').slice(0, 20),
      ]) {
        expect(ran.stdout + ran.stderr).not.toContain(form)
      }
    }
  })
})

function encrypt(more: readonly string[], desk: Partial<Desk>): Promise<Ran> {
  return runAt([...ENCRYPT, ...more], { runtime: world.runtime, ...desk })
}

async function read(more: readonly string[] = []): Promise<string> {
  return (await runAt(['read', 'app-secrets', ...OPENED, ...SERVERS, '--json', ...more], world))
    .stdout
}

async function readBytes(): Promise<Uint8Array> {
  const { SecretManager } = await import('../../src/manager.ts')
  const auth = { method: 'kubernetes', role: 'app' } as const
  const config = { vault: { url: 'https://vault.test:8200', auth } }
  await using manager = new SecretManager(config, { runtime: world.runtime })
  const where = { secretName: 'app-secrets', readKey: 'secrets.json', transitKey: 'app' }
  return await manager.readBytes(where)
}

/** Somebody writes between our reading of the object and our writing. */
function interfering(work: () => Promise<void>): CliWorld['runtime'] {
  const { runtime } = world
  return {
    ...runtime,
    transport: (options) => {
      const transport = runtime.transport(options)
      return {
        ...transport,
        send: async (request) => {
          if (request.url.includes('/transit/encrypt/')) await work()
          return transport.send(request)
        },
      }
    },
  }
}

function decoded(base64: string | undefined): string {
  return Buffer.from(base64 ?? '', 'base64').toString()
}

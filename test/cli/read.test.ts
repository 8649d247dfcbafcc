import { beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { cliWorld, hurried, OPENED, run, SERVERS, withFiles } from './world.ts'
import type { CliWorld, Ran } from './world.ts'

const DOCUMENT =
  '{"redis_url": "redis://r",\n "id": 12345678901234567890, "ratio": 1.10, "nested": {"port": [1, "two", null]}}\n'

const READ = ['read', 'app-secrets', ...OPENED, ...SERVERS]

const NAMES = 'redis_url\nid\nratio\nnested\n'

interface Given {
  readonly config?: object
  readonly env?: Readonly<Record<string, string>>
  readonly flags?: readonly string[]
  readonly isSealed?: boolean
}

let world: CliWorld
let original: CliWorld

beforeAll(async () => {
  world = await cliWorld()
  original = await cliWorld('original')
  await original.put('app-secrets', DOCUMENT)
})

beforeEach(async () => {
  await world.unseal()
  await world.put('app-secrets', DOCUMENT)
})

describe('what is printed', () => {
  test('names alone, to stdout, and their number to stderr', async () => {
    expect(await run(READ, world)).toEqual({
      code: 0,
      stdout: 'redis_url\nid\nratio\nnested\n',
      stderr: '4 entries; --reveal prints the values\n',
    })
  })

  test('one entry is counted as one', async () => {
    const { stderr } = await readOf('{"a": "b"}')
    expect(stderr).toBe('1 entry; --reveal prints the values\n')
  })

  test('values when asked for, in full precision', async () => {
    expect(await run([...READ, '--reveal'], world)).toEqual({
      code: 0,
      stdout:
        'redis_url = redis://r\nid = 12345678901234567890\nratio = 1.1\nnested = {"port": [1, "two", null]}\n',
      stderr: '4 entries\n',
    })
  })

  test('nothing that steers a terminal or passes for another line', async () => {
    const document = JSON.stringify({
      'a\nb = c': 'x',
      escape: '\u001B[2J',
      c1: 'a\u009B2J',
      line: 'one\ntwo',
      bidi: '\u202Egnp',
      quiet: 'Grüße "quoted" \\',
    })
    const { stdout } = await readOf(document, '--reveal')
    expect(stdout.split('\n')).toEqual([
      String.raw`"a\nb = c" = x`,
      String.raw`escape = "\u001b[2J"`,
      String.raw`c1 = "a\u009b2J"`,
      String.raw`line = "one\ntwo"`,
      String.raw`bidi = "\u202egnp"`,
      String.raw`quiet = Grüße "quoted" \ `.trimEnd(),
      '',
    ])
  })

  test('--json: the document byte for byte', async () => {
    expect(await run([...READ, '--json'], world)).toEqual({
      code: 0,
      stdout: DOCUMENT,
      stderr: '',
    })
  })

  test('--json to a terminal is refused before any call', async () => {
    const before = world.requests.length
    const { code, stdout, stderr } = await run([...READ, '--json'], { ...world, isTerminal: true })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('plaintext is not printed to a terminal unasked')
    expect(world.requests).toHaveLength(before)
  })

  test('--json --reveal to a terminal is what the person asked for', async () => {
    const { code, stdout } = await run([...READ, '--json', '--reveal'], {
      ...world,
      isTerminal: true,
    })
    expect({ code, stdout }).toEqual({ code: 0, stdout: `${DOCUMENT}\n` })
  })

  test('--json of what is no dictionary is an error without output', async () => {
    const { code, stdout } = await readOf('["CANARY"]', '--json')
    expect({ code, stdout }).toEqual({ code: 6, stdout: '' })
  })
})

describe('configuration and definition', () => {
  const OLD_CONFIG = {
    SOURCE: 'KUBEVAULT',
    kube_config: null,
    service_account: 'default',
    namespace: 'default',
    vault_url: VAULT_ORIGIN,
    role: 'demo',
    ca_cert: true,
  }
  const NATIVE_CONFIG = {
    vault: {
      url: VAULT_ORIGIN,
      auth: { method: 'kubernetes', role: 'demo', audience: 'https://kubernetes.default.svc' },
    },
  }
  const OLD_DEFINITION = {
    transit_key: 'aes256-key',
    namespace: 'default',
    secret_name: 'app-secrets',
    read_type: 'SECRET',
    read_key: 'secrets.json',
  }
  const NATIVE_DEFINITION = {
    secretName: 'app-secrets',
    readKey: 'secrets.json',
    transitKey: 'aes256-key',
    format: 'raw',
  }

  const ORIGINAL_ENV = {
    VAULT_URL: VAULT_ORIGIN,
    CA_CERT: 'True',
    ROLE: 'demo',
    SERVICE_ACCOUNT: 'default',
    NAMESPACE: 'default',
  }
  const SEALED = { transitKey: 'app', format: 'sealed' }

  test.each([
    ['old', OLD_CONFIG, OLD_DEFINITION],
    ['native', NATIVE_CONFIG, NATIVE_DEFINITION],
    ['mixed', NATIVE_CONFIG, OLD_DEFINITION],
  ])('%s files in JSON and in YAML', async (_shape, config, definition) => {
    for (const [ending, write] of [['json', JSON.stringify] as const, ['yaml', yaml] as const]) {
      const runtime = withFiles(original.runtime, {
        [`/etc/cfg.${ending}`]: write(config),
        [`/etc/def.${ending}`]: write(definition),
      })
      const args = ['read', '--config', `/etc/cfg.${ending}`, '--def', `/etc/def.${ending}`]
      expect(await run(args, { runtime })).toMatchObject({
        code: 0,
        stdout: 'redis_url\nid\nratio\nnested\n',
      })
    }
  })

  test("the environment of the original's jobs is enough", async () => {
    const definition = { SECRET_NAME: 'app-secrets', SECRET_DATA_NAME: 'secrets.json' }
    const runtime = withFiles(
      original.runtime,
      {},
      {
        ...ORIGINAL_ENV,
        ...definition,
        TRANSIT_KEY: 'aes256-key',
        VALIDATE: 'true',
      },
    )
    const { code, stdout, stderr } = await run(['read'], { runtime })
    expect({ code, stdout, stderr }).toMatchObject({ code: 0 })
    expect(stdout).toContain('redis_url')
  })

  test.each([
    ['the original, in a file', { config: OLD_CONFIG }],
    [
      'the original, and more than its shape can say',
      { config: OLD_CONFIG, flags: ['--cluster', 'b'] },
    ],
    ['the original, in the environment', { env: ORIGINAL_ENV }],
    ['native, where it is asked for', { config: NATIVE_CONFIG, flags: ['--format', 'raw'] }],
    [
      'the original, where sealed is asked for',
      { config: OLD_CONFIG, flags: ['--format', 'sealed'], isSealed: true },
    ],
    ['native', { config: NATIVE_CONFIG, isSealed: true }],
  ])(
    'without a definition file, documents are raw or sealed by the configuration: %s',
    async (_of, given) => {
      const { config, env = {}, flags = [], isSealed = false } = given as Given
      const files = config === undefined ? {} : { '/cfg.json': JSON.stringify(config) }
      const file = config === undefined ? [] : ['--config', '/cfg.json']
      const args = [
        'read',
        'app-secrets',
        '-n',
        'default',
        '--key',
        'secrets.json',
        ...file,
        ...flags,
      ]
      const runtime = withFiles(original.runtime, files, env)
      const ran = await run([...args, '--transit-key', 'aes256-key'], { runtime })
      if (!isSealed) return expect(ran).toMatchObject({ code: 0, stdout: NAMES })
      expect(ran.code).toBe(6)
      expect(ran.stderr).toContain('is raw (vault:vN:…), and the definition says sealed')
    },
  )

  test("a definition's file says its format itself, whatever the configuration", async () => {
    const { format: _raw, ...sealed } = NATIVE_DEFINITION
    const files = { '/cfg.json': JSON.stringify(OLD_CONFIG), '/def.json': JSON.stringify(sealed) }
    const runtime = withFiles(original.runtime, files)
    const args = ['read', '-n', 'default', '--config', '/cfg.json', '--def', '/def.json']
    expect((await run(args, { runtime })).stderr).toContain('the definition says sealed')
    expect(await run([...args, '--format', 'raw'], { runtime })).toMatchObject({ code: 0 })
  })

  test.each([
    [['--binding', 'namespace'], 'SM_BINDING_MISMATCH', 'binding "strict" where'],
    [['--cluster', 'other'], 'SM_CT_AUTH_FAILED', 'in cluster "other"'],
  ])('%j asks for what a document must be bound to', async (flags, code, says) => {
    const ran = await run([...READ, ...flags], world)
    expect(ran.code).toBe(6)
    expect(ran.stderr).toContain(`code:  ${code}`)
    expect(ran.stderr.replaceAll(/\s+/g, ' ')).toContain(says)
  })

  test.each(['--format', '--binding'])('%s offers what there is', async (flag) => {
    const { code, stderr } = await run([...READ, flag, 'CANARY'], world)
    expect(code).toBe(2)
    expect(stderr).toContain('allowed choices are')
  })

  test('a flag wins over the environment, the environment over the file', async () => {
    const files = { '/cfg.json': configWith('https://file.test:8200') }
    const args = ['read', 'app-secrets', ...OPENED, '--wait', '0', '--config', '/cfg.json']
    const inFile = await run(args, { runtime: withFiles(world.runtime, files) })
    expect(inFile.stderr).toContain('https://file.test:8200')
    const runtime = withFiles(world.runtime, files, { VAULT_ADDR: 'https://env.test:8200' })
    expect((await run(args, { runtime })).stderr).toContain('https://env.test:8200')
    expect(await run([...args, '--vault-url', VAULT_ORIGIN], { runtime })).toMatchObject({
      code: 0,
    })
  })

  test('a name on the command line wins over the one in the definition', async () => {
    const definition = { ...NATIVE_DEFINITION, ...SEALED, secretName: 'another' }
    const runtime = withFiles(world.runtime, { '/def.json': JSON.stringify(definition) })
    const args = ['read', 'app-secrets', '--def', '/def.json', ...SERVERS]
    expect(await run(args, { runtime })).toMatchObject({ code: 0 })
  })

  test('everything that is missing is said at once, with the flags that say it', async () => {
    const { code, stdout, stderr } = await run(['read'], world)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    const settings = ['vault.url', 'vault.auth.role', 'secretName', 'readKey', 'transitKey']
    for (const setting of settings) expect(stderr).toContain(`${setting} is required`)
    expect(stderr).toContain(
      'try:   NAME, --vault-url <url>, --role <name>, --key <name>, --transit-key <name>; or',
    )
  })

  test('a file that is not there and what is missing besides are one error', async () => {
    const { code, stderr } = await run(['read', '--config', '/none.json'], world)
    expect(code).toBe(2)
    expect(stderr).toContain('the configuration file "/none.json" cannot be read')
    expect(stderr).toContain('secretName is required')
  })
})

describe('a server that is away', () => {
  test('the person is told what is waited for, and what to do, once it takes long', async () => {
    await world.seal()
    const runtime = hurried(world.runtime)
    const { code, stderr } = await run([...READ, '--wait', '60s'], { runtime })
    expect(code).toBe(5)
    const [first = '', second, ...rest] = stderr.split('\n')
    expect(first).toMatch(
      /^wait: {2}vault at https:\/\/vault\.test:8200 is sealed .* \(503\); attempt \d, the next in [\d.]+ s$/,
    )
    expect(second).toBe('try:   unseal Vault: vault operator unseal')
    const waits = rest.filter((line) => line.startsWith('wait:'))
    expect(waits.length).toBeGreaterThan(1)
    expect(waits.length).toBeLessThan(6)
    expect(rest.filter((line) => line.startsWith('try:'))).toHaveLength(1)
  })

  test('a short wait passes without a word', async () => {
    await world.seal()
    const runtime = hurried(world.runtime, () => world.unseal())
    expect(await run(READ, { runtime })).toMatchObject({
      code: 0,
      stderr: '4 entries; --reveal prints the values\n',
    })
  })

  test('the read goes on when it is back', async () => {
    await world.seal()
    const runtime = hurried(world.runtime, (now) => (now > 5000 ? world.unseal() : undefined))
    const { code, stdout, stderr } = await run(READ, { runtime })
    expect({ code, stdout }).toEqual({ code: 0, stdout: 'redis_url\nid\nratio\nnested\n' })
    expect(stderr).toMatch(/^wait: /)
  })

  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ])('%s ends the wait with %i', async (signal, code) => {
    await world.seal()
    const person = new AbortController()
    const runtime = hurried(world.runtime, () => person.abort(signal))
    expect(await run(READ, { runtime, interrupt: person.signal })).toEqual({
      code,
      stdout: '',
      stderr: 'interrupted\n',
    })
  })
})

async function readOf(document: string, ...more: string[]): Promise<Ran> {
  await world.put('app-secrets', document)
  return run([...READ, ...more], world)
}

function configWith(url: string): string {
  return JSON.stringify({ vault: { url, auth: { method: 'kubernetes', role: 'app' } } })
}

/** Flow style on one line per key: YAML that is not JSON. */
function yaml(value: object): string {
  return Object.entries(value)
    .map(([key, part]) => `${key}: ${JSON.stringify(part)}\n`)
    .join('')
}

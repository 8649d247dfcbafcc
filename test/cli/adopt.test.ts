import { beforeEach, describe, expect, test } from 'vitest'

import { encryptRaw, putObject, rotateTransitKey } from '../../src/dev/operator.ts'
import { expect2xx } from '../../src/dev/wire.ts'
import { largestDocument } from '../../src/sealed/format.ts'
import { SERVERS, type CliWorld, type Ran } from './world.ts'
import {
  authorWorld,
  createObject,
  objectOf,
  runAt,
  unproven,
  withBytes,
  type Desk,
} from './author.ts'

const CANARY = 'CANARY-plaintext-value'
const DOCUMENT = `{"password": "${CANARY}",\r\n "id": 12345678901234567890}`

const NAME = ['adopt', 'app-secrets', '--key', 'secrets.json', ...SERVERS]
const ADOPT = [...NAME, '--transit-key', 'app', '--from-transit-key', 'aes256-key']

let world: CliWorld

beforeEach(async () => {
  world = await authorWorld('aes256-key')
  await vault('transit/keys/aes256-key', { type: 'aes256-gcm96' })
})

describe('a raw document becomes a sealed one', () => {
  test('byte for byte, under the new key, and says so', async () => {
    await putRaw(DOCUMENT)
    const ran = await adopt(['--yes'])
    expect(ran).toMatchObject({ code: 0, stdout: '' })
    expect(ran.stderr).toMatch(
      /^secrets\.json of Secret app\/app-secrets is raw\. .*\(the Python original, secretdef\.json\) cannot read it any more.*\nsealed secrets\.json of Secret app\/app-secrets: revision \d+, key app version 1\n$/,
    )
    expect(await stored()).toMatch(/^sealed:v1:transit:app:strict:\d+:vault:v1:/)
    expect(await readSealed()).toBe(DOCUMENT)
  })

  test('siblings, labels, annotations and type stay', async () => {
    const ciphertext = await encryptRaw(
      world.stack.vaultWire,
      { ...world.plan, transitKey: 'aes256-key' },
      DOCUMENT,
    )
    await createObject(world, {
      type: 'example.com/custom',
      metadata: { name: 'app-secrets', labels: { team: 'a' }, annotations: { note: 'b' } },
      data: { sibling: 'AAEC', 'secrets.json': Buffer.from(ciphertext).toString('base64') },
    })
    expect(await adopt(['--yes'])).toMatchObject({ code: 0 })
    expect(await objectOf(world, 'app-secrets')).toMatchObject({
      type: 'example.com/custom',
      metadata: {
        labels: { team: 'a', 'kubevault.secretmanager/managed': 'true' },
        annotations: { note: 'b' },
      },
      data: { sibling: 'AAEC' },
    })
  })

  test("of the original's own definition, that says raw and the old key", async () => {
    await putRaw(DOCUMENT)
    const definition = {
      secret_name: 'app-secrets',
      namespace: 'app',
      read_type: 'SECRET',
      read_key: 'secrets.json',
      transit_key: 'aes256-key',
    }
    const runtime = withBytes(world.runtime, {
      '/secretdef.json': Buffer.from(JSON.stringify(definition)),
    })
    const args = ['adopt', '--def', '/secretdef.json', ...SERVERS]
    const keys = ['--transit-key', 'app', '--from-transit-key', 'aes256-key', '--yes']
    expect(await runAt([...args, ...keys], { runtime })).toMatchObject({ code: 0 })
    expect(await readSealed()).toBe(DOCUMENT)
  })

  test('a ConfigMap', async () => {
    const old = { ...world.plan, transitKey: 'aes256-key' }
    const text = await encryptRaw(world.stack.vaultWire, old, DOCUMENT)
    const data = { 'secrets.json': `${text}\n` }
    await putObject(world.stack.kubernetesWire, world.plan, {
      name: 'app-secrets',
      kind: 'ConfigMap',
      data,
    })
    expect(await adopt(['--yes', '--type', 'CONFIG_MAP'])).toMatchObject({ code: 0 })
    const { data: now } = await objectOf(world, 'app-secrets', 'configmaps')
    expect(now['secrets.json']).toMatch(/^sealed:v1:/)
  })

  test('--binding none keeps the key that is not derived', async () => {
    await putRaw(DOCUMENT)
    const args = [...NAME, '--transit-key', 'aes256-key', '--binding', 'none', '--yes']
    expect(await runAt(args, world)).toMatchObject({ code: 0 })
    expect(await stored()).toMatch(/^sealed:v1:transit:aes256-key:none:/)
  })

  test('a second run writes nothing, and says the revision', async () => {
    await putRaw(DOCUMENT)
    await adopt(['--yes'])
    const { metadata } = await objectOf(world, 'app-secrets')
    await rotateTransitKey(world.stack.vaultWire, world.plan)
    const before = world.requests.length
    const ran = await adopt(['--yes', '--json'])
    expect(ran.code).toBe(0)
    expect(ran.stderr).toMatch(
      /^secrets\.json of Secret app\/app-secrets is already sealed, revision \d+\n$/,
    )
    expect(JSON.parse(ran.stdout)).toMatchObject({ adopted: false, keyVersion: 1 })
    expect(world.requests.slice(before)).toEqual(['GET /api/v1/namespaces/app/secrets/app-secrets'])
    expect((await objectOf(world, 'app-secrets')).metadata).toEqual(metadata)
  })
})

describe('asked before', () => {
  test('off a terminal --yes is needed, before any call', async () => {
    await putRaw(DOCUMENT)
    const before = world.requests.length
    const { code, stderr } = await adopt([])
    expect(code).toBe(2)
    expect(stderr).toContain('readers with a raw definition cannot read')
    expect(stderr).toContain('--yes')
    expect(world.requests).toHaveLength(before)
  })

  test.each([
    [true, 0, /^sealed:v1:/],
    [false, 1, /^vault:v1:/],
  ])('on a terminal the person is: %s', async (answer, code, text) => {
    await putRaw(DOCUMENT)
    const ran = await adopt([], { isTerminal: true, answer })
    expect(ran.code).toBe(code)
    expect(await stored()).toMatch(text)
  })

  test('--dry-run asks nobody and writes nothing', async () => {
    await putRaw(DOCUMENT)
    const { metadata } = await objectOf(world, 'app-secrets')
    const { code, stderr, stdout } = await adopt(['--dry-run', '--json'])
    expect(code).toBe(0)
    expect(stderr).toContain('would seal secrets.json of Secret app/app-secrets')
    expect(JSON.parse(stdout)).toMatchObject({ adopted: false })
    expect((await objectOf(world, 'app-secrets')).metadata).toEqual(metadata)
    expect(world.requests.filter((each) => each.startsWith('PATCH'))).toEqual([])
  })
})

describe('I10: what is refused is left as it is, and told without a secret', () => {
  test.each<readonly [string, () => Promise<void>, readonly string[], number, string]>([
    ['what is not there', () => Promise.resolve(), [], 4, 'there is no Secret app/app-secrets'],
    [
      'an entry that is not there',
      () => createObject(world, { metadata: { name: 'app-secrets' }, data: {} }),
      [],
      4,
      'SM_KEY_MISSING',
    ],
    ['plaintext', () => world.putRaw('app-secrets', DOCUMENT), [], 6, 'SM_CT_FORMAT'],
    [
      'one sealed for another binding',
      () => world.put('app-secrets', DOCUMENT),
      ['--binding', 'namespace'],
      6,
      'SM_BINDING_MISMATCH',
    ],
    [
      'a new key that is not derived',
      () => putRaw(DOCUMENT),
      ['--transit-key', 'aes256-key'],
      6,
      'not derived',
    ],
    [
      'the old key not named',
      () => putRaw(DOCUMENT),
      ['--from-transit-key', 'app'],
      6,
      'name the key that it was encrypted with: --from-transit-key',
    ],
    ['--format raw', () => putRaw(DOCUMENT), ['--format', 'raw'], 2, 'leave --format out'],
    [
      'a changed ciphertext',
      () => world.putRaw('app-secrets', `vault:v1:${'A'.repeat(64)}`),
      [],
      6,
      'SM_CT_AUTH_FAILED',
    ],
  ])('%s', async (_what, given, more, code, told) => {
    await given()
    const before = await stored()
    const ran = await adopt(['--yes', ...more])
    expect(ran).toMatchObject({ code, stdout: '' })
    expect(ran.stderr).toContain(told)
    expect(await stored()).toBe(before)
    for (const secret of [CANARY, ...world.credentials]) expect(ran.stderr).not.toContain(secret)
  })

  test('an immutable object', async () => {
    await createObject(world, { metadata: { name: 'app-secrets' }, immutable: true, data: {} })
    const { code, stderr } = await adopt(['--yes'])
    expect(code).toBe(1)
    expect(stderr).toContain('is immutable')
  })

  test('P: the largest that fits sealed is adopted, one byte more is refused', async () => {
    const most = largestDocument({ mount: 'transit', transitKey: 'app', scope: 'strict' })
    await putRaw('x'.repeat(most + 1))
    const refused = await adopt(['--yes'])
    expect(refused.code).toBe(6)
    expect(refused.stderr).toContain(`has ${most + 1} bytes, the most is ${most}`)
    expect(await stored()).toMatch(/^vault:v1:/)
    await putRaw('x'.repeat(most))
    expect(await adopt(['--yes'])).toMatchObject({ code: 0 })
  })

  test.each([
    ['refused', 3, 'SM_VAULT_DENIED'],
    ['altered', 6, 'was sealed, and then opened as something else; nothing was written'],
  ] as const)(
    'the new document, when its opening is %s: proof before the old one goes',
    async (how, code, told) => {
      await putRaw(DOCUMENT)
      for (const more of [['--yes'], ['--dry-run']]) {
        const ran = await adopt(more, { runtime: unproven(world.runtime, how) })
        expect(ran).toMatchObject({ code, stdout: '' })
        expect(ran.stderr).toContain(told)
        for (const secret of [CANARY, ...world.credentials]) {
          expect(ran.stderr).not.toContain(secret)
        }
      }
      expect(await stored()).toMatch(/^vault:v1:/)
    },
  )

  test('what somebody else writes meanwhile is not overwritten: exit 7', async () => {
    await putRaw(DOCUMENT)
    const runtime: CliWorld['runtime'] = {
      ...world.runtime,
      transport: (options) => {
        const transport = world.runtime.transport(options)
        return {
          ...transport,
          send: async (request) => {
            if (request.url.includes('/transit/encrypt/'))
              await world.putRaw('app-secrets', 'theirs')
            return transport.send(request)
          },
        }
      },
    }
    expect(await adopt(['--yes'], { runtime })).toMatchObject({ code: 7 })
    expect(await stored()).toBe('theirs')
  })
})

function adopt(more: readonly string[], desk: Partial<Desk> = {}): Promise<Ran> {
  return runAt([...ADOPT, ...more], { runtime: world.runtime, ...desk })
}

async function putRaw(document: string): Promise<void> {
  const old = { ...world.plan, transitKey: 'aes256-key' }
  await world.putRaw('app-secrets', await encryptRaw(world.stack.vaultWire, old, document))
}

async function stored(): Promise<string> {
  const object = await objectOf(world, 'app-secrets').catch(() => undefined)
  return Buffer.from(object?.data?.['secrets.json'] ?? '', 'base64').toString()
}

async function readSealed(): Promise<string> {
  const args = ['read', 'app-secrets', '--key', 'secrets.json', '--transit-key', 'app', '--json']
  return (await runAt([...args, ...SERVERS], world)).stdout
}

async function vault(path: string, body: object): Promise<void> {
  const { vaultWire } = world.stack
  const answer = await vaultWire('POST', `/v1/${path}`, { token: world.plan.rootToken, body })
  expect2xx('POST', path, answer)
}

/** `status`: what there is, under which version, who is behind, and what to do; nothing is changed. */
import { beforeEach, describe, expect, test } from 'vitest'

import { intercepted, operatorRuntime } from './authoring-world.ts'
import {
  asWho,
  BY_KEY,
  changeKey,
  everything,
  keyWorld,
  lineOf,
  putLine,
  putRawDocument,
  runKey,
  type KeyWorld,
} from './key-world.ts'
import type { Ran } from './world.ts'

let world: KeyWorld

beforeEach(async () => {
  world = await keyWorld('one')
})

function status(...args: readonly string[]): Promise<Ran> {
  return runKey(world, ['status', ...BY_KEY, ...args])
}

/** Without what is another at each run. */
function timeless(text: string): string {
  return text.replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, 'TIME').replaceAll(/\d+ s ago/g, '1 s ago')
}

test('a table of the documents, the key, the last rotation; exit 0 where all is current', async () => {
  const { code, stdout, stderr } = await status()
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  expect(timeless(stdout)).toBe(`OBJECT          ENTRY         FORMAT  VERSION  STATE
Secret app/one  secrets.json  sealed  1        current

key:           transit/keys/app
               latest version 1, made TIME; all versions open
last rotation: none is recorded in ConfigMap app/secretmanager-rotation-app
documents:     1 current
`)
})

test('nothing is changed and nothing decrypted, also for who may read the key alone', async () => {
  await changeKey(world, 'rotate')
  const before = await everything(world)
  const runtime = await asWho(world, 'path "transit/keys/app" { capabilities = ["read"] }')
  const ran = await runKey(world, ['status', ...BY_KEY], runtime)
  expect(ran).toMatchObject({ code: 8, stderr: '' })
  expect(ran.stdout).toContain('Secret app/one  secrets.json  sealed  1        behind\n')
  expect(ran.stdout).toContain('documents:     1 behind\n')
  expect(await everything(world)).toEqual(before)
})

test('after rotate and retire both are told, and places that were looked at before', async () => {
  await runKey(world, ['rotate', ...BY_KEY])
  await runKey(world, ['rotate', ...BY_KEY, '--cluster', 'east', '-n', 'default'])
  await runKey(world, ['rewrap', ...BY_KEY])
  await runKey(world, ['retire', ...BY_KEY, '-A'])
  const { code, stdout } = await status()
  expect(code).toBe(0)
  expect(timeless(stdout)).toContain(`latest version 3, made TIME; 2 and later open
last rotation: TIME (1 s ago), from version 2
last retire:   TIME (1 s ago), to version 2
also recorded: cluster east, namespace default, TIME (1 s ago): 0 documents
also recorded: cluster default, TIME (1 s ago): 1 document, the oldest under version 3
journal:       ConfigMap app/secretmanager-rotation-app
`)
})

test('a rotation that did not end is told, with how to go on', async () => {
  const person = new AbortController()
  const runtime = intercepted(world.operator, (request) => {
    if (request.includes('/rewrap/')) person.abort('SIGINT')
    return undefined
  })
  await runKey(world, ['rotate', ...BY_KEY], runtime, undefined, person.signal)
  const { code, stdout } = await status()
  expect(code).toBe(8)
  expect(stdout).toContain('it did not end: secretmanager rotate goes on with it')
})

test('--json is one document with all of it', async () => {
  await changeKey(world, 'rotate')
  const { code, stdout, stderr } = await status('--json')
  expect({ code, stderr }).toEqual({ code: 8, stderr: '' })
  expect(JSON.parse(stdout)).toMatchObject({
    key: { mount: 'transit', transitKey: 'app', latestVersion: 2, isDerived: true },
    sites: ['cluster default'],
    journal: null,
    noJournal: 'none is recorded in ConfigMap app/secretmanager-rotation-app',
    behind: 1,
    failed: 0,
    unread: [],
    documents: [{ name: 'one', entry: 'secrets.json', version: 1, state: 'behind' }],
  })
})

describe('what does not open is told, with what mends it', () => {
  test('under a version that was closed', async () => {
    const old = await lineOf(world, 'one')
    await runKey(world, ['rotate', ...BY_KEY])
    await runKey(world, ['retire', ...BY_KEY, '-A', '--keep', '0'])
    await putLine(world, 'one', old)
    const { code, stdout } = await status()
    expect(code).toBe(8)
    expect(stdout).toContain('sealed  1        closed\n')
    expect(stdout).toContain(
      'secrets.json of Secret app/one: does not open: it is under version 1, and only 2 and later open: secretmanager unretire --transit-key app --to 1, then secretmanager rewrap\n',
    )
    // It does what it says.
    await runKey(world, ['unretire', ...BY_KEY, '--to', '1'])
    await runKey(world, ['rewrap', ...BY_KEY])
    expect(await status()).toMatchObject({ code: 0 })
  })

  test('under a version that was destroyed', async () => {
    const old = await lineOf(world, 'one')
    await runKey(world, ['rotate', ...BY_KEY])
    await runKey(world, ['retire', ...BY_KEY, '-A', '--keep', '0', '--trim', '--yes'])
    await putLine(world, 'one', old)
    const { code, stdout } = await status('--json')
    expect(code).toBe(8)
    expect(JSON.parse(stdout)).toMatchObject({ documents: [{ state: 'closed' }] })
    expect((await status()).stdout).toContain('those before 2 were destroyed: write it anew')
  })

  test('under a version that the key does not have: Vault was restored', async () => {
    await putLine(world, 'one', (await lineOf(world, 'one')).replace('vault:v1:', 'vault:v7:'))
    const { code, stdout } = await status()
    expect(code).toBe(8)
    expect(stdout).toContain('sealed  7        ahead\n')
    expect(stdout).toContain('the latest is 1; Vault was restored from a backup')
    expect(stdout).toContain('restore a later one; where there is none, write it anew')
  })
})

describe('what cannot be seen', () => {
  test('the journal, for who may not read it: the rest is shown', async () => {
    const runtime = refusing(/configmaps\/secretmanager-rotation/)
    const { code, stdout } = await runKey(world, ['status', ...BY_KEY], runtime)
    expect(code).toBe(0)
    expect(stdout).toContain('Secret app/one  secrets.json  sealed  1        current\n')
    expect(stdout).toMatch(/last rotation: not known: .*secretmanager-rotation-app/)
  })

  test('a namespace: exit 8, on stderr, and --json stays one document', async () => {
    const runtime = refusing(/namespaces\/app\/secrets/)
    const ran = await runKey(world, ['status', ...BY_KEY, '--json'], runtime)
    expect(ran.code).toBe(8)
    expect(ran.stderr).toContain('cluster default: not looked at: ')
    expect(JSON.parse(ran.stdout)).toMatchObject({ unread: [{ code: 'SM_K8S_DENIED' }] })
  })

  test('an object that is not there', async () => {
    const { code, stdout } = await status('gone', 'one', '--key', 'secrets.json')
    expect(code).toBe(8)
    expect(stdout).toContain('Secret app/gone: there is no Secret app/gone; try: check the name')
    expect(stdout).toContain('documents:     1 current, 1 failed\n')
  })

  test('a key: exit 4; a sealed Vault: exit 5', async () => {
    expect(await status('--transit-key', 'typo')).toMatchObject({ code: 4, stdout: '' })
    await world.seal()
    expect(await status('--wait', '1ms')).toMatchObject({ code: 5, stdout: '' })
  })
})

test('raw documents: those that nobody names are counted, one that is named has a state', async () => {
  await putRawDocument({ ...world, plan: { ...world.plan, transitKey: 'old' } }, 'raw')
  expect((await status()).stdout).toContain('1 current, 1 raw, of a key that nobody names')
  const { stdout } = await status('raw', '--key', 'secrets.json', '--format', 'raw')
  expect(stdout).toContain('Secret app/raw  secrets.json  raw     1        current\n')
})

test('several clusters have a column', async () => {
  const inventory = `
clusters:
  - { name: default, scan: [app] }
  - { name: east, context: dev, scan: [app] }
`
  const runtime = operatorRuntime(world, { '/inventory.yaml': inventory })
  const args = ['status', ...BY_KEY, '--inventory', '/inventory.yaml']
  const { stdout } = await runKey(world, args, runtime)
  expect(stdout).toContain('VERSION  STATE    SITE\n')
  expect(stdout).toContain('current  cluster east\n')
})

/** The same world, where the API server refuses some paths. */
function refusing(paths: RegExp): KeyWorld['operator'] {
  const { operator } = world
  return {
    ...operator,
    transport: (options) => {
      const transport = operator.transport(options)
      return {
        ...transport,
        send: (request) =>
          paths.test(request.url)
            ? Promise.resolve({ status: 403, headers: {}, body: Buffer.from('{}') })
            : transport.send(request),
      }
    },
  }
}

test('a raw document that nobody names is behind where Vault says that it is of this key', async () => {
  const { stack, plan } = world
  await putRawDocument({ ...world, plan: { ...plan, transitKey: 'old' } }, 'raw')
  const path = '/v1/transit/keys/old/rotate'
  await stack.vaultWire('POST', path, { token: plan.rootToken, body: {} })
  const args = ['status', ...BY_TOKEN_ALONE, '--transit-key', 'old']
  const { code, stdout } = await runKey(world, args)
  expect(code).toBe(8)
  expect(stdout).toContain('Secret app/raw  secrets.json  raw     1        behind\n')
  const blind = await asWho(world, 'path "transit/keys/old" { capabilities = ["read"] }')
  const ran = await runKey(world, args, blind)
  expect(ran.stdout).toContain('Secret app/raw  secrets.json  raw     1        unknown\n')
})

/** Flags that say where the servers are, and no key. */
const BY_TOKEN_ALONE = BY_KEY.filter((flag) => flag !== '--transit-key' && flag !== 'app')

/** `rewrap`: documents come to the latest version; what is current, and what others write, is left alone. */
import { beforeEach, describe, expect, test } from 'vitest'

import { intercepted, objectOf, operatorRuntime } from './authoring-world.ts'
import {
  asWho,
  BY_KEY,
  changeKey,
  everything,
  jsonLines,
  keyWorld,
  lineOf,
  ORIGINAL,
  putLine,
  ROTATOR,
  runKey,
  versionOf,
  type KeyWorld,
} from './key-world.ts'
import type { Ran } from './world.ts'

let world: KeyWorld

beforeEach(async () => {
  world = await keyWorld('one', 'two')
})

function rewrap(...args: readonly string[]): Promise<Ran> {
  return runKey(world, ['rewrap', ...BY_KEY, ...args])
}

test('brings every document of the namespace to the latest version, and says so', async () => {
  await changeKey(world, 'rotate')
  expect(await rewrap()).toEqual({
    code: 0,
    stdout: `rewrapped  secrets.json of Secret app/one, version 1 -> 2
rewrapped  secrets.json of Secret app/two, version 1 -> 2
`,
    stderr: 'app version 2: 2 rewrapped\n',
  })
  expect(await versionOf(world, 'one')).toBe(2)
})

test('a second run writes nothing', async () => {
  await changeKey(world, 'rotate')
  await rewrap()
  const before = await everything(world)
  expect(await rewrap()).toEqual({
    code: 0,
    stdout: '',
    stderr: 'app version 2: 2 current\n',
  })
  expect(await everything(world)).toEqual(before)
  expect((await rewrap('--verbose')).stdout).toContain('current    secrets.json of Secret app/one')
})

test.each([[['--dry-run']], [['--dry-run', '--compat']]])('%j changes nothing', async (flags) => {
  await changeKey(world, 'rotate')
  const before = await everything(world)
  const ran = await rewrap(...flags)
  expect(ran).toMatchObject({ code: 0 })
  expect(ran.stdout).toContain('behind     secrets.json of Secret app/one, version 1\n')
  expect(ran.stderr).toContain('app version 2: 2 behind; nothing was written\n')
  expect(await everything(world)).toEqual(before)
})

test('NAMEs mean those objects alone', async () => {
  await changeKey(world, 'rotate')
  await world.put('three', '{}')
  await changeKey(world, 'rotate')
  const ran = await rewrap('one', 'three', '--key', 'secrets.json')
  expect(ran).toMatchObject({ code: 0, stderr: 'app version 3: 2 rewrapped\n' })
  expect(await versionOf(world, 'two')).toBe(1)
  expect(await versionOf(world, 'three')).toBe(3)
})

test('-A looks through all namespaces, -n through another', async () => {
  await changeKey(world, 'rotate')
  expect((await rewrap('-n', 'default')).stderr).toBe('app version 2: no document was found\n')
  expect((await rewrap('-A')).stderr).toBe('app version 2: 2 rewrapped\n')
})

test('--inventory names the documents, and the key where it is the only one', async () => {
  await changeKey(world, 'rotate')
  const inventory = `
clusters:
  - secrets:
      - { secretName: one, namespace: app, readKey: secrets.json, transitKey: app }
`
  const runtime = operatorRuntime(world, { '/inventory.yaml': inventory })
  const flags = BY_KEY.filter((flag) => flag !== '--transit-key' && flag !== 'app')
  const ran = await runKey(world, ['rewrap', ...flags, '--inventory', '/inventory.yaml'], runtime)
  expect(ran).toMatchObject({ code: 0, stderr: 'app version 2: 1 rewrapped\n' })
  expect(await versionOf(world, 'two')).toBe(1)
})

test('--json prints a line for each document', async () => {
  await changeKey(world, 'rotate')
  await rewrap('one', '--key', 'secrets.json')
  const { stdout } = await rewrap('--json', '--verbose')
  expect(jsonLines(stdout)).toMatchObject([
    { name: 'one', entry: 'secrets.json', state: 'current', version: 2 },
    { name: 'two', kind: 'Secret', namespace: 'app', state: 'rewrapped', version: 1, to: 2 },
  ])
})

test('I5: a role without decrypt is enough', async () => {
  await changeKey(world, 'rotate')
  const runtime = await asWho(world, ROTATOR)
  const ran = await runKey(world, ['rewrap', ...BY_KEY], runtime)
  expect(ran).toMatchObject({ code: 0, stderr: 'app version 2: 2 rewrapped\n' })
  expect(world.requests.filter((each) => each.includes('/decrypt/'))).toEqual([])
})

describe('with the policy of the Python original', () => {
  test('it is refused with the rule to add, and --compat is named', async () => {
    const runtime = await asWho(world, ORIGINAL)
    const ran = await runKey(world, ['rewrap', ...BY_KEY], runtime)
    expect(ran).toMatchObject({ code: 3, stdout: '' })
    expect(ran.stderr).toContain('path "transit/rewrap/app" { capabilities = ["update"] }')
    expect(ran.stderr).toContain('--compat')
  })

  test('--compat says that it sees plaintext, and no value is printed', async () => {
    await changeKey(world, 'rotate')
    const runtime = await asWho(world, ORIGINAL)
    const ran = await runKey(world, ['rewrap', ...BY_KEY, '--compat'], runtime)
    expect(ran).toMatchObject({ code: 0 })
    expect(ran.stderr).toBe(
      '--compat: documents are decrypted and encrypted here, in memory\napp version 2: 2 rewrapped\n',
    )
    expect(await versionOf(world, 'one')).toBe(2)
  })
})

describe('what fails is told, and stops nothing else', () => {
  test('an object that is not there, a document that was changed: exit 8', async () => {
    await changeKey(world, 'rotate')
    await putLine(world, 'two', (await lineOf(world, 'one')).slice(0, -8))
    const ran = await rewrap('gone', 'one', 'two', '--key', 'secrets.json')
    expect(ran).toMatchObject({ code: 8, stderr: 'app version 2: 1 rewrapped, 2 failed\n' })
    expect(ran.stdout).toContain(
      'failed     Secret app/gone\n           there is no Secret app/gone',
    )
    expect(ran.stdout).toContain('SM_CT_')
    expect(await versionOf(world, 'one')).toBe(2)
  })

  test('a document whose version was retired: the commands that mend it are named', async () => {
    await changeKey(world, 'rotate')
    await changeKey(world, 'config', { min_decryption_version: 2 })
    const ran = await rewrap('one', '--key', 'secrets.json')
    expect(ran).toMatchObject({ code: 8 })
    expect(ran.stdout).toContain('SM_CT_TOO_OLD: its version was retired: secretmanager unretire')
  })

  test('the same with --json', async () => {
    const ran = await rewrap('gone', '--key', 'secrets.json', '--json')
    expect(ran.code).toBe(8)
    expect(jsonLines(ran.stdout)).toMatchObject([{ state: 'failed', code: 'SM_K8S_NOT_FOUND' }])
  })

  test('V17: a key that is not there is exit 4, and none is made', async () => {
    expect(await rewrap('--transit-key', 'typo')).toMatchObject({ code: 4, stdout: '' })
    const path = '/v1/transit/keys/typo'
    const { rootToken: token } = world.plan
    expect((await world.stack.vaultWire('GET', path, { token })).status).toBe(404)
  })

  test('a sealed Vault is exit 5', async () => {
    await world.seal()
    const ran = await rewrap('--wait', '1ms')
    expect(ran).toMatchObject({ code: 5, stdout: '' })
    expect(ran.stderr).toContain('SM_VAULT_SEALED')
  })

  test('a key of another type is refused: RSA knows no batches', async () => {
    const ran = await runKey(world, ['rewrap', ...BY_KEY], ofType(world, 'rsa-2048'))
    expect(ran).toMatchObject({ code: 2, stdout: '' })
    expect(ran.stderr).toContain('transit/keys/app is of type rsa-2048')
  })
})

test('who is interrupted is told, and no half of a line is left', async () => {
  await changeKey(world, 'rotate')
  const person = new AbortController()
  const runtime = intercepted(world.operator, (request) => {
    if (request.includes('/rewrap/')) person.abort('SIGINT')
    return undefined
  })
  const ran = await runKey(world, ['rewrap', ...BY_KEY], runtime, undefined, person.signal)
  expect(ran).toEqual({ code: 130, stdout: '', stderr: 'interrupted\n' })
})

test('an object that Argo CD keeps is left alone, and its source is named', async () => {
  await changeKey(world, 'rotate')
  const { stack, plan } = world
  const path = `/api/v1/namespaces/${plan.namespace}/secrets/one`
  const { metadata } = await objectOf(world, 'one')
  const body = {
    ...(await objectOf(world, 'one')),
    metadata: { ...metadata, labels: { 'argocd.argoproj.io/instance': 'shop' } },
  }
  await stack.kubernetesWire('PUT', path, { token: plan.adminToken, body })
  const ran = await rewrap()
  expect(ran).toMatchObject({ code: 0, stderr: 'app version 2: 1 rewrapped, 1 behind\n' })
  expect(ran.stdout).toContain('Argo CD (shop) keeps it as its source says: rewrap that')
  expect(await versionOf(world, 'one')).toBe(1)
})

test('so is one that Argo CD tracks by its label, after somebody wrote its entry in the cluster', async () => {
  const { stack, plan } = world
  const token = plan.adminToken
  const path = `/api/v1/namespaces/${plan.namespace}/secrets`
  const { data } = await objectOf(world, 'one')
  await stack.kubernetesWire('DELETE', `${path}/one`, { token })
  const metadata = { name: 'one', labels: { 'app.kubernetes.io/instance': 'shop' } }
  const body = { metadata, data: { 'secrets.json': 'YQ==' } }
  await stack.kubernetesWire('POST', `${path}?fieldManager=argocd-controller`, { token, body })
  const edited = { metadata, data }
  await stack.kubernetesWire('PUT', `${path}/one?fieldManager=kubectl`, { token, body: edited })
  expect(JSON.stringify((await objectOf(world, 'one')).metadata)).toContain('argocd-controller')
  await changeKey(world, 'rotate')
  const ran = await rewrap()
  expect(ran.stdout).toContain('Argo CD (shop) keeps it as its source says: rewrap that')
  expect(await versionOf(world, 'one')).toBe(1)
})

test.each([
  [['--transit-key', 'a/b'], 2, 'is not the name of a Transit key'],
  [['one'], 2, 'readKey is required'],
  [['-A', '--inventory', 'x.yaml'], 2, 'cannot be used with'],
  [['--transit-kye', 'app'], 2, '--transit-key, or secretmanager rewrap --help'],
  [['--inventory', '/nowhere.yaml'], 2, 'SM_FILE_UNREADABLE'],
])('wrong flags are refused before any call: %j', async (flags, code, told) => {
  const before = world.requests.length
  const ran = await rewrap(...flags)
  expect(ran).toMatchObject({ code, stdout: '' })
  expect(ran.stderr).toContain(told)
  expect(world.requests).toHaveLength(before)
})

test('without a key it says how to name one', async () => {
  const flags = BY_KEY.filter((flag) => flag !== '--transit-key' && flag !== 'app')
  const ran = await runKey(world, ['rewrap', ...flags])
  expect(ran).toMatchObject({ code: 2 })
  expect(ran.stderr).toContain('--transit-key NAME')
})

/** The same world, where the key is of this type. */
function ofType({ operator }: KeyWorld, type: string): KeyWorld['operator'] {
  return {
    ...operator,
    transport: (options) => {
      const transport = operator.transport(options)
      return {
        ...transport,
        send: async (request) => {
          const response = await transport.send(request)
          if (!request.url.endsWith('/keys/app')) return response
          const text = Buffer.from(response.body).toString().replace('aes256-gcm96', type)
          return { ...response, body: Buffer.from(text) }
        },
      }
    },
  }
}

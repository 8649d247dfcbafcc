/** What each command about a key may do, as docs/rotation.md lists it: all of it is used, nothing more is asked for. */
import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import { expect2xx, stringAt } from '../../src/dev/wire.ts'
import type { Runtime } from '../../src/runtime.ts'
import { operatorRuntime } from './authoring-world.ts'
import {
  asWho,
  BY_KEY,
  changeKey,
  everything,
  keyWorld,
  runKey,
  type KeyWorld,
} from './key-world.ts'
import type { Ran } from './world.ts'

const COMMANDS = ['rewrap', 'rotate', 'retire', 'status', 'unretire'] as const
type Command = (typeof COMMANDS)[number]

/** Where documents are: by name, or in a namespace that is looked through. */
type Where = 'named' | 'scanned'

/** A right, and what shows that it was used. */
interface Right {
  /** A rule of a policy. */
  readonly policy?: string
  /** A rule of a Role. */
  readonly rule?: object
  /** Only where documents are found so. */
  readonly where?: Where
  readonly used: RegExp
}

const JOURNAL = 'secretmanager-rotation-app'
const NAMESPACE = '/api/v1/namespaces/app'

/** By its cell in the first column. */
const RIGHTS: Readonly<Record<string, Right>> = {
  '`read` `transit/keys/KEY`': vault('keys/app', 'read', 'GET'),
  '`update` `transit/rewrap/KEY`': vault('rewrap/app', 'update', 'POST'),
  '`update` `transit/keys/KEY/rotate`': vault('keys/app/rotate', 'update', 'POST'),
  '`update` `transit/keys/KEY/config`': vault('keys/app/config', 'update', 'POST'),
  '`update` `transit/keys/KEY/trim`': vault('keys/app/trim', 'update', 'POST'),
  '`get` each NAME': {
    rule: rule('secrets', ['get'], ['one']),
    where: 'named',
    used: new RegExp(`^GET ${NAMESPACE}/secrets/one$`),
  },
  '`list` Secrets and ConfigMaps of a namespace': {
    rule: { ...rule('secrets', ['list']), resources: ['secrets', 'configmaps'] },
    where: 'scanned',
    used: new RegExp(`^GET ${NAMESPACE}/secrets$`),
  },
  '`patch` each of them': {
    rule: rule('secrets', ['patch'], ['one']),
    used: new RegExp(`^PATCH ${NAMESPACE}/secrets/one$`),
  },
  '`get` the journal': {
    rule: rule('configmaps', ['get'], [JOURNAL]),
    used: new RegExp(`^GET ${NAMESPACE}/configmaps/${JOURNAL}$`),
  },
  '`create` ConfigMaps, where there is no journal': {
    rule: rule('configmaps', ['create']),
    used: new RegExp(`^POST ${NAMESPACE}/configmaps$`),
  },
  '`patch` the journal': {
    rule: rule('configmaps', ['patch'], [JOURNAL]),
    used: new RegExp(`^PATCH ${NAMESPACE}/configmaps/${JOURNAL}$`),
  },
}

function vault(path: string, capability: string, method: string): Right {
  return {
    policy: `path "transit/${path}" { capabilities = ["${capability}"] }`,
    used: new RegExp(`^${method} /v1/transit/${path}$`),
  }
}

function rule(
  resource: string,
  verbs: readonly string[],
  resourceNames?: readonly string[],
): object {
  return { apiGroups: [''], resources: [resource], verbs, ...(resourceNames && { resourceNames }) }
}

/** What the page says: for each command and right, what comes of it where it is missing. */
function documented(): ReadonlyMap<Command, ReadonlyMap<string, string>> {
  const page = readFileSync(new URL('../../docs/rotation.md', import.meta.url), 'utf8')
  const [, table = ''] = /\n(\| right [^]*?)\n\n/.exec(page) ?? []
  const [, , ...rows] = table.split('\n').map((row) => row.split('|').map((cell) => cell.trim()))
  return new Map(
    COMMANDS.map((command, column) => [
      command,
      new Map(rows.map(([, right = '', ...cells]) => [right, cells[column] ?? ''])),
    ]),
  )
}

const PAGE = documented()

/** The rights that a command has by the page. */
function rightsOf(command: Command, where: Where): readonly string[] {
  return [...(PAGE.get(command) ?? [])]
    .filter(
      ([right, missing]) => missing !== '' && [undefined, where].includes(RIGHTS[right]?.where),
    )
    .map(([right]) => right)
}

let world: KeyWorld

/** Version 3 of the key; the document is under the second, and there is something to do for each command. */
async function open(command: Command): Promise<void> {
  world = await keyWorld('one')
  await changeKey(world, 'rotate')
  expect(await runKey(world, ['rewrap', ...BY_KEY])).toMatchObject({ code: 0 })
  await changeKey(world, 'rotate')
  if (command === 'unretire') await changeKey(world, 'config', { min_decryption_version: 2 })
}

/** Somebody who may do this alone, in Vault and in the cluster. */
async function whoMay(rights: readonly string[]): Promise<Runtime> {
  const { stack, plan } = world
  const token = plan.adminToken
  const post = async (path: string, body: object): Promise<unknown> => {
    const answer = await stack.kubernetesWire('POST', path, { token, body })
    expect2xx('POST', path, answer)
    return answer.body
  }
  const rules = rights.flatMap((right) => RIGHTS[right]?.rule ?? [])
  const rbac = '/apis/rbac.authorization.k8s.io/v1/namespaces/app'
  const metadata = { name: 'who' }
  const [kind, apiGroup] = ['Role', 'rbac.authorization.k8s.io']
  await post(`${NAMESPACE}/serviceaccounts`, { metadata })
  await post(`${rbac}/roles`, { metadata, rules })
  await post(`${rbac}/rolebindings`, {
    metadata,
    roleRef: { apiGroup, kind, name: 'who' },
    subjects: [{ kind: 'ServiceAccount', name: 'who', namespace: 'app' }],
  })
  const issued = await post(`${NAMESPACE}/serviceaccounts/who/token`, { spec: {} })
  const own = { ...plan, adminToken: stringAt(issued, 'status', 'token') }
  const policy = rights.flatMap((right) => RIGHTS[right]?.policy ?? []).join('\n')
  const inVault = await asWho(
    world,
    policy === '' ? 'path "none" { capabilities = ["read"] }' : policy,
  )
  const VAULT_TOKEN = inVault.env('VAULT_TOKEN') ?? ''
  return operatorRuntime({ ...world, plan: own }, {}, { VAULT_TOKEN })
}

const FLAGS: Readonly<Record<Command, readonly string[]>> = {
  rewrap: [],
  rotate: [],
  retire: ['--keep', '1', '--trim', '--yes'],
  status: [],
  unretire: [],
}

async function perform(command: Command, where: Where, rights: readonly string[]): Promise<Ran> {
  const runtime = await whoMay(rights)
  const names = where === 'named' && command !== 'unretire' ? ['one', '--key', 'secrets.json'] : []
  return runKey(world, [command, ...BY_KEY, ...names, ...FLAGS[command]], runtime)
}

/** Which rights the servers saw used. */
function usedIn(requests: readonly string[], where: Where): readonly string[] {
  return Object.entries(RIGHTS)
    .filter(([, right]) => right.where === undefined || right.where === where)
    .filter(([, { used }]) => requests.some((request) => used.test(request)))
    .map(([right]) => right)
}

const CASES = COMMANDS.flatMap((command) =>
  (['named', 'scanned'] as const)
    .filter((where) => where === 'named' || command !== 'unretire')
    .map((where) => [command, where] as const),
)

test('every right of the page is known here', () => {
  for (const rights of PAGE.values()) expect([...rights.keys()]).toEqual(Object.keys(RIGHTS))
})

describe.each(CASES)('%s, of what is %s', (command, where) => {
  test('what the page says suffices, and all of it is used', async () => {
    await open(command)
    const rights = rightsOf(command, where)
    const before = world.requests.length
    const ran = await perform(command, where, rights)
    expect(ran).toMatchObject({ code: command === 'status' ? 8 : 0 })
    expect(usedIn(world.requests.slice(before), where)).toEqual(rights)
  })

  test.each(rightsOf(command, where))('without %s: what the page says', async (right) => {
    await open(command)
    const before = await everything(world)
    const rights = rightsOf(command, where).filter((each) => each !== right)
    const ran = await perform(command, where, rights)
    if (PAGE.get(command)?.get(right) === 'refused') {
      expect(ran).toMatchObject({ code: 3, stdout: '' })
      expect(ran.stderr).toMatch(/nothing was changed|SM_VAULT_DENIED/)
    } else {
      expect(ran).toMatchObject({ code: 8 })
      expect(`${ran.stdout}${ran.stderr}`).toMatch(/SM_K8S_DENIED|not known: /)
    }
    expect(await everything(world)).toEqual(before)
  })
})

test('once there is a journal nobody has to be able to create one', async () => {
  await open('rotate')
  expect(await runKey(world, ['rotate', ...BY_KEY])).toMatchObject({ code: 0 })
  const rights = rightsOf('rotate', 'scanned').filter((right) => !right.startsWith('`create`'))
  expect(await perform('rotate', 'scanned', rights)).toMatchObject({ code: 0 })
})

test('I21: retire does not ask to write what it only looks at', async () => {
  expect(rightsOf('retire', 'named')).not.toContain('`patch` each of them')
})

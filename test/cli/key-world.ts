/** Documents of one key at the embedded servers, and who rotates it: some may do all, some not decrypt. */
import { expect } from 'vitest'

import type { Input } from '../../src/cli/input.ts'
import { encryptRaw, putObject } from '../../src/dev/operator.ts'
import { expect2xx, stringAt } from '../../src/dev/wire.ts'
import { isRecord } from '../../src/lib/record.ts'
import type { Runtime } from '../../src/runtime.ts'
import {
  BY_TOKEN,
  given,
  objectOf,
  operatorRuntime,
  runWith,
  spellings,
} from './authoring-world.ts'
import { cliWorld, type CliWorld, type Ran } from './world.ts'

/** A value that nothing may print. */
export const CANARY = 'CANARY-plaintext-value-ä"'

const DOCUMENT = JSON.stringify({ password: CANARY })

/** Flags that say where the servers are, and which key it is. */
export const BY_KEY: readonly string[] = BY_TOKEN.filter(
  (flag) => flag !== '--key' && flag !== 'secrets.json',
)

/** What is said first where nobody named a place for the journal. */
export const BY_CONTEXT =
  "the journal is ConfigMap app/secretmanager-rotation-app, in your context's namespace; --journal-namespace fixes it\n"

/** What commands are run in. */
export interface KeyWorld extends CliWorld {
  /** As who may do everything sees it; waiting takes no time. */
  readonly operator: Runtime
}

/** Starts both servers, with documents under version 1 of the key `app`. */
export async function keyWorld(...names: readonly string[]): Promise<KeyWorld> {
  const world = await cliWorld()
  for (const name of names) await world.put(name, DOCUMENT)
  return { ...world, operator: operatorRuntime(world) }
}

/** The same, as who has this policy sees it. */
export async function asWho({ stack, plan, ...world }: KeyWorld, policy: string): Promise<Runtime> {
  const { rootToken: token } = plan
  const acl = '/v1/sys/policies/acl/who'
  expect2xx('PUT', acl, await stack.vaultWire('PUT', acl, { token, body: { policy } }))
  const path = '/v1/auth/token/create'
  const body = { policies: ['who'], ttl: '1h' }
  const answer = await stack.vaultWire('POST', path, { token, body })
  const theirs = stringAt(answer.body, 'auth', 'client_token')
  return operatorRuntime({ stack, plan, ...world }, {}, { VAULT_TOKEN: theirs })
}

/** All that rotation and retirement need, without decrypt. */
export const ROTATOR = `path "transit/keys/app" { capabilities = ["read"] }
path "transit/keys/app/rotate" { capabilities = ["update"] }
path "transit/rewrap/app" { capabilities = ["update"] }
path "transit/keys/app/config" { capabilities = ["update"] }
path "transit/keys/app/trim" { capabilities = ["update"] }`

/** What the Python original's policy allows. */
export const ORIGINAL = `path "transit/encrypt/app" { capabilities = ["update"] }
path "transit/decrypt/app" { capabilities = ["update"] }
path "transit/keys/app" { capabilities = ["read"] }
path "transit/keys/app/rotate" { capabilities = ["update"] }`

/** Runs a command; I10: no value, no ciphertext and no credential is in what it prints. */
export async function runKey(
  world: KeyWorld,
  args: readonly string[],
  runtime: Runtime = world.operator,
  input: Input = given(''),
  interrupt?: AbortSignal,
): Promise<Ran> {
  const ran = await runWith(input, args, runtime, interrupt)
  const ciphertexts = ['vault:v1:', 'vault:v2:', 'sealed:v1:'].flatMap(spellings)
  for (const secret of [...spellings(CANARY), ...ciphertexts, ...world.credentials]) {
    expect(`${ran.stdout}${ran.stderr}`).not.toContain(secret)
  }
  return ran
}

/** What Vault says of the key, as far as a rotation changes it. */
export async function versionsOf({ stack, plan }: KeyWorld): Promise<{
  readonly latest: unknown
  readonly decrypt: unknown
  readonly encrypt: unknown
  readonly available: unknown
}> {
  const path = `/v1/transit/keys/${plan.transitKey}`
  const answer = await stack.vaultWire('GET', path, { token: plan.rootToken })
  expect2xx('GET', path, answer)
  const data = isRecord(answer.body) && isRecord(answer.body['data']) ? answer.body['data'] : {}
  return {
    latest: data['latest_version'],
    decrypt: data['min_decryption_version'],
    encrypt: data['min_encryption_version'],
    available: data['min_available_version'] ?? 0,
  }
}

/** Asks Vault for a change of the key, as another operator would. */
export async function changeKey(
  { stack, plan }: KeyWorld,
  what: 'rotate' | 'config' | 'trim',
  body: object = {},
): Promise<void> {
  const path = `/v1/transit/keys/${plan.transitKey}/${what}`
  const answer = await stack.vaultWire('POST', path, { token: plan.rootToken, body })
  expect2xx('POST', path, answer)
}

/** What is stored, as text. */
export async function lineOf(world: KeyWorld, name: string): Promise<string> {
  const { data } = await objectOf(world, name)
  return Buffer.from(data['secrets.json'] ?? '', 'base64').toString()
}

/** The version of the key that a document is under. */
export async function versionOf(world: KeyWorld, name: string): Promise<number> {
  return Number(/vault:v(\d+):/.exec(await lineOf(world, name))?.[1])
}

/** All objects of the namespace with their versions, and those of the key: equal where nothing was written. */
export async function everything(world: KeyWorld): Promise<object> {
  const { stack, plan } = world
  const list = async (resource: string): Promise<readonly string[]> => {
    const path = `/api/v1/namespaces/${plan.namespace}/${resource}`
    const { body } = await stack.kubernetesWire('GET', path, { token: plan.adminToken })
    const items: unknown = isRecord(body) ? body['items'] : []
    return (Array.isArray(items) ? items : []).map((item: unknown) => {
      return `${resource}/${stringAt(item, 'metadata', 'name')} ${stringAt(item, 'metadata', 'resourceVersion')}`
    })
  }
  return {
    key: await versionsOf(world),
    objects: [await list('secrets'), await list('configmaps')],
  }
}

/** A raw document under the key of the plan, stored. */
export async function putRawDocument(world: KeyWorld, name: string): Promise<void> {
  await world.putRaw(name, await encryptRaw(world.stack.vaultWire, world.plan, DOCUMENT))
}

/** Stores a sealed line as it was, as who applies an old manifest does. */
export async function putLine(
  { stack, plan }: KeyWorld,
  name: string,
  line: string,
): Promise<void> {
  await putObject(stack.kubernetesWire, plan, { name, data: { 'secrets.json': line } })
}

/** Lines of JSON. */
export function jsonLines(text: string): readonly Record<string, unknown>[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}

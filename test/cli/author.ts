/** The world of who writes documents: the app may encrypt, too, and write to its namespace. */
import { expect2xx } from '../../src/dev/wire.ts'
import type { Input } from '../../src/cli/input.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import type { Runtime } from '../../src/runtime.ts'
import { cliWorld, type CliWorld, type Ran } from './world.ts'

/** Starts both servers, with an app that may write, under further keys, too. */
export async function authorWorld(...furtherKeys: string[]): Promise<CliWorld> {
  const world = await cliWorld()
  await mayWrite(world, [world.plan.transitKey, ...furtherKeys])
  return world
}

async function mayWrite({ stack, plan }: CliWorld, keys: readonly string[]): Promise<void> {
  const { transitMount: mount, rootToken, adminToken, namespace } = plan
  const policy = keys
    .flatMap((key) => [
      `path "${mount}/decrypt/${key}" { capabilities = ["update"] }`,
      `path "${mount}/encrypt/${key}" { capabilities = ["update"] }`,
      `path "${mount}/keys/${key}" { capabilities = ["read"] }`,
    ])
    .join('\n')
  const acl = `/v1/sys/policies/acl/${plan.policyName}`
  const allowed = await stack.vaultWire('PUT', acl, { token: rootToken, body: { policy } })
  expect2xx('PUT', acl, allowed)
  const name = `kubevault-${plan.serviceAccount}`
  const path = `/apis/rbac.authorization.k8s.io/v1/namespaces/${namespace}/roles/${name}`
  const verbs = ['get', 'create', 'patch']
  const rules = [
    { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs },
    ...plan.rules.slice(1),
  ]
  const body = {
    apiVersion: 'rbac.authorization.k8s.io/v1',
    kind: 'Role',
    metadata: { name },
    rules,
  }
  const granted = await stack.kubernetesWire('PUT', path, { token: adminToken, body })
  expect2xx('PUT', path, granted)
}

/** An object as the API server has it. */
export async function objectOf(
  { stack, plan }: CliWorld,
  name: string,
  resource: 'secrets' | 'configmaps' = 'secrets',
): Promise<StoredObject> {
  const path = `/api/v1/namespaces/${plan.namespace}/${resource}/${name}`
  const answer = await stack.kubernetesWire('GET', path, { token: plan.adminToken })
  expect2xx('GET', path, answer)
  return answer.body as StoredObject
}

/** As far as tests look at it. */
export interface StoredObject {
  readonly type?: string
  readonly immutable?: boolean
  readonly metadata: {
    readonly resourceVersion: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  readonly data: Readonly<Record<string, string>>
}

/** Creates an object as it is given. */
export async function createObject({ stack, plan }: CliWorld, object: object): Promise<void> {
  const path = `/api/v1/namespaces/${plan.namespace}/secrets`
  const body = { apiVersion: 'v1', kind: 'Secret', ...object }
  const answer = await stack.kubernetesWire('POST', path, { token: plan.adminToken, body })
  expect2xx('POST', path, answer)
}

/** How an author runs a command; by default stdin is an empty pipe. */
export interface Desk {
  readonly runtime: Runtime
  readonly stdin?: string | Uint8Array
  readonly isTerminal?: boolean
  /** What the person answers to a question; none is expected where it is absent. */
  readonly answer?: boolean
}

/** Runs one command. */
export async function runAt(args: readonly string[], desk: Desk): Promise<Ran> {
  const stdout: Uint8Array[] = []
  const stderr: Uint8Array[] = []
  const sheet = (written: Uint8Array[]) => ({
    line: (text: string): void => void written.push(Buffer.from(`${text}\n`)),
    bytes: (bytes: Uint8Array): void => void written.push(bytes),
    isTerminal: desk.isTerminal ?? false,
    hasColor: false,
    width: undefined,
  })
  const code = await runCommandLine(args, {
    runtime: desk.runtime,
    output: { data: sheet(stdout), notes: sheet(stderr) },
    interrupt: new AbortController().signal,
    input: inputOf(desk),
  })
  return {
    code,
    stdout: Buffer.concat(stdout).toString(),
    stderr: Buffer.concat(stderr).toString(),
  }
}

function inputOf({ stdin = '', isTerminal = false, answer }: Desk): Input {
  const unexpected = (): Promise<never> => Promise.reject(new TypeError('nobody was to be asked'))
  return {
    isTerminal,
    bytes: () => Promise.resolve(Buffer.from(stdin)),
    hidden: unexpected,
    line: unexpected,
    confirm: () => (answer === undefined ? unexpected() : Promise.resolve(answer)),
  }
}

/** The same world, where what the key `app` seals is not opened again, or as something else. */
export function unproven(runtime: Runtime, how: 'refused' | 'altered'): Runtime {
  return {
    ...runtime,
    transport: (options) => {
      const transport = runtime.transport(options)
      const send: typeof transport.send = async (request) => {
        if (!request.url.includes('/decrypt/app')) return transport.send(request)
        if (how === 'refused') {
          return { status: 403, headers: {}, body: Buffer.from('{"errors":["permission denied"]}') }
        }
        const response = await transport.send(request)
        const { data } = JSON.parse(Buffer.from(response.body).toString()) as {
          data: { plaintext: string }
        }
        const bytes = Buffer.from(data.plaintext, 'base64')
        bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
        const body = { data: { plaintext: bytes.toString('base64') } }
        return { ...response, body: Buffer.from(JSON.stringify(body)) }
      }
      return { ...transport, send }
    },
  }
}

/** The same world with these files, which may hold any bytes. */
export function withBytes(runtime: Runtime, files: Readonly<Record<string, Uint8Array>>): Runtime {
  return {
    ...runtime,
    readFile: (path) => {
      const bytes = files[path]
      return bytes === undefined ? runtime.readFile(path) : Promise.resolve(Uint8Array.from(bytes))
    },
  }
}

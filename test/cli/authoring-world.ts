/** The command line of an operator, who may write, at the embedded servers. */
import { expect } from 'vitest'

import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { KUBERNETES_ORIGIN, VAULT_ORIGIN } from '../../src/dev/stack.ts'
import type { Input } from '../../src/cli/input.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import type { Output, Sheet } from '../../src/cli/output.ts'
import type { Runtime } from '../../src/runtime.ts'
import { hurried, OPENED, type CliWorld, type Ran } from './world.ts'

/** Flags that say where the servers are, for who brings a token. */
export const BY_TOKEN: readonly string[] = [
  ...['--vault-url', VAULT_ORIGIN, '--auth-method', 'token', '--kubeconfig', '/kubeconfig'],
  ...OPENED,
]

/** The world as an operator sees it, where waiting takes no time. */
export function operatorRuntime(
  { runtime, plan }: CliWorld,
  files: Readonly<Record<string, string>> = {},
  env: Readonly<Record<string, string>> = {},
): Runtime {
  const kubeconfig = JSON.stringify(kubeconfigOf(KUBERNETES_ORIGIN, undefined, plan))
  const texts: Readonly<Record<string, string>> = { '/kubeconfig': kubeconfig, ...files }
  const variables: Readonly<Record<string, string>> = { VAULT_TOKEN: plan.rootToken, ...env }
  return hurried({
    ...runtime,
    env: (name) => variables[name],
    readFile: (path) => {
      const text = texts[path]
      return text === undefined ? runtime.readFile(path) : Promise.resolve(Buffer.from(text))
    },
  })
}

/** A pipe with this text, or a person who types these lines. */
export function given(piped: string | Uint8Array | undefined, ...typed: readonly string[]): Input {
  const questions = [...typed]
  return {
    isTerminal: piped === undefined,
    bytes: () => Promise.resolve(Buffer.from(piped ?? '')),
    hidden: (asked) => Promise.resolve(asked.map(() => questions.shift() ?? '')),
    line: (_question, unsaid) => Promise.resolve(questions.shift() || unsaid),
    confirm: () => Promise.resolve(questions.shift() === 'y'),
  }
}

/** Runs a command with what it is given. */
export async function runWith(
  input: Input,
  args: readonly string[],
  runtime: Runtime,
  interrupt: AbortSignal = new AbortController().signal,
): Promise<Ran> {
  const stdout: string[] = []
  const stderr: string[] = []
  const output: Output = { data: sheet(stdout), notes: sheet(stderr) }
  const code = await runCommandLine(args, { runtime, output, interrupt, input })
  return { code, stdout: stdout.join(''), stderr: stderr.join('') }
}

function sheet(written: string[]): Sheet {
  return {
    line: (text) => void written.push(`${text}\n`),
    bytes: (document) => void written.push(Buffer.from(document).toString()),
    isTerminal: false,
    hasColor: false,
    width: undefined,
  }
}

/** Reads a document, byte for byte. */
export async function documentOf(world: CliWorld, name: string): Promise<string> {
  const args = ['read', name, ...BY_TOKEN, '--json']
  const { code, stdout, stderr } = await runWith(given(''), args, operatorRuntime(world))
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
}

/** The object as the API server has it, but for what every write changes. */
export async function objectOf(
  { stack, plan }: CliWorld,
  name: string,
): Promise<{ metadata: Record<string, unknown>; data: Record<string, string>; type?: string }> {
  const path = `/api/v1/namespaces/${plan.namespace}/secrets/${name}`
  const { body } = await stack.kubernetesWire('GET', path, { token: plan.adminToken })
  return body as never
}

/** Stores further entries, labels and annotations beside a document that is there. */
export async function decorate(world: CliWorld, name: string): Promise<void> {
  const { stack, plan } = world
  const path = `/api/v1/namespaces/${plan.namespace}/secrets/${name}`
  const before = await objectOf(world, name)
  await stack.kubernetesWire('DELETE', path, { token: plan.adminToken })
  const metadata = { name, labels: { team: 'a' }, annotations: { 'example.com/note': 'kept' } }
  const data = { ...before.data, 'tls.crt': 'Y2VydA==', 'tls.key': 'a2V5' }
  const body = { apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata, data }
  const answer = await stack.kubernetesWire('POST', path.replace(/\/[^/]+$/, ''), {
    token: plan.adminToken,
    body,
  })
  expect(answer.status).toBe(201)
}

/** I10: every spelling of a value that something could print. */
export function spellings(value: string): readonly string[] {
  const bytes = Buffer.from(value)
  return [
    value,
    bytes.toString('base64').replace(/=+$/, ''),
    bytes.toString('base64url'),
    bytes.toString('hex'),
    encodeURIComponent(value),
    JSON.stringify(value).slice(1, -1),
    [...value].toReversed().join(''),
  ]
}

/** The same world, where something happens before each request. */
export function intercepted(
  runtime: Runtime,
  before: (request: string) => Promise<void> | undefined,
): Runtime {
  return {
    ...runtime,
    transport: (options) => {
      const transport = runtime.transport(options)
      return {
        connect: (url) => transport.connect(url),
        close: () => transport.close(),
        send: async (request) => {
          await before(`${request.method} ${new URL(request.url).pathname}`)
          return transport.send(request)
        },
      }
    },
  }
}

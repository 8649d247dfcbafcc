/** The command line in this process: recorded output, embedded servers, and a note of every secret that passed. */
import { isRecord } from '../../src/lib/record.ts'
import { runCommandLine } from '../../src/cli/program.ts'
import type { Output, Sheet } from '../../src/cli/output.ts'
import { putObject, requestToken } from '../../src/dev/operator.ts'
import type { KubevaultPlan } from '../../src/dev/plan.ts'
import { podRuntime } from '../../src/dev/pod.ts'
import {
  createStack,
  KUBERNETES_ORIGIN,
  provisionStack,
  sealDocument,
  type PlanName,
  type Stack,
  VAULT_ORIGIN,
} from '../../src/dev/stack.ts'
import { inProcessTransport, type Handler } from '../../src/dev/transport.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'

/** What a command left behind. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** How a command is run; by default into pipes. */
export interface Situation {
  readonly runtime: Runtime
  readonly isTerminal?: boolean
  readonly width?: number
  readonly hasColor?: boolean
  readonly interrupt?: AbortSignal
  /** Called after each line of stderr. */
  readonly onNote?: (line: string) => void
}

/** Runs one command. */
export async function run(args: readonly string[], situation: Situation): Promise<Ran> {
  const { runtime, interrupt = new AbortController().signal } = situation
  const stdout: Uint8Array[] = []
  const stderr: Uint8Array[] = []
  const output: Output = {
    data: sheet(stdout, situation),
    notes: sheet(stderr, situation, situation.onNote),
  }
  const code = await runCommandLine(args, { runtime, output, interrupt })
  return { code, stdout: textOf(stdout), stderr: textOf(stderr) }
}

function sheet(
  written: Uint8Array[],
  { isTerminal = false, width, hasColor = false }: Situation,
  onLine?: (line: string) => void,
): Sheet {
  return {
    line: (text) => {
      written.push(Buffer.from(`${text}\n`))
      onLine?.(text)
    },
    bytes: (document) => void written.push(document),
    isTerminal,
    hasColor,
    width,
  }
}

function textOf(written: readonly Uint8Array[]): string {
  return Buffer.concat(written).toString()
}

/** Both servers, provisioned for one app. */
export interface CliWorld {
  readonly stack: Stack
  readonly plan: KubevaultPlan
  /** The world as the app's pod sees it. */
  readonly runtime: Runtime
  /** The token that is mounted in the pod. */
  readonly podToken: string
  readonly requests: readonly string[]
  /** Every token and JWT that passed so far. */
  readonly credentials: ReadonlySet<string>
  /** Encrypts a document and stores it. */
  put(name: string, document: string): Promise<void>
  /** Stores what is no document of anybody. */
  putRaw(name: string, ciphertext: string): Promise<void>
  seal(): Promise<void>
  unseal(): Promise<void>
}

/** Starts both servers, in this process. */
export async function cliWorld(planName: PlanName = 'native'): Promise<CliWorld> {
  const stack = createStack()
  const plan = await provisionStack(stack, planName)
  const requests: string[] = []
  const token = await requestToken(stack.kubernetesWire, plan)
  const credentials = new Set([plan.rootToken, plan.adminToken, token])
  const watched = (handle: Handler): Handler => watch(handle, requests, credentials)
  const handlers = new Map([
    [VAULT_ORIGIN, watched((request) => stack.vault.handle(request))],
    [KUBERNETES_ORIGIN, watched((request) => stack.kubernetes.handle(request))],
  ])
  const network = systemRuntime(inProcessTransport(handlers))
  const { namespace, rootToken } = plan
  const sys = async (path: string, body: object): Promise<void> => {
    await stack.vaultWire('PUT', `/v1/sys/${path}`, { token: rootToken, body })
  }
  const putRaw = (name: string, ciphertext: string): Promise<void> =>
    putObject(stack.kubernetesWire, plan, { name, data: { 'secrets.json': ciphertext } })
  return {
    stack,
    plan,
    runtime: podRuntime(network, { apiServer: KUBERNETES_ORIGIN, namespace, token }),
    podToken: token,
    requests,
    credentials,
    put: (name, document) => sealDocument(stack, plan, name, document),
    putRaw,
    seal: () => sys('seal', {}),
    unseal: async () => {
      for (const key of stack.vault.unsealKeys) await sys('unseal', { key })
    },
  }
}

/** Notes every request, and every credential that an answer hands out. */
export function watch(handle: Handler, requests: string[], credentials: Set<string>): Handler {
  return async (request) => {
    requests.push(`${request.method} ${new URL(request.url).pathname}`)
    const response = await handle(request)
    const text = await response.clone().text()
    const body: unknown = text === '' ? undefined : JSON.parse(text)
    for (const section of ['auth', 'status']) {
      const inner = isRecord(body) ? body[section] : undefined
      const token = isRecord(inner) ? (inner['client_token'] ?? inner['token']) : undefined
      if (typeof token === 'string') credentials.add(token)
    }
    return response
  }
}

/** The same world with further files and variables. */
export function withFiles(
  runtime: Runtime,
  files: Readonly<Record<string, string>>,
  env: Readonly<Record<string, string>> = {},
): Runtime {
  return {
    ...runtime,
    env: (name) => env[name] ?? runtime.env(name),
    readFile: (path) => {
      const text = files[path]
      return text === undefined ? runtime.readFile(path) : Promise.resolve(Buffer.from(text))
    },
  }
}

/** The same world where waiting takes no time; `onSleep` is told when, in milliseconds since the start. */
export function hurried(
  runtime: Runtime,
  onSleep: (now: number) => void | Promise<void> = () => undefined,
): Runtime {
  let now = 0
  return {
    ...runtime,
    now: () => now,
    random: () => 0.99,
    sleep: async (ms) => {
      now += ms
      await onSleep(now)
    },
  }
}

/** Flags that say where the servers of {@link cliWorld} are. */
export const SERVERS: readonly string[] = ['--vault-url', VAULT_ORIGIN, '--role', 'app']

/** Flags that say how a dictionary of the native plan is opened. */
export const OPENED: readonly string[] = ['--key', 'secrets.json', '--transit-key', 'app']

/** A KubernetesClient without sockets. */
import { Budget } from '../../src/http/budget.ts'
import { KubernetesClient } from '../../src/kubernetes/client.ts'
import { inProcess, type Handler, type InProcess } from '../faults/in-process.ts'
import { fakeRuntime } from '../fake-runtime.ts'

export interface ClientFixture extends Pick<InProcess, 'sent'> {
  readonly client: KubernetesClient
  readonly budget: Budget
  /** Whether a fresh token was asked for, call by call. */
  readonly fresh: readonly boolean[]
}

/** A client of a server in this process, and the budget of its calls. */
export function clientOn(handler: Handler, token: string | undefined = 'api-token'): ClientFixture {
  const server = inProcess(handler)
  const runtime = fakeRuntime({ auto: true, random: () => 0, transport: server.transport })
  const settings = { startupWaitMs: 5000, attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 } }
  const fresh: boolean[] = []
  const access = {
    server: 'https://10.96.0.1:443',
    transport: {},
    namespace: undefined,
    origin: 'in-cluster',
    identity: undefined,
    token: async (isFresh: boolean) => {
      fresh.push(isFresh)
      return token
    },
  }
  const client = new KubernetesClient(access, runtime)
  const budget = new Budget(runtime, settings, new AbortController().signal)
  return { client, budget, sent: server.sent, fresh }
}

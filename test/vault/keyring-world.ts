/** A keyring over any transport, each of its calls within an allowance of its own. */
import { Budget, type Allowance } from '../../src/http/budget.ts'
import type { Transport } from '../../src/runtime.ts'
import { capabilities } from '../../src/vault/capabilities.ts'
import { VaultClient } from '../../src/vault/client.ts'
import { Keyring, type KeyFacts, type KeyMinima, type RewrapItem } from '../../src/vault/keyring.ts'
import type { Rewrapped } from '../../src/vault/rewrap-batches.ts'
import { Session } from '../../src/vault/session.ts'
import { fakeRuntime, type FakeRuntime } from '../fake-runtime.ts'

export interface Rotator {
  readonly runtime: FakeRuntime
  facts(key: string): Promise<KeyFacts>
  rewrap(
    key: string,
    items: readonly RewrapItem[],
    signal?: AbortSignal,
  ): Promise<readonly Rewrapped[]>
  configure(key: string, minima: KeyMinima): Promise<void>
  trim(key: string, minAvailableVersion: number): Promise<void>
  /** By path the names in order. */
  capabilities(paths: readonly string[]): Promise<Record<string, readonly string[]>>
}

/** What one token can do; each login gives the same. */
export function rotatorOn(transport: () => Transport, mount: string, token: string): Rotator {
  const runtime = fakeRuntime({ auto: true, random: () => 0, transport })
  const attempt = { connectTimeoutMs: 2000, timeoutMs: 5000 }
  const settings = { startupWaitMs: 30_000, attempt }
  const budget = new Budget(runtime, settings, new AbortController().signal)
  const vault = {
    url: 'https://vault.example:8200',
    namespace: undefined,
    transport: {},
    transitMount: mount,
    redirectHosts: [],
    auth: { method: 'token', token: undefined },
  } as const
  const client = new VaultClient(vault, runtime)
  const grant = { token, sentAt: 0, ttlMs: 600_000, type: 'batch', renewable: false } as const
  const login = () => Promise.resolve(grant)
  const session = new Session({ client, login, method: 'kubernetes', budget, runtime })
  const keyring = new Keyring({ client, session, mount })
  const within = async <T>(
    work: (allowance: Allowance) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> => {
    const allowance = budget.begin(signal)
    return work(allowance).finally(() => allowance.end())
  }
  return {
    runtime,
    facts: (key) => within((allowance) => keyring.facts(allowance, key)),
    rewrap: (key, items, signal) =>
      within((allowance) => keyring.rewrap(allowance, key, items), signal),
    configure: (key, minima) => within((allowance) => keyring.configure(allowance, key, minima)),
    trim: (key, version) => within((allowance) => keyring.trim(allowance, key, version)),
    capabilities: async (paths) => {
      const found = await within((allowance) => capabilities(client, session, allowance, paths))
      return Object.fromEntries([...found].map(([path, names]) => [path, [...names].toSorted()]))
    },
  }
}

/** Of each item its version, or the code of its error. */
export function codes(results: readonly Rewrapped[]): readonly (number | string)[] {
  return results.map((result) => ('error' in result ? result.error.code : result.keyVersion))
}

/**
 * What checks look at. Facts are found when first asked for, once, whoever asks: no check knows
 * which of the others ran.
 */
import type { Definition } from '../config/definition.ts'
import type { Settings } from '../config/schema.ts'
import { closeCore, createCore, type Core } from '../core.ts'
import { Budget, type Allowance } from '../http/budget.ts'
import type { Runtime } from '../runtime.ts'
import { VaultClient } from '../vault/client.ts'
import { Session } from '../vault/session.ts'
import { tokenLogin } from '../vault/token-login.ts'
import type { Verdict } from './verdict.ts'

/** One question, and how to answer it. */
export interface Check {
  /** Such as `vault.tcp`. */
  readonly id: string
  readonly title: string
  /** Checks that must not have failed, by id. */
  readonly needs?: readonly string[] | undefined
  /** @throws {@link Missing} for what it would need; a SecretManagerError is a finding */
  run(world: World): Promise<Verdict>
}

/** One service's view of its servers. */
export interface World {
  readonly settings: Settings
  readonly definition: Definition
  readonly runtime: Runtime
  readonly core: Core
  /** Vault, asked outside of every namespace: its health is the server's. */
  readonly server: VaultClient
  /** Who looks at Vault's own settings; absent: the service itself. */
  readonly operator: Session | undefined
  /** Where the journal of the key's rotation lies; absent: where a rotation begins one. */
  readonly journalNamespace: string | undefined
  readonly signal: AbortSignal
  /** Performs `work` with an allowance of its own. */
  call<T>(work: (allowance: Allowance) => Promise<T>): Promise<T>
}

/** How a world is made. */
export interface WorldOptions {
  readonly settings: Settings
  readonly definition: Definition
  readonly runtime: Runtime
  /** Whether VAULT_TOKEN, or the token that `vault login` left, looks at what the service may not. */
  readonly asOperator: boolean
  readonly journalNamespace?: string | undefined
  readonly signal: AbortSignal
}

/** Makes a world; does no I/O. */
export function createWorld(options: WorldOptions): World {
  const { definition, runtime, asOperator, journalNamespace, signal } = options
  // Who asks why a server is away wants to hear it, not to wait for it.
  const settings = { ...options.settings, startupWaitMs: 0 }
  const core = createCore(settings, runtime)
  return {
    settings,
    definition,
    runtime,
    core,
    server: new VaultClient({ ...settings.vault, namespace: undefined }, runtime),
    operator: asOperator ? operatorOf(core, options) : undefined,
    journalNamespace,
    signal,
    call: (work) => core.calls.run({ signal }, work),
  }
}

/**
 * Looks for the operator's token, where one is to look: without it every check would say the same.
 *
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE, SM_CONFIG_INVALID
 */
export async function findOperator(world: World): Promise<void> {
  const { operator } = world
  if (operator) await world.call((allowance) => operator.ready(allowance))
}

/** Ends what the checks began. */
export async function closeWorld({ core, server }: World): Promise<void> {
  await closeCore(core)
  server.close()
}

function operatorOf({ connections }: Core, { settings, runtime, signal }: WorldOptions): Session {
  const value = runtime.env('VAULT_TOKEN') || runtime.env('BAO_TOKEN')
  const token = value ? ({ kind: 'value', value } as const) : undefined
  return new Session({
    client: connections.vault,
    login: tokenLogin({ method: 'token', token }, runtime),
    method: 'token',
    // Of its own: that an operator was served must not make the service patient.
    budget: new Budget(runtime, settings, signal),
    runtime,
  })
}

/** Makes a fact: found once for each world, when first asked for. */
export function fact<T>(find: (world: World) => Promise<T>): (world: World) => Promise<T> {
  const known = new WeakMap<World, Promise<T>>()
  return (world) => {
    const before = known.get(world)
    if (before) return before
    const finding = find(world)
    known.set(world, finding)
    return finding
  }
}

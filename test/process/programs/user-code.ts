/** Code of the user's own that fails in every way while SecretManagers call it. */
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import {
  listen,
  SecretManager,
  type Channels,
  type ErrorCode,
  type IssuedToken,
  type LoginEndpoint,
  type SecretDefinition,
  type StandardSchema,
} from 'secretmanager'

import type { Place } from '../world.ts'

export interface UserCodeJob {
  readonly place: Pick<Place, 'vaultUrl' | 'role'>
  readonly jwt: string
  readonly kubeconfig: string
  readonly definition: SecretDefinition
  /** `schema` and `login`: those of each of many SecretManagers; `listen`: what hears one of them. */
  readonly part: 'schema' | 'login' | 'listen'
  /** Whether the process handles what nobody caught. */
  readonly isGuarded: boolean
}

/** Twenty times a second. */
export interface UserCodeLine {
  readonly kind: 'tick'
  /** By the way in which code fails. */
  readonly cases: Readonly<Record<string, Case>>
  /** How often what nobody caught was heard of. */
  readonly uncaught: number
  /** Whether all of it was what listeners threw. */
  readonly isOurs: boolean
}

export interface Case {
  /** That was read last. */
  readonly version: number
  readonly trouble: ErrorCode | undefined
  /** Reads that failed. */
  readonly failed: number
}

const CANARY = 'CANARY of the user'
const job = JSON.parse(process.argv[2] ?? '') as UserCodeJob
const { vaultUrl: url, role } = job.place
let isBroken = false
let isEnding = false
let uncaught = 0
let isOurs = true
const cases: Record<string, Case> = {}

if (job.isGuarded) {
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (reason: unknown) => {
      uncaught += 1
      isOurs &&= reason instanceof Error && reason.message === CANARY
    })
  }
}
const managers = managersOf()
for (const [name] of managers) cases[name] = { version: 0, trouble: undefined, failed: 0 }
const readers = managers.map(([name, manager, definition]) => reader(name, manager, definition))
const ticks = setInterval(tell, 50)
for await (const word of createInterface({ input: process.stdin })) isBroken = word === 'break'
isEnding = true
await Promise.all(readers)
clearInterval(ticks)
await Promise.all(managers.map(([, manager]) => manager.close()))

type Named = readonly [name: string, manager: SecretManager, definition: SecretDefinition]

function managersOf(): Named[] {
  const { definition, part } = job
  switch (part) {
    case 'schema':
      return Object.entries(SCHEMAS()).map(([name, schema]) => [
        name,
        managerOf(wellLogin),
        { ...definition, schema },
      ])
    case 'login':
      return Object.entries(LOGINS()).map(([name, login]) => [name, managerOf(login), definition])
    case 'listen':
      listenBadly()
      return [['listen', managerOf(wellLogin), definition]]
  }
}

type Login = (vault: LoginEndpoint) => Promise<IssuedToken>

function managerOf(login: Login): SecretManager {
  return new SecretManager({
    timeout: '2s',
    vault: { url, auth: { method: 'custom', login } },
    kubernetes: { kubeconfig: job.kubeconfig },
    cache: { refreshAfter: 100 },
  })
}

async function wellLogin(vault: LoginEndpoint): Promise<IssuedToken> {
  return vault.login('auth/kubernetes/login', { role, jwt: job.jwt })
}

function LOGINS(): Readonly<Record<string, Login>> {
  const badly =
    (fail: () => unknown): Login =>
    async (vault) =>
      isBroken ? (fail() as Promise<IssuedToken>) : wellLogin(vault)
  return {
    'a login that throws': badly(() => {
      throw new Error(CANARY)
    }),
    'a login that is no async function and throws': (vault) => {
      if (isBroken) throw new Error(CANARY)
      return wellLogin(vault)
    },
    'a login that rejects with a string': badly(() => Promise.reject(CANARY)),
    'a login that gives nothing': badly(() => undefined),
    'a login that rejects twice': badly(() => {
      queueMicrotask(() => void Promise.reject(new Error(CANARY)).catch(() => undefined))
      return Promise.reject(new Error(CANARY))
    }),
  }
}

function SCHEMAS(): Readonly<Record<string, StandardSchema>> {
  const badly = (fail: () => unknown): StandardSchema => ({
    '~standard': {
      version: 1,
      vendor: 'test',
      validate: (value) => (isBroken ? (fail() as { value: unknown }) : { value }),
    },
  })
  return {
    'a schema that throws': badly(() => {
      throw new Error(CANARY)
    }),
    'a schema that throws a string': badly(() => {
      // oxlint-disable-next-line typescript/only-throw-error -- as users do
      throw CANARY
    }),
    'a schema that rejects': badly(() => Promise.reject(new Error(CANARY))),
    'a schema that gives nothing': badly(() => undefined),
    'a schema whose result throws': badly(() => ({
      get value(): never {
        throw new Error(CANARY)
      },
    })),
    'a schema whose issues throw': badly(() => ({
      issues: [
        {
          message: CANARY,
          get path(): never {
            throw new Error(CANARY)
          },
        },
      ],
    })),
  }
}

/** On every channel one listener that throws, and one whose promise rejects. */
function listenBadly(): void {
  const names: readonly (keyof Channels)[] = ['request', 'retry', 'login', 'refresh', 'stale']
  for (const name of names) {
    listen(name, () => {
      if (isBroken) throw new Error(CANARY)
    })
    listen(name, () => {
      if (isBroken) void Promise.reject(new Error(CANARY))
    })
  }
}

async function reader(name: string, manager: SecretManager, definition: SecretDefinition) {
  let failed = 0
  let version = 0
  while (!isEnding) {
    try {
      version = Number((await manager.readSecrets(definition))['version'])
    } catch {
      failed += 1
    }
    const trouble = manager.status().definitions[0]?.trouble?.code
    cases[name] = { version, trouble, failed }
    await pause(20)
  }
}

function tell(): void {
  const line: UserCodeLine = { kind: 'tick', cases, uncaught, isOurs }
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

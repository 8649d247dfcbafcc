/** P1: `provision --init`, killed at every point at which it waits. What its page says is true then, is. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { createTransport } from '../../src/http/transport.ts'
import type { InitKeys } from '../../src/provision/init-once.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { given, runWith, spellings } from '../cli/authoring-world.ts'
import type { Ran as Ended } from '../cli/world.ts'
import { buildCrashing, openRoom, runKilled, type Room } from '../crash/child.ts'
import type { Ran } from '../crash/matrix.ts'
import { ask } from './servers/http.ts'
import { serversPresent, startVault, type VaultServer } from './servers.ts'

const SHARES = 3
const NEEDED = 2

/** From here on `--revoke-root` may have done its work. */
const REVOKED = /revoke-self/

describe.skipIf(!serversPresent('bao'))('a new OpenBao', () => {
  let directory: string
  let program: string

  beforeAll(async () => {
    directory = mkdtempSync(join(tmpdir(), 'secretmanager-crashing-'))
    program = await buildCrashing(directory)
  })
  afterAll(() => rmSync(directory, { recursive: true, force: true }))

  test('P1: SIGKILL at each point of provision --init, then again: keys are whole and good, or known to be lost', async () => {
    const vault = await startVault({ tls: true, initialize: false })
    const room = openRoom()
    try {
      const tried = await killAtEach(new Beginning(program, vault, room))
      console.log(`provision --init, killed and run again: ${JSON.stringify(tried)}`)
      expect(Object.keys(tried).toSorted()).toEqual(FATES.toSorted())
    } finally {
      room.close()
      await vault.stop()
    }
  }, 300_000)
})

/** What is true after a kill. `notice`: the file says that it holds no keys. */
const FATES = [
  ...(['new, no file', 'new, notice begun', 'new, notice'] as const),
  ...(['lost, notice', 'lost, keys begun', 'keys written'] as const),
]
type Fate = (typeof FATES)[number]

/** How many points each was the end of. */
type Tried = Partial<Record<Fate, number>>

async function killAtEach(beginning: Beginning): Promise<Tried> {
  const tried: Tried = {}
  for (let at = 1; ; at += 1) {
    const killed = await beginning.kill(at)
    const point = `point ${at}: ${killed.points.at(-1)}`
    try {
      if (!killed.isDead) {
        expect(killed).toMatchObject({ code: 0 })
        await beginning.expectDone()
        return tried
      }
      const fate = await beginning.fate(killed)
      await beginning.goOn(fate, killed, tried[fate] === undefined)
      tried[fate] = (tried[fate] ?? 0) + 1
    } catch (error) {
      throw new Error(`${point}\n${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      })
    }
  }
}

/** A Vault that is new, or wiped, before each run. */
class Beginning {
  readonly #program: string
  readonly #vault: VaultServer
  readonly #room: Room
  readonly #file: string

  constructor(program: string, vault: VaultServer, room: Room) {
    this.#program = program
    this.#vault = vault
    this.#room = room
    this.#file = join(room.directory, 'keys.json')
  }

  kill(at: number): Promise<Ran> {
    const { directory } = this.#room
    const killing = { directory, at, seed: 1, variables: { HOME: directory } }
    return runKilled(this.#program, this.#args(), killing)
  }

  /** What there is, and nothing that nobody expects. */
  async fate({ points, stderr }: Ran): Promise<Fate> {
    const isNew = !(await this.#isInitialized())
    if (!existsSync(this.#file)) {
      expect(isNew).toBe(true)
      return 'new, no file'
    }
    expect(statSync(this.#file).mode & 0o777).toBe(0o600)
    const keys = this.#keys()
    if (keys) {
      expect(isNew).toBe(false)
      expectWhole(keys, stderr)
      return 'keys written'
    }
    const text = this.#text()
    if (isNew) return NOTICE.test(text) ? 'new, notice' : expectBegun(text)
    // Nobody has them.
    expect(points.at(-1)).toMatch(LOST)
    return NOTICE.test(text) ? 'lost, notice' : 'lost, keys begun'
  }

  /** Runs it again, and then does what the page says: for each kind of end once until all is well. */
  async goOn(fate: Fate, killed: Ran, isFirst: boolean): Promise<void> {
    if (fate === 'new, no file') return this.#untilDone()
    const before = this.#text()
    const again = await this.#again()
    expect(this.#text()).toBe(before)
    if (fate.startsWith('new')) {
      expectSaid(again, 2, 'is there already, and keys are written over nothing')
      expect(await this.#isInitialized()).toBe(false)
    } else {
      expectSaid(again, 1, 'is initialised already: nothing was changed')
      expect(again.stderr).toContain('where nobody has its keys, wipe its storage and begin again')
      if (fate === 'keys written') await this.#useKeys(killed)
      await this.#wipe()
    }
    rmSync(this.#file)
    if (isFirst) await this.#untilDone()
  }

  /** The end of a run that nobody killed. */
  async expectDone(): Promise<void> {
    const keys = this.#keys()
    if (keys === undefined) throw new Error('there are no keys')
    expectWhole(keys, '')
    expect(await this.#health()).toBe(200)
    expect(await this.#lookup(keys)).toBe(403)
  }

  #text(): string {
    return readFileSync(this.#file, 'utf8')
  }

  async #untilDone(): Promise<void> {
    expectSaid(await this.#again(), 0, 'the root token is revoked')
    await this.expectDone()
    rmSync(this.#file)
    await this.#wipe()
  }

  /** What is in the file unseals, and its root token is good, unless it was to be revoked. */
  async #useKeys({ points }: Ran): Promise<void> {
    const keys = this.#keys()
    if (keys === undefined) throw new Error('there are no keys')
    for (const key of keys.unseal_keys_b64.slice(-NEEDED)) {
      if ((await this.#health()) === 503) await this.#ask('PUT', 'sys/unseal', { key })
    }
    await expect.poll(() => this.#health(), { timeout: 10_000 }).toBe(200)
    const isRevoking = points.some((each) => REVOKED.test(each))
    expect(await this.#lookup(keys)).toBeOneOf(isRevoking ? [200, 403] : [200])
  }

  #again(): Promise<Ended> {
    const variables: Readonly<Record<string, string>> = { HOME: this.#room.directory }
    const runtime: Runtime = {
      ...systemRuntime((options) => createTransport(options, runtime)),
      env: (name) => variables[name],
    }
    return runWith(given(''), this.#args(), runtime)
  }

  #args(): readonly string[] {
    const { url, caFile = '' } = this.#vault
    const shares = ['--shares', String(SHARES), '--threshold', String(NEEDED)]
    const server = ['--vault-url', url, '--ca-cert', caFile]
    return [
      ...['provision', '--init', '--keys', this.#file, ...shares, '--unseal', '--revoke-root'],
      ...server,
    ]
  }

  #keys(): InitKeys | undefined {
    try {
      return JSON.parse(this.#text()) as InitKeys
    } catch (error) {
      if (error instanceof SyntaxError) return undefined
      throw error
    }
  }

  async #isInitialized(): Promise<boolean> {
    const { body } = await this.#ask('GET', 'sys/seal-status')
    return (body as { initialized: boolean }).initialized
  }

  async #health(): Promise<number> {
    return (await this.#ask('GET', 'sys/health')).status
  }

  async #lookup({ root_token: token }: InitKeys): Promise<number> {
    const { url: base, caPem: ca } = this.#vault
    const headers = { 'x-vault-token': token }
    return (await ask({ path: '/v1/auth/token/lookup-self', base, ca, headers })).status
  }

  #ask(method: string, path: string, body?: object): ReturnType<typeof ask> {
    const { url: base, caPem: ca } = this.#vault
    return ask({ method, path: `/v1/${path}`, base, ca, body })
  }

  /** Its storage is its memory. */
  async #wipe(): Promise<void> {
    await this.#vault.restart({ unseal: false })
  }
}

/** Where keys can get lost: between the answer and the end of the one write that stores it. */
const LOST = /^(?:after send POST \/v1\/sys\/init|(?:before|middle of) handle write)$/

const NOTICE = /its keys were to be written here\.\nWhere you read this, they were not\./

/** Created, or its notice half written: nobody takes it for keys. */
function expectBegun(text: string): Fate {
  expect('Vault at '.startsWith(text.slice(0, 9))).toBe(true)
  return 'new, notice begun'
}

function expectWhole(keys: InitKeys, stderr: string): void {
  const { unseal_keys_b64: shares, unseal_keys_hex: hex, root_token: token } = keys
  expect(shares).toHaveLength(SHARES)
  expect(token).not.toBe('')
  // I10
  const secrets = [...shares, ...hex, token].flatMap((each) => spellings(each))
  expect(secrets.filter((each) => stderr.includes(each))).toEqual([])
}

function expectSaid({ code, stderr }: Ended, wanted: number, says: string): void {
  expect({ code, stderr }).toEqual({ code: wanted, stderr: expect.stringContaining(says) })
}

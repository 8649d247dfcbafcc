import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'

import { createVault } from '../../src/dev/vault/index.ts'
import { isRecord } from '../../src/lib/record.ts'
import { TransportFailure, type HttpRequest } from '../../src/runtime.ts'
import type { InitKeys } from '../../src/provision/init-once.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { inProcess, refusedConnection, type Answered, type Handler } from '../faults/in-process.ts'
import { ALICE, ALICE_ARMORED, BOB, SIGNER } from '../provision/pgp-keys.ts'
import { given, spellings } from './authoring-world.ts'
import { runInit, type InitRan, type InitSituation } from './vault-init-run.ts'

const URL_OF_VAULT = 'https://vault.test:8200'

let directory = ''
let file = ''

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'secretmanager-keys-'))
  file = join(directory, 'keys.json')
})

afterEach(() => rmSync(directory, { recursive: true, force: true }))

describe('a new Vault', () => {
  test('keys are written for their owner alone, and nobody is waited for', async () => {
    const vault = newVault()
    const ran = await init(vault, [])
    expect(ran).toMatchObject({ code: 'ok', stdout: '', rootToken: undefined })
    expect(statSync(file).mode & 0o777).toBe(0o600)
    const keys = written()
    expect(keys).toMatchObject({
      unseal_shares: 5,
      unseal_threshold: 3,
      recovery_keys_b64: [],
      recovery_keys_shares: 0,
    })
    expect([keys.unseal_keys_b64.length, keys.unseal_keys_hex.length]).toEqual([5, 5])
    expect(vault.paths()).toEqual(['GET seal-status', 'POST init'])
    expect(ran.stderr).toContain('vault operator unseal')
  })

  test('--unseal gives the threshold of the shares, and waits', async () => {
    const vault = newVault()
    const ran = await init(vault, ['--unseal', '--shares', '7', '--threshold', '4'])
    expect(ran).toMatchObject({ code: 'ok', rootToken: written().root_token })
    expect(vault.paths().filter((path) => path === 'POST unseal')).toHaveLength(4)
    expect(ran.stderr).toContain('the root token is valid and never expires')
  })

  test.each([
    [
      ['--shares', '1'],
      [1, 1],
    ],
    [
      ['--shares', '2'],
      [2, 2],
    ],
    [
      ['--shares', '4', '--threshold', '2'],
      [4, 2],
    ],
  ])('%j is what Vault is asked for', async (args, [shares, threshold]) => {
    expect(await init(newVault(), [...args, '--unseal'])).toMatchObject({ code: 'ok' })
    expect(written()).toMatchObject({ unseal_shares: shares, unseal_threshold: threshold })
  })

  test('--keys - prints them as JSON on stdout, and nothing else there', async () => {
    const ran = await init(newVault(), ['--unseal', '--revoke-root'], { keys: '-' })
    const keys = JSON.parse(ran.stdout) as InitKeys
    expect(keys.unseal_keys_b64).toHaveLength(5)
    expect(ran.stderr).toContain('are on stdout')
    expect(leaked(ran.stderr, keys)).toEqual([])
  })

  test('where something is set up next, people who unseal are waited for', async () => {
    const vault = newVault()
    const wait = init(vault, [], { provisions: true, onNote: unsealAfter('waiting', vault) })
    expect(await wait).toMatchObject({ code: 'ok', rootToken: written().root_token })
  })

  test('people who do not come end the wait with SM_VAULT_SEALED, and the keys stay', async () => {
    const ran = await init(newVault(), ['--unseal-wait', '5s'], { provisions: true })
    expect(ran.code).toBe('SM_VAULT_SEALED')
    expect(ran.stderr).toContain('its keys are written, and it is still sealed after 5 s')
    expect(written().unseal_keys_b64).toHaveLength(5)
  })
})

describe('I10: no key and no token is shown', () => {
  test.each(['POST unseal', 'GET leader', 'POST token/revoke-self'])(
    'where %s fails and quotes all that was sent',
    async (route) => {
      const quoting: Fault = (_own, { body, headers }) => ({
        status: 400,
        json: { errors: [`bad: ${body ?? ''} ${JSON.stringify(headers)} ${keptKeys()}`] },
      })
      const ran = await init(newVault({ [route]: quoting }), ['--unseal', '--revoke-root'])
      expect(ran.code).toBe('SM_VAULT_REJECTED')
      expect(written().unseal_keys_b64).toHaveLength(5)
    },
  )
})

describe('a seal that opens by itself', () => {
  test('has recovery shares, asks nobody, and is waited for until it is active', async () => {
    const vault = autoUnsealed({ opensAfter: 2, activeAfter: 4 })
    const ran = await init(vault, ['--shares', '3', '--threshold', '2'])
    expect(ran).toMatchObject({ code: 'ok', rootToken: ROOT })
    expect(vault.bodies()).toEqual([{ recovery_shares: 3, recovery_threshold: 2 }])
    expect(written()).toMatchObject({
      unseal_keys_b64: [],
      unseal_shares: 0,
      recovery_keys_b64: SHARES,
      recovery_keys_shares: 3,
      recovery_keys_threshold: 2,
    })
    expect(ran.stderr).toContain('initialised (seal: gcpckms): 3 recovery shares')
    expect(vault.paths().filter((path) => path === 'POST unseal')).toEqual([])
    expect(vault.paths().filter((path) => path === 'GET leader')).toHaveLength(2)
  })

  test('PGP keys are those of the recovery shares', async () => {
    const [alice, bob] = keyFiles()
    const vault = autoUnsealed()
    const args = ['--pgp-keys', alice, bob, '--root-pgp-key', alice]
    expect(await init(vault, args)).toMatchObject({ code: 'ok', rootToken: undefined })
    const root = { root_token_pgp_key: ALICE }
    expect(vault.bodies()).toEqual([
      { recovery_shares: 2, recovery_threshold: 2, recovery_pgp_keys: [ALICE, BOB], ...root },
    ])
  })

  test('a KMS that does not answer ends the wait with SM_VAULT_SEALED', async () => {
    const ran = await init(autoUnsealed({ opensAfter: Infinity }), ['--unseal-wait', '10s'])
    expect(ran.code).toBe('SM_VAULT_SEALED')
    expect(ran.stderr).toContain("Vault's log says why")
  })

  test('a Vault that restarts meanwhile is waited for', async () => {
    const vault = autoUnsealed({ opensAfter: 3, awayUntil: 2 })
    expect(await init(vault, [])).toMatchObject({ code: 'ok' })
  })
})

describe('the root token', () => {
  test('--revoke-root revokes it', async () => {
    const vault = newVault()
    const ran = await init(vault, ['--unseal', '--revoke-root'])
    expect(ran).toMatchObject({ code: 'ok' })
    expect(await vault.lookup(written().root_token)).toBe(403)
    expect(ran.stderr).toContain('the root token is revoked')
  })

  test.each([
    ['y', 403],
    ['n', 200],
  ])('a person is asked, and answers %s', async (said, code) => {
    const vault = newVault()
    await init(vault, ['--unseal'], { input: given(undefined, said) })
    expect(await vault.lookup(written().root_token)).toBe(code)
  })

  test('an answer of the revocation that is lost is asked for again', async () => {
    const vault = newVault({ 'POST token/revoke-self': lateBy('reset') })
    expect(await init(vault, ['--unseal', '--revoke-root'])).toMatchObject({ code: 'ok' })
    expect(await vault.lookup(written().root_token)).toBe(403)
  })
})

describe('refused before any call', () => {
  test.each([
    ['no --keys', ['--init'], '--keys FILE'],
    ['a part without --init', ['--unseal'], '--unseal is a part of --init'],
    ['a dry run', ['--init', '--keys', 'k', '--dry-run'], '--dry-run does not'],
    ['two documents on stdout', ['--init', '--keys', '-', '--json'], 'the keys or the report'],
    ['no share', ['--init', '--keys', 'k', '--shares', '0'], 'a number from 1 to 255'],
    ['too many', ['--init', '--keys', 'k', '--shares', '256'], 'a number from 1 to 255'],
    ['no number', ['--init', '--keys', 'k', '--threshold', '3e0'], 'a number from 1 to 255'],
    ['a threshold beyond', ['--init', '--keys', 'k', '--threshold', '6'], '6 of 5 shares'],
    ['copies', ['--init', '--keys', 'k', '--threshold', '1'], 'they are copies'],
    ['no duration', ['--init', '--keys', 'k', '--unseal-wait', '2'], 'must be a duration'],
    ['no such key', ['--init', '--keys', 'k', '--pgp-keys', '/nowhere'], 'cannot be read'],
  ])('%s', async (_what, args, says) => {
    await refused(args, says)
  })

  test.each([
    ['more PGP keys than shares', ['--shares', '1'], 'there are 1 shares and 2 PGP keys'],
    ['--unseal with PGP keys', ['--unseal'], 'only be given by those who can decrypt them'],
  ])('%s', async (_what, args, says) => {
    await refused(['--init', '--keys', file, '--pgp-keys', ...keyFiles(), ...args], says)
  })

  test('a PGP key that cannot encrypt', async () => {
    const signer = join(directory, 'signer.pgp')
    writeFileSync(signer, SIGNER)
    await refused(['--init', '--keys', file, '--root-pgp-key', signer], 'cannot encrypt')
  })

  test.each([
    ['set-up', [], { provisions: true }],
    ['revocation', ['--revoke-root'], {}],
  ])('a root token that %s needs, and that is encrypted', async (_what, args, situation) => {
    const all = ['--init', '--keys', file, '--root-pgp-key', keyFiles()[0], ...args]
    await refused(all, 'cannot be used by this command', situation)
  })

  test('a namespace', async () => {
    const situation = { vault: { namespace: 'team' } }
    await refused(['--init', '--keys', file], 'a new Vault has no namespaces', situation)
  })
})

describe('nothing is changed', () => {
  test('where Vault is initialised already', async () => {
    const vault = newVault()
    await init(vault, [])
    const before = readFileSync(file, 'utf8')
    const again = await init(vault, [], { keys: join(directory, 'other.json') })
    expect(again.code).toBe('SM_VAULT_REJECTED')
    expect(again.stderr).toContain('is initialised already: nothing was changed')
    expect(existsSync(join(directory, 'other.json'))).toBe(false)
    expect(readFileSync(file, 'utf8')).toBe(before)
    expect(vault.paths().filter((path) => path === 'POST init')).toHaveLength(1)
  })

  test.each([
    ['a file', () => writeFileSync(file, 'the only keys of another Vault')],
    ['a symbolic link', () => symlinkSync('/dev/null', file)],
    ['a dangling link', () => symlinkSync('/nowhere', file)],
  ])('where %s is in the place of the keys', async (_what, place) => {
    place()
    const vault = newVault()
    const ran = await init(vault, [])
    expect(ran.code).toBe('SM_FILE_UNREADABLE')
    expect(ran.stderr).toContain('is there already')
    expect(vault.paths()).toEqual(['GET seal-status'])
  })

  test('where the directory does not exist', async () => {
    const vault = newVault()
    const ran = await init(vault, [], { keys: join(directory, 'no', 'keys.json') })
    expect(ran.stderr).toContain('cannot be created (ENOENT)')
    expect(vault.paths()).toEqual(['GET seal-status'])
  })

  test.each([
    ['somebody was faster', answer(400, { errors: ['Vault is already initialized'] }), 'already'],
    ['Vault refuses', answer(400, { errors: ['CANARY invalid seal'] }), 'refused sys/init (400)'],
    ['Vault fails', answer(500, { errors: ['CANARY kms'] }), 'failed to serve sys/init (500)'],
    ['nothing listens', refusedConnection, 'SM_VAULT_UNREACHABLE'],
  ])('where %s: the file is removed', async (_what, handler, says) => {
    const vault = newVault({ 'POST init': handler })
    const ran = await init(vault, [])
    expect(ran.code).not.toBe('ok')
    expect(ran.stderr).toContain(says)
    expect(ran.stderr).not.toContain('CANARY')
    expect(existsSync(file)).toBe(false)
    expect(vault.paths().filter((path) => path === 'POST init')).toHaveLength(1)
  })

  test('where it is interrupted before sys/init', async () => {
    const interrupt = new AbortController()
    const vault = newVault({
      'GET seal-status': (own) => {
        interrupt.abort('SIGINT')
        return own()
      },
    })
    expect(await init(vault, [], { interrupt: interrupt.signal })).toMatchObject({
      code: 'SM_ABORTED',
    })
    expect(vault.paths()).toEqual(['GET seal-status'])
    expect(existsSync(file)).toBe(false)
  })
})

describe('the one answer', () => {
  test.each([
    ['is cut off', lateBy('broken')],
    ['never comes', lateBy('timeout')],
    ['dies with its connection', lateBy('reset')],
    ['is no JSON', lateBy('html')],
    ['comes from a gateway that gave up', lateBy('504')],
  ])('that %s: Vault is initialised and nobody has its keys', async (_what, handler) => {
    const vault = newVault({ 'POST init': handler })
    const ran = await init(vault, [])
    expect(ran.code).toBe('SM_VAULT_REJECTED')
    expect(ran.stderr).toContain('is initialised, and nobody has its keys')
    expect(ran.stderr).toContain('wipe its storage')
    expect(existsSync(file)).toBe(false)
    expect(vault.paths().filter((path) => path === 'POST init')).toHaveLength(1)
  })

  test('that is a refusal, of a Vault that is initialised by now, is no refusal', async () => {
    const halfWay: Fault = async (own) => {
      await own()
      return { status: 400, json: { errors: ['CANARY openpgp: invalid argument'] } }
    }
    const ran = await init(newVault({ 'POST init': halfWay }), [])
    expect(ran.stderr).toContain('nobody has its keys: sys/init failed half-way')
  })

  test('that is lost, of a Vault that is still at it: it is watched', async () => {
    let asked = 0
    const vault = newVault({
      'POST init': lateBy('timeout'),
      'GET seal-status': async (own) => {
        const said = await own()
        return (asked += 1) < 5 ? { ...said, json: { ...status('shamir', false, true) } } : said
      },
    })
    const { stderr } = await init(vault, [])
    expect(stderr).toContain('is initialised, and nobody has its keys')
  })

  test.each([
    ['is away', refusedConnection],
    ['is not initialised', answer(200, status('shamir', false, true))],
  ])('that is lost, of a Vault that %s: nobody knows, and that is said', async (_what, later) => {
    let asked = 0
    const vault = newVault({
      'POST init': () => failing('timeout'),
      'GET seal-status': (own, request) => ((asked += 1) === 1 ? own() : later(own, request)),
    })
    const ran = await init(vault, [])
    expect(ran.code).toBe('SM_VAULT_REJECTED')
    expect(ran.stderr).toContain('whether vault at https://vault.test:8200 is initialised is not')
    expect(existsSync(file)).toBe(false)
  })

  test('is waited for through an interrupt, and written', async () => {
    const interrupt = new AbortController()
    const vault = newVault({
      'POST init': (own) => {
        interrupt.abort('SIGINT')
        return own()
      },
    })
    const ran = await init(vault, ['--unseal'], { interrupt: interrupt.signal })
    expect(ran.code).toBe('SM_ABORTED')
    expect(written().unseal_keys_b64).toHaveLength(5)
    expect(ran.stderr).toContain('waiting for the answer of sys/init, which comes once')
  })

  test('that is not what was asked for is written as it is', async () => {
    const partial = { keys: ['aa'], keys_base64: ['qg=='], root_token: ROOT }
    await init(newVault({ 'POST init': answer(200, partial) }), [])
    expect(written()).toMatchObject({ unseal_keys_b64: ['qg=='], root_token: ROOT })
  })
})

describe('the file', () => {
  test('says what it means, until it has keys', async () => {
    let during = ''
    const vault = newVault({
      'POST init': (own) => {
        during = readFileSync(file, 'utf8')
        expect(statSync(file).mode & 0o777).toBe(0o600)
        return own()
      },
    })
    await init(vault, [])
    expect(during).toContain('its keys were to be written here')
    expect(during.length).toBeGreaterThan(readFileSync(file, 'utf8').length)
    expect(written().unseal_shares).toBe(5)
  })

  test('that somebody removes meanwhile: without a person the keys are lost, and that is said', async () => {
    const vault = newVault({ 'POST init': removing })
    const ran = await init(vault, [])
    expect(ran.code).toBe('SM_VAULT_REJECTED')
    expect(ran.stderr).toContain('nobody has its keys: the file')
    expect(existsSync(file)).toBe(false)
  })

  test('that somebody removes meanwhile: a person names another', async () => {
    const other = join(directory, 'other.json')
    const input = given(undefined, join(directory, 'no', 'way.json'), other, 'n')
    const ran = await init(newVault({ 'POST init': removing }), ['--unseal'], { input })
    expect(ran.code).toBe('ok')
    expect(JSON.parse(readFileSync(other, 'utf8'))).toMatchObject({ unseal_shares: 5 })
    expect(statSync(other).mode & 0o777).toBe(0o600)
  })

  test('of somebody else in its place is not touched', async () => {
    const replaced: Fault = async (own) => {
      unlinkSync(file)
      writeFileSync(file, 'theirs')
      chmodSync(file, 0o644)
      return own()
    }
    const ran = await init(newVault({ 'POST init': replaced }), [])
    expect(ran.stderr).toContain('was removed or replaced by somebody else')
    expect(readFileSync(file, 'utf8')).toBe('theirs')
  })
})

// ---------------------------------------------------------------- the world

type Fault = (own: () => Promise<Answered>, request: HttpRequest) => Answered | Promise<Answered>

interface World {
  readonly handler: Handler
  /** Below `sys` or `auth`, in their order. */
  paths(): readonly string[]
  bodies(): readonly unknown[]
  lookup(token: string): Promise<number>
  call(path: string, body: object): Promise<unknown>
}

const ROOT = 'hvs.CANARYrootTokenCANARY'
const SHARES = ['Q0FOQVJZc2hhcmUx', 'Q0FOQVJZc2hhcmUy', 'Q0FOQVJZc2hhcmUz']

/** The embedded one, not initialised; its answers pass through `faults`. */
function newVault(faults: Readonly<Record<string, Fault>> = {}): World {
  const vault = createVault({ clock: Date.now, randomBytes, start: 'uninitialized' })
  const ask = async (
    method: string,
    path: string,
    body?: string,
    token = '',
  ): Promise<Answered> => {
    const headers = { 'x-vault-token': token }
    const request = { method, body: body ?? null, headers }
    const response = await vault.handle(new Request(`${URL_OF_VAULT}${path}`, request))
    const text = await response.text()
    return { status: response.status, json: text === '' ? undefined : JSON.parse(text) }
  }
  const world = recorded(faults, ({ method, url, body, headers }) =>
    ask(method, new URL(url).pathname, body, headers['x-vault-token']),
  )
  return {
    ...world,
    lookup: async (token) =>
      (await ask('GET', '/v1/auth/token/lookup-self', undefined, token)).status,
    call: (path, body) => ask('POST', `/v1/${path}`, JSON.stringify(body)),
  }
}

interface AutoUnseal {
  /** After how many questions. */
  readonly opensAfter?: number
  readonly activeAfter?: number
  readonly awayUntil?: number
}

/** One with a seal in a KMS, played. */
function autoUnsealed({ opensAfter = 0, activeAfter = 0, awayUntil = 0 }: AutoUnseal = {}): World {
  let isInitialized = false
  let asked = 0
  // It names itself before it serves.
  const leader = (): object => {
    return { ha_enabled: true, is_self: asked > activeAfter, leader_address: URL_OF_VAULT }
  }
  const handler: Handler = ({ url }) => {
    if (isInitialized) asked += 1
    if (isInitialized && asked <= awayUntil) return refusedConnection()
    if (url.endsWith('/sys/leader')) return { status: 200, json: leader() }
    if (url.endsWith('/sys/seal-status')) {
      const isSealed = !isInitialized || asked <= opensAfter
      return { status: 200, json: status('gcpckms', isInitialized, isSealed) }
    }
    if (!url.endsWith('/sys/init')) return { status: 204 }
    isInitialized = true
    const hex = SHARES.map((share) => Buffer.from(share, 'base64').toString('hex'))
    const recovery = { recovery_keys: hex, recovery_keys_base64: SHARES }
    return { status: 200, json: { keys: [], keys_base64: [], ...recovery, root_token: ROOT } }
  }
  const world = recorded({}, handler)
  return { ...world, lookup: () => Promise.resolve(0), call: () => Promise.resolve() }
}

function recorded(
  faults: Readonly<Record<string, Fault>>,
  handler: Handler,
): Pick<World, 'handler' | 'paths' | 'bodies'> {
  const heard: { route: string; body: string | undefined }[] = []
  return {
    paths: () => heard.map(({ route }) => route),
    bodies: () =>
      heard
        .filter(({ route }) => route === 'POST init')
        .map(({ body }) => JSON.parse(body ?? '') as unknown),
    handler: (request) => {
      const path = new URL(request.url).pathname.replace(/^\/v1\/(?:sys|auth)\//, '')
      const route = `${request.method} ${path}`
      heard.push({ route, body: request.body })
      const own = async (): Promise<Answered> => handler(request)
      return faults[route]?.(own, request) ?? own()
    },
  }
}

function status(type: string, initialized: boolean, sealed: boolean): object {
  return { type, initialized, sealed, t: 0, n: 0, progress: 0 }
}

function answer(code: number, json: unknown): Fault {
  return () => ({ status: code, json })
}

type Loss = 'broken' | 'timeout' | 'reset' | 'html' | '504'

/** Vault does it, and its first answer is lost on the way. */
function lateBy(loss: Loss): Fault {
  let isLost = false
  return async (own) => {
    const said = await own()
    if (isLost) return said
    isLost = true
    if (loss === '504') return { status: 504, body: Buffer.from('<html>CANARY</html>') }
    if (loss === 'html') return { status: 200, body: Buffer.from('<html>CANARY</html>') }
    return failing(loss)
  }
}

function failing(loss: 'broken' | 'timeout' | 'reset'): never {
  if (loss === 'timeout') throw new TransportFailure('timeout', 'no answer in time')
  if (loss === 'broken') throw new TransportFailure('broken', 'the answer broke off')
  throw new TransportFailure('unreachable', 'the connection was reset', 'ECONNRESET')
}

const removing: Fault = (own) => {
  unlinkSync(file)
  return own()
}

function unsealAfter(word: string, vault: World): (line: string) => void {
  return (line) => {
    if (!line.startsWith(word)) return
    for (const key of written().unseal_keys_b64) void vault.call('sys/unseal', { key })
  }
}

/** Runs it, and looks for keys in all that it prints (I10). */
async function init(
  { handler }: Pick<World, 'handler'>,
  args: readonly string[],
  { keys = file, ...situation }: Partial<InitSituation> & { readonly keys?: string } = {},
): Promise<InitRan> {
  const shown: string[] = []
  const watching: Handler = async (request) => {
    const said = await handler(request)
    if (isRecord(said.json)) shown.push(...textsOf(said.json))
    return said
  }
  const runtime = fakeRuntime({ auto: true, transport: inProcess(watching).transport })
  const all = ['--init', '--keys', keys, ...args]
  const ran = await runInit(all, { url: URL_OF_VAULT, runtime, ...situation })
  const printed = keys === '-' ? ran.stderr : ran.stdout + ran.stderr
  const secrets = shown.flatMap((each) => spellings(each))
  expect(secrets.filter((each) => printed.includes(each))).toEqual([])
  return ran
}

/** Everything in an answer that is a key or a token. */
function textsOf(json: Readonly<Record<string, unknown>>): readonly string[] {
  const names = ['keys', 'keys_base64', 'recovery_keys', 'recovery_keys_base64', 'root_token']
  return names.flatMap((name) => json[name] ?? []).filter((each) => typeof each === 'string')
}

function leaked(text: string, keys: InitKeys): readonly string[] {
  const all = [...keys.unseal_keys_b64, ...keys.unseal_keys_hex, keys.root_token]
  return all.flatMap((each) => spellings(each)).filter((each) => text.includes(each))
}

function written(): InitKeys {
  return JSON.parse(readFileSync(file, 'utf8')) as InitKeys
}

function keptKeys(): string {
  return readFileSync(file, 'utf8')
}

function keyFiles(): [string, string] {
  const [alice, bob] = [join(directory, 'alice.asc'), join(directory, 'bob.pgp')]
  writeFileSync(alice, ALICE_ARMORED)
  writeFileSync(bob, Buffer.from(BOB, 'base64'))
  return [alice, bob]
}

async function refused(
  args: readonly string[],
  says: string,
  situation: Partial<InitSituation> = {},
): Promise<void> {
  const { transport, sent } = inProcess(() => ({ status: 200, json: {} }))
  const runtime = fakeRuntime({ auto: true, transport })
  const ran = await runInit(args, { url: URL_OF_VAULT, runtime, ...situation })
  expect(['SM_CONFIG_INVALID', 'SM_FILE_UNREADABLE']).toContain(ran.code)
  expect(ran.stderr).toContain(says)
  expect(sent).toEqual([])
  expect(existsSync(file)).toBe(false)
}

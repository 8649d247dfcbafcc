/** `rotate`: one new version, every document under it, proven; or nothing at all. */
import { beforeEach, describe, expect, test } from 'vitest'

import { intercepted, operatorRuntime } from './authoring-world.ts'
import {
  asWho,
  BY_CONTEXT,
  BY_KEY,
  everything,
  jsonLines,
  keyWorld,
  lineOf,
  ORIGINAL,
  putLine,
  ROTATOR,
  runKey,
  versionOf,
  versionsOf,
  type KeyWorld,
} from './key-world.ts'
import type { Ran } from './world.ts'

let world: KeyWorld

beforeEach(async () => {
  world = await keyWorld('one', 'two')
})

function rotate(...args: readonly string[]): Promise<Ran> {
  return runKey(world, ['rotate', ...BY_KEY, ...args])
}

const NAMES = ['one', 'two', '--key', 'secrets.json']

describe('all goes well', () => {
  test('it says each document, the version and what comes next', async () => {
    const { code, stdout, stderr } = await rotate()
    expect({ code, stdout }).toEqual({
      code: 0,
      stdout: `rewrapped  secrets.json of Secret app/one, version 1 -> 2
rewrapped  secrets.json of Secret app/two, version 1 -> 2
`,
    })
    expect(stderr.replace(/took \S+ s/, 'took 1 s')).toBe(`${BY_CONTEXT}app: version 1 -> 2
app version 2: 2 rewrapped
Transit proved that each of them opens
took 1 s; old versions still open: secretmanager retire
`)
    expect(await versionsOf(world)).toMatchObject({ latest: 2, decrypt: 1 })
  })

  test('--json: a line for each document, and the last for the rotation', async () => {
    const { stdout } = await rotate('--json')
    const lines = jsonLines(stdout)
    expect(lines).toHaveLength(3)
    expect(lines.at(-1)).toEqual({
      key: { mount: 'transit', transitKey: 'app' },
      from: 1,
      to: 2,
      isDone: true,
    })
  })

  test('I5: without decrypt, for named objects', async () => {
    const runtime = await asWho(world, ROTATOR)
    const ran = await runKey(world, ['rotate', ...BY_KEY, ...NAMES], runtime)
    expect(ran).toMatchObject({ code: 0 })
    expect(await versionOf(world, 'two')).toBe(2)
    expect(world.requests.filter((each) => each.includes('/decrypt/'))).toEqual([])
  })

  test('--min-age: a second run rewraps only', async () => {
    await rotate()
    const { code, stderr } = await rotate('--min-age', '1h')
    expect(code).toBe(0)
    expect(stderr).toMatch(/\nthe last rotation began \d+ s ago: only rewrapping\n/)
    expect(await versionsOf(world)).toMatchObject({ latest: 2 })
  })

  test.each([
    [['--no-verify'], {}],
    [[], { VALIDATE: '0' }],
  ])('no proof with %j %j', async (flags, env) => {
    const runtime = operatorRuntime(world, {}, env)
    const ran = await runKey(world, ['rotate', ...BY_KEY, ...flags], runtime)
    expect(ran.code).toBe(0)
    expect(ran.stderr).not.toContain('proved')
  })
})

describe('nothing is changed', () => {
  test('--dry-run says which version it would be', async () => {
    const before = await everything(world)
    const { code, stdout, stderr } = await rotate('--dry-run')
    expect(code).toBe(0)
    expect(stdout).toContain('behind     secrets.json of Secret app/one, version 1\n')
    expect(stderr).toBe(
      `${BY_CONTEXT}app would be rotated, to version 2: 2 behind; nothing was changed\n`,
    )
    expect(await everything(world)).toEqual(before)
  })

  test('--dry-run --min-age says that a key which is too young would not be rotated', async () => {
    await rotate()
    const before = await everything(world)
    const young = await rotate('--dry-run', '--min-age', '1h', '--json')
    expect(young).toMatchObject({ code: 0 })
    expect(young.stderr).toMatch(
      /\nthe last rotation began \d+ s ago: only rewrapping\napp version 2: 2 current; nothing was changed\n$/,
    )
    const key = { mount: 'transit', transitKey: 'app' }
    expect(jsonLines(young.stdout).at(-1)).toEqual({ key, from: 2, to: 2, dryRun: true })
    const old = await rotate('--dry-run', '--min-age', '1ms', '--json')
    expect(jsonLines(old.stdout).at(-1)).toEqual({ key, from: 2, to: 3, dryRun: true })
    expect(await everything(world)).toEqual(before)
  })

  test.each([
    ['a mistyped name in a rehearsal', ['oen', '--key', 'a', '--dry-run'], 4, 'no Secret app/oen'],
    ['a mistyped name', ['oen', '--key', 'secrets.json'], 4, 'there is no Secret app/oen'],
    ['a mistyped entry', ['one', '--key', 'secret.json'], 4, 'there is no entry "secret.json"'],
    ['a mistyped key', ['--transit-key', 'typo'], 4, 'SM_KEY_NOT_FOUND'],
    ['a duration that is none', ['--min-age', 'soon'], 2, '--min-age must be a duration'],
  ])('%s', async (_what, args, code, told) => {
    const before = await everything(world)
    const ran = await rotate(...args)
    expect(ran).toMatchObject({ code, stdout: '' })
    expect(ran.stderr).toContain(told)
    expect(await everything(world)).toEqual(before)
  })

  test('rights that are missing in Vault: exit 3, with all the rules to add', async () => {
    const before = await everything(world)
    const runtime = await asWho(world, 'path "transit/keys/app" { capabilities = ["read"] }')
    const ran = await runKey(world, ['rotate', ...BY_KEY], runtime)
    expect(ran).toMatchObject({ code: 3, stdout: '' })
    expect(ran.stderr).toContain('path "transit/keys/app/rotate" { capabilities = ["update"] }')
    expect(ran.stderr).toContain('path "transit/rewrap/app" { capabilities = ["update"] }')
    expect(await everything(world)).toEqual(before)
  })

  test.each([['rotate'], ['status'], ['rewrap'], ['retire', '-A']])(
    'by the role of the reader %s first says which login is meant for it',
    async (...command) => {
      const login = ['--vault-url', 'https://vault.test:8200', '--role', 'app']
      const args = [...command, ...login, '--transit-key', 'app']
      const ran = await runKey(world, args, world.runtime)
      expect(ran).toMatchObject({ code: 3, stdout: '' })
      expect(ran.stderr).toContain(
        'try:   log in as the rotator: --role app-rotator --service-account app-rotator; or, if role "app" is to do this, ',
      )
    },
  )

  test('rights that are missing in the cluster: exit 3, with all that is to be granted', async () => {
    const before = await everything(world)
    const servers = ['--vault-url', 'https://vault.test:8200', '--auth-method', 'token']
    const { rootToken } = world.plan
    const env = (name: string): string | undefined =>
      name === 'VAULT_TOKEN' ? rootToken : world.runtime.env(name)
    const args = ['rotate', ...servers, '--transit-key', 'app', ...NAMES]
    const ran = await runKey(world, args, { ...world.runtime, env })
    expect(ran).toMatchObject({ code: 3, stdout: '' })
    expect(ran.stderr).toContain('patch secrets "one" in namespace app')
    expect(ran.stderr).toContain('create configmaps')
    expect(await everything(world)).toEqual(before)
  })

  test('a sealed Vault is exit 5, and no advice to run it again that is not needed', async () => {
    await world.seal()
    const ran = await rotate('--wait', '1ms')
    expect(ran).toMatchObject({ code: 5, stdout: '' })
    expect(ran.stderr).not.toContain('not finished')
  })
})

describe('not to the end', () => {
  test('ctrl-c: exit 130, and it can be run again; the next run goes on with no other version', async () => {
    const person = new AbortController()
    const runtime = intercepted(world.operator, (request) => {
      if (request.includes('PATCH /api/v1/namespaces/app/secrets')) person.abort('SIGINT')
      return undefined
    })
    const ran = await runKey(world, ['rotate', ...BY_KEY], runtime, undefined, person.signal)
    expect(ran).toMatchObject({ code: 130, stdout: '' })
    expect(ran.stderr).toMatch(/\nnot finished: run the same again, .*\ninterrupted\n$/)
    const again = await rotate()
    expect(again).toMatchObject({ code: 0 })
    expect(again.stderr).toMatch(
      /\na run that began at \S+ did not end: this one goes on with it\n/,
    )
    expect(await versionsOf(world)).toMatchObject({ latest: 2 })
    expect(await versionOf(world, 'two')).toBe(2)
  })

  test('another run that rotates meanwhile: exit 7', async () => {
    let isOther = false
    const runtime = intercepted(world.operator, async (request) => {
      if (request !== 'POST /v1/transit/keys/app/rotate' || isOther) return
      isOther = true
      await rotate()
    })
    const ran = await runKey(world, ['rotate', ...BY_KEY], runtime)
    expect(ran).toMatchObject({ code: 7, stdout: '' })
    expect(ran.stderr).toContain('another run wrote ConfigMap app/secretmanager-rotation-app')
  })

  test('a document that fails: exit 8, told once, and what to do', async () => {
    await putLine(world, 'two', (await lineOf(world, 'one')).slice(0, -8))
    const ran = await rotate()
    expect(ran.code).toBe(8)
    expect(ran.stdout.match(/^failed/gm)).toHaveLength(1)
    expect(ran.stderr).toContain('app version 2: 1 rewrapped, 1 failed\n')
    expect(ran.stderr).toContain('Transit proved not all of them: 1 current, 1 behind\n')
    expect(ran.stderr).toContain('mend what failed, then run ')
    expect(ran.stderr).not.toContain('secretmanager retire')
  })
})

describe("the Python original's CronJob", () => {
  const CRON = {
    VAULT_URL: 'https://vault.test:8200',
    CA_CERT: 'True',
    ROLE: 'app',
    SERVICE_ACCOUNT: 'app',
    TRANSIT_KEY: 'app',
    NAMESPACE: 'app',
    SECRET_NAME: 'one',
    SECRET_DATA_NAME: 'secrets.json',
    VALIDATE: '1',
  }

  /** The job has a kubeconfig of who may do all, and a token in place of the login of the pod. */
  async function cron(policy: string, ...args: readonly string[]): Promise<Ran> {
    const runtime = await asWho(world, policy)
    const env = (name: string): string | undefined =>
      new Map(Object.entries(CRON)).get(name) ?? runtime.env(name)
    const flags = ['--auth-method', 'token', '--kubeconfig', '/kubeconfig', '--format', 'raw']
    return runKey(world, ['rotate', ...args, ...flags], { ...runtime, env })
  }

  test('its environment says all: with --compat its policy is enough, and nothing is printed', async () => {
    const ran = await cron(ORIGINAL, '--compat')
    expect(ran).toMatchObject({ code: 0 })
    expect(ran.stderr).toContain('--compat: documents are decrypted and encrypted here, in memory')
    expect(ran.stderr).toContain('Transit proved')
    expect(await versionOf(world, 'one')).toBe(2)
    expect(await versionOf(world, 'two')).toBe(1)
  })

  test('a document that --compat cannot open is left as it is, and its code is told', async () => {
    const broken = `vault:v1:${'A'.repeat(64)}`
    await putLine(world, 'one', broken)
    const ran = await cron(ORIGINAL, '--compat')
    expect(ran).toMatchObject({ code: 8 })
    expect(ran.stdout).toContain('SM_CT_')
    expect(await lineOf(world, 'one')).toBe(broken)
  })

  test('without --compat the exact rule to add is printed, and nothing was rotated', async () => {
    const ran = await cron(ORIGINAL)
    expect(ran).toMatchObject({ code: 3, stdout: '' })
    expect(ran.stderr).toContain('path "transit/rewrap/app" { capabilities = ["update"] }')
    expect(await versionsOf(world)).toMatchObject({ latest: 1 })
  })
})

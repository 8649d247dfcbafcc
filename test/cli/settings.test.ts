import { beforeAll, describe, expect, test } from 'vitest'

import { SecretManagerError } from '../../src/errors.ts'
import { linesOf } from '../../src/cli/output.ts'
import { VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { cliWorld, OPENED, run, withFiles, type CliWorld } from './world.ts'

const READ = ['read', 'app-secrets', ...OPENED, '--vault-url', VAULT_ORIGIN]

let world: CliWorld

beforeAll(async () => {
  world = await cliWorld()
  await world.put('app-secrets', '{"redis_url": "redis://r"}')
})

describe('--auth-method', () => {
  test('token reads with the token of VAULT_TOKEN, and no role', async () => {
    const runtime = withFiles(world.runtime, {}, { VAULT_TOKEN: world.plan.rootToken })
    for (const flags of [['--auth-method', 'token'], []]) {
      expect(await run([...READ, ...flags], { runtime })).toMatchObject({
        code: 0,
        stdout: 'redis_url\n',
      })
    }
  })

  test('offers what a flag can name', async () => {
    const { code, stderr } = await run([...READ, '--auth-method', 'custom'], world)
    expect(code).toBe(2)
    expect(stderr).toContain('allowed choices are kubernetes, jwt, approle, gcp, token')
  })

  test('a secret is no argument', async () => {
    for (const flag of ['--role-id', '--secret-id', '--token']) {
      const { code, stderr } = await run([...READ, flag, 'CANARY'], world)
      expect(code).toBe(2)
      expect(stderr).toContain(`unknown option '${flag}'`)
      expect(stderr).not.toContain('CANARY')
    }
  })
})

describe('what is missing', () => {
  test('a role: the other ways to log in are named, too', async () => {
    const { code, stderr } = await run(READ, world)
    expect(code).toBe(2)
    expect(stderr).toContain('error: the configuration is not valid: vault.auth.role is required')
    expect(stderr).toContain(
      'try:   --role <name>; or name files that say it with --config and --def; or log in without a role: --auth-method token uses VAULT_TOKEN or ~/.vault-token\n',
    )
  })

  test.each([
    ['rotate', '--transit-key', 'app'],
    ['status', '-A', '--transit-key', 'app'],
  ])('a role, of the servers alone (%s): the same flags', async (...args) => {
    const { code, stderr } = await run([...args, '--vault-url', VAULT_ORIGIN], world)
    expect(code).toBe(2)
    expect(stderr).toContain('error: the configuration is not valid: vault.auth.role is required')
    expect(stderr).toContain(
      'try:   --role <name>; or name a file that says it with --config; or log in without a role: --auth-method token uses VAULT_TOKEN or ~/.vault-token\n',
    )
  })

  test('an address, in provision: its flag', async () => {
    const { stderr } = await run(['provision', '--init', '--keys', '/k'], world)
    expect(stderr).toContain('try:   --vault-url <url>; or name a file that says it with --config')
  })

  test('a role_id: the flag of its file', async () => {
    const { stderr } = await run([...READ, '--auth-method', 'approle'], world)
    expect(stderr).toContain('vault.auth.roleId is required')
    expect(stderr).toContain('try:   --role-id-file <path>; or')
    expect(stderr).not.toContain('--auth-method token')
  })

  test('a wrong secret_id of the environment is not shown', async () => {
    const env = { VAULT_ROLE_ID: 'r', VAULT_SECRET_ID: 'CANARY CANARY' }
    const { code, stderr } = await run(READ, { runtime: withFiles(world.runtime, {}, env) })
    expect(code).toBe(2)
    expect(stderr).toContain('vault.auth.secretId (from VAULT_SECRET_ID) must be visible ASCII')
    expect(stderr).not.toContain('CANARY')
  })
})

describe('problems', () => {
  const runtime = fakeRuntime()

  test('of both are printed one per line, below what they are about', async () => {
    const { stderr } = await run(['read', '--wait', 'soon'], { runtime })
    expect(stderr.split('\n')).toEqual([
      'error: the configuration is not valid:',
      expect.stringMatching(/^ {7}startup\.wait \(from flags\) must be milliseconds/),
      expect.stringMatching(/^ {7}vault\.url is required/),
      expect.stringMatching(/^ {7}vault\.auth\.role is required/),
      '       the definition is not valid:',
      expect.stringMatching(/^ {7}secretName is required/),
      expect.stringMatching(/^ {7}readKey is required/),
      expect.stringMatching(/^ {7}transitKey is required/),
      'code:  SM_CONFIG_INVALID',
      expect.stringMatching(
        /^try: {3}NAME, --vault-url <url>, --role <name>, --wait <duration>, --key <name>/,
      ),
      '',
    ])
  })

  test('that are one stay on the line of what it is about', async () => {
    const { stderr } = await run(['read', 'a', ...OPENED, '--vault-url', 'x', '--role', 'r'], {
      runtime,
    })
    expect(stderr).toMatch(/^error: the configuration is not valid: vault\.url \(from flags\) must/)
  })

  test('below a file that cannot be read', async () => {
    const { stderr } = await run(['read', '--config', '/none.json', ...OPENED], { runtime })
    expect(stderr).toMatch(
      /^error: the configuration file "\/none\.json" cannot be read\n {7}the definition is not valid: secretName is required/,
    )
  })

  test('are no part of other errors', () => {
    const error = new SecretManagerError('SM_VAULT_SEALED', 'vault is sealed; it says')
    expect(linesOf(error)).toEqual(['vault is sealed; it says'])
  })
})

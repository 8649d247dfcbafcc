import { beforeAll, describe, expect, test } from 'vitest'

import { runAt } from './author.ts'
import { cliWorld, OPENED, SERVERS, withFiles, type CliWorld, type Ran } from './world.ts'

const STORED =
  '{"same": {"a": 1, "b": [1.0, 12345678901234567890]}, "password": "canary-1", "gone": "canary-2"}'
const GIVEN = '{"password":"canary-3","same":{"b":[1,12345678901234567890],"a":1},"new":"canary-4"}'

let world: CliWorld

beforeAll(async () => {
  world = await cliWorld()
  await world.put('app-secrets', STORED)
})

async function diff(stdin: string, ...more: readonly string[]): Promise<Ran> {
  return clean(await runAt([...command('app-secrets'), ...more], { ...world, stdin }))
}

const command = (name: string): readonly string[] => [
  'diff',
  name,
  ...OPENED,
  ...SERVERS,
  '--from',
  '-',
]

/** I10 */
function clean(ran: Ran): Ran {
  for (const secret of ['canary', ...world.credentials]) {
    expect(`${ran.stdout}${ran.stderr}`).not.toContain(secret)
  }
  return ran
}

describe('I10: names alone', () => {
  test('of what would be added, changed and removed', async () => {
    expect(await diff(GIVEN)).toEqual({
      code: 0,
      stdout: '+ new\n~ password\n- gone\n',
      stderr: '1 added, 1 changed, 1 removed\n',
    })
  })

  test('as JSON', async () => {
    const { stdout } = await diff(GIVEN, '--json')
    expect(JSON.parse(stdout)).toEqual({ added: ['new'], changed: ['password'], removed: ['gone'] })
  })

  test('another spelling of the same is no difference', async () => {
    const { code, stdout, stderr } = await diff(STORED.replaceAll(' ', '\n'), '--exit-code')
    expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: '', stderr: 'no difference\n' })
  })

  test('an integer beyond doubles that differs by one is one', async () => {
    const { stdout } = await diff(STORED.replace('567890]', '567891]'))
    expect(stdout).toBe('~ same\n')
  })

  test('a name that steers a terminal is quoted', async () => {
    const { stdout } = await diff(STORED.replace('"gone"', String.raw`"\u001b[2J"`))
    expect(stdout).toBe(`+ ${String.raw`"\u001b[2J"`}\n- gone\n`)
  })

  test('.env, by the name of the file', async () => {
    const files = { '/app.env': 'password="canary-1"\n' }
    const args = ['diff', 'app-secrets', ...OPENED, ...SERVERS, '--from', '/app.env']
    const ran = await runAt(args, { runtime: withFiles(world.runtime, files) })
    expect(clean(ran)).toMatchObject({ code: 0, stdout: '- same\n- gone\n' })
  })
})

test('--exit-code: 8 where they differ', async () => {
  expect(await diff(GIVEN, '--exit-code')).toMatchObject({ code: 8 })
})

test('what is not stored yet is added, and that is said', async () => {
  const ran = await runAt(command('absent'), { ...world, stdin: GIVEN })
  expect(clean(ran)).toEqual({
    code: 0,
    stdout: '+ password\n+ same\n+ new\n',
    stderr: 'nothing is stored there yet\n3 added, 0 changed, 0 removed\n',
  })
})

test('what is no dictionary is refused before any call', async () => {
  const before = world.requests.length
  expect(await diff('["canary-5"]')).toMatchObject({ code: 6, stdout: '' })
  expect(world.requests).toHaveLength(before)
})

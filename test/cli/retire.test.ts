/** `retire` and `unretire`: old versions close when nothing is under them, and open again. */
import { beforeEach, describe, expect, test } from 'vitest'

import type { Input } from '../../src/cli/input.ts'
import { given, intercepted, operatorRuntime } from './authoring-world.ts'
import {
  asWho,
  BY_CONTEXT,
  BY_KEY,
  changeKey,
  everything,
  jsonLines,
  keyWorld,
  lineOf,
  ORIGINAL,
  putLine,
  ROTATOR,
  runKey,
  versionsOf,
  type KeyWorld,
} from './key-world.ts'
import type { Ran } from './world.ts'

let world: KeyWorld

/** Version 3, with every document under it. */
beforeEach(async () => {
  world = await keyWorld('one')
  await changeKey(world, 'rotate')
  await runKey(world, ['rotate', ...BY_KEY])
})

const RETIRE = ['retire', ...BY_KEY, '-A']

function retire(args: readonly string[] = [], input: Input = given('')): Promise<Ran> {
  return runKey(world, [...RETIRE, ...args], world.operator, input)
}

function unretire(...args: readonly string[]): Promise<Ran> {
  return runKey(world, ['unretire', ...BY_KEY, ...args])
}

describe('retire', () => {
  test('keeps one old version, and says what came of it', async () => {
    expect(await retire()).toEqual({
      code: 0,
      stdout: '',
      stderr: `${BY_CONTEXT}waiting 10.0 s for who puts old documents back
app: retired version 1, the latest is 3; secretmanager unretire takes it back
`,
    })
    expect(await versionsOf(world)).toMatchObject({ decrypt: 2, encrypt: 3 })
  })

  test('--keep 0 leaves the latest alone; a second run has nothing to do and does not wait', async () => {
    expect((await retire(['--keep', '0'])).stderr).toContain('retired versions 1 to 2')
    const before = await everything(world)
    expect(await retire(['--keep', '0'])).toEqual({
      code: 0,
      stdout: '',
      stderr: `${BY_CONTEXT}app: nothing to retire: only version 3 opens\n`,
    })
    expect(await everything(world)).toEqual(before)
  })

  test('--dry-run says what could be done, and changes nothing', async () => {
    const before = await everything(world)
    expect(await retire(['--dry-run'])).toEqual({
      code: 0,
      stdout: '',
      stderr: `${BY_CONTEXT}app: nothing is in the way of retiring version 1; nothing was changed\n`,
    })
    expect(await everything(world)).toEqual(before)
  })

  test('I5: without decrypt; --json on stdout alone', async () => {
    const runtime = await asWho(world, ROTATOR)
    const ran = await runKey(world, [...RETIRE, '--json'], runtime)
    expect(ran).toMatchObject({ code: 0 })
    expect(jsonLines(ran.stdout)).toMatchObject([
      { latest: 3, from: 1, to: 2, reasons: [], dryRun: false, trimmed: false },
    ])
  })

  test('I21: a document under an old version is in the way: exit 8, told once, nothing changed', async () => {
    await changeKey(world, 'rotate')
    await changeKey(world, 'rotate')
    const ran = await retire()
    expect(ran).toMatchObject({ code: 8 })
    expect(ran.stdout).toBe('behind     secrets.json of Secret app/one, version 3\n')
    expect(ran.stderr).toContain('not retired: cluster default has documents under version 3')
    expect(await versionsOf(world)).toMatchObject({ decrypt: 1, encrypt: 0 })
  })

  test('I21: who puts an old document back at the last moment gets the version back', async () => {
    const old = (await lineOf(world, 'one')).replace('vault:v3:', 'vault:v1:')
    const runtime = intercepted(world.operator, async (request) => {
      if (request !== 'POST /v1/transit/keys/app/config') return
      const { encrypt } = await versionsOf(world)
      if (encrypt === 3) await putLine(world, 'one', old)
    })
    const ran = await runKey(world, RETIRE, runtime)
    expect(ran).toMatchObject({ code: 8 })
    expect(ran.stderr).toContain('an old document turned up: versions from 1 on open again\n')
    expect(await versionsOf(world)).toMatchObject({ decrypt: 1 })
  })

  test('I21: a place that was looked at and is not named must be forgotten by its name', async () => {
    await runKey(world, ['rotate', ...BY_KEY, '--cluster', 'east', '-n', 'default'])
    await runKey(world, ['rotate', ...BY_KEY])
    const later = { ...world.operator, wallClock: () => Date.now() + 30 * 3_600_000 }
    const ran = await runKey(world, RETIRE, later)
    expect(ran).toMatchObject({ code: 8 })
    expect(ran.stderr).toContain('cluster east, namespace default was not looked at for 30 hours')
    const typo = await runKey(world, [...RETIRE, '--forget', 'east'], later)
    expect(typo.code).toBe(8)
    expect(typo.stderr).toContain(
      'nothing is recorded of east; recorded: cluster east, namespace default; ',
    )
    const forget = [...RETIRE, '--forget', 'cluster east, namespace default']
    const before = await everything(world)
    // A rehearsal says what the run would come to.
    expect(await runKey(world, [...forget, '--dry-run'], later)).toMatchObject({ code: 0 })
    expect(await everything(world)).toEqual(before)
    expect(await runKey(world, forget, later)).toMatchObject({ code: 0 })
  })

  test('the policy of the Python original does not do, and --compat is no way out', async () => {
    const runtime = await asWho(world, ORIGINAL)
    const ran = await runKey(world, RETIRE, runtime)
    expect(ran).toMatchObject({ code: 3, stdout: '' })
    expect(ran.stderr).toContain('path "transit/keys/app/config" { capabilities = ["update"]')
    expect(ran.stderr).not.toContain('--compat')
  })

  test.each([
    [['--keep', 'two'], '--keep must be a whole number'],
    [['--keep', '-1'], '--keep must be a whole number'],
    [['--settle', '10'], '--settle must be a duration'],
    [['--compat'], "unknown option '--compat'"],
  ])('%j is refused', async (flags, told) => {
    const ran = await retire(flags)
    expect(ran).toMatchObject({ code: 2, stdout: '' })
    expect(ran.stderr).toContain(told)
  })

  test('ctrl-c while it waits: exit 130, and no version was closed', async () => {
    const person = new AbortController()
    const runtime = {
      ...world.operator,
      sleep: () => Promise.resolve(person.abort('SIGINT')),
    }
    const ran = await runKey(world, RETIRE, runtime, given(''), person.signal)
    expect(ran).toMatchObject({ code: 130, stdout: '' })
    expect(await versionsOf(world)).toMatchObject({ decrypt: 1 })
  })

  test.each([
    ['is about to be', 1],
    ['was', 2],
  ])('ctrl-c once the minimum %s raised: run again, it is', async (_when, decrypt) => {
    const person = new AbortController()
    let changes = 0
    const runtime = intercepted(world.operator, (request) => {
      const isChange = request === 'POST /v1/transit/keys/app/config'
      if (changes === 2 || (isChange && ++changes === 2 && decrypt === 1)) person.abort('SIGINT')
      return undefined
    })
    const ran = await runKey(world, RETIRE, runtime, given(''), person.signal)
    expect(ran).toMatchObject({ code: 130, stdout: '' })
    expect(ran.stderr).toContain('\nnot finished: run the same again, or take it back: ')
    expect(await versionsOf(world)).toMatchObject({ decrypt })
    const before = await everything(world)
    const rehearsed = await retire(['--dry-run'])
    expect(rehearsed.stderr).toContain('nothing is in the way of retiring version 1;')
    expect(await everything(world)).toEqual(before)
    // Who puts old documents back is waited for again.
    expect(await retire()).toMatchObject({
      code: 0,
      stderr: expect.stringMatching(
        /did not end: what it raised is lowered first\nwaiting 10\.0 s .*\napp: retired version 1, /,
      ),
    })
    expect(await versionsOf(world)).toMatchObject({ decrypt: 2 })
  })
})

describe('I21: a part of a cluster', () => {
  const PART = ['retire', ...BY_KEY]

  test('is no inventory: without a terminal it needs --yes, and nothing was changed', async () => {
    const before = await everything(world)
    const ran = await runKey(world, PART)
    expect(ran).toMatchObject({ code: 2, stdout: '' })
    expect(ran.stderr).toContain('only a part of the cluster would be looked at')
    expect(ran.stderr).toContain('--inventory FILE, or -A; or --yes')
    expect(await everything(world)).toEqual(before)
    expect(await runKey(world, [...PART, '--dry-run'])).toMatchObject({ code: 0 })
    expect(await runKey(world, [...PART, '--yes'])).toMatchObject({ code: 0 })
  })

  test('at a terminal the question says so', async () => {
    let asked = ''
    const input: Input = {
      ...given(undefined),
      confirm: (question) => {
        asked = question
        return Promise.resolve(true)
      },
    }
    expect(await runKey(world, PART, world.operator, input)).toMatchObject({ code: 0 })
    expect(asked).toMatch(/^Only a part of the cluster is looked at\. Retire version 1 of app\?/)
  })

  test('an inventory says what there is', async () => {
    const inventory = 'clusters: [{ scan: [app] }]'
    const runtime = operatorRuntime(world, { '/inventory.yaml': inventory })
    const ran = await runKey(world, [...PART, '--inventory', '/inventory.yaml'], runtime)
    expect(ran).toMatchObject({ code: 0 })
  })
})

describe('a person is asked', () => {
  test.each([
    ['y', 0, 2],
    ['n', 1, 1],
  ])('at a terminal, and %s counts', async (answer, code, decrypt) => {
    expect(await retire([], given(undefined, answer))).toMatchObject({ code })
    expect(await versionsOf(world)).toMatchObject({ decrypt })
  })

  test('which versions it is about', async () => {
    const questions: string[] = []
    const input: Input = {
      ...given(undefined),
      confirm: (question) => {
        questions.push(question)
        return Promise.resolve(false)
      },
    }
    await retire(['--keep', '0'], input)
    await retire(['--keep', '0', '--trim'], input)
    await retire(['--keep', '9'], input)
    expect(questions).toEqual([
      'Retire versions 1 to 2 of app? What is under them does not open until unretire.',
      'Destroy versions 1 to 2 of app? What is under them, backups too, never opens again.',
    ])
  })

  test('--trim without a terminal needs --yes, and nothing was changed', async () => {
    const before = await everything(world)
    const ran = await retire(['--trim'])
    expect(ran).toMatchObject({ code: 2, stdout: '' })
    expect(ran.stderr).toContain('--yes, if the versions are to be destroyed')
    expect(await everything(world)).toEqual(before)
    expect((await retire(['--trim', '--yes'])).stderr).toContain('retired version 1')
    expect(await versionsOf(world)).toMatchObject({ decrypt: 2, available: 2 })
  })
})

describe('unretire', () => {
  test('opens all versions again, and says when it changes nothing', async () => {
    await retire(['--keep', '0'])
    expect(await unretire()).toEqual({
      code: 0,
      stdout: '',
      stderr: 'app: version 1 and later open again\n',
    })
    expect(await versionsOf(world)).toMatchObject({ decrypt: 1, encrypt: 0 })
    const before = await everything(world)
    expect((await unretire('--to', '2')).stderr).toBe(
      'app: version 1 and later open already; nothing was changed\n',
    )
    expect(await everything(world)).toEqual(before)
  })

  test('--to, --json', async () => {
    await retire(['--keep', '0'])
    const { stdout } = await unretire('--to', '2', '--json')
    expect(jsonLines(stdout)).toEqual([
      { key: { mount: 'transit', transitKey: 'app' }, from: 3, to: 2 },
    ])
    expect(await unretire('--to', 'two')).toMatchObject({ code: 2 })
  })

  test('what was trimmed stays gone, and that is said', async () => {
    await retire(['--trim', '--yes'])
    await retire(['--keep', '0'])
    expect(await versionsOf(world)).toMatchObject({ decrypt: 3, available: 2 })
    expect(await unretire()).toMatchObject({
      code: 0,
      stderr: 'app: version 2 and later open again; those before 2 were destroyed\n',
    })
    // Vault refuses a minimum below what there is, 0 for none included.
    expect(await versionsOf(world)).toMatchObject({ decrypt: 2, encrypt: 2 })
  })

  test('Vault alone is asked: a cluster that is away does not matter', async () => {
    await retire()
    const runtime = intercepted(operatorRuntime(world), (request) => {
      if (/ \/apis?\//.test(request)) throw new TypeError('no cluster was to be asked')
      return undefined
    })
    expect(await runKey(world, ['unretire', ...BY_KEY], runtime)).toMatchObject({ code: 0 })
  })
})

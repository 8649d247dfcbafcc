import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'

import { editorEnvironment } from '../../src/cli/editor.ts'
import { privateParent } from '../../src/cli/private-file.ts'
import {
  BY_TOKEN,
  decorate,
  documentOf,
  given,
  intercepted,
  objectOf,
  operatorRuntime,
  runWith,
  spellings,
} from './authoring-world.ts'
import { cliWorld, type CliWorld, type Ran } from './world.ts'

const CANARY = 'CANARY/plain "text"+ä'
const DOCUMENT = `{"redis_url": ${JSON.stringify(CANARY)},\n "id": 12345678901234567890}\n`

/** What an editor does with `text`, the text of the file at `path`. */
const ADDS = `write(text.replace('}', ', "new": 1.10}'))`
const ADDED = DOCUMENT.replace('}', ', "new": 1.10}')

let world: CliWorld
/** Where private files go. */
let memory: string
let scripts: string

beforeAll(async () => {
  world = await cliWorld()
  memory = mkdtempSync('/dev/shm/secretmanager-test-')
  scripts = mkdtempSync(join(tmpdir(), 'secretmanager-editors-'))
})

afterAll(() => {
  for (const directory of [memory, scripts]) rmSync(directory, { recursive: true })
})

beforeEach(async () => {
  const { stack, plan } = world
  const path = `/api/v1/namespaces/${plan.namespace}/secrets/app`
  await stack.kubernetesWire('DELETE', path, { token: plan.adminToken })
  await world.put('app', DOCUMENT)
})

/** A command that runs `body`. */
function editor(body: string): string {
  const path = join(scripts, `${readdirSync(scripts).length}.mjs`)
  const prelude = `import * as fs from 'node:fs'; import { dirname, join } from 'node:path'
const path = process.argv.at(-1); const text = fs.readFileSync(path, 'utf8')
const write = (text) => fs.writeFileSync(path, text)\n`
  writeFileSync(path, prelude + body)
  return `${process.execPath} ${path}`
}

interface Edit {
  readonly input?: ReturnType<typeof given>
  readonly before?: (request: string) => Promise<void> | undefined
  readonly args?: readonly string[]
  readonly interrupt?: AbortSignal
}

async function edit(body: string, how: Edit = {}): Promise<Ran> {
  const { input = given(''), before = () => undefined, args = [], interrupt } = how
  const env = { EDITOR: editor(body), XDG_RUNTIME_DIR: memory }
  const runtime = intercepted(operatorRuntime(world, {}, env), before)
  return runWith(input, ['edit', 'app', ...BY_TOKEN, ...args], runtime, interrupt)
}

/** Does something between reading and storing: each reads the object first. */
function betweenReads(work: () => Promise<void>): (request: string) => Promise<void> | undefined {
  let reads = 0
  return (request) => {
    if (!/^GET .*\/secrets\/app$/.test(request)) return undefined
    reads += 1
    return reads === 2 ? work() : undefined
  }
}

const document = (): Promise<string> => documentOf(world, 'app')

describe('what is written', () => {
  test('the text byte for byte, and nothing is left of it elsewhere', async () => {
    expect(await edit(ADDS)).toEqual({
      code: 0,
      stdout: '',
      stderr: 'stored secrets.json of app\n',
    })
    expect(await document()).toBe(ADDED)
    expect(readdirSync(memory)).toEqual([])
  })

  test('siblings, labels, annotations and type stay', async () => {
    await decorate(world, 'app')
    const before = await objectOf(world, 'app')
    expect(await edit(ADDS)).toMatchObject({ code: 0 })
    const after = await objectOf(world, 'app')
    expect(after).toMatchObject({
      type: 'kubernetes.io/tls',
      metadata: { labels: { team: 'a' }, annotations: { 'example.com/note': 'kept' } },
    })
    expect({ ...after.data, 'secrets.json': '' }).toEqual({ ...before.data, 'secrets.json': '' })
  })

  test('what an editor that replaces the file has put there', async () => {
    await edit(`fs.writeFileSync(path + '.new', '{}'); fs.renameSync(path + '.new', path)`)
    expect(await document()).toBe('{}')
  })

  test('--create begins with an empty dictionary', async () => {
    const args = ['--key', 'fresh.json']
    expect(await edit(ADDS, { args })).toMatchObject({ code: 4 })
    const unchanged = await edit('', { args: [...args, '--create'] })
    expect(unchanged.stderr).toBe('fresh.json of app is unchanged; nothing was written\n')
    expect(Object.keys((await objectOf(world, 'app')).data)).toEqual(['secrets.json'])
    const adds = `write(text.replace('}', '  "a": 1}'))`
    expect(await edit(adds, { args: [...args, '--create'] })).toMatchObject({ code: 0 })
    const reading = ['read', 'app', ...BY_TOKEN, ...args, '--json']
    const { stdout } = await runWith(given(''), reading, operatorRuntime(world))
    expect(stdout).toBe('{\n  "a": 1}\n')
  })
})

describe('where nothing is written', () => {
  test.each([
    ['is left alone', ''],
    ['is written as it was', 'write(text)'],
    ['only gets an end of its last line', `write(text + '\\n')`],
  ])('the text %s', async (_what, body) => {
    const before = await objectOf(world, 'app')
    expect(await edit(body)).toEqual({
      code: 0,
      stdout: '',
      stderr: 'secrets.json of app is unchanged; nothing was written\n',
    })
    expect(await objectOf(world, 'app')).toEqual(before)
    expect(readdirSync(memory)).toEqual([])
  })

  test.each([
    ['fails', `${ADDS}; process.exit(3)`, 1, 'the editor exited with 3; nothing was written'],
    ['is killed', `${ADDS}; process.kill(process.pid, 'SIGKILL')`, 1, 'nothing was written'],
    ['takes the file away', 'fs.unlinkSync(path)', 2, 'cannot be used'],
  ])('an editor %s', async (_what, body, code, says) => {
    const ran = await edit(body)
    expect(ran).toMatchObject({ code, stdout: '' })
    expect(ran.stderr).toContain(says)
    expect(await document()).toBe(DOCUMENT)
    expect(readdirSync(memory)).toEqual([])
  })

  test('there is no such editor', async () => {
    const env = { VISUAL: '/none/editor', EDITOR: editor(ADDS), XDG_RUNTIME_DIR: memory }
    const args = ['edit', 'app', ...BY_TOKEN]
    const ran = await runWith(given(''), args, operatorRuntime(world, {}, env))
    expect(ran.code).toBe(2)
    expect(ran.stderr).toContain('the editor cannot be run')
    expect(readdirSync(memory)).toEqual([])
  })

  test.each(['SIGINT', 'SIGTERM'])('%s ends the editor', async (signal) => {
    const person = new AbortController()
    const opened = join(scripts, `opened-${signal}`)
    const ran = edit(
      `fs.writeFileSync('${opened}', String(process.pid)); setTimeout(() => process.exit(9), 30_000)`,
      { interrupt: person.signal },
    )
    await expect.poll(() => textOf(opened)).toMatch(/^\d+$/)
    expect(readdirSync(memory)).toHaveLength(1)
    person.abort(signal)
    expect(await ran).toMatchObject({
      code: signal === 'SIGINT' ? 130 : 143,
      stderr: 'interrupted\n',
    })
    expect(isAlive(Number(textOf(opened)))).toBe(false)
    expect(readdirSync(memory)).toEqual([])
  })
})

describe('a text that is no dictionary', () => {
  const BREAKS = `write(text.replace('12345678901234567890', 'oops'))`

  test('says where, never what, and is not written', async () => {
    const { code, stdout, stderr } = await edit(BREAKS)
    expect({ code, stdout }).toEqual({ code: 6, stdout: '' })
    expect(stderr).toMatch(
      /line 2, column 8: the document is not valid JSON at byte \d+ \(in \$\.id\)/,
    )
    for (const spelling of [...spellings(CANARY), 'oops']) expect(stderr).not.toContain(spelling)
    expect(await document()).toBe(DOCUMENT)
    expect(readdirSync(memory)).toEqual([])
  })

  test('a person may edit it again, and finds their text', async () => {
    const body = `write(text.includes('oops') ? text.replace('oops', '1') : text.replace(/\\d{20}/, 'oops'))`
    const { code, stderr } = await edit(body, { input: given(undefined, 'y') })
    expect(code).toBe(0)
    expect(stderr).toMatch(/^error: line 2[^]*\nstored secrets\.json of app\n$/)
    expect(await document()).toBe(DOCUMENT.replace('12345678901234567890', '1'))
  })

  test('a person may give up', async () => {
    const { code, stderr } = await edit(BREAKS, { input: given(undefined, 'n') })
    expect(code).toBe(6)
    expect(stderr).toContain('given up; nothing was written')
    expect(readdirSync(memory)).toEqual([])
  })

  test('a text that is too large is one, too', async () => {
    const { code, stderr } = await edit(`write(JSON.stringify({ a: 'x'.repeat(786_395) }))`)
    expect(code).toBe(6)
    expect(stderr).toContain('SM_TOO_LARGE')
  })

  test('what is stored in such a way can be mended', async () => {
    await world.put('app', 'no JSON')
    expect(await edit(`write('{}')`)).toMatchObject({ code: 0 })
    expect(await document()).toBe('{}')
  })
})

describe('others who write meanwhile', () => {
  test('K6: nothing is overwritten, and the text is kept and announced', async () => {
    const littering = `${ADDS}; fs.writeFileSync(path + '~', text)`
    const theirs = '{"theirs": true}'
    const ran = await edit(littering, { before: betweenReads(() => world.put('app', theirs)) })
    expect(ran).toMatchObject({ code: 7, stdout: '' })
    const path = /your text is in (\S+), in plaintext/.exec(ran.stderr)?.[1] ?? ''
    expect(ran.stderr).toContain(`rm -r ${dirname(path)}\n`)
    expect(readFileSync(path, 'utf8')).toBe(ADDED)
    expect(readdirSync(dirname(path))).toEqual(['app.json'])
    expect(await document()).toBe(theirs)
    for (const spelling of spellings(CANARY)) expect(ran.stderr).not.toContain(spelling)
    rmSync(dirname(path), { recursive: true })
  })

  test('a rewrap of the same document is no conflict', async () => {
    const before = betweenReads(() => world.put('app', DOCUMENT))
    expect(await edit(ADDS, { before })).toMatchObject({ code: 0 })
    expect(await document()).toBe(ADDED)
  })

  test('who stored the same is no conflict', async () => {
    const before = betweenReads(() => world.put('app', ADDED))
    expect(await edit(ADDS, { before })).toMatchObject({ code: 0 })
    expect(await document()).toBe(ADDED)
  })

  test('a race for the object alone is run again', async () => {
    let races = 0
    const before = (request: string): Promise<void> | undefined =>
      request.startsWith('PATCH ') && ++races < 3 ? world.put('app', DOCUMENT) : undefined
    expect(await edit(ADDS, { before })).toMatchObject({ code: 0 })
    expect({ races, document: await document() }).toEqual({ races: 3, document: ADDED })
  })
})

describe('a server that fails when the text is stored', () => {
  test('a person may try again', async () => {
    const input = {
      ...given(undefined),
      confirm: async () => {
        await world.unseal()
        return true
      },
    }
    const before = betweenReads(() => world.seal())
    const { code, stderr } = await edit(ADDS, { input, before, args: ['--wait', '0'] })
    expect({ code, stderr }).toMatchObject({ code: 0 })
    expect(stderr).toContain('SM_VAULT_SEALED')
    expect(await document()).toBe(ADDED)
  })

  test('without a person it is an error, and nothing is left', async () => {
    const { code } = await edit(ADDS, { before: betweenReads(() => world.seal()) })
    await world.unseal()
    expect(code).toBe(5)
    expect(readdirSync(memory)).toEqual([])
  })
})

describe('the private file', () => {
  test('is readable by its owner alone, in a directory of its own, with all that editors leave', async () => {
    const report = join(scripts, 'report.json')
    await edit(`const mode = (path) => (fs.statSync(path).mode & 0o777).toString(8)
const { TMPDIR, TMP, TEMP } = process.env
fs.writeFileSync('${report}', JSON.stringify({ path, file: mode(path), directory: mode(dirname(path)), temporary: [TMPDIR, TMP, TEMP] }))
fs.mkdirSync(join(dirname(path), 'backup/deep'), { recursive: true })
for (const name of ['.app.json.swp', 'app.json~', 'backup/deep/x']) fs.writeFileSync(join(dirname(path), name), text)`)
    const { path, file, directory, temporary } = JSON.parse(readFileSync(report, 'utf8')) as {
      path: string
      file: string
      directory: string
      temporary: string[]
    }
    expect({ file, directory }).toEqual({ file: '600', directory: '700' })
    expect(dirname(dirname(path))).toBe(memory)
    expect(temporary).toEqual([dirname(path), dirname(path), dirname(path)])
    expect(readdirSync(memory)).toEqual([])
  })

  test('is in memory: no variable moves it to a disk', async () => {
    const onDisk = { env: () => scripts }
    expect(await privateParent(false, { env: () => memory })).toBe(memory)
    expect(await privateParent(false, onDisk)).toBe('/dev/shm')
    await expect(privateParent(false, onDisk, scripts)).rejects.toMatchObject({
      code: 'SM_CONFIG_INVALID',
    })
    expect(await privateParent(true, onDisk, '/none')).toBe(tmpdir())
  })
})

test('the environment of an editor holds no credential', () => {
  const kept = { PATH: '/bin', TERM: 'xterm', LANG: 'C', HOME: '/h', VIMINIT: 'x', EDITOR: 'vi' }
  const dropped = {
    VAULT_TOKEN: CANARY,
    VAULT_ADDR: 'https://v',
    BAO_TOKEN: CANARY,
    GITHUB_TOKEN: CANARY,
    AWS_SECRET_ACCESS_KEY: CANARY,
    PGPASSWORD: CANARY,
  }
  const temporary = { TMPDIR: '/d', TMP: '/d', TEMP: '/d' }
  expect(editorEnvironment({ ...kept, ...dropped }, '/d')).toEqual({ ...kept, ...temporary })
})

test('I10: what is edited is in no output', async () => {
  const outputs: string[] = []
  for (const body of [ADDS, '', `write('${CANARY}')`, `${ADDS}; process.exit(1)`]) {
    const { stdout, stderr } = await edit(body)
    outputs.push(stdout, stderr)
  }
  expect(outputs.join('')).toMatch(/stored[^]*unchanged[^]*JSON[^]*exited/)
  for (const spelling of spellings(CANARY)) expect(outputs.join('')).not.toContain(spelling)
})

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8') : ''
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

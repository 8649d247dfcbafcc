import { rmSync } from 'node:fs'

import { describe, expect, test } from 'vitest'

import { rawLine, sealedLine, secretYaml } from '../authoring/lines.ts'
import { systemRuntime, type Runtime } from '../../src/runtime.ts'
import { runAt } from './author.ts'
import { repository } from './repository.ts'
import { run, withFiles, type Ran } from './world.ts'

const CANARY = 'canary-c0de'
const PLAIN = `{"password": "${CANARY}"}`

/** Files are real, and nothing else is: a connection is an error. */
const runtime: Runtime = systemRuntime(() => {
  throw new Error('no server is asked')
})

const verify = (...args: readonly string[]): Promise<Ran> => run(['verify', ...args], { runtime })

const GOOD = secretYaml({ 'secrets.json': sealedLine({ revision: 1764000000000 }) })

describe('what is printed', () => {
  test('a table of the documents, and their number', async () => {
    const { path, write } = repository()
    write('b/app.yaml', GOOD)
    write(
      'a.json',
      `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"s": "${rawLine(4)}"}}`,
    )
    write('README.md', PLAIN)
    const { code, stdout, stderr } = await verify(path)
    expect({ code, stderr }).toEqual({ code: 0, stderr: '2 documents in 2 files: nothing found\n' })
    expect(stdout.replaceAll(`${path}/`, '').replaceAll(/ {2,}/g, '  ').split('\n')).toEqual([
      'FILE  OBJECT  ENTRY  FORMAT  KEY  VERSION  SCOPE  REVISION',
      'a.json  ConfigMap c  s  raw  -  v4  -  -',
      'b/app.yaml  Secret prod/app  secrets.json  sealed  transit/app  v3  strict  1764000000000',
      '',
    ])
  })

  test('findings, with what to do, and exit code 8', async () => {
    const { write } = repository()
    const file = write('app.yaml', secretYaml({ s: sealedLine(), t: PLAIN }))
    const { code, stdout, stderr } = await verify(file)
    expect({ code, stderr }).toEqual({ code: 8, stderr: '1 document in 1 file: 1 finding\n' })
    expect(stdout).toContain(`found: ${file}: t of Secret prod/app is plaintext JSON\n`)
    expect(stdout).toContain('       SM_CT_FORMAT: whoever can read the repository')
    expect(stdout).not.toContain(CANARY)
  })

  test('--json: the same for a program', async () => {
    const { write } = repository()
    const file = write('app.yaml', secretYaml({ s: sealedLine({ revision: 7 }), t: PLAIN }))
    const { code, stdout } = await verify(file, '--json')
    expect(code).toBe(8)
    const object = { file, kind: 'Secret', namespace: 'prod', name: 'app' }
    expect(JSON.parse(stdout)).toEqual({
      documents: [
        {
          ...object,
          entry: 's',
          format: 'sealed',
          keyVersion: 3,
          mount: 'transit',
          transitKey: 'app',
          scope: 'strict',
          revision: 7,
        },
      ],
      findings: [
        {
          ...object,
          entry: 't',
          code: 'SM_CT_FORMAT',
          message: 't of Secret prod/app is plaintext JSON',
          hint: expect.stringContaining('seal it and change them'),
        },
      ],
    })
    expect(stdout).not.toContain(CANARY)
  })

  test('a name that steers a terminal is quoted', async () => {
    const { write } = repository()
    const file = write('app.yaml', secretYaml({ s: sealedLine() }, { name: '"a\\u001B[2J"' }))
    const { stdout } = await verify(file)
    expect(stdout).toContain(String.raw`"Secret prod/a\u001b[2J"`)
  })
})

describe('what is read', () => {
  test('stdin', async () => {
    const { code, stdout } = await runAt(['verify', '-'], { runtime, stdin: GOOD })
    expect(code).toBe(0)
    expect(stdout).toContain('Secret prod/app')
  })

  test.each([
    ['without anything of ours in a directory is passed over', '{{ .Values.secret }}: [', '.', 0],
    [
      'with something of ours in a directory is a finding',
      `{{ x }}: [\n# Secret ${sealedLine()}`,
      '.',
      8,
    ],
    ['that was named is a finding', '{{ .Values.secret }}: [', 'template.yaml', 8],
  ])('a template %s', async (_what, text, name, expected) => {
    const { path, write } = repository()
    write('template.yaml', text)
    const { code, stdout } = await verify(`${path}/${name}`)
    expect(code).toBe(expected)
    if (expected === 8) expect(stdout).toContain('the file is not YAML')
  })

  test('a path that is not there is an error', async () => {
    const { code, stderr } = await verify('/nowhere/at-all')
    expect(code).toBe(2)
    expect(stderr).toContain('SM_FILE_UNREADABLE')
  })
})

describe('what is demanded', () => {
  test.each([
    [['--transit-key', 'other'], 8],
    [['--transit-key', 'app', '--transit-mount', '/transit/'], 0],
    [['--transit-mount', 'other'], 8],
    [['--binding', 'namespace'], 8],
    [['--format', 'raw'], 8],
    [['--transit-mount', 'a:b'], 2],
    [['--transit-key', '../x'], 2],
    [['--binding', 'all'], 2],
  ])('%j exits with %i', async (flags, expected) => {
    const { write } = repository()
    expect((await verify(write('app.yaml', GOOD), ...flags)).code).toBe(expected)
  })

  test('each --def of its own document, and the environment of nothing', async () => {
    const { write } = repository()
    const file = write('app.yaml', `${GOOD}---\n${secretYaml({ s: rawLine() }, { name: 'old' })}`)
    const native = { secretName: 'app', readKey: 'secrets.json', transitKey: 'app' }
    const old = { secret_name: 'old', namespace: 'prod', read_type: 'SECRET', read_key: 's' }
    const files = {
      '/native.json': JSON.stringify(native),
      '/old.json': JSON.stringify({ ...old, transit_key: 'aes256-key' }),
      '/wrong.json': JSON.stringify({ ...native, transitKey: 'other' }),
    }
    const env = { TRANSIT_KEY: 'third', SECRET_NAME: 'third', NAMESPACE: 'third' }
    const given = { runtime: withFiles(runtime, files, env) }
    const args = ['verify', file, '--def', '/old.json', '--def']
    expect(await run([...args, '/native.json'], given)).toMatchObject({ code: 0 })
    const wrong = await run([...args, '/wrong.json'], given)
    expect(wrong).toMatchObject({ code: 8 })
    expect(wrong.stdout).toContain('SM_BINDING_MISMATCH')
  })
})

describe('--against', () => {
  const at = (revision: number): string => secretYaml({ s: sealedLine({ revision }) })

  test.each([
    ['a new revision', at(8), 0],
    ['I22: an older revision', at(6), 8],
    ['I22: raw after sealed', secretYaml({ s: rawLine() }), 8],
  ])('%s: exit code %i', async (_what, now, expected) => {
    const { path, write, commit } = repository()
    const file = write('deploy/app.yaml', at(7))
    commit()
    write('deploy/app.yaml', now)
    for (const named of [path, `${path}/deploy`, file]) {
      expect((await verify(named, '--against', 'main')).code).toBe(expected)
    }
  })

  test('I22: a manifest that was moved and reverted is found', async () => {
    const { path, write, commit, git } = repository()
    write('app.yaml', at(7))
    commit()
    git('mv', 'app.yaml', 'moved.yaml')
    write('moved.yaml', at(6))
    const { code, stdout } = await verify(path, '--against', 'HEAD')
    expect(code).toBe(8)
    expect(stdout).toContain('went back from revision 7 to 6')
  })

  test('an attribute of git changes nothing', async () => {
    const { path, write, commit, git } = repository()
    git('config', 'diff.secretmanager.textconv', 'false')
    write('.gitattributes', '*.yaml diff=secretmanager\n')
    write('[a]*.yaml', at(7))
    commit()
    write('[a]*.yaml', at(6))
    expect((await verify(`${path}/[a]*.yaml`, '--against', 'main')).code).toBe(8)
  })

  test.each(['absent', '--output=/tmp/x', 'HEAD:app.yaml'])('no commit: %s', async (ref) => {
    const { path, write, commit } = repository()
    write('app.yaml', at(7))
    commit()
    const { code, stderr } = await verify(path, `--against=${ref}`)
    expect(code).toBe(2)
    expect(stderr).toContain('git knows no commit')
  })

  test('outside of a repository', async () => {
    const { path, write } = repository()
    rmSync(`${path}/.git`, { recursive: true })
    write('app.yaml', at(7))
    const { code, stderr } = await verify(path, '--against', 'main')
    expect(code).toBe(2)
    expect(stderr).toContain('fetch-depth')
  })
})

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import { VERSION } from '../../src/cli/version.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { run } from './world.ts'

const runtime = fakeRuntime()

test('the version is that of package.json', async () => {
  const manifest = readFileSync(new URL('../../package.json', import.meta.url), 'utf8')
  expect(JSON.parse(manifest)).toMatchObject({ version: VERSION })
  for (const flag of ['-V', '--version']) {
    expect(await run([flag], { runtime })).toEqual({ code: 0, stdout: `${VERSION}\n`, stderr: '' })
  }
})

describe('help', () => {
  test('without a command it goes to stderr, and the exit code says that nothing was done', async () => {
    const { code, stdout, stderr } = await run([], { runtime })
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).toContain('Usage: secretmanager')
  })

  test.each([
    [['--help'], ['read', 'dev', 'demo', 'Exit codes: 0 ok, 1 internal']],
    [
      ['read', '--help'],
      ['--reveal', '--json', '--config', '--def', '--vault-url', '--wait'],
    ],
    [['help', 'read'], ['--reveal']],
    [
      ['dev', '--help'],
      ['--dir', '--vault-port', '--kubernetes-port'],
    ],
    [['demo', '--help'], ['Usage: secretmanager demo']],
  ])('%j tells of %j, within 80 columns', async (args, words) => {
    const { code, stdout, stderr } = await run(args, { runtime })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    for (const word of words) expect(stdout).toContain(word)
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
  })
})

test('help in a narrow terminal is broken between words', async () => {
  const { stdout } = await run(['read', '--help'], { runtime, width: 60 })
  expect(stdout.split('\n').filter((line) => line.length > 60)).toEqual([])
})

describe('a wrong use exits with 2 and says what was meant', () => {
  const READ_HELP = 'secretmanager read --help'
  test.each([
    [['raed'], "unknown command 'raed'", 'read, or secretmanager --help'],
    [['frobnicate'], "unknown command 'frobnicate'", 'secretmanager --help'],
    [['--verison'], "unknown option '--verison'", '--version, or secretmanager --help'],
    [
      ['read', '--tranist-key', 'k'],
      "unknown option '--tranist-key'",
      `--transit-key, or ${READ_HELP}`,
    ],
    [
      ['read', '--valut-url=https://v'],
      "unknown option '--valut-url'",
      `--vault-url, or ${READ_HELP}`,
    ],
    [['read', '--token=hvs.CANARY'], "unknown option '--token'", READ_HELP],
    [['read', '-x'], "unknown option '-x'", READ_HELP],
    [['read', '--key'], "option '--key <name>' argument missing", READ_HELP],
    [
      ['read', 'a', 'CANARY'],
      "too many arguments for 'read'; expected 1 argument but got 2",
      READ_HELP,
    ],
    [
      ['read', 'a', '--type', 'Secret'],
      "option '--type <type>' argument 'Secret' is invalid; allowed choices are SECRET, CONFIG_MAP",
      READ_HELP,
    ],
    [
      ['dev', '--vault-port', '70000'],
      "option '--vault-port <port>' argument '70000' is invalid; a port is a number from 0 (any free one) to 65535",
      'secretmanager dev --help',
    ],
  ])('%j', async (args, message, hint) => {
    expect(await run(args, { runtime })).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: ${message}\ntry:   ${hint}\n`,
    })
  })
})

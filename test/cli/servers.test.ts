/** The commands that bring their own servers. */
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'

import { SAMPLE, SAMPLE_NAME } from '../../src/dev/serve-stack.ts'
import { createTransport } from '../../src/http/transport.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { run, type Ran } from './world.ts'

const runtime = systemRuntime(createTransport)

/** No variable of whoever runs the tests. */
const isolated = { ...runtime, env: () => undefined }

const ANY_PORTS = ['--vault-port', '0', '--kubernetes-port', '0']

describe('demo', () => {
  test('tells the whole story, shows no value, and ends with "demo ok"', async () => {
    const { code, stdout, stderr } = await run(['demo'], { runtime, width: 80 })
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.endsWith('\ndemo ok\n')).toBe(true)
    for (const name of Object.keys(SAMPLE)) expect(stdout).toContain(name)
    for (const value of Object.values(SAMPLE)) expect(stdout).not.toContain(value)
    expect(stdout).toContain('stored: sealed:v1:transit:app:strict:')
    expect(stdout).toMatch(/stored: sealed:v1:transit:app:strict:\d+:vault:v2:/)
    expect(stdout).toMatch(/tried: \d+ things that must work, or must be refused/)
    expect(stdout.replaceAll(/\s+/g, ' ')).toContain('invalid subject (sub) claim')
    expect(stdout.split('\n').filter((line) => line.length > 80)).toEqual([])
  })

  test('an interruption ends it with the code of the signal', async () => {
    const interrupt = AbortSignal.abort('SIGINT')
    const { code, stdout, stderr } = await run(['demo'], { runtime, interrupt })
    expect({ code, stderr }).toEqual({ code: 130, stderr: 'interrupted\n' })
    expect(stdout).not.toContain('demo ok')
  })
})

describe('dev', () => {
  test('serves what the files that it names reach, until it is interrupted; then they are gone', async () => {
    const person = new AbortController()
    let reading: Promise<Ran> | undefined
    let directory = ''
    let told = ''
    const onNote = (line: string): void => {
      told += `${line}\n`
      const command = /npx secretmanager read \\\n +--config (\S+) \\\n +--def (\S+)\n$/
      const [, config, definition] = command.exec(told) ?? []
      if (config === undefined || definition === undefined) return
      directory = dirname(config)
      const args = ['read', '--config', config, '--def', definition, '--reveal']
      reading = run(args, { runtime: isolated }).finally(() => person.abort('SIGINT'))
    }
    const args = ['dev', ...ANY_PORTS]
    const { code, stdout, stderr } = await run(args, { runtime, interrupt: person.signal, onNote })
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
    expect(await reading).toEqual({
      code: 0,
      stdout: Object.entries(SAMPLE)
        .map(([name, value]) => `${name} = ${value}\n`)
        .join(''),
      stderr: '3 entries\n',
    })
    expect(stderr).toContain(`The dictionary ${SAMPLE_NAME} is stored`)
    await expect(stat(directory)).rejects.toMatchObject({ code: 'ENOENT' })
  })

  test('no token is printed; what it writes is for its owner alone', async () => {
    const parent = await temporary()
    const directory = join(parent, 'files')
    const person = new AbortController()
    const { stderr } = await run(['dev', ...ANY_PORTS, '--dir', directory], {
      runtime,
      interrupt: person.signal,
      onNote: (line) => line.includes('ctrl-c') && person.abort('SIGINT'),
    })
    const files = (await readdir(directory)).toSorted()
    expect(files).toEqual([
      'ca.crt',
      'kubeconfig',
      'root-token',
      'secretcfg.json',
      'secretdef.json',
      'unseal-key',
    ])
    for (const file of files) {
      expect((await stat(join(directory, file))).mode & 0o077).toBe(0)
    }
    const token = await readFile(join(directory, 'root-token'), 'utf8')
    const unsealKey = await readFile(join(directory, 'unseal-key'), 'utf8')
    const kubeconfig = await readFile(join(directory, 'kubeconfig'), 'utf8')
    const [, admin = ''] = /"token": "([^"]+)"/.exec(kubeconfig) ?? []
    for (const secret of [token, unsealKey, admin]) {
      expect(secret).not.toBe('')
      expect(stderr).not.toContain(secret)
    }
  })

  test('a port that is taken, and a directory that cannot be, are errors with a way out', async () => {
    const port = await takenPort()
    const taken = ['dev', '--vault-port', '0', '--kubernetes-port', String(port)]
    expect(await run(taken, { runtime })).toEqual({
      code: 2,
      stdout: '',
      stderr: `error: cannot listen on 127.0.0.1:${port}\ncode:  SM_CONFIG_INVALID\ntry:   end what listens there, or choose --vault-port and --kubernetes-port (0: any free one)\n`,
    })
    const nowhere = await run(['dev', ...ANY_PORTS, '--dir', '/dev/null/files'], { runtime })
    expect(nowhere).toEqual({
      code: 2,
      stdout: '',
      stderr:
        'error: the directory "/dev/null/files" cannot be written\ncode:  SM_FILE_UNREADABLE\ntry:   check the path and its permissions\n',
    })
  })
})

async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'secretmanager-cli-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  return directory
}

async function takenPort(): Promise<number> {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return (server.address() as AddressInfo).port
}

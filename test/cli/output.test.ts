import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'

import { printError, processOutput } from '../../src/cli/output.ts'
import { SecretManagerError } from '../../src/errors.ts'
import { requestToken } from '../../src/dev/operator.ts'
import { podRuntime } from '../../src/dev/pod.ts'
import {
  createStack,
  KUBERNETES_ORIGIN,
  provisionStack,
  sealDictionary,
  VAULT_ORIGIN,
} from '../../src/dev/stack.ts'
import { inProcessTransport } from '../../src/dev/transport.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { run } from './world.ts'

const ERROR = new SecretManagerError(
  'SM_VAULT_SEALED',
  'vault at https://vault.example.internal.company:8200 is sealed and cannot serve auth/kubernetes/login',
  { attempts: 3, elapsedMs: 2150, requestId: 'r-1' },
)

describe('an error', () => {
  test('has a line for each of its parts where programs read', () => {
    expect(printed(ERROR, { isTTY: false })).toBe(
      `error: ${ERROR.message}\ncode:  SM_VAULT_SEALED, 3 attempts in 2.15 s, request r-1\ntry:   unseal Vault: vault operator unseal\n`,
    )
  })

  test('is broken between words on a terminal, and never within an address', () => {
    expect(printed(ERROR, { isTTY: true, columns: 50 }, { NO_COLOR: '1' })).toBe(
      [
        'error: vault at',
        '       https://vault.example.internal.company:8200',
        '       is sealed and cannot serve',
        '       auth/kubernetes/login',
        'code:  SM_VAULT_SEALED, 3 attempts in 2.15 s,',
        '       request r-1',
        'try:   unseal Vault: vault operator unseal',
        '',
      ].join('\n'),
    )
  })

  test.each([
    [
      'two commands in one',
      'grant it: kubectl -n app create role reader --verb=get && kubectl -n app create rolebinding reader --role=reader',
      [
        'try:   grant it:',
        '       kubectl -n app create role reader --verb=get && kubectl -n app create rolebinding reader --role=reader',
      ],
    ],
    [
      'a command between sentences',
      'the term of it is over and the cluster has another: vault write auth/kubernetes/config a=b c=d (by who may), and then try it once more',
      [
        'try:   the term of it is over and the cluster has',
        '       another:',
        '       vault write auth/kubernetes/config a=b c=d',
        '       (by who may), and then try it once more',
      ],
    ],
    [
      'one that prose goes on behind',
      'look at it: secretmanager doctor web -n prod and mend what it finds in the order it has',
      [
        'try:   look at it:',
        '       secretmanager doctor web -n prod and mend',
        '       what it finds in the order it has',
      ],
    ],
    [
      'prose that names what has commands',
      'what answered is no vault, and secretmanager cannot tell',
      ['try:   what answered is no vault, and', '       secretmanager cannot tell'],
    ],
  ])('is never broken within a command: %s', (_what, hint, lines) => {
    const error = new SecretManagerError('SM_VAULT_DENIED', 'no', { hint })
    const shown = printed(error, { isTTY: true, columns: 50 }, { NO_COLOR: '1' })
    expect(shown.split('\n').slice(2, -1)).toEqual(lines)
  })

  test('is the one that README shows', async () => {
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const [, shown] = /```text\n(error: [\s\S]*?)```/.exec(readme) ?? []
    expect(await errorOfReadme()).toBe(shown)
  })
})

describe('colour', () => {
  test.each([
    ['on a terminal', { isTTY: true, columns: 80 }, {}, true],
    ['with an empty NO_COLOR', { isTTY: true, columns: 80 }, { NO_COLOR: '' }, true],
    ['with NO_COLOR', { isTTY: true, columns: 80 }, { NO_COLOR: '1' }, false],
    ['on a dumb terminal', { isTTY: true, columns: 80 }, { TERM: 'dumb' }, false],
    ['in a pipe', { isTTY: false }, {}, false],
  ])('%s', (_where, stream, env, isColored) => {
    expect(printed(ERROR, stream, env).includes('\u001B[')).toBe(isColored)
  })

  test('is decided for each stream by itself', () => {
    const { data, notes } = outputTo({ isTTY: false }, { isTTY: true, columns: 80 })
    expect([data.hasColor, notes.hasColor]).toEqual([false, true])
    expect([data.width, notes.width]).toEqual([undefined, 80])
  })
})

interface Stream {
  readonly isTTY: boolean
  readonly columns?: number
}

function printed(error: SecretManagerError, stream: Stream, env: NodeJS.ProcessEnv = {}): string {
  const written: string[] = []
  const stderr = { ...stream, write: (text: string) => written.push(text) }
  printError(outputTo({ isTTY: false }, stderr, env), error)
  return written.join('')
}

function outputTo(
  stdout: Stream,
  stderr: Stream,
  env: NodeJS.ProcessEnv = {},
): ReturnType<typeof processOutput> {
  return processOutput({ stdout, stderr, env } as unknown as NodeJS.Process)
}

const REQUEST = '5e1c6f0e-3b0a-4a52-9d57-6a1f0c8e2b41'

/** ServiceAccount prod/web with a JWT for the API server, at a role that demands audience `vault`. */
async function errorOfReadme(): Promise<string> {
  const clock = (): number => Date.UTC(2026, 10, 24, 8)
  const stack = createStack({ clock })
  const plan = await provisionStack(stack, 'native', { namespace: 'prod', serviceAccount: 'web' })
  await sealDictionary(stack, plan, 'web', {})
  const network = inProcessTransport(
    new Map([
      [VAULT_ORIGIN, (request) => stack.vault.handle(request)],
      [KUBERNETES_ORIGIN, (request) => stack.kubernetes.handle(request)],
    ]),
  )
  const token = await requestToken(stack.kubernetesWire, plan)
  const pod = { apiServer: KUBERNETES_ORIGIN, namespace: 'prod', token }
  const args = ['read', 'web', '--key', 'secrets.json', '--transit-key', 'app', '--role', 'app']
  const servers = ['--vault-url', VAULT_ORIGIN, '--audience', 'https://kubernetes.default.svc']
  const { stderr } = await run([...args, ...servers], {
    runtime: {
      ...podRuntime(systemRuntime(network), pod),
      randomId: () => REQUEST,
      wallClock: clock,
    },
    width: 80,
  })
  return stderr
}

import { describe, expect, test } from 'vitest'

import type { ClusterAccess } from '../../src/kubernetes/config.ts'
import { kubeconfigAccess } from '../../src/kubernetes/kubeconfig.ts'
import { systemRuntime, type ExecOptions } from '../../src/runtime.ts'
import { fakeRuntime, type FakeExec, type FakeRuntime } from '../fake-runtime.ts'

const V1 = 'client.authentication.k8s.io/v1'
const START = Date.UTC(2026, 0, 1)
const cert = (n: number): string => `-----BEGIN CERTIFICATE-----\n${n}\n-----END CERTIFICATE-----\n`
const key = (n: number): string => `-----BEGIN PRIVATE KEY-----\n${n}\n-----END PRIVATE KEY-----\n`

const credential = (status: unknown, apiVersion = V1): string =>
  JSON.stringify({ kind: 'ExecCredential', apiVersion, status })

const kubeconfig = (exec: object, user: object = {}): string =>
  JSON.stringify({
    'current-context': 'home',
    contexts: [{ name: 'home', context: { cluster: 'c', user: 'u' } }],
    clusters: [
      {
        name: 'c',
        cluster: {
          server: 'https://api:6443',
          'certificate-authority-data': Buffer.from(cert(0)).toString('base64'),
          extensions: [{ name: 'client.authentication.k8s.io/exec', extension: { audience: 'x' } }],
        },
      },
    ],
    users: [{ name: 'u', user: { ...user, exec: { apiVersion: V1, command: 'plug', ...exec } } }],
  })

interface Opened {
  readonly access: ClusterAccess
  readonly runtime: FakeRuntime
  readonly runs: { command: string; args: readonly string[]; options: ExecOptions }[]
}

/** Opens an access whose plugin answers the n-th run with `answer(n)`. */
const open = async (
  answer: (run: number) => string | Promise<string>,
  exec: object = {},
  user: object = {},
): Promise<Opened> => {
  const runs: Opened['runs'] = []
  const plugin: FakeExec = (command, args, options) => {
    runs.push({ command, args, options })
    return answer(runs.length)
  }
  const files = { '/etc/kube/config': kubeconfig(exec, user) }
  const runtime = fakeRuntime({ files, exec: plugin, now: START })
  const access = await kubeconfigAccess({ kubeconfig: '/etc/kube/config' }, runtime)
  return { access, runtime, runs }
}

const refusal = async (answer: () => string | Promise<string>, exec = {}): Promise<Error> => {
  const outcome: unknown = await open(answer, exec).catch((error: unknown) => error)
  if (outcome instanceof Error) return outcome
  throw new Error('it was accepted')
}

const execInfo = ({ runs }: Opened): unknown =>
  JSON.parse(runs[0]?.options.env['KUBERNETES_EXEC_INFO'] ?? '')

describe('running a plugin', () => {
  test('passes arguments, environment and what the protocol says', async () => {
    const opened = await open(() => credential({ token: 't' }), {
      args: ['get', 'token'],
      env: [{ name: 'AWS_PROFILE', value: 'prod' }],
      interactiveMode: 'IfAvailable',
    })
    expect(opened.runs).toHaveLength(1)
    expect(opened.runs[0]).toMatchObject({
      command: 'plug',
      args: ['get', 'token'],
      options: { env: { AWS_PROFILE: 'prod' }, timeoutMs: 60_000 },
    })
    const spec = { interactive: false }
    expect(execInfo(opened)).toEqual({ kind: 'ExecCredential', apiVersion: V1, spec })
  })

  test('tells the plugin about the cluster where it asks for it', async () => {
    const opened = await open(() => credential({ token: 't' }), { provideClusterInfo: true })
    expect(execInfo(opened)).toMatchObject({
      spec: {
        interactive: false,
        cluster: {
          server: 'https://api:6443',
          'certificate-authority-data': Buffer.from(cert(0)).toString('base64'),
          config: { audience: 'x' },
        },
      },
    })
  })

  test('speaks v1beta1 too', async () => {
    const apiVersion = 'client.authentication.k8s.io/v1beta1'
    const opened = await open(() => credential({ token: 't' }, apiVersion), { apiVersion })
    expect(execInfo(opened)).toMatchObject({ apiVersion })
    expect(await opened.access.token(false)).toBe('t')
  })

  test.each([
    { command: './bin/plug', runs: '/etc/kube/bin/plug' },
    { command: '/opt/plug', runs: '/opt/plug' },
    { command: 'plug', runs: 'plug' },
  ])('finds $command as kubectl does', async ({ command, runs: expected }) => {
    const { runs } = await open(() => credential({ token: 't' }), {
      command,
      args: null,
      env: null,
    })
    expect(runs[0]?.command).toBe(expected)
  })

  test('does not run where a token is given', async () => {
    const { access, runs } = await open(() => credential({ token: 't' }), {}, { token: 'inline' })
    expect(await access.token(true)).toBe('inline')
    expect(runs).toHaveLength(0)
  })
})

describe('keeping what it answered', () => {
  const answers = (run: number): string => credential({ token: `t${run}` })

  test('one answer without an end serves until it is refused', async () => {
    const { access, runtime, runs } = await open(answers)
    await runtime.advance(86_400_000)
    expect(await access.token(false)).toBe('t1')
    expect(await access.token(true)).toBe('t2')
    expect(runs).toHaveLength(2)
  })

  test('an answer is renewed shortly before its expirationTimestamp', async () => {
    const expiring = (run: number): string =>
      credential({
        token: `t${run}`,
        expirationTimestamp: new Date(START + run * 600_000).toISOString(),
      })
    const { access, runtime } = await open(expiring)
    await runtime.advance(589_999)
    expect(await access.token(false)).toBe('t1')
    await runtime.advance(1)
    expect(await access.token(false)).toBe('t2')
  })

  test('concurrent requests share one run', async () => {
    const { access, runs } = await open(answers)
    expect(await Promise.all([access.token(true), access.token(true)])).toEqual(['t2', 't2'])
    expect(runs).toHaveLength(2)
  })

  test('an aborted caller leaves, the others get the answer', async () => {
    let answer: (credential: string) => void = () => undefined
    const slow = new Promise<string>((resolve) => {
      answer = resolve
    })
    const { access } = await open((run) => (run === 1 ? answers(1) : slow))
    const controller = new AbortController()
    const left = access.token(true, controller.signal)
    const stays = access.token(true)
    controller.abort()
    await expect(left).rejects.toMatchObject({ code: 'SM_ABORTED' })
    answer(answers(2))
    expect(await stays).toBe('t2')
  })

  test('a failed run does not spoil the next', async () => {
    const { access } = await open((run) => (run === 2 ? 'nonsense' : answers(run)))
    await expect(access.token(true)).rejects.toMatchObject({ code: 'SM_EXEC_FAILED' })
    expect(await access.token(true)).toBe('t3')
  })

  test('a client certificate goes to the transport, a new one too', async () => {
    const { access } = await open((run) =>
      credential({ clientCertificateData: cert(run), clientKeyData: key(run) }),
    )
    const { clientCert, clientKey } = access.transport
    expect([clientCert, clientKey]).toMatchObject([{ pem: cert(1) }, { pem: key(1) }])
    expect(await access.token(true)).toBeUndefined()
    expect([clientCert, clientKey]).toMatchObject([{ pem: cert(2) }, { pem: key(2) }])
  })
})

describe('failures name the command, never its arguments or output', () => {
  const failing =
    (failure: object): (() => Promise<string>) =>
    () =>
      Promise.reject(Object.assign(new Error('Command failed: plug hunter2'), failure))

  test.each([
    { failure: { code: 3, killed: false, stderr: 'hunter2' }, says: 'exited with code 3' },
    { failure: { code: null, killed: true, signal: 'SIGTERM' }, says: 'did not end within 60 s' },
    { failure: { code: null, killed: false, signal: 'SIGSEGV' }, says: 'was ended by SIGSEGV' },
    { failure: { code: 'EACCES' }, says: 'could not be run (EACCES)' },
    {
      failure: { code: 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER', killed: true },
      says: 'printed more than 1 MiB',
    },
    { failure: {}, says: 'failed' },
  ])('$says', async ({ failure, says }) => {
    const error = await refusal(failing(failure), { args: ['hunter2'] })
    expect(error).toMatchObject({
      code: 'SM_EXEC_FAILED',
      message: `credential plugin "plug" (kubeconfig /etc/kube/config: user "u": exec) ${says}`,
    })
    expect(JSON.stringify(error)).not.toContain('hunter2')
  })

  test('a missing plugin comes with its install hint, on one line', async () => {
    const installHint = 'Install it:\n\u001B[31m  brew install plug'
    const error = await refusal(failing({ code: 'ENOENT' }), { installHint })
    expect(error).toMatchObject({
      message: expect.stringContaining('was not found'),
      hint: 'install it: Install it: [31m brew install plug',
      causeClass: 'ENOENT',
    })
  })

  test.each([
    { name: 'no JSON', answer: 'hunter2', says: 'no JSON' },
    { name: 'another kind', answer: '{"kind":"hunter2"}', says: 'kind is not ExecCredential' },
    {
      name: 'another version',
      answer: credential({ token: 'hunter2' }, 'client.authentication.k8s.io/v1beta1'),
      says: 'apiVersion differs',
    },
    { name: 'no status', answer: credential(null), says: 'it has no status' },
    { name: 'no credential', answer: credential({}), says: 'neither token nor certificate' },
    {
      name: 'a token of two lines',
      answer: credential({ token: 'hunter2\nx' }),
      says: 'token is malformed',
    },
    {
      name: 'a certificate without key',
      answer: credential({ clientCertificateData: cert(1) }),
      says: 'has no clientKeyData',
    },
    {
      name: 'a certificate that is no PEM',
      answer: credential({ clientCertificateData: 'hunter2', clientKeyData: key(1) }),
      says: 'not PEM text',
    },
    {
      name: 'an end that is no time',
      answer: credential({ token: 't', expirationTimestamp: 'hunter2' }),
      says: 'no RFC 3339 time',
    },
    {
      name: 'an end that has passed',
      answer: credential({ token: 't', expirationTimestamp: '2025-12-31T23:59:59Z' }),
      says: 'expired already',
    },
  ])('an answer with $name', async ({ answer, says }) => {
    const error = await refusal(() => answer)
    expect(error).toMatchObject({ code: 'SM_EXEC_FAILED', message: expect.stringContaining(says) })
    expect(JSON.stringify(error)).not.toContain('hunter2')
  })

  test.each([
    {
      exec: { apiVersion: 'client.authentication.k8s.io/v1alpha1' },
      says: 'apiVersion is not supported',
    },
    { exec: { command: '' }, says: 'has no command' },
    { exec: { interactiveMode: 'Always' }, says: 'interactiveMode is Always' },
    { exec: { interactiveMode: 'hunter2' }, says: 'interactiveMode is unknown' },
    { exec: { args: [31_337] }, says: 'args must be strings' },
    { exec: { env: [{ value: 'hunter2' }] }, says: 'env[0]: has no name' },
  ])('a kubeconfig whose $says is refused before anything runs', async ({ exec, says }) => {
    const error = await refusal(() => Promise.reject(new Error('it ran')), exec)
    expect(error).toMatchObject({
      code: 'SM_CONFIG_INVALID',
      message: expect.stringContaining(`kubeconfig /etc/kube/config: user "u": exec: `),
    })
    expect(String(error)).toContain(says.replace('env[0]: ', ''))
    expect(String(error)).not.toMatch(/hunter2|31337/)
  })
})

describe('with a real process', () => {
  const real = (command: string, script: string): Promise<ClusterAccess> => {
    const system = systemRuntime(() => {
      throw new Error('no connection is opened here')
    })
    const files = { '/k': kubeconfig({ command, args: ['-e', script] }) }
    return kubeconfigAccess(
      { kubeconfig: '/k' },
      {
        ...fakeRuntime({ files }),
        exec: (...args) => system.exec(...args),
      },
    )
  }

  test('the plugin reads KUBERNETES_EXEC_INFO and its token is used', async () => {
    const script = `
      const { kind, apiVersion } = JSON.parse(process.env.KUBERNETES_EXEC_INFO)
      console.log(JSON.stringify({ kind, apiVersion, status: { token: 'of-' + kind } }))`
    expect(await (await real(process.execPath, script)).token(false)).toBe('of-ExecCredential')
  })

  test('an exit code is named, what was printed is not', async () => {
    const script = `console.log('hunter2'); console.error('hunter2'); process.exit(7)`
    const error: unknown = await real(process.execPath, script).catch((failure: unknown) => failure)
    expect(error).toHaveProperty('message', expect.stringMatching(/exited with code 7$/))
    expect(JSON.stringify(error)).not.toContain('hunter2')
  })

  test('a command that does not exist is named', async () => {
    await expect(real('secretmanager-no-such-plugin', '')).rejects.toMatchObject({
      code: 'SM_EXEC_FAILED',
      message: expect.stringContaining('"secretmanager-no-such-plugin"'),
      causeClass: 'ENOENT',
    })
  })
})

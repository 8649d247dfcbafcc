import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'

import type { Runtime } from '../../src/runtime.ts'
import { cliWorld, hurried, OPENED, run, SERVERS, withFiles, type CliWorld } from './world.ts'

const CANARY = 'CANARY-plaintext-value'
const DOCUMENT = JSON.stringify({ redis_url: CANARY })

interface Failure {
  readonly code: string
  readonly exit: number
  readonly args: readonly string[]
  readonly given?: (world: CliWorld) => Promise<void>
  readonly after?: (world: CliWorld) => Promise<void>
  readonly runtime?: (world: CliWorld) => Runtime
}

const READ = ['read', 'app-secrets', ...OPENED, ...SERVERS]
const JWT_FILE = [...READ, '--mounted-at', '/m', '--jwt-file', '/jwt']

/** A document that claims what it must. */
const sealedAs = (ciphertext: string): string => `sealed:v1:transit:app:strict:1:${ciphertext}`

/** One way at least to each exit code; 7 needs a command that writes. */
const FAILURES: readonly Failure[] = [
  { code: 'SM_CONFIG_INVALID', exit: 2, args: ['read', 'app-secrets'] },
  { code: 'SM_CONFIG_INVALID', exit: 2, args: ['read', '-', ...OPENED, ...SERVERS] },
  { code: 'SM_CONFIG_INVALID', exit: 2, args: [...READ, '--wait', 'soon'] },
  { code: 'SM_FILE_UNREADABLE', exit: 2, args: [...READ, '--config', '/none.json'] },
  {
    code: 'SM_CONFIG_INVALID',
    exit: 2,
    args: [...READ, '--config', '/cfg.json'],
    runtime: ({ runtime }) => withFiles(runtime, { '/cfg.json': `{"vault": ${CANARY}}` }),
  },
  {
    code: 'SM_TOKEN_FILE_MISSING',
    exit: 2,
    args: JWT_FILE,
    runtime: ({ runtime }) => withFiles(runtime, { '/m/secrets.json': 'vault:v1:' }),
  },
  {
    code: 'SM_TOKEN_AUDIENCE',
    exit: 2,
    args: JWT_FILE,
    runtime: ({ runtime, podToken }) =>
      withFiles(runtime, { '/jwt': podToken, '/m/secrets.json': 'vault:v1:' }),
  },
  { code: 'SM_AUTH_DENIED', exit: 3, args: [...READ, '--audience', 'elsewhere'] },
  {
    code: 'SM_VAULT_DENIED',
    exit: 3,
    args: [...READ, '--format', 'raw', '--transit-key', 'another'],
    given: (world) => world.putRaw('app-secrets', 'vault:v1:AAAA'),
  },
  { code: 'SM_BINDING_MISMATCH', exit: 6, args: [...READ, '--transit-key', 'another'] },
  { code: 'SM_CT_AUTH_FAILED', exit: 6, args: [...READ, '--cluster', 'another'] },
  { code: 'SM_K8S_DENIED', exit: 3, args: [...READ, '-n', 'default'] },
  { code: 'SM_K8S_NOT_FOUND', exit: 4, args: ['read', 'absent', ...OPENED, ...SERVERS] },
  { code: 'SM_KEY_MISSING', exit: 4, args: [...READ, '--key', 'absent.json'] },
  {
    code: 'SM_VAULT_SEALED',
    exit: 5,
    args: [...READ, '--wait', '0'],
    given: (world) => world.seal(),
    after: (world) => world.unseal(),
  },
  {
    code: 'SM_VAULT_UNREACHABLE',
    exit: 5,
    args: [...READ, '--vault-url', 'https://elsewhere.test:8200'],
  },
  {
    code: 'SM_CT_FORMAT',
    exit: 6,
    args: READ,
    given: (world) => world.putRaw('app-secrets', `not a ciphertext ${CANARY}`),
  },
  {
    code: 'SM_CT_AUTH_FAILED',
    exit: 6,
    args: READ,
    given: (world) => world.putRaw('app-secrets', sealedAs(`vault:v1:${'A'.repeat(64)}`)),
  },
  {
    code: 'SM_CT_TOO_NEW',
    exit: 6,
    args: READ,
    given: (world) => world.putRaw('app-secrets', sealedAs(`vault:v9:${'A'.repeat(64)}`)),
  },
  {
    code: 'SM_PAYLOAD_INVALID',
    exit: 6,
    args: READ,
    given: (world) => world.put('app-secrets', `["${CANARY}"]`),
  },
  {
    code: 'SM_PAYLOAD_INVALID',
    exit: 6,
    args: READ,
    given: (world) => world.put('app-secrets', `{"a": "${CANARY}", "a": 1}`),
  },
  {
    code: 'an unexpected TypeError',
    exit: 1,
    args: READ,
    runtime: ({ runtime }) => ({
      ...runtime,
      transport: () => ({
        send: () => Promise.reject(new TypeError(CANARY)),
        connect: () => undefined,
        close: () => undefined,
      }),
    }),
  },
]

let world: CliWorld

beforeAll(async () => {
  world = await cliWorld()
})

describe('I10: a failing command exits with the code of its error and shows no secret', () => {
  test.each(FAILURES)('$exit $code: $args', async (failure) => {
    await world.put('app-secrets', DOCUMENT)
    await failure.given?.(world)
    onTestFinished(() => failure.after?.(world))
    const runtime = hurried(failure.runtime?.(world) ?? world.runtime)
    for (const more of [[], ['--json'], ['--reveal']]) {
      const ran = await run([...failure.args, ...more], { runtime })
      expect(ran).toMatchObject({ code: failure.exit, stdout: '' })
      expect(ran.stderr).toContain(failure.code)
      expectClean(ran.stderr)
    }
  })

  test('the watch for secrets sees those of a read', async () => {
    await world.put('app-secrets', DOCUMENT)
    const before = world.credentials.size
    const { stdout } = await run([...READ, '--reveal'], world)
    // The JWT for Vault, and Vault's token.
    expect(world.credentials.size).toBe(before + 2)
    expect(() => expectClean(stdout)).toThrow(CANARY)
  })
})

function expectClean(text: string): void {
  for (const secret of [CANARY, ...world.credentials]) {
    // Also a part: the signature of a JWT, the end of a token.
    for (const form of [secret, secret.slice(-20), Buffer.from(secret).toString('base64url')]) {
      expect(text).not.toContain(form)
    }
  }
}

test('what is wrong in a file of the original is mended by flags, too', async () => {
  const files = {
    '/cfg.json': JSON.stringify({ SOURCE: 'KUBEVAULT', vault_url: 'http://vault.example' }),
    '/def.json': JSON.stringify({ secret_name: 'app-secrets', namespace: 'app' }),
  }
  const args = ['read', '--config', '/cfg.json', '--def', '/def.json']
  const { code, stderr } = await run(args, { runtime: withFiles(world.runtime, files) })
  expect(code).toBe(2)
  for (const flag of ['--vault-url', '--role', '--service-account', '--type', '--key']) {
    expect(stderr.slice(stderr.indexOf('try:'))).toContain(`${flag} `)
  }
})

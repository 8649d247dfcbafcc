import { describe, expect, test } from 'vitest'
import { parseDefinition } from '../../src/config/definition.ts'
import { parseConfig } from '../../src/config/schema.ts'
import { messageOf, problemsOf } from './problems-of.ts'

const SECRETCFG = {
  SOURCE: 'KUBEVAULT',
  kube_config: null,
  service_account: 'default',
  namespace: 'default',
  vault_url: 'https://192.168.86.9:8200',
  role: 'demo',
  ca_cert: true,
}

const SECRETDEF = {
  transit_key: 'aes256-key',
  namespace: 'default',
  secret_name: 'matrix-secrets',
  read_type: 'SECRET',
  read_key: 'secrets.json',
}

const cfg = (changes: object): unknown => ({ ...SECRETCFG, ...changes })
const def = (changes: object): unknown => ({ ...SECRETDEF, ...changes })

describe("the original's secretcfg.json", () => {
  test('means here what it means there', () => {
    expect(parseConfig(SECRETCFG)).toEqual({
      attempt: { connectTimeoutMs: 2000, timeoutMs: 5000 },
      startupWaitMs: 30_000,
      cluster: 'default',
      vault: {
        url: 'https://192.168.86.9:8200',
        namespace: undefined,
        transport: { ca: undefined },
        transitMount: 'transit',
        auth: {
          method: 'kubernetes',
          role: 'demo',
          mount: 'kubernetes',
          audience: 'https://kubernetes.default.svc',
          jwtFile: undefined,
        },
        redirectHosts: [],
      },
      kubernetes: {
        kubeconfig: undefined,
        context: undefined,
        namespace: 'default',
        serviceAccount: 'default',
        mountedAt: undefined,
      },
      cache: { refreshAfterMs: 0, keepAtMostMs: 86_400_000, onDenied: 'keepStale' },
      legacy: true,
    })
  })

  test('has the same limits as the native shape by default', () => {
    const native = { vault: { url: 'https://v', auth: { method: 'kubernetes', role: 'demo' } } }
    const { attempt, startupWaitMs } = parseConfig(native)
    expect(parseConfig(SECRETCFG)).toMatchObject({ attempt, startupWaitMs })
  })

  test.each([
    [true, undefined],
    ['True', undefined],
    ['true', undefined],
    [null, undefined],
    [undefined, undefined],
    ['/code/ca.crt', { kind: 'file', path: '/code/ca.crt' }],
  ])('ca_cert %j', (ca_cert, ca) => {
    expect(parseConfig(cfg({ ca_cert })).vault.transport.ca).toEqual(ca)
  })

  test('kube_config is the path of a kubeconfig', () => {
    expect(parseConfig(cfg({ kube_config: '~/.kube/config' })).kubernetes.kubeconfig).toBe(
      '~/.kube/config',
    )
  })

  test.each([
    [
      'SOURCE FILE',
      { SOURCE: 'FILE' },
      'SOURCE must be KUBEVAULT: FILE is a source of the original that this version does not read yet',
    ],
    ['SOURCE ENVIRONMENT', { SOURCE: 'ENVIRONMENT' }, 'ENVIRONMENT is a source of the original'],
    ['SOURCE KUBERNETES', { SOURCE: 'KUBERNETES' }, 'KUBERNETES is a source of the original'],
    ['another SOURCE', { SOURCE: 'VAULT' }, 'SOURCE must be KUBEVAULT'],
    ['no SOURCE', { SOURCE: undefined }, 'SOURCE is required and must be KUBEVAULT'],
    ['no service_account', { service_account: undefined }, 'service_account is required and'],
    ['namespace null', { namespace: null }, 'namespace must be a Kubernetes namespace'],
    ['a role as path', { role: 'a/b' }, 'role must be the name of a role'],
    [
      'ca_cert false',
      { ca_cert: false },
      'ca_cert must be true or the path of a PEM file: certificates are always verified',
    ],
    ['ca_cert "False"', { ca_cert: 'False' }, 'certificates are always verified'],
    ['ca_cert empty', { ca_cert: '' }, 'ca_cert must be true'],
    ['ca_cert a number', { ca_cert: 1 }, 'ca_cert must be true'],
    ['plain http', { vault_url: 'http://192.168.86.9:8200' }, 'vault_url must begin with https://'],
    [
      'a typo of a key',
      { vault_uri: 'https://v' },
      'vault_uri is not a known setting: did you mean vault_url?',
    ],
    ['a native key', { kubernetes: {} }, 'kubernetes belongs to the native shape'],
    ['a native cache', { cache: {} }, 'cache belongs to the native shape'],
  ])('%s is refused', (_name, changes, problem) => {
    const [first, ...more] = problemsOf(() => parseConfig(cfg(changes)))
    expect(first).toContain(problem)
    expect(more).toEqual([])
  })

  test('other keys are ignored, as the original ignores them', () => {
    const extended = cfg({ log_level: 'INFO', file_name: 'a.json', comment: 'ours' })
    expect(parseConfig(extended)).toEqual(parseConfig(SECRETCFG))
  })

  test('G1: all problems at once, no value in any', () => {
    const canary = 'hunter2 canary'
    const bad = Object.fromEntries(Object.keys(SECRETCFG).map((key) => [key, [canary]]))
    const message = messageOf(() => parseConfig(bad))
    expect(message).not.toContain('canary')
    expect(message.split('; ')).toHaveLength(7)
  })
})

describe("the original's secretdef.json", () => {
  test('means here what it means there', () => {
    expect(parseDefinition(SECRETDEF)).toEqual({
      secretName: 'matrix-secrets',
      namespace: 'default',
      readType: 'SECRET',
      readKey: 'secrets.json',
      transitKey: 'aes256-key',
      format: 'raw',
      binding: 'strict',
      allowRollback: false,
      schema: undefined,
    })
    expect(parseDefinition(def({ read_type: 'CONFIG_MAP' })).readType).toBe('CONFIG_MAP')
  })

  test.each([
    [
      'read_key null',
      { read_key: null },
      'the original reads the whole object for null only with SOURCE KUBERNETES',
    ],
    ['read_key missing', { read_key: undefined }, 'read_key is required and must be a data key'],
    [
      'read_type of another case',
      { read_type: 'secret' },
      'read_type must be SECRET or CONFIG_MAP',
    ],
    ['no namespace', { namespace: undefined }, 'namespace is required'],
    ['transit_key as path', { transit_key: 'a/../b' }, 'transit_key must be the name of a Transit'],
    ['secret_name as path', { secret_name: '../b' }, 'secret_name must be the name of a Secret'],
    ['a typo of a key', { transitkey: 'a' }, 'did you mean transit_key?'],
    ['a native key', { format: 'raw' }, 'format belongs to the native shape'],
    ['a binding, which would not count', { binding: 'strict' }, 'binding belongs to the native'],
  ])('%s is refused', (_name, changes, problem) => {
    const [first, ...more] = problemsOf(() => parseDefinition(def(changes)))
    expect(first).toContain(problem)
    expect(more).toEqual([])
  })

  test('other keys are ignored, as the original ignores them', () => {
    expect(parseDefinition(def({ comment: 'ours' }))).toEqual(parseDefinition(SECRETDEF))
  })
})

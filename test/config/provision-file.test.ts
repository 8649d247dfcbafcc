import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { loadProvisionFile, parseProvisionFile } from '../../src/config/provision-file.ts'
import { fakeRuntime } from '../fake-runtime.ts'
import { messageOf, problemsOf, rejectionOf } from './problems-of.ts'

const parse = (value: unknown): ReturnType<typeof parseProvisionFile> =>
  parseProvisionFile(value, 'provision file "p.yaml"')
const APP = { name: 'app', namespace: 'prod' }
const having = (changes: object): unknown => ({ apps: [{ ...APP, ...changes }] })
const cluster = (changes: object): unknown => ({ clusters: [{ ...changes }] })

describe('parseProvisionFile', () => {
  test('fills in every default', () => {
    expect(parse({ apps: [{ ...APP, secrets: [{ secretName: 'app' }] }] })).toEqual({
      transitMount: 'transit',
      auditCorrelationId: true,
      clusters: [
        {
          name: 'default',
          context: undefined,
          auth: 'jwt',
          mount: 'jwt-default',
          audience: 'vault',
          server: undefined,
          ca: undefined,
          reviewer: undefined,
          adopt: false,
          createNamespaces: false,
          scan: [],
          secrets: [],
        },
      ],
      apps: [
        {
          name: 'app',
          namespace: 'prod',
          clusters: ['default'],
          serviceAccount: 'app',
          transitKey: 'app',
          autoRotatePeriodMs: undefined,
          reader: { serviceAccount: 'app', role: 'app', policy: 'app-reader', extra: [] },
          writer: {
            serviceAccount: 'app-writer',
            role: 'app-writer',
            policy: 'app-writer',
            extra: [],
          },
          rotator: {
            serviceAccount: 'app-rotator',
            role: 'app-rotator',
            policy: 'app-rotator',
            extra: [],
          },
          adopt: false,
          tokenRequest: true,
          secrets: [
            {
              secretName: 'app',
              namespace: 'prod',
              readType: 'SECRET',
              readKey: 'secrets.json',
              transitKey: 'app',
              format: 'sealed',
              binding: 'strict',
              allowRollback: false,
              schema: undefined,
            },
          ],
        },
      ],
      files: [],
    })
  })

  test('a cluster that Vault asks has a reviewer of its own, unless it says otherwise', () => {
    const one = (changes: object): unknown =>
      parse(cluster({ auth: 'kubernetes', ...changes })).clusters[0]
    expect(one({})).toMatchObject({
      mount: 'kubernetes-default',
      reviewer: { namespace: 'kube-system', serviceAccount: 'secretmanager-reviewer' },
    })
    expect(one({ reviewer: true })).toEqual(one({}))
    expect(one({ reviewer: undefined })).toEqual(one({}))
    expect(one({ reviewer: false })).toMatchObject({ reviewer: undefined })
    expect(one({ adopt: true })).toMatchObject({ reviewer: undefined })
    expect(one({ reviewer: { expiresIn: '24h' } })).toMatchObject({
      reviewer: { serviceAccount: 'secretmanager-reviewer', expiresInMs: 86_400_000 },
    })
  })

  test('an app says what differs from its name', () => {
    const said = {
      serviceAccount: 'default',
      transitKey: 'aes256-key',
      role: 'demo',
      policy: 'my-app-policy',
      writer: false,
      rotator: { serviceAccount: 'cron', list: true },
      adopt: true,
      autoRotatePeriod: '720h',
    }
    expect(parse(having(said)).apps[0]).toMatchObject({
      transitKey: 'aes256-key',
      reader: { serviceAccount: 'default', role: 'demo', policy: 'my-app-policy' },
      writer: undefined,
      rotator: {
        serviceAccount: 'cron',
        role: 'app-rotator',
        policy: 'app-rotator',
        extra: ['list'],
      },
      adopt: true,
      autoRotatePeriodMs: 2_592_000_000,
    })
  })

  test.each([
    ['nothing', {}],
    ['files alone', { files: ['deploy/'] }],
    [
      'documents of no app',
      cluster({ secrets: [{ secretName: 'a', namespace: 'b', transitKey: 'c' }], scan: true }),
    ],
    [
      'a definition of the original',
      cluster({
        secrets: [
          {
            secret_name: 'a',
            namespace: 'b',
            read_type: 'SECRET',
            read_key: 'secrets.json',
            transit_key: 'aes256-key',
          },
        ],
      }),
    ],
    ['namespaces to look through', cluster({ scan: ['prod', 'test'] })],
    ['none to look through', cluster({ scan: false })],
  ])('%s is an inventory', (_name, file) => {
    expect(parse(file)).toMatchObject({ apps: [] })
  })

  test.each([
    ['a list', [], 'it must be an object'],
    ['an unknown setting', { app: [] }, 'app is not a known setting: did you mean apps?'],
    [
      'one of a cluster',
      cluster({ audiences: ['a'] }),
      'clusters[0].audiences is not a known setting: did you mean audience?',
    ],
    [
      'one of an app',
      having({ transitkey: 'a' }),
      'apps[0].transitkey is not a known setting: did you mean transitKey?',
    ],
    [
      'one of a definition',
      having({ secrets: [{ secretname: 'a' }] }),
      'apps[0].secrets[0].secretname is not a known setting: did you mean secretName?',
    ],
    ['an app without a name', { apps: [{ namespace: 'a' }] }, 'apps[0].name is required'],
    ['an app without a namespace', { apps: [{ name: 'a' }] }, 'apps[0].namespace is required'],
    ['a key without one', having({ secrets: [{}] }), 'apps[0].secrets[0].secretName is required'],
    [
      'a document of no namespace',
      cluster({ secrets: [{ secretName: 'a', transitKey: 'a' }] }),
      'clusters[0].secrets[0].namespace is required: a file runs in no namespace',
    ],
    ['no list of definitions', having({ secrets: {} }), 'apps[0].secrets must be a list'],
    ['no definition', having({ secrets: ['a'] }), 'apps[0].secrets[0] must be an object'],
    ['a wildcard', having({ name: 'app*' }), 'apps[0].name must be the name of an app'],
    ['a wildcard segment', having({ role: '+' }), 'apps[0].role must be the name of a role'],
    [
      'a template',
      having({ policy: '{{identity.entity.id}}' }),
      'apps[0].policy must be the name of a policy of its own',
    ],
    ['the policy of root', having({ policy: 'root' }), 'apps[0].policy must be the name of a'],
    ['a role in capitals', having({ role: 'Demo' }), 'apps[0].role must be the name of a role'],
    ['a path', having({ transitKey: 'a/../b' }), 'apps[0].transitKey must be the name of a Tr'],
    ['a glob of names', having({ serviceAccount: '*' }), 'apps[0].serviceAccount must be the n'],
    ['a glob of namespaces', having({ namespace: 'prod-*' }), 'apps[0].namespace must be a Kube'],
    ['a hostile mount', cluster({ mount: 'a/../sys' }), 'clusters[0].mount must be the mount'],
    ['a hostile audience', cluster({ audience: '*' }), 'clusters[0].audience must be an audience'],
    ['another method', cluster({ auth: 'oidc' }), 'clusters[0].auth must be jwt or kubernetes'],
    [
      'a reviewer with public keys',
      cluster({ reviewer: true }),
      'clusters[0].reviewer has a meaning with auth: kubernetes alone',
    ],
    [
      'an image that is none',
      cluster({ auth: 'kubernetes', reviewer: { renew: { image: 'a b' } } }),
      'clusters[0].reviewer.renew.image must be the name of an image',
    ],
    [
      'a schedule that is none',
      cluster({ auth: 'kubernetes', reviewer: { renew: { image: 'a', schedule: 'weekly' } } }),
      'clusters[0].reviewer.renew.schedule must be a schedule of cron',
    ],
    [
      'an hour that no day has',
      cluster({ auth: 'kubernetes', reviewer: { renew: { image: 'a', schedule: '0 24 * * *' } } }),
      'clusters[0].reviewer.renew.schedule must be a schedule of cron',
    ],
    [
      'a Vault in clear',
      cluster({
        auth: 'kubernetes',
        reviewer: { renew: { image: 'a', vaultUrl: 'http://vault.example:8200' } },
      }),
      'clusters[0].reviewer.renew.vaultUrl must begin with https://',
    ],
    [
      'a server in clear',
      cluster({ auth: 'kubernetes', server: 'http://10.0.0.1' }),
      'clusters[0].server must begin with https://',
    ],
    ['an hour is the least', having({ autoRotatePeriod: '5m' }), 'apps[0].autoRotatePeriod must'],
    [
      'a cluster that there is not',
      having({ clusters: ['defualt'] }),
      'apps[0].clusters[0] is no cluster of this file: did you mean default?',
    ],
    ['two clusters of a name', { clusters: [{}, {}] }, 'clusters[1].name is that of another'],
    [
      'two clusters of a mount',
      { clusters: [{ mount: 'a' }, { name: 'b', mount: 'a' }] },
      'clusters[1].mount is that of another cluster, too: each has a mount of its own',
    ],
    ['two apps of a name', { apps: [APP, APP] }, 'apps[1].name is that of another app, too'],
    [
      'a role of two jobs',
      having({ writer: { role: 'app' } }),
      'apps[0].writer.role is the role of another job, too',
    ],
    [
      'a policy of two jobs',
      having({ rotator: { policy: 'app-reader' } }),
      'apps[0].rotator.policy is the policy of another job, too',
    ],
    [
      'two periods of a key',
      {
        apps: [
          { ...APP, autoRotatePeriod: '1h' },
          { name: 'b', namespace: 'b', transitKey: 'app', autoRotatePeriod: '2h' },
        ],
      },
      'apps[1].autoRotatePeriod differs from that of another app of the key',
    ],
    ['__proto__', JSON.parse('{"__proto__":{"apps":[]}}'), '__proto__ is not a known setting'],
  ])('%s is refused', (_name, file, problem) => {
    expect(messageOf(() => parse(file))).toContain(problem)
  })

  test('all problems at once, each with its path, no value in any', () => {
    const bad = 'canary /'
    const problems = problemsOf(() =>
      parse({
        vault: { transitMount: bad },
        clusters: [{ name: bad, scan: [bad] }],
        apps: [{ name: bad, namespace: bad, secrets: [{ secretName: bad }] }],
        files: [1],
      }),
    )
    expect(problems.map((problem) => problem.split(' ')[0])).toEqual([
      'vault.transitMount',
      'clusters[0].name',
      'clusters[0].scan[0]',
      'apps[0].name',
      'apps[0].namespace',
      'apps[0].secrets[0].secretName',
      'files[0]',
    ])
    expect(problems.join()).not.toContain('canary')
  })

  test('junk is SM_CONFIG_INVALID and nothing else, and pollutes nothing', () => {
    const before = Reflect.ownKeys(Object.prototype)
    const junk = fc.anything({ withBigInt: true, withNullPrototype: true })
    const nearly = fc.record(
      {
        vault: fc.oneof(junk, fc.constant({})),
        clusters: fc.oneof(junk, fc.array(fc.oneof(junk, fc.record({ name: junk, scan: junk })))),
        apps: fc.oneof(
          junk,
          fc.array(fc.oneof(junk, fc.record({ name: junk, secrets: junk, writer: junk }))),
        ),
        files: junk,
      },
      { requiredKeys: [] },
    )
    fc.assert(
      fc.property(fc.oneof(junk, nearly), (value) => {
        let parsed: unknown
        try {
          parsed = parse(value)
        } catch {
          const message = messageOf(() => parse(value))
          expect(message).toMatch(/^the provision file "p\.yaml" is not valid: \S/)
          return
        }
        expect(parsed).toHaveProperty('clusters')
      }),
      { numRuns: 500 },
    )
    expect(Reflect.ownKeys(Object.prototype)).toEqual(before)
  })
})

describe('loadProvisionFile', () => {
  const yaml = 'apps:\n  - name: app\n    namespace: prod\n    secrets: [{ secretName: app }]\n'
  const json = JSON.stringify({
    apps: [{ name: 'app', namespace: 'prod', secrets: [{ secretName: 'app' }] }],
  })

  test('reads YAML and JSON alike', async () => {
    const runtime = fakeRuntime({ files: { '/p.yaml': yaml, '/p.json': json } })
    const [one, other] = await Promise.all([
      loadProvisionFile('/p.yaml', runtime),
      loadProvisionFile('/p.json', runtime),
    ])
    expect(one).toEqual(other)
    expect(one.apps[0]?.secrets[0]?.secretName).toBe('app')
  })

  test('says which file is not valid', async () => {
    const runtime = fakeRuntime({ files: { '/p.yaml': 'apps: [{}]' } })
    const message = await rejectionOf(loadProvisionFile('/p.yaml', runtime))
    expect(message).toContain('the provision file "/p.yaml" is not valid: apps[0].name is required')
  })

  test('says which file cannot be read', async () => {
    await expect(loadProvisionFile('/p.yaml', fakeRuntime())).rejects.toMatchObject({
      code: 'SM_FILE_UNREADABLE',
      message: 'the provision file "/p.yaml" cannot be read',
    })
  })
})

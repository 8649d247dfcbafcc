import { describe, expect, test } from 'vitest'
import type { Change, Verdict } from '../../src/provision/change.ts'
import { diff, risksOf, type Actual } from '../../src/provision/diff.ts'
import { keyFields, roleFields } from '../../src/provision/fields.ts'
import { pathOf } from '../../src/provision/diff-vault.ts'
import type { VaultActual } from '../../src/provision/actual.ts'
import { planOf, type Plan } from '../../src/provision/plan.ts'
import type { Fields, VaultItem } from '../../src/provision/items.ts'
import { identityOf, type Manifest } from '../../src/provision/manifest.ts'
import { withRecord } from '../../src/provision/record.ts'
import { ADDRESS, FACTS, fileOf } from './files.ts'

const NOW = Date.UTC(2026, 0, 1)
const APP = { name: 'app', namespace: 'prod', secrets: [{ secretName: 'app' }] }
const YEAR_MS = 365 * 86_400_000
const TERM = { from: NOW - 1000, until: NOW - 1000 + YEAR_MS }

const REVIEWER = 'ServiceAccount kube-system/secretmanager-reviewer'

const NOTHING: Actual = {
  vault: { engines: new Map(), methods: new Map(), headers: new Map(), at: new Map() },
  clusters: new Map([['default', new Map([['Namespace prod', {}]])]]),
}

function plan(app: object = {}, cluster: object = {}): Plan {
  const file = fileOf({ clusters: [cluster], apps: [{ ...APP, ...app }] })
  return planOf(file, new Map([['default', FACTS]]), ADDRESS)
}

/** Servers that hold exactly what is planned, but for some changes. */
function asPlanned({ vault, clusters }: Plan, changes: Partial<VaultActual> = {}): Actual {
  const at = new Map(vault.flatMap((item) => heldAt(item)))
  const method = vault.find((item) => item.kind === 'method')
  const reviewer = method?.type === 'kubernetes' ? TERM : undefined
  const description = method && withRecord('', { ...method.record, reviewer })
  const objects = new Map<string, Fields>([['Namespace prod', {}]])
  for (const one of clusters.get('default') ?? []) objects.set(identityOf(one), stored(one))
  return {
    vault: {
      engines: new Map([['transit', { type: 'transit' }]]),
      methods: new Map(method && [[method.mount, { type: method.type, description }]]),
      headers: new Map([['x-correlation-id', { hmac: false }]]),
      at,
      ...changes,
    },
    clusters: new Map([['default', objects]]),
  }
}

function heldAt(item: VaultItem): readonly (readonly [string, Fields])[] {
  const path = pathOf(item)
  if (item.kind === 'upsert') return [[path, { disable_upsert: true }]]
  if (item.kind === 'key') return [[path, { ...keyFields(item), latest_version: 3 }]]
  if (item.kind === 'policy') return [[path, { policy: item.text }]]
  if (item.kind === 'config') return [[path, { ...item.fields, token_reviewer_jwt_set: true }]]
  return item.kind === 'role' ? [[path, { ...roleFields(item), token_period: 0 }]] : []
}

function stored(manifest: Manifest): Fields {
  return { ...manifest, metadata: { ...manifest.metadata, resourceVersion: '7', uid: 'u' } }
}

/** The same servers with something else at a path. */
function having(actual: Actual, path: string, fields: Fields | undefined): Actual {
  const at = new Map(actual.vault.at)
  if (fields === undefined) at.delete(path)
  else at.set(path, { ...at.get(path), ...fields })
  return { ...actual, vault: { ...actual.vault, at } }
}

function withObject(actual: Actual, identity: string, fields: Fields): Actual {
  const objects = new Map(actual.clusters.get('default'))
  objects.set(identity, { ...objects.get(identity), ...fields })
  return { ...actual, clusters: new Map([['default', objects]]) }
}

const todo = ({ changes }: Verdict): readonly string[] =>
  changes.filter(({ writes }) => writes.length > 0).map(({ action, what }) => `${action} ${what}`)

function changeOf({ changes }: Verdict, what: string): Change {
  const found = changes.find((each) => each.what === what)
  if (found === undefined) throw new Error(`no change of ${what}`)
  return found
}

describe('diff', () => {
  test('of nothing: everything is created, each after what it needs', () => {
    const verdict = diff(plan({}, { auth: 'kubernetes' }), NOTHING, NOW)
    expect(verdict.conflicts).toEqual([
      'cluster default has no namespace kube-system: kubectl create namespace kube-system, or set createNamespaces: true of the cluster',
    ])
    expect(todo(verdict)).toEqual([
      'create secrets engine transit',
      'update settings of transit',
      'create key transit/app',
      'create policy app-reader',
      'create policy app-writer',
      'create policy app-rotator',
      'create auth mount kubernetes-default',
      'create ServiceAccount prod/app',
      'create ServiceAccount prod/app-writer',
      'create ServiceAccount prod/app-rotator',
      'create Role prod/secretmanager-app-reader',
      'create RoleBinding prod/secretmanager-app-reader',
      'create Role prod/secretmanager-app-writer',
      'create RoleBinding prod/secretmanager-app-writer',
      'create Role prod/secretmanager-app-rotator',
      'create RoleBinding prod/secretmanager-app-rotator',
      'create ServiceAccount kube-system/secretmanager-reviewer',
      'create ClusterRole secretmanager-reviewer-kubernetes-default',
      'create ClusterRoleBinding secretmanager-reviewer-kubernetes-default',
      'create configuration of kubernetes-default',
      'create role kubernetes-default/app',
      'create role kubernetes-default/app-writer',
      'create role kubernetes-default/app-rotator',
      'create audited header X-Correlation-Id',
    ])
  })

  test.each(['jwt', 'kubernetes'])('of what is as planned, with %s: nothing', (auth) => {
    const wanted = plan({ autoRotatePeriod: '720h' }, { auth, reviewer: undefined })
    const actual = withObject(asPlanned(wanted), 'Namespace kube-system', {})
    const key = having(actual, 'transit/keys/app', { auto_rotate_period: 2_592_000 })
    const verdict = diff(wanted, key, NOW)
    expect(todo(verdict)).toEqual([])
    expect(verdict).toMatchObject({ conflicts: [], notes: [] })
  })

  const wanted = plan()
  const sound = asPlanned(wanted)

  test.each<[string, string, Fields, object]>([
    [
      'a longer token',
      'auth/jwt-default/role/app',
      { token_ttl: 3600 },
      { field: 'token_ttl', from: '3600', to: '10' },
    ],
    [
      'a token that can be renewed',
      'auth/jwt-default/role/app',
      { token_type: 'service' },
      { field: 'token_type', from: 'service', to: 'batch' },
    ],
    [
      'another subject',
      'auth/jwt-default/role/app',
      { bound_subject: 'system:serviceaccount:prod:other' },
      { field: 'bound_subject', from: 'system:serviceaccount:prod:other' },
    ],
    [
      'a second audience',
      'auth/jwt-default/role/app',
      { bound_audiences: ['vault', 'any'] },
      { field: 'bound_audiences', from: 'vault, any', to: 'vault' },
    ],
    [
      'a key of the past',
      'auth/jwt-default/config',
      { jwt_validation_pubkeys: ['old'] },
      { field: 'jwt_validation_pubkeys' },
    ],
    ['upsert', 'transit/config/keys', { disable_upsert: false }, { field: 'disable_upsert' }],
    [
      'a policy of an older version',
      'sys/policies/acl/app-reader',
      { policy: '# managed by secretmanager provision: old' },
      { field: 'policy' },
    ],
  ])('%s is set right, and nothing else', (_name, path, fields, field) => {
    const verdict = diff(wanted, having(sound, path, fields), NOW)
    expect(todo(verdict)).toHaveLength(1)
    const change = verdict.changes.find(({ writes }) => writes.length > 0)
    expect(change).toMatchObject({ action: 'update', fields: [field] })
  })

  test('what somebody else set besides stays', () => {
    const config = having(sound, 'auth/jwt-default/config', {
      bound_issuer: 'https://old',
      default_role: 'app',
    })
    const role = having(config, 'auth/jwt-default/role/app', {
      token_policies: ['app-reader', 'metrics'],
      token_ttl: 3600,
      token_bound_cidrs: ['10.0.0.0/8'],
    })
    const verdict = diff(wanted, role, NOW)
    expect(changeOf(verdict, 'configuration of jwt-default').writes).toMatchObject([
      { body: { default_role: 'app', bound_issuer: FACTS.issuer } },
    ])
    expect(changeOf(verdict, 'role jwt-default/app').writes).toMatchObject([
      { body: { token_policies: ['app-reader', 'metrics'], token_ttl: 10 } },
    ])
    expect(verdict.notes).toEqual([
      { about: 'role jwt-default/app', says: 'also gives metrics', isRisk: true },
    ])
  })

  test('a key is never changed but in its period, and what cannot be mended is said', () => {
    const bad = { derived: false, exportable: true, allow_plaintext_backup: true }
    const verdict = diff(wanted, having(sound, 'transit/keys/app', bad), NOW)
    expect(todo(verdict)).toEqual([])
    expect(verdict.notes.map(({ says }) => says.split(',')[0])).toEqual([
      'is not derived',
      'is exportable',
      'may be backed up in plaintext',
    ])
  })

  test.each<[string, Actual, string]>([
    [
      'an engine of another type',
      { ...sound, vault: { ...sound.vault, engines: new Map([['transit', { type: 'kv' }]]) } },
      'secrets engine transit is of type kv',
    ],
    [
      'a policy of somebody else',
      having(sound, 'sys/policies/acl/app-reader', { policy: 'path "a" {}' }),
      'policy app-reader is there and not of provision: set adopt: true',
    ],
    [
      'a role that gives something else',
      having(sound, 'auth/jwt-default/role/app', { token_policies: ['x'] }),
      'role jwt-default/app is there and does not give the policy app-reader',
    ],
    [
      'a mount of another type',
      methods({ type: 'kubernetes' }),
      'auth mount jwt-default is of type kubernetes, not jwt',
    ],
    [
      'a mount of somebody else',
      methods({ type: 'jwt', description: 'by hand' }),
      'auth mount jwt-default was not set up by provision: set adopt: true of the cluster',
    ],
    [
      'the mount of another name',
      methods({ type: 'jwt', description: withRecord('', { cluster: 'b', uid: FACTS.uid }) }),
      'auth mount jwt-default is that of the cluster b, not of default',
    ],
    [
      'the mount of another cluster',
      methods({ type: 'jwt', description: withRecord('', { cluster: 'default', uid: 'other' }) }),
      'auth mount jwt-default was set up for another cluster than the context leads to',
    ],
    [
      'a mount that trusts otherwise',
      having(sound, 'auth/jwt-default/config', { jwks_url: 'https://x' }),
      'configuration of jwt-default: it trusts by jwks_url',
    ],
    [
      'a Role of somebody else',
      withObject(sound, 'Role prod/secretmanager-app-reader', { metadata: {}, rules: [] }),
      'cluster default: Role prod/secretmanager-app-reader is there and not of provision',
    ],
  ])('%s is left alone, and nothing is done', (_name, actual, sentence) => {
    const { conflicts } = diff(wanted, actual, NOW)
    expect(conflicts).toHaveLength(1)
    expect(conflicts[0]).toContain(sentence)
  })

  function methods(fields: Fields): Actual {
    return { ...sound, vault: { ...sound.vault, methods: new Map([['jwt-default', fields]]) } }
  }

  test('a cluster that another mount knows by another name is refused', () => {
    const record = withRecord('', { cluster: 'other', uid: FACTS.uid })
    const others = new Map([...sound.vault.methods, ['jwt-other', { description: record }]])
    const { conflicts } = diff(
      wanted,
      { ...sound, vault: { ...sound.vault, methods: others } },
      NOW,
    )
    expect(conflicts).toEqual([
      'the context of default leads to the cluster that auth mount jwt-other calls other: check clusters[].context',
    ])
  })

  test('a Role of ours gets its rules back, with the version that was seen', () => {
    const identity = 'Role prod/secretmanager-app-reader'
    const verdict = diff(wanted, withObject(sound, identity, { rules: [] }), NOW)
    expect(changeOf(verdict, identity)).toMatchObject({
      action: 'update',
      fields: [{ field: 'rules' }],
      writes: [{ verb: 'patch', patch: { metadata: { resourceVersion: '7' } } }],
    })
  })

  test('a RoleBinding to something else is replaced', () => {
    const identity = 'RoleBinding prod/secretmanager-app-reader'
    const roleRef = { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: 'admin' }
    const verdict = diff(wanted, withObject(sound, identity, { roleRef }), NOW)
    expect(changeOf(verdict, identity)).toMatchObject({
      action: 'replace',
      writes: [{ verb: 'delete' }, { verb: 'create' }],
    })
  })

  test('a reviewer is renewed from half of its life on', () => {
    const reviewed = plan({}, { auth: 'kubernetes' })
    const actual = withObject(asPlanned(reviewed), 'Namespace kube-system', {})
    const half = TERM.from + YEAR_MS / 2
    expect(todo(diff(reviewed, actual, half - 1))).toEqual([])
    const verdict = diff(reviewed, actual, half)
    expect(changeOf(verdict, 'configuration of kubernetes-default')).toMatchObject({
      action: 'update',
      fields: [{ field: 'token_reviewer_jwt', from: 'until 2026-12-31T23:59:59.000Z' }],
      writes: [{ target: 'reviewer', reviewer: { namespace: 'kube-system' } }],
    })
  })

  test.each([
    ['was made after its token', new Date(TERM.from + 3_600_000).toISOString(), true],
    [
      'is as old as its token, by clocks that differ',
      new Date(TERM.from + 30_000).toISOString(),
      false,
    ],
    ['is not there', undefined, true],
  ])('a reviewer whose ServiceAccount %s', (_what, creationTimestamp, isRenewed) => {
    const reviewed = plan({}, { auth: 'kubernetes' })
    const held = withObject(asPlanned(reviewed), 'Namespace kube-system', {})
    const objects = new Map(held.clusters.get('default'))
    if (creationTimestamp === undefined) objects.delete(REVIEWER)
    else objects.set(REVIEWER, { metadata: { creationTimestamp } })
    const verdict = diff(reviewed, { ...held, clusters: new Map([['default', objects]]) }, NOW)
    expect(todo(verdict).includes('update configuration of kubernetes-default')).toBe(isRenewed)
  })

  test('a reviewer that Vault lost is renewed', () => {
    const reviewed = plan({}, { auth: 'kubernetes' })
    const held = withObject(asPlanned(reviewed), 'Namespace kube-system', {})
    const lost = { token_reviewer_jwt_set: false }
    const actual = having(held, 'auth/kubernetes-default/config', lost)
    expect(todo(diff(reviewed, actual, NOW))).toEqual([
      'update configuration of kubernetes-default',
    ])
  })

  test('a namespace below the root has no audited headers, and that is told', () => {
    const below = { ...sound, vault: { ...sound.vault, headers: undefined } }
    const { changes, notes } = diff(wanted, below, NOW)
    expect(changes.filter(({ writes }) => writes.length > 0)).toEqual([])
    expect(notes.map(({ says }) => says)).toEqual([
      'cannot be set here, only in the root namespace',
    ])
  })

  test('an old server that cannot disable upsert is told of', () => {
    const verdict = diff(wanted, having(sound, 'transit/config/keys', undefined), NOW)
    expect(verdict.notes.map(({ says }) => says)).toEqual(['this server cannot disable upsert'])
  })
})

describe('what is adopted', () => {
  const app = {
    name: 'matrix',
    namespace: 'default',
    serviceAccount: 'default',
    role: 'demo',
    policy: 'my-app-policy',
    transitKey: 'aes256-key',
    writer: false,
    rotator: false,
    tokenRequest: false,
    secrets: [],
    adopt: true,
  }
  const wanted = plan(app, { auth: 'kubernetes', mount: 'kubernetes', adopt: true })
  const vault: VaultActual = {
    engines: new Map([['transit', { type: 'transit' }]]),
    methods: new Map([['kubernetes', { type: 'kubernetes', description: 'by Ansible' }]]),
    headers: new Map(),
    at: new Map<string, Fields>([
      ['transit/config/keys', { disable_upsert: false }],
      ['transit/keys/aes256-key', { type: 'aes256-gcm96', derived: false }],
      ['sys/policies/acl/my-app-policy', { policy: 'path "transit/decrypt/aes256-key" {}' }],
      ['auth/kubernetes/config', { kubernetes_host: 'https://192.168.86.9:16443' }],
      [
        'auth/kubernetes/role/demo',
        {
          bound_service_account_names: ['default'],
          bound_service_account_namespaces: ['default'],
          token_policies: ['my-app-policy'],
          token_ttl: 10,
          token_type: 'default',
        },
      ],
    ]),
  }
  const clusters = new Map([
    [
      'default',
      new Map<string, Fields>([
        ['Namespace default', {}],
        ['ServiceAccount default/default', {}],
      ]),
    ],
  ])

  test('nothing of it is changed but the record of the cluster and the audited header', () => {
    const verdict = diff(wanted, { vault, clusters }, NOW)
    expect(verdict.conflicts).toEqual([])
    expect(todo(verdict)).toEqual([
      'update auth mount kubernetes',
      'create audited header X-Correlation-Id',
    ])
    expect(changeOf(verdict, 'auth mount kubernetes').writes).toMatchObject([
      {
        path: 'sys/auth/kubernetes/tune',
        body: { description: `by Ansible [secretmanager cluster=default uid=${FACTS.uid}]` },
      },
    ])
    expect(verdict.notes.map(({ about, says }) => `${about} ${says.split(',')[0]}`)).toEqual([
      'settings of transit upsert stays on for others who use the mount: encrypting creates missing keys',
      'key transit/aes256-key is not derived',
      'policy my-app-policy is not of provision',
      'configuration of kubernetes stays as it was set up',
      'role kubernetes/demo takes tokens of any audience',
      'role kubernetes/demo gives tokens that can be renewed',
      'role kubernetes/demo gives the policy default',
    ])
  })

  test('a policy of ours is added to those that the role gives', () => {
    const own = plan(
      { ...app, policy: undefined },
      { auth: 'kubernetes', mount: 'kubernetes', adopt: true },
    )
    const verdict = diff(own, { vault, clusters }, NOW)
    expect(changeOf(verdict, 'role kubernetes/demo').writes).toEqual([
      {
        target: 'vault',
        method: 'POST',
        path: 'auth/kubernetes/role/demo',
        body: { token_policies: ['my-app-policy', 'matrix-reader'] },
      },
    ])
  })

  test('a role is not opened to anybody else', () => {
    const other = plan(
      { ...app, serviceAccount: 'other' },
      { auth: 'kubernetes', mount: 'kubernetes', adopt: true },
    )
    expect(diff(other, { vault, clusters }, NOW).conflicts).toEqual([
      'role kubernetes/demo is not for the ServiceAccount default/other: name another',
    ])
  })
})

describe('risksOf', () => {
  test('names each right that goes beyond the documents', () => {
    const app = { ...APP, writer: { create: true }, rotator: { list: true } }
    expect(risksOf(fileOf({ apps: [app] }))).toEqual([
      {
        about: 'writer of app',
        says: 'may create Secrets of any name in its namespace, also those that hold tokens of ServiceAccounts',
        isRisk: true,
      },
      {
        about: 'rotator of app',
        says: 'may list, and so read, all Secrets of its namespace',
        isRisk: true,
      },
    ])
  })
})

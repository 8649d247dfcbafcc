import { describe, expect, test } from 'vitest'
import { parseProvisionFile, type ProvisionFile } from '../../src/config/provision-file.ts'
import { JOBS } from '../../src/provision/names.ts'
import { roleFields } from '../../src/provision/fields.ts'
import { planOf } from '../../src/provision/plan.ts'
import { policyText } from '../../src/provision/policies.ts'
import { manifestsYaml } from '../../src/provision/yaml.ts'
import { ADDRESS, FACTS, fileOf } from './files.ts'

const APP = {
  name: 'app',
  namespace: 'prod',
  secrets: [
    { secretName: 'app' },
    { secretName: 'flags', readType: 'CONFIG_MAP' },
    { secretName: 'shared', namespace: 'common', transitKey: 'shared' },
  ],
}

/** As little as it can be. */
const ONE = { name: 'app', namespace: 'prod', writer: false, rotator: false }

function textOf(file: ProvisionFile): string {
  const [app] = file.apps
  if (app === undefined) throw new Error('no app')
  return JOBS.map((job) => policyText(app, job, file.transitMount)).join('\n')
}

describe('I16: least privilege', () => {
  test('policies are these, word for word', async () => {
    await expect(textOf(fileOf({ apps: [APP] }))).toMatchFileSnapshot('golden/policies.hcl')
  })

  test('RBAC is this, word for word', async () => {
    const file = fileOf({ clusters: [{ auth: 'kubernetes' }], apps: [APP] })
    await expect(await manifestsYaml(file, ADDRESS)).toMatchFileSnapshot('golden/rbac.yaml')
  })

  test('without token requests a reader may do nothing but get and watch its documents', async () => {
    const app = { ...APP, tokenRequest: false, writer: false, rotator: false }
    const yaml = await manifestsYaml(fileOf({ apps: [app] }), ADDRESS)
    await expect(yaml).toMatchFileSnapshot('golden/rbac-reader.yaml')
  })

  test('who renews the reviewer is pinned to what there is, word for word', async () => {
    const reviewer = { renew: { image: 'registry.example/secretmanager:1' } }
    const file = fileOf({ clusters: [{ auth: 'kubernetes', reviewer }], apps: [ONE] })
    const { vault } = planOf(file, new Map([['default', FACTS]]), ADDRESS)
    const policy = vault.find((item) => item.kind === 'policy' && item.name.includes('renewer'))
    const text = policy?.kind === 'policy' ? policy.text : ''
    await expect(text).toMatchFileSnapshot('golden/renewer.hcl')
    const all = await manifestsYaml(file, ADDRESS)
    const ours = all.split(/^---\n/m).filter((one) => one.includes('secretmanager-renewer'))
    await expect(ours.join('---\n')).toMatchFileSnapshot('golden/renewer.yaml')
  })

  test('nobody may list, unless it is asked for', async () => {
    expect(await manifestsYaml(fileOf({ apps: [APP] }), ADDRESS)).not.toContain('list')
    const asked = fileOf({ apps: [{ ...APP, rotator: { list: true } }] })
    expect(await manifestsYaml(asked, ADDRESS)).toContain('list')
  })

  test('no rule and no path has a wildcard', async () => {
    const file = fileOf({ clusters: [{ auth: 'kubernetes' }], apps: [APP] })
    expect(textOf(file) + (await manifestsYaml(file, ADDRESS))).not.toMatch(/[*+]|\{\{/)
  })
})

describe('roles', () => {
  const roleOf = (auth: 'jwt' | 'kubernetes', name: string): object => {
    const file = fileOf({ clusters: [{ auth, audience: 'secrets' }], apps: [APP] })
    const { vault } = planOf(file, new Map([['default', FACTS]]), ADDRESS)
    const role = vault.find((item) => item.kind === 'role' && item.name === name)
    if (role?.kind !== 'role') throw new Error('no such role')
    return roleFields(role)
  }
  const token = { token_ttl: 10, token_type: 'batch', token_no_default_policy: true }

  test('by public keys they are for one subject and one audience', () => {
    expect(roleOf('jwt', 'app')).toEqual({
      role_type: 'jwt',
      user_claim: 'sub',
      bound_subject: 'system:serviceaccount:prod:app',
      bound_audiences: ['secrets'],
      token_policies: ['app-reader'],
      ...token,
    })
  })

  test('by review they are for one ServiceAccount, one namespace and one audience', () => {
    expect(roleOf('kubernetes', 'app-rotator')).toEqual({
      bound_service_account_names: ['app-rotator'],
      bound_service_account_namespaces: ['prod'],
      audience: 'secrets',
      token_policies: ['app-rotator'],
      ...token,
    })
  })
})

describe('the plan', () => {
  test('an inventory asks for nothing', () => {
    const file = parseProvisionFile({ files: ['deploy'] }, 'file')
    expect(planOf(file, new Map(), ADDRESS)).toEqual({ vault: [], clusters: new Map() })
  })

  test('an app is set up in its clusters alone', () => {
    const file = fileOf({
      clusters: [{ name: 'a' }, { name: 'b', auth: 'kubernetes' }],
      apps: [{ ...APP, clusters: ['b'] }],
    })
    const plan = planOf(file, new Map(['a', 'b'].map((name) => [name, FACTS])), ADDRESS)
    expect([...plan.clusters.keys()]).toEqual(['b'])
    const mounts = plan.vault.flatMap((item) => (item.kind === 'method' ? [item.mount] : []))
    expect(mounts).toEqual(['kubernetes-b'])
  })

  test('apps that share a key have it once, with the period that one of them says', () => {
    const file = fileOf({
      apps: [
        { name: 'a', namespace: 'a', transitKey: 'k' },
        { name: 'b', namespace: 'b', transitKey: 'k', autoRotatePeriod: '720h' },
      ],
    })
    const { vault } = planOf(file, new Map([['default', FACTS]]), ADDRESS)
    expect(vault.filter(({ kind }) => kind === 'key')).toEqual([
      { kind: 'key', mount: 'transit', key: 'k', autoRotateSeconds: 2_592_000 },
    ])
  })
})

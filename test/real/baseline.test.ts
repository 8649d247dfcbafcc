/**
 * What goes wrong in a rotation, for the Python original and for us, on the same real servers. Of the
 * eight scenarios the original handles two: it does not lose what it cannot open. The table at the end
 * is what was seen.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { putObject, requestToken } from '../../src/dev/operator.ts'
import { named, originalPlan, type KubevaultPlan } from '../../src/dev/plan.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import type { Runtime } from '../../src/runtime.ts'
import { run } from '../cli/world.ts'
import { intercepted } from '../cli/authoring-world.ts'
import { podOf, secretCfg, secretDef, unique } from '../contracts/kubevault-fixture.ts'
import type { KubevaultUnderTest } from '../contracts/kubevault-fixture.ts'
import { originalPresent, recryptOriginal, runOriginal, type Ended } from './python/original.ts'
import { removeDirectory, serverDirectory, serversPresent, writeKubeconfig } from './servers.ts'
import { sharedServers } from './shared.ts'
import { worldOf } from './world.ts'

const present = serversPresent('bao', 'kube', 'etcd') && originalPresent()

/** One thing that goes wrong, and what becomes of it where that is handled. */
interface Scenario {
  readonly name: string
  /** What is encrypted. Default: a small dictionary. */
  readonly document?: Uint8Array
  /** Verbs on Secrets. Default: all that are needed. */
  readonly verbs?: readonly string[]
  readonly mayRotate?: boolean
  /** Whether ConfigMaps may be written, where ours keeps its journal. Default `true`. */
  readonly mayKeepJournal?: boolean
  readonly isDamaged?: boolean
  /** What somebody else stores between our read and our write. */
  readonly meanwhile?: Uint8Array
  /** Ours: rotated, or refused with this code and nothing changed. */
  readonly ours: 'rotated' | RegExp
  /** The original, as it was seen. */
  readonly original: Verdict
}

type Verdict =
  | 'rotated'
  | 'refused, nothing lost'
  | 'lost, and called success'
  | 'still the old version, and called success'
  | 'crashed'

const HANDLED: ReadonlySet<Verdict> = new Set(['rotated', 'refused, nothing lost'])

const utf8 = (text: string): Uint8Array => Buffer.from(text)
const DOCUMENT = utf8('{"redis_url": "redis://h:6379/0"}')
const ALL = ['get', 'create', 'update', 'patch']

const scenarios: readonly Scenario[] = [
  {
    name: 'the payload is no JSON',
    document: utf8('-----BEGIN KEY-----\nMC4CAQ\n-----END KEY-----\n'),
    ours: 'rotated',
    original: 'lost, and called success',
  },
  {
    name: 'the Secret has other entries and labels',
    ours: 'rotated',
    original: 'lost, and called success',
  },
  {
    name: 'somebody else writes meanwhile',
    meanwhile: utf8('{"redis_url": "redis://new:6379/0"}'),
    ours: 'rotated',
    original: 'lost, and called success',
  },
  {
    name: 'Kubernetes forbids the write',
    verbs: ['get'],
    ours: /SM_K8S_DENIED/,
    original: 'still the old version, and called success',
  },
  {
    name: 'Kubernetes forbids the read',
    verbs: ['create', 'update', 'patch'],
    ours: /SM_K8S_DENIED/,
    original: 'crashed',
  },
  {
    name: 'Vault refuses to rotate',
    mayRotate: false,
    ours: /SM_VAULT_DENIED/,
    original: 'crashed',
  },
  {
    name: 'the ciphertext is damaged',
    isDamaged: true,
    ours: /SM_CT_AUTH_FAILED/,
    original: 'refused, nothing lost',
  },
  {
    name: 'the payload is no UTF-8',
    document: Uint8Array.of(0x7b, 0xff, 0x00, 0xfe, 0x7d),
    ours: 'rotated',
    original: 'refused, nothing lost',
  },
]

/** Not among the eight that were counted, and a loss of the same kind. */
const further: Scenario = {
  name: 'a payload of JSON that Python writes otherwise',
  document: utf8('{"limit": 1e400, "a": 1, "a": 2}\n'),
  ours: 'rotated',
  original: 'lost, and called success',
}

/** Who rotates. */
type Who = 'original' | '--compat' | 'rewrap'
const WHO: readonly Who[] = ['original', '--compat', 'rewrap']

describe.skipIf(!present)('the scenarios that the original was tried with', () => {
  let directory: string
  let world: KubevaultUnderTest
  const seen = new Map<string, Map<Who, Verdict>>()

  beforeAll(async () => {
    const { vault, kubernetes } = sharedServers()
    world = worldOf(vault, kubernetes)
    directory = await serverDirectory('baseline')
  })

  afterAll(async () => {
    await removeDirectory(directory)
    console.log(table(seen))
  })

  test.each(scenarios)('the original, where $name: $original', async (scenario) => {
    expect(await tried(scenario, 'original')).toBe(scenario.original)
  })

  test.each(
    scenarios.flatMap((each) => [
      { ...each, who: '--compat' } as const,
      { ...each, who: 'rewrap' } as const,
    ]),
  )('I1, I3, I9: ours with $who, where $name: $ours', async ({ who, ...scenario }) => {
    const expected = scenario.ours === 'rotated' ? 'rotated' : 'refused, nothing lost'
    expect(await tried(scenario, who)).toBe(expected)
  })

  test('of eight the original handles two, ours all', () => {
    const handled = (who: Who): number =>
      scenarios.filter(({ name }) => HANDLED.has(seen.get(name)?.get(who) ?? 'crashed')).length
    expect(scenarios).toHaveLength(8)
    expect([handled('original'), handled('--compat'), handled('rewrap')]).toEqual([2, 8, 8])
  })

  test.each(WHO)('X1: a payload of JSON that Python writes otherwise, with %s', async (who) => {
    const expected = who === 'original' ? further.original : 'rotated'
    expect(await tried(further, who)).toBe(expected)
  })

  describe("the environment of the original's CronJob", () => {
    test('drives rotate --compat with its policy, and the original reads the result', async () => {
      const site = await arrange(scenarioOf(DOCUMENT), '--compat')
      const { code, stderr } = await ours(site, '--compat', () => Promise.resolve())
      expect({ code, stderr }).toMatchObject({ code: 0 })
      expect(stderr).toMatch(/version 1 -> 2/)
      expect(stderr).toMatch(PROOF)
      expect(JSON.parse(await runOriginal('read.py', site.files))).toEqual(
        JSON.parse(Buffer.from(DOCUMENT).toString()),
      )
    })

    test('without --compat is told the rule that its policy lacks, and changes nothing', async () => {
      const site = await arrange(scenarioOf(DOCUMENT), '--compat')
      const before = await stateOf(site)
      const { code, stderr } = await ours(site, 'rewrap', () => Promise.resolve())
      expect(code).toBe(3)
      const path = `transit/rewrap/${site.plan.transitKey}`
      expect(stderr.replaceAll(/\s+/g, ' ')).toContain(
        `path "${path}" { capabilities = ["update"] }`,
      )
      expect(stderr).toContain('--compat')
      expect(await stateOf(site)).toEqual(before)
    })

    test('with a Role for Secrets alone is told what the journal needs, and changes nothing', async () => {
      const site = await arrange({ ...scenarioOf(DOCUMENT), mayKeepJournal: false }, '--compat')
      const before = await stateOf(site)
      const { code, stderr } = await ours(site, '--compat', () => Promise.resolve())
      expect(code).toBe(3)
      expect(stderr).toMatch(/create configmaps/)
      expect(await stateOf(site)).toEqual(before)
    })

    test('VALIDATE=0 leaves the proof out, as it does there', async () => {
      const site = await arrange(scenarioOf(DOCUMENT), '--compat')
      const { code, stderr } = await ours(site, '--compat', () => Promise.resolve(), {
        VALIDATE: '0',
      })
      expect({ code, stderr }).toMatchObject({ code: 0 })
      expect(stderr).not.toMatch(PROOF)
    })
  })

  /** Sets a scenario up, has `who` rotate, and looks at what is there then. */
  async function tried(scenario: Scenario, who: Who): Promise<Verdict> {
    const site = await arrange(scenario, who)
    const before = await stateOf(site)
    const meanwhile = async (): Promise<void> => {
      if (scenario.meanwhile) await store(site, await encrypted(site.plan, scenario.meanwhile))
    }
    const result = await (who === 'original'
      ? recryptOriginal(site.files, meanwhile)
      : ours(site, who, meanwhile))
    const after = await stateOf(site)
    const expected = { ...before, plaintext: hexOf(scenario.meanwhile) ?? before.plaintext }
    const verdict = judge(result, expected, after)
    const rows = seen.get(scenario.name) ?? new Map<Who, Verdict>()
    seen.set(scenario.name, rows.set(who, verdict))
    if (who !== 'original' && scenario.ours !== 'rotated') {
      expect(result.stdout + result.stderr).toMatch(scenario.ours)
      // A right that is missing is missed before anything is changed.
      const isDenied = scenario.isDamaged !== true
      expect(after.keyVersion).toBe(before.keyVersion + (isDenied ? 0 : 1))
    }
    return verdict
  }

  /** A Secret with its key, and who may do what. */
  interface Site {
    readonly plan: KubevaultPlan
    readonly runtime: Runtime
    readonly env: Readonly<Record<string, string>>
    /** The original's two. */
    readonly files: readonly string[]
  }

  async function arrange(scenario: Scenario, who: Who): Promise<Site> {
    const plan = planOf(scenario, who)
    await provisionKubevault(world.vault, world.kubernetes, plan)
    const ciphertext = await encrypted(plan, scenario.document ?? DOCUMENT)
    const data = {
      'secrets.json': scenario.isDamaged === true ? damaged(ciphertext) : ciphertext,
      other: 'kept',
    }
    await putObject(world.kubernetes, plan, { name: 'matrix-secrets', data })
    await patch(plan, { metadata: { labels: { app: 'x' }, annotations: { note: 'y' } } })
    const { runtime, env } = await podOf(world, plan)
    return { plan, runtime, env, files: await filesOf(plan) }
  }

  async function filesOf(plan: KubevaultPlan): Promise<readonly string[]> {
    const { kubernetes, vault } = sharedServers()
    const path = (name: string): string => join(directory, `${plan.transitKey}-${name}`)
    const user = { token: await requestToken(world.kubernetes, plan) }
    const kube_config = await writeKubeconfig(kubernetes, path('kubeconfig'), { user })
    const cfg = { ...secretCfg(world, plan), kube_config, ca_cert: vault.caFile }
    const [cfgFile, defFile] = [path('secretcfg.json'), path('secretdef.json')]
    await writeFile(cfgFile, JSON.stringify(cfg))
    await writeFile(defFile, JSON.stringify(secretDef(plan)))
    return [cfgFile, defFile]
  }

  /** In a pod whose container has nothing but the variables of the original's CronJob. */
  function ours(
    { plan, runtime, env }: Site,
    who: Exclude<Who, 'original'>,
    meanwhile: () => Promise<void>,
    changes: Readonly<Record<string, string>> = {},
  ): Promise<Ended> {
    const variables: Readonly<Record<string, string>> = {
      ...env,
      VAULT_URL: world.vaultUrl,
      CA_CERT: sharedServers().vault.caFile ?? '',
      ROLE: plan.role,
      SERVICE_ACCOUNT: plan.serviceAccount,
      TRANSIT_KEY: plan.transitKey,
      NAMESPACE: plan.namespace,
      SECRET_NAME: 'matrix-secrets',
      SECRET_DATA_NAME: 'secrets.json',
      VALIDATE: '1',
      ...changes,
    }
    const pod = { ...runtime, env: (name: string) => variables[name] }
    const interrupted = beforeWrite(pod, '/secrets/matrix-secrets', meanwhile)
    return run(['rotate', ...(who === '--compat' ? ['--compat'] : [])], { runtime: interrupted })
  }

  /** What a judge looks at. */
  interface State {
    /** In hexadecimal; what Vault says where it does not open. */
    readonly plaintext: string
    readonly keyVersion: number
    readonly isLatest: boolean
    /** All of the object but the document. */
    readonly rest: object
  }

  async function stateOf({ plan }: Site): Promise<State> {
    const { body: object } = await world.kubernetes('GET', pathOf(plan), { token: plan.adminToken })
    const { 'secrets.json': base64, ...others } = object.data
    const ciphertext = Buffer.from(String(base64), 'base64').toString()
    const { token, path } = { token: plan.rootToken, path: `/v1/${plan.transitMount}` }
    const opened = await world.vault('POST', `${path}/decrypt/${plan.transitKey}`, {
      token,
      body: { ciphertext },
    })
    const key = await world.vault('GET', `${path}/keys/${plan.transitKey}`, { token })
    const keyVersion = Number(key.body.data.latest_version)
    const { labels, annotations } = object.metadata
    const plain = opened.body.data?.plaintext
    return {
      plaintext:
        plain === undefined ? 'does not open' : Buffer.from(plain, 'base64').toString('hex'),
      keyVersion,
      isLatest: ciphertext.startsWith(`vault:v${keyVersion}:`),
      rest: { type: object.type, labels, annotations, others },
    }
  }

  function store({ plan }: Site, ciphertext: string): Promise<void> {
    const base64 = Buffer.from(ciphertext).toString('base64')
    return patch(plan, { data: { 'secrets.json': base64 } })
  }

  async function patch(plan: KubevaultPlan, body: object): Promise<void> {
    const headers = { 'content-type': 'application/merge-patch+json' }
    const answer = await world.kubernetes('PATCH', pathOf(plan), {
      token: plan.adminToken,
      body,
      headers,
    })
    expect(answer.status).toBe(200)
  }

  async function encrypted(
    { transitMount, transitKey, rootToken }: KubevaultPlan,
    document: Uint8Array,
  ): Promise<string> {
    const body = { plaintext: Buffer.from(document).toString('base64') }
    const path = `/v1/${transitMount}/encrypt/${transitKey}`
    const answer = await world.vault('POST', path, { token: rootToken, body })
    return String(answer.body.data.ciphertext)
  }

  function planOf(
    { verbs = ALL, mayRotate = true, mayKeepJournal = true }: Scenario,
    who: Who,
  ): KubevaultPlan {
    const plan = originalPlan(world.servers, named(unique()))
    const { transitKey: key } = plan
    const rotate = `path "transit/keys/${key}/rotate"`
    const policy = mayRotate ? plan.policy : plan.policy.replace(rotate, 'path "transit/none"')
    const rewrap = `\npath "transit/rewrap/${key}" { capabilities = ["update"] }`
    const apiGroups = ['']
    return {
      ...plan,
      policy: who === 'rewrap' ? policy + rewrap : policy,
      rules: [
        { apiGroups, resources: ['secrets'], verbs },
        ...(mayKeepJournal
          ? [{ apiGroups, resources: ['configmaps'], verbs: ['get', 'create', 'patch'] }]
          : []),
        { apiGroups, resources: ['serviceaccounts/token'], verbs: ['create'] },
      ],
    }
  }
})

/** Said once each document is known to open. */
const PROOF = /prove[dn]/i

function scenarioOf(document: Uint8Array): Scenario {
  return { name: '', document, ours: 'rotated', original: 'rotated' }
}

function pathOf({ namespace }: KubevaultPlan): string {
  return `/api/v1/namespaces/${namespace}/secrets/matrix-secrets`
}

/** Told by what is there afterwards, and by what was said of it. */
function judge(
  { code, stderr }: Ended,
  expected: { readonly plaintext: string; readonly rest: object },
  after: { readonly plaintext: string; readonly rest: object; readonly isLatest: boolean },
): Verdict {
  const isKept =
    after.plaintext === expected.plaintext &&
    JSON.stringify(after.rest) === JSON.stringify(expected.rest)
  if (code !== 0) {
    if (!isKept) throw new Error(`failed, and changed what was there: ${stderr}`)
    return stderr.includes('Traceback') || stderr.includes('SM_INTERNAL')
      ? 'crashed'
      : 'refused, nothing lost'
  }
  if (!isKept) return 'lost, and called success'
  return after.isLatest ? 'rotated' : 'still the old version, and called success'
}

/** The last byte of the tag is another. */
function damaged(ciphertext: string): string {
  const [prefix, version, base64 = ''] = ciphertext.split(':')
  const bytes = Buffer.from(base64, 'base64')
  bytes.writeUInt8(bytes.readUInt8(bytes.length - 1) ^ 1, bytes.length - 1)
  return [prefix, version, bytes.toString('base64')].join(':')
}

function hexOf(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString('hex')
}

/** The same world, in which somebody else does something just before our first write of an object. */
function beforeWrite(runtime: Runtime, path: string, act: () => Promise<void>): Runtime {
  let isDone = false
  return intercepted(runtime, (request) => {
    if (isDone || !request.startsWith('PATCH ') || !request.endsWith(path)) return undefined
    isDone = true
    return act()
  })
}

function table(seen: ReadonlyMap<string, ReadonlyMap<Who, Verdict>>): string {
  const cells = [...seen].map(([name, verdicts]) =>
    [name].concat(WHO.map((who) => verdicts.get(who) ?? '–')),
  )
  const rows = [['scenario', 'original', 'ours, rotate --compat', 'ours, rotate'], ...cells]
  const widths = [0, 1, 2, 3].map((at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join(' | ')
        .trimEnd(),
    )
    .join('\n')
}

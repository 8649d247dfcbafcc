/** Sealed documents, part of the contract of the pattern: bound to their places, and never going back. */
import { describe, expect, onTestFinished, test } from 'vitest'
import { reveal, SecretManager } from 'secretmanager'
import type { SecretDefinition, SecretManagerConfig } from 'secretmanager'
import { kubeconfigOf } from '../../src/dev/kubeconfig.ts'
import { encryptRaw, putObject, requestToken } from '../../src/dev/operator.ts'
import { named, nativePlan, type KubevaultPlan } from '../../src/dev/plan.ts'
import { provisionKubevault } from '../../src/dev/provision.ts'
import type { Runtime } from '../../src/runtime.ts'
import { contextOf } from '../../src/sealed/binding.ts'
import { formatSealed, largestDocument, parseSealed } from '../../src/sealed/format.ts'
import { wrapDocument } from '../../src/sealed/plaintext.ts'
import {
  codeOf,
  DOCUMENT,
  failure,
  nativeConfig,
  podOf,
  unique,
  type Changes,
  type KubevaultUnderTest,
} from './kubevault-fixture.ts'

/** Runs within the suite of the pattern. */
export function sealedStatements(servers: () => KubevaultUnderTest): void {
  const sealed = (changes: Changes = {}): Promise<Sealed> => sealedSetUp(servers(), changes)

  describe('sealed documents', () => {
    test('say in clear what they were sealed for, and a policy that only decrypts opens them', async () => {
      const { plan, def, operator, app, stored } = await sealed()
      await operator.createSecrets(def, DOCUMENT)
      expect(await stored(def)).toMatch(
        new RegExp(
          `^sealed:v1:${plan.transitMount}:${plan.transitKey}:strict:[1-9]\\d{12}:vault:v1:[\\w+/]+=*$`,
        ),
      )
      const before = await servers().calls?.()
      expect(reveal(await app().readSecrets(def))).toEqual(JSON.parse(DOCUMENT))
      const after = await servers().calls?.()
      if (before && after) {
        expect([after.vault - before.vault, after.kubernetes - before.kubernetes]).toEqual([2, 2])
      }
    })

    test('are written by whoever may encrypt with the key and read what it is', async () => {
      const { def, app } = await sealed(writing)
      const service = app()
      await service.createSecrets(def, '{"n":1}')
      await service.createSecrets({ ...def, readType: 'CONFIG_MAP' }, '{"n":2}')
      expect(reveal(await service.readSecrets(def))).toEqual({ n: 1 })
      expect(reveal(await service.readSecrets({ ...def, readType: 'CONFIG_MAP' }))).toEqual({
        n: 2,
      })
    })

    test('I6: the document of one place opens at no other, under the same key', async () => {
      const { plan, def, operatorIn, mounted, createNamespace } = await sealed()
      await createNamespace(`${plan.namespace}-b`)
      const places = placesOf(def)
      const texts: string[] = []
      for (const { cluster, ...place } of places) {
        const operator = operatorIn(cluster)
        await operator.createSecrets(place, DOCUMENT)
        texts.push(await operator.readK8sSecret(place))
      }
      const outcomes = await Promise.all(
        texts.map((text) =>
          Promise.all(
            places.map(async ({ cluster, ...place }) =>
              outcomeOf((await mounted([place], () => text, { cluster })).readBytes(place)),
            ),
          ),
        ),
      )
      expect(outcomes).toEqual(
        places.map((_own, row) =>
          places.map((_other, column) => (row === column ? 'opened' : 'SM_CT_AUTH_FAILED')),
        ),
      )
    })

    test.each([
      ['namespace', 'strict'],
      ['none', 'strict'],
      ['none', 'namespace'],
      ['strict', 'namespace'],
      ['strict', 'none'],
    ] as const)(
      'I22: bound to %s they do not open where %s is asked, whatever they claim',
      async (binding, asked) => {
        const { def, operator, mounted, stored } = await sealed()
        await operator.createSecrets({ ...def, binding }, DOCUMENT)
        const text = await stored(def)
        const wanted = { ...def, binding: asked }
        const read = async (line: string): Promise<string> =>
          codeOf((await mounted([wanted], () => line)).readBytes(wanted))
        expect(await read(text)).toBe('SM_BINDING_MISMATCH')
        expect(await read(text.replace(`:${binding}:`, `:${asked}:`))).toBe('SM_CT_AUTH_FAILED')
      },
    )

    test('I22: sealed under another key they do not open, whatever they claim', async () => {
      const { plan, def, operator, mounted, stored } = await sealed()
      const other = { ...def, transitKey: `${plan.transitKey}-b` }
      await createKey(servers(), plan, other.transitKey)
      await operator.createSecrets(other, DOCUMENT)
      const text = await stored(def)
      const read = async (line: string): Promise<string> =>
        codeOf((await mounted([def], () => line)).readBytes(def))
      expect(await read(text)).toBe('SM_BINDING_MISMATCH')
      const claimed = text.replace(`:${other.transitKey}:`, `:${plan.transitKey}:`)
      expect(await read(claimed)).toBe('SM_CT_AUTH_FAILED')
    })

    test('I22: raw is not opened where sealed is asked, nor sealed where raw is, nor what is inside of sealed', async () => {
      const { plan, def, operator, stored, mounted } = await sealed(notDerived)
      const unbound = { ...def, binding: 'none' } as const
      await operator.createSecrets(unbound, DOCUMENT)
      const line = await stored(def)
      const raw = { ...def, format: 'raw' } as const
      const { ciphertext } = parseSealed(line, 'it')
      const rawText = await encryptRaw(servers().vault, plan, DOCUMENT)
      const read = async (place: SecretDefinition, text: string): Promise<string> =>
        outcomeOf((await mounted([place], () => text)).readBytes(place))
      expect(await read(unbound, line)).toBe('opened')
      expect(await read(raw, rawText)).toBe('opened')
      expect(await read(unbound, rawText)).toBe('SM_CT_FORMAT')
      expect(await read(unbound, ciphertext)).toBe('SM_CT_FORMAT')
      expect(await read(raw, line)).toBe('SM_CT_FORMAT')
      expect(await read(raw, ciphertext)).toBe('SM_CT_FORMAT')
    })

    test('I22: a process that read it sealed does not read it raw, and nothing sealed is replaced by raw', async () => {
      const { plan, def, operator, app } = await sealed(notDerived)
      const unbound = { ...def, binding: 'none' } as const
      const raw = { ...def, format: 'raw' } as const
      await operator.createSecrets(unbound, '{"n":1}')
      expect(await codeOf(operator.createSecrets(raw, '{"n":2}'))).toBe('SM_BINDING_MISMATCH')
      const service = app()
      expect(reveal(await service.readSecrets(unbound))).toEqual({ n: 1 })
      const text = await encryptRaw(servers().vault, plan, '{"n":3}')
      await putObject(servers().kubernetes, plan, { name: 'app', data: { 'secrets.json': text } })
      expect(await codeOf(service.readSecrets(raw))).toBe('SM_ROLLBACK_REFUSED')
      expect(reveal(await service.readSecrets({ ...raw, allowRollback: true }))).toEqual({ n: 3 })
    })

    test('I7, I22: one that was put back is refused, and seen; what was read is served on', async () => {
      const { plan, def, operator, app, stored } = await sealed()
      await operator.createSecrets(def, '{"n":1}')
      const older = await stored(def)
      const service = app()
      expect(reveal(await service.readSecrets(def))).toEqual({ n: 1 })
      await operator.createSecrets(def, '{"n":2}')
      expect(reveal(await service.readSecrets(def, { fresh: true }))).toEqual({ n: 2 })
      const data = { 'secrets.json': older }
      await putObject(servers().kubernetes, plan, { name: def.secretName, data })
      expect(await codeOf(service.readSecrets(def, { fresh: true }))).toBe('SM_ROLLBACK_REFUSED')
      expect(reveal(await service.readSecrets(def))).toEqual({ n: 2 })
      expect(service.status()).toMatchObject({
        ready: true,
        definitions: [{ freshness: 'stale', trouble: { code: 'SM_ROLLBACK_REFUSED' } }],
      })
      const willing = { ...def, allowRollback: true }
      expect(reveal(await service.readSecrets(willing))).toEqual({ n: 1 })
      // A fresh process cannot know.
      expect(reveal(await app().readSecrets(def))).toEqual({ n: 1 })
    })

    test('a rewrapped one is the same revision under another version of the key', async () => {
      const { plan, def, operator, app, stored } = await sealed()
      await operator.createSecrets(def, DOCUMENT)
      const service = app()
      await service.readSecrets(def)
      const [before] = service.status().definitions
      await operator.rotateKey(plan.transitKey)
      const line = await stored(def)
      const data = { 'secrets.json': await rewrapped(servers(), plan, def, line) }
      await putObject(servers().kubernetes, plan, { name: def.secretName, data })
      expect(reveal(await service.readSecrets(def, { fresh: true }))).toEqual(JSON.parse(DOCUMENT))
      const [after] = service.status().definitions
      expect([before?.keyVersion, after?.keyVersion]).toEqual([1, 2])
      expect(after?.revision).toBe(before?.revision)
    })

    test('under a key that is not derived, none that claims a binding is made, and nothing is encrypted', async () => {
      const { def, operator, app } = await sealed(notDerived)
      await operator.connectToVault()
      for (const binding of ['strict', 'namespace'] as const) {
        const before = await servers().calls?.()
        const error = await failure(operator.createSecrets({ ...def, binding }, DOCUMENT))
        expect(error.code).toBe('SM_BINDING_MISMATCH')
        expect(error.hint).toContain('derived=true')
        const after = await servers().calls?.()
        // It was asked what the key is.
        if (before && after) expect(after.vault - before.vault).toBe(1)
      }
      expect(await codeOf(operator.readK8sSecret(def))).toBe('SM_K8S_NOT_FOUND')
      const unbound = { ...def, binding: 'none' } as const
      await operator.createSecrets(unbound, DOCUMENT)
      expect(reveal(await app().readSecrets(unbound))).toEqual(JSON.parse(DOCUMENT))
    })

    test.each(['sealed', 'raw'] as const)(
      'V17: a key that does not exist is told, and not made, by who could: %s',
      async (format) => {
        const { plan, def, app } = await sealed({ ...writing, policy: makingKeys })
        const typo = { ...def, format, transitKey: `${plan.transitKey}-typo` }
        const service = app()
        expect(await codeOf(service.createSecrets(typo, DOCUMENT))).toBe('SM_KEY_NOT_FOUND')
        await service.createSecrets({ ...def, secretName: 'good' }, DOCUMENT)
        const wrong = { ...typo, secretName: 'good' }
        expect(await codeOf(service.readSecrets(wrong))).toBe(
          format === 'sealed' ? 'SM_BINDING_MISMATCH' : 'SM_CT_FORMAT',
        )
        const { body } = await servers().vault('LIST', `/v1/${plan.transitMount}/keys`, {
          token: plan.rootToken,
        })
        expect(body.data.keys).toContain(plan.transitKey)
        expect(body.data.keys).not.toContain(typo.transitKey)
      },
    )

    test('a policy that pins the context opens its own and no other, at once or alone', async () => {
      const names = named(unique())
      const own = {
        kind: 'Secret',
        namespace: names.namespace,
        name: 'own',
        dataKey: 'secrets.json',
      }
      const context = contextOf({ ...own, kind: 'Secret' }, 'strict', 'default')
      const { def, operator, app } = await sealed({
        ...names,
        policy: `path "transit/decrypt/${names.transitKey}" {
          capabilities = ["update"]
          allowed_parameters = { "ciphertext" = [], "context" = ["${base64(context)}"] }
        }`,
      })
      const mine = { ...def, secretName: 'own' }
      const theirs = { ...def, secretName: 'other' }
      const another = { ...def, secretName: 'another' }
      await operator.createSecrets(mine, DOCUMENT)
      await operator.createSecrets(theirs, DOCUMENT)
      await operator.createSecrets(another, DOCUMENT)
      expect(await outcomeOf(app().readSecrets(theirs))).toBe('SM_VAULT_DENIED')
      expect(await outcomeOf(app().readSecrets(mine))).toBe('opened')
      for (const order of [
        [mine, theirs],
        [theirs, mine],
        [theirs, theirs, mine],
        [theirs, another, mine],
      ]) {
        const service = app()
        await service.connectToVault()
        const outcomes = order.map((one) => outcomeOf(service.readBytes({ ...one })))
        expect(await Promise.all(outcomes)).toEqual(
          order.map((one) => (one === mine ? 'opened' : 'SM_VAULT_DENIED')),
        )
      }
    })

    test('V14: 1,000 opened at once take at most 20 decrypt calls, each in its own context', async () => {
      const { plan, def, mounted } = await sealed()
      const places = Array.from({ length: 1000 }, (_, n) => ({ ...def, secretName: `app-${n}` }))
      const lines = await sealedAll(servers(), plan, places)
      const service = await mounted(places, (n) => lines[n] ?? '')
      await service.connectToVault()
      const before = await servers().calls?.()
      const read = await Promise.all(places.map((place) => service.readSecrets(place)))
      const after = await servers().calls?.()
      expect(read.map((secrets) => secrets['n'])).toEqual(places.map((_, n) => n))
      if (before && after) expect(after.vault - before.vault).toBeLessThanOrEqual(20)
    }, 30_000)

    test('hold any bytes, up to the largest that fits; one more is refused before any call', async () => {
      const { plan, def, operator, app } = await sealed()
      const { transitMount: mount, transitKey } = plan
      const size = largestDocument({ mount, transitKey, scope: 'strict' })
      const binary = Uint8Array.from({ length: size }, (_, index) => (index * 31) % 256)
      for (const document of [new Uint8Array(0), Uint8Array.of(0xff, 0, 0x0a, 0xc3), binary]) {
        await operator.createSecrets(def, document)
        expect(Buffer.compare(await app().readBytes(def), document)).toBe(0)
      }
      const before = await servers().calls?.()
      const error = await failure(operator.createSecrets(def, new Uint8Array(size + 1)))
      expect(error).toMatchObject({ code: 'SM_TOO_LARGE' })
      expect(await servers().calls?.()).toEqual(before)
    }, 30_000)
  })
}

/** Further rights of a service that writes its own documents. */
const writing: Changes = {
  rules: [
    { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: ['get', 'create', 'patch'] },
    { apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] },
  ],
  policy: `path "transit/decrypt/*" { capabilities = ["update"] }
    path "transit/encrypt/*" { capabilities = ["update"] }
    path "transit/keys/*" { capabilities = ["read"] }`,
}

/** With `create` on this path Transit makes a key that it does not have. */
const makingKeys = `${writing.policy}
  path "transit/encrypt/*" { capabilities = ["create", "update"] }`

const notDerived: Changes = { keySettings: { type: 'aes256-gcm96' } }

interface Sealed {
  readonly plan: KubevaultPlan
  /** Of the Secret `app`. */
  readonly def: SecretDefinition & { readonly namespace: string }
  /** Who may do everything. */
  readonly operator: SecretManager
  readonly operatorIn: (cluster: string | undefined) => SecretManager
  /** A new process of the service. */
  readonly app: () => SecretManager
  /** The same, with these texts in the places of a volume. */
  readonly mounted: (
    places: readonly SecretDefinition[],
    text: (at: number) => string,
    config?: Pick<SecretManagerConfig, 'cluster'>,
  ) => Promise<SecretManager>
  readonly stored: (def: SecretDefinition) => Promise<string>
  readonly createNamespace: (name: string) => Promise<void>
}

async function sealedSetUp(world: KubevaultUnderTest, changes: Changes): Promise<Sealed> {
  const plan = nativePlan(world.servers, { ...named(unique()), ...changes })
  await provisionKubevault(world.vault, world.kubernetes, plan)
  const { namespace, transitKey, adminToken: token } = plan
  const { files, env, runtime } = await podOf(world, plan)
  const opened = (config: SecretManagerConfig, pod = runtime): SecretManager => {
    const sm = new SecretManager(config, { runtime: pod })
    onTestFinished(() => sm.close())
    return sm
  }
  const config = nativeConfig(world, plan)
  const operatorIn: Sealed['operatorIn'] = (cluster) =>
    opened({ ...config, ...operatorConfig(config, plan), cluster }, operatorRuntime(world, plan))
  const operator = operatorIn(undefined)
  const jwt = await requestToken(world.kubernetes, { ...plan, audiences: ['vault'] })
  return {
    plan,
    def: { secretName: 'app', namespace, readKey: 'secrets.json', transitKey },
    operator,
    operatorIn,
    app: () => opened(config),
    mounted: async (places, text, more = {}) => {
      const volume = places.map(({ secretName, readKey }, at) => [
        `/sealed/${secretName}/${readKey}`,
        text(at),
      ])
      const mount = { ...files, ...Object.fromEntries(volume), '/run/vault/token': jwt }
      const auth = { ...config.vault.auth, jwtFile: '/run/vault/token' }
      const vault = { ...config.vault, auth }
      const kubernetes = { mountedAt: '/sealed' }
      return opened({ ...config, vault, kubernetes, ...more }, world.runtime(mount, env))
    },
    stored: (def) => operator.readK8sSecret(def),
    createNamespace: async (name) => {
      const body = { metadata: { name } }
      const { status } = await world.kubernetes('POST', '/api/v1/namespaces', { token, body })
      expect(status).toBe(201)
    },
  }
}

const KUBECONFIG = '/operator/kubeconfig'

function operatorConfig(
  { vault }: SecretManagerConfig,
  { rootToken: token }: KubevaultPlan,
): Pick<SecretManagerConfig, 'vault' | 'kubernetes'> {
  return {
    vault: { ...vault, auth: { method: 'token', token } },
    kubernetes: { kubeconfig: KUBECONFIG },
  }
}

function operatorRuntime(world: KubevaultUnderTest, plan: KubevaultPlan): Runtime {
  const kubeconfig = kubeconfigOf(world.kubernetesUrl, world.kubernetesCaPem, plan)
  return world.runtime({ [KUBECONFIG]: JSON.stringify(kubeconfig) }, {})
}

type InCluster = SecretDefinition & { readonly cluster?: string }

/** Each differs from the first in one field; two have the same words in other fields. */
function placesOf(def: SecretDefinition & { readonly namespace: string }): readonly InCluster[] {
  return [
    def,
    { ...def, readType: 'CONFIG_MAP' },
    { ...def, namespace: `${def.namespace}-b` },
    { ...def, secretName: 'app-b' },
    { ...def, readKey: 'b.json' },
    { ...def, cluster: 'b' },
    { ...def, secretName: def.readKey, readKey: def.secretName },
    { ...def, secretName: 'app-b', readKey: 'b.json' },
  ]
}

async function createKey(
  { vault }: KubevaultUnderTest,
  { transitMount, rootToken: token }: KubevaultPlan,
  key: string,
): Promise<void> {
  const body = { derived: true }
  const { status } = await vault('POST', `/v1/${transitMount}/keys/${key}`, { token, body })
  expect(status).toBeLessThan(300)
}

/** The lines of `{"n":0}`, `{"n":1}`, … for their places, made in few requests. */
async function sealedAll(
  { vault }: KubevaultUnderTest,
  { transitMount: mount, transitKey, rootToken: token, namespace }: KubevaultPlan,
  places: readonly SecretDefinition[],
): Promise<string[]> {
  const claims = { mount, transitKey, scope: 'strict', revision: 1 } as const
  const lines: string[] = []
  while (lines.length < places.length) {
    const batch_input = places.slice(lines.length, lines.length + 100).map((place, index) => {
      const document = Buffer.from(JSON.stringify({ n: lines.length + index }))
      const { secretName: name, readKey: dataKey } = place
      const context = contextOf({ kind: 'Secret', namespace, name, dataKey }, 'strict', 'default')
      return { plaintext: base64(wrapDocument(1, document)), context: base64(context) }
    })
    const path = `/v1/${mount}/encrypt/${transitKey}`
    const { body } = await vault('POST', path, { token, body: { batch_input } })
    const results = body.data.batch_results as { ciphertext: string }[]
    lines.push(...results.map(({ ciphertext }) => formatSealed(claims, ciphertext)))
  }
  return lines
}

/** The line with its ciphertext brought to the latest version of the key, which shows nobody the document. */
async function rewrapped(
  { vault }: KubevaultUnderTest,
  { transitMount, transitKey, rootToken: token, namespace }: KubevaultPlan,
  { secretName: name, readKey: dataKey }: SecretDefinition,
  line: string,
): Promise<string> {
  const { claims, ciphertext } = parseSealed(line, 'it')
  const context = base64(
    contextOf({ kind: 'Secret', namespace, name, dataKey }, 'strict', 'default'),
  )
  const path = `/v1/${transitMount}/rewrap/${transitKey}`
  const { body } = await vault('POST', path, { token, body: { ciphertext, context } })
  return formatSealed(claims, String(body.data.ciphertext))
}

async function outcomeOf(reading: Promise<unknown>): Promise<string> {
  return reading.then(
    () => 'opened',
    () => codeOf(reading),
  )
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64')
}

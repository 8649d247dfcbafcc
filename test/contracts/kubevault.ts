/**
 * The pattern end to end, by the library's public face: one suite for embedded and real servers.
 *
 * Each test has a namespace, mounts and keys of its own, so servers may be shared.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { names, reveal, SecretManager } from 'secretmanager'
import type { SecretManagerConfig } from 'secretmanager'
import type { Runtime } from '../../src/runtime.ts'
import { named, nativePlan, originalPlan } from '../../src/dev/plan.ts'
import { encryptRaw, putObject } from '../../src/dev/operator.ts'
import {
  accessorsOf,
  claimsOf,
  codeOf,
  definition,
  DOCUMENT,
  encryptAll,
  failure,
  nativeConfig,
  secretCfg,
  secretDef,
  setUp,
  tampered,
  unique,
  zeroRbac,
  type Changes,
  type KubevaultUnderTest,
  type Setup,
} from './kubevault-fixture.ts'
import { sealedStatements } from './kubevault-sealed.ts'

export type { KubevaultUnderTest } from './kubevault-fixture.ts'

/** Runs the suite against what `open` gives. */
export function kubevaultContract(name: string, open: () => Promise<KubevaultUnderTest>): void {
  describe(`KUBEVAULT on ${name}`, () => {
    let world: KubevaultUnderTest
    beforeAll(async () => {
      world = await open()
    }, 60_000)
    afterAll(() => world.close())

    /** The Python original's set-up, seen from a pod of its ServiceAccount. */
    const original = (changes: Changes = {}): Promise<Setup> =>
      setUp(world, originalPlan(world.servers, { ...named(unique()), ...changes }))
    /** Ours, likewise, with documents in the original's format. */
    const native = (changes: Changes = {}): Promise<Setup> =>
      setUp(world, nativePlan(world.servers, { ...named(unique()), format: 'raw', ...changes }))

    sealedStatements(() => world)

    test("reads what the original stores, in the original's words", async () => {
      const { plan, runtime } = await original()
      await using sm = new SecretManager(secretCfg(world, plan), { runtime })
      const secrets = await sm.readSecrets(
        'matrix-secrets',
        plan.namespace,
        'SECRET',
        'secrets.json',
        plan.transitKey,
      )
      const { redis_url } = secrets
      expect(redis_url).toBe('redis://canary-value:6379')
      expect(names(secrets)).toEqual(['redis_url', 'db'])
      expect(reveal(secrets)).toEqual(JSON.parse(DOCUMENT))
      expect(JSON.stringify(secrets)).not.toContain('canary')
      expect(reveal(await sm.readSecrets(secretDef(plan)))).toEqual(JSON.parse(DOCUMENT))
    })

    test('stores ciphertext only', async () => {
      const { plan } = await original()
      const path = `/api/v1/namespaces/${plan.namespace}/secrets/matrix-secrets`
      const { body } = await world.kubernetes('GET', path, { token: plan.adminToken })
      const stored = Buffer.from(String(body.data['secrets.json']), 'base64').toString()
      expect(stored).toMatch(/^vault:v1:/)
      expect(JSON.stringify(body) + stored).not.toContain('canary')
    })

    test('reads by the native form, with a batch token and a policy that only decrypts', async () => {
      const { plan, runtime } = await native()
      await using sm = new SecretManager(nativeConfig(world, plan), { runtime })
      const secrets = await sm.readSecrets(definition(plan))
      expect(reveal(secrets)).toEqual(JSON.parse(DOCUMENT))
    })

    test('a cold read makes 2 calls to Vault and 2 to Kubernetes; without any right at the API server, none there', async (context) => {
      const { calls } = world
      if (!calls) return context.skip('these servers do not count')
      const { plan, runtime, files } = await native()
      const counted = async (config: SecretManagerConfig, pod: Runtime): Promise<object> => {
        const before = await calls()
        await using sm = new SecretManager(config, { runtime: pod })
        await sm.readSecrets(definition(plan))
        const after = await calls()
        return {
          vault: after.vault - before.vault,
          kubernetes: after.kubernetes - before.kubernetes,
        }
      }
      expect(await counted(nativeConfig(world, plan), runtime)).toEqual({
        vault: 2,
        kubernetes: 2,
      })
      const mounted = await zeroRbac(world, plan, files)
      expect(await counted(mounted.config, mounted.runtime)).toEqual({
        vault: 2,
        kubernetes: 0,
      })
    })

    test('reads from a mounted volume with a projected token', async () => {
      const { plan, files } = await native()
      const { config, runtime } = await zeroRbac(world, plan, files)
      await using sm = new SecretManager(config, { runtime })
      expect(reveal(await sm.readSecrets(definition(plan)))).toEqual(JSON.parse(DOCUMENT))
    })

    test('reads a ConfigMap, and ignores the line end that an editor leaves', async () => {
      const { plan, runtime } = await native()
      const text = `${await encryptRaw(world.vault, plan, DOCUMENT)}\n`
      await putObject(world.kubernetes, plan, {
        name: 'sealed',
        kind: 'ConfigMap',
        data: { 'secrets.json': text },
      })
      await using sm = new SecretManager(nativeConfig(world, plan), { runtime })
      const secrets = await sm.readSecrets({
        ...definition(plan),
        secretName: 'sealed',
        readType: 'CONFIG_MAP',
      })
      expect(reveal(secrets)).toEqual(JSON.parse(DOCUMENT))
    })

    test('writes what it reads, and keeps siblings, labels and annotations', async () => {
      const { plan, runtime } = await original()
      const path = `/api/v1/namespaces/${plan.namespace}/secrets`
      const metadata = { name: 'shared', labels: { team: 'a' }, annotations: { note: 'b' } }
      const sibling = Buffer.from('left alone').toString('base64')
      await world.kubernetes('POST', path, {
        token: plan.adminToken,
        body: { metadata, type: 'Opaque', data: { sibling } },
      })
      await using sm = new SecretManager(secretCfg(world, plan), { runtime })
      const def = { ...secretDef(plan), secret_name: 'shared' }
      await sm.createSecrets(def, '{"a":1}')
      await sm.createSecrets(
        { ...def, secret_name: 'brand-new' },
        new TextEncoder().encode('{"a":2}'),
      )
      expect(reveal(await sm.readSecrets(def))).toEqual({ a: 1 })
      expect(reveal(await sm.readSecrets({ ...def, secret_name: 'brand-new' }))).toEqual({ a: 2 })
      const { body } = await world.kubernetes('GET', `${path}/shared`, { token: plan.adminToken })
      expect(body.data.sibling).toBe(sibling)
      expect(body.metadata.labels.team).toBe('a')
      expect(body.metadata.annotations.note).toBe('b')
    })

    test('K4: refuses to write an immutable Secret, and a document that does not fit before any call', async () => {
      const { plan, runtime } = await original()
      const path = `/api/v1/namespaces/${plan.namespace}/secrets`
      await world.kubernetes('POST', path, {
        token: plan.adminToken,
        body: { metadata: { name: 'fixed' }, immutable: true, data: {} },
      })
      await using sm = new SecretManager(secretCfg(world, plan), { runtime })
      const def = { ...secretDef(plan), secret_name: 'fixed' }
      expect(await codeOf(sm.createSecrets(def, '{}'))).toBe('SM_K8S_REJECTED')
      expect(await codeOf(sm.createSecrets(def, new Uint8Array(786_396)))).toBe('SM_TOO_LARGE')
    })

    test('readBytes gives binary documents byte for byte, up to the largest that fits', async () => {
      const { plan, runtime } = await original()
      await using sm = new SecretManager(secretCfg(world, plan), { runtime })
      const def = { ...secretDef(plan), secret_name: 'binary' }
      const binary = Uint8Array.from({ length: 786_395 }, (_, index) => (index * 31) % 256)
      await sm.createSecrets(def, binary)
      expect(Buffer.compare(await sm.readBytes(def), binary)).toBe(0)
      expect(await codeOf(sm.readSecrets(def))).toMatch(/^SM_PAYLOAD_INVALID|SM_TOO_LARGE$/)
    })

    test('I9: an empty dictionary is one only where {} is stored', async () => {
      const { plan, runtime } = await original()
      await using sm = new SecretManager(secretCfg(world, plan), { runtime })
      const def = { ...secretDef(plan), secret_name: 'empty' }
      await sm.createSecrets(def, '{}')
      expect(names(await sm.readSecrets(def))).toEqual([])
      await sm.createSecrets(def, '')
      expect(await codeOf(sm.readSecrets(def))).toBe('SM_PAYLOAD_INVALID')
    })

    test('rotates the key: old documents stay readable, new ones use the new version', async () => {
      const { plan, runtime } = await original()
      await using sm = new SecretManager(secretCfg(world, plan), { runtime })
      expect(await sm.rotateKey(plan.transitKey)).toBe(2)
      expect(names(await sm.readSecrets(secretDef(plan)))).toEqual(['redis_url', 'db'])
      await sm.createSecrets({ ...secretDef(plan), secret_name: 'later' }, '{}')
      expect(await sm.readK8sSecret({ ...secretDef(plan), secret_name: 'later' })).toMatch(
        /^vault:v2:/,
      )
    })

    test('many readers at once of many documents each get their own, and a broken one fails alone', async () => {
      const { plan, runtime } = await native()
      const wanted = Array.from({ length: 12 }, (_, index) => ({ index }))
      const encrypted = await encryptAll(world, plan, wanted)
      const stored = encrypted.with(7, tampered(encrypted[7] ?? ''))
      for (const [index, text] of stored.entries()) {
        const data = { 'secrets.json': text }
        await putObject(world.kubernetes, plan, { name: `many-${index}`, data })
      }
      await using sm = new SecretManager(nativeConfig(world, plan), { runtime })
      const reads = wanted.map(async ({ index }) =>
        reveal(await sm.readSecrets({ ...definition(plan), secretName: `many-${index}` })),
      )
      const broken = failure(reads[7] ?? Promise.resolve())
      const good = await Promise.all(reads.filter((_, index) => index !== 7))
      expect(good).toEqual(wanted.filter(({ index }) => index !== 7))
      expect(await broken).toMatchObject({ code: 'SM_CT_AUTH_FAILED', status: 400 })
      expect((await broken).message).toContain(`many-7`)
    })

    test('V13, V14: documents opened at once take few calls, and each fails by its own fault', async () => {
      const { plan, runtime } = await native()
      const wanted = Array.from({ length: 40 }, (_, index) => ({ index }))
      const encrypted = await encryptAll(world, plan, wanted)
      const faults = [tampered(encrypted[0] ?? ''), 'vault:v9:AAAA', 'vault:v1:AAAA']
      await using sm = new SecretManager(nativeConfig(world, plan), { runtime })
      await sm.connectToVault()
      const before = await world.calls?.()
      const decrypt = (text: string): Promise<Uint8Array> =>
        sm.decryptDataWithVault(plan.transitKey, text)
      const opened = Promise.all(encrypted.map((text) => decrypt(text)))
      const together = await Promise.all(faults.map((text) => failure(decrypt(text))))
      expect((await opened).map((bytes) => JSON.parse(Buffer.from(bytes).toString()))).toEqual(
        wanted,
      )
      const after = await world.calls?.()
      if (before && after) expect(after.vault - before.vault).toBeLessThanOrEqual(12)
      for (const [index, text] of faults.entries()) {
        const { code, message, hint, status } = await failure(decrypt(text))
        expect(together[index]).toMatchObject({ code, message, hint, status })
      }
    })

    test('documents opened at once under a policy that names the parameters are opened one by one', async () => {
      const { transitMount: mount, transitKey } = nativePlan(world.servers, named(unique()))
      const policy = `path "${mount}/decrypt/${transitKey}" {
        capabilities = ["update"]
        allowed_parameters = { "ciphertext" = [] }
      }`
      const { plan, runtime } = await native({ transitKey, policy })
      const wanted = Array.from({ length: 9 }, (_, index) => ({ index }))
      const encrypted = await encryptAll(world, plan, wanted)
      await using sm = new SecretManager(nativeConfig(world, plan), { runtime })
      const opened = await Promise.all(
        encrypted.map((text) => sm.decryptDataWithVault(transitKey, text)),
      )
      expect(opened.map((bytes) => JSON.parse(Buffer.from(bytes).toString()))).toEqual(wanted)
    })

    test("the pattern's steps one by one", async () => {
      const { plan, runtime } = await original()
      await using sm = new SecretManager(secretCfg(world, plan), { runtime })
      await sm.connectToK8s()
      const claims = claimsOf(await sm.getK8sServiceAccountToken())
      expect(claims.aud).toEqual(['https://kubernetes.default.svc'])
      expect(claims.exp - claims.iat).toBe(600)
      await sm.connectToVault()
      const ciphertext = await sm.readK8sSecret(secretDef(plan))
      const document = await sm.decryptDataWithVault(plan.transitKey, ciphertext)
      expect(reveal(sm.loadJsonSecrets(document))).toEqual(JSON.parse(DOCUMENT))
    })

    test('V7: tokens of 1 s serve one read each', async () => {
      const { plan, runtime } = await original({ tokenTtl: '1s' })
      await using sm = new SecretManager(secretCfg(world, plan), { runtime })
      for (let read = 0; read < 3; read++) {
        expect(names(await sm.readSecrets(secretDef(plan)))).toEqual(['redis_url', 'db'])
        await runtime.sleep(600)
      }
    })

    test('V8: a login that is refused says role, audience and ServiceAccount', async () => {
      const { plan, runtime } = await native()
      const config = nativeConfig(world, plan)
      const auth = { ...config.vault.auth, audience: 'elsewhere' }
      await using sm = new SecretManager(
        { ...config, vault: { ...config.vault, auth } },
        { runtime },
      )
      const error = await failure(sm.readSecrets(definition(plan)))
      expect(error.code).toBe('SM_AUTH_DENIED')
      expect(error.message).toContain(`role "${plan.role}"`)
      expect(error.message).toContain('elsewhere')
      expect(error.message).toContain(
        `system:serviceaccount:${plan.namespace}:${plan.serviceAccount}`,
      )
      expect(error.hint).toContain(`vault read auth/${plan.authMount}/role/${plan.role}`)
    })

    test('V13, V17: a wrong key is named, and none is created', async () => {
      const { plan, runtime } = await native()
      await using sm = new SecretManager(nativeConfig(world, plan), { runtime })
      const error = await failure(sm.readSecrets({ ...definition(plan), transitKey: 'typo' }))
      expect(error.code).toBe('SM_VAULT_DENIED')
      expect(error.hint).toContain(`path "${plan.transitMount}/decrypt/typo"`)
      const { body } = await world.vault('LIST', `/v1/${plan.transitMount}/keys`, {
        token: plan.rootToken,
      })
      expect(body.data.keys).toContain(plan.transitKey)
      expect(body.data.keys).not.toContain('typo')
    })

    test("the request id of an error joins Vault's audit log", async (context) => {
      if (!world.isAudited) return context.skip('no audit log here')
      // As docs/errors.md tells the operator: by default no header is written to the log.
      const header = '/v1/sys/config/auditing/request-headers/x-correlation-id'
      const { rootToken: token } = world.servers
      await world.vault('PUT', header, { token, body: { hmac: false } })
      const { plan, runtime } = await native()
      await using sm = new SecretManager(nativeConfig(world, plan), { runtime })
      const error = await failure(sm.readSecrets({ ...definition(plan), transitKey: 'typo' }))
      expect(await world.isAudited(error.requestId ?? 'none')).toBe(true)
    })

    test('V13: each reason for which a ciphertext does not open has its code', async () => {
      const { plan, runtime } = await original()
      await using sm = new SecretManager(secretCfg(world, plan), { runtime })
      const ciphertext = await sm.readK8sSecret(secretDef(plan))
      const changed = tampered(ciphertext)
      const decrypt = (text: string): Promise<string> =>
        codeOf(sm.decryptDataWithVault(plan.transitKey, text))
      expect(await decrypt(changed)).toBe('SM_CT_AUTH_FAILED')
      expect(await decrypt('junk')).toBe('SM_CT_FORMAT')
      expect(await decrypt(ciphertext.replace('vault:v1:', 'vault:v9:'))).toBe('SM_CT_TOO_NEW')
      await sm.rotateKey(plan.transitKey)
      const config = { min_decryption_version: 2 }
      await world.vault('POST', `/v1/${plan.transitMount}/keys/${plan.transitKey}/config`, {
        token: plan.rootToken,
        body: config,
      })
      expect(await decrypt(ciphertext)).toBe('SM_CT_TOO_OLD')
    })

    test('K3: a right that is missing at the API server is named with the command that grants it', async () => {
      const { plan, runtime } = await native({ rules: tokenOnly })
      await using sm = new SecretManager(nativeConfig(world, plan), { runtime })
      const error = await failure(sm.readSecrets(definition(plan)))
      expect(error.code).toBe('SM_K8S_DENIED')
      expect(error.hint).toContain('--verb=get --resource=secrets --resource-name=matrix-secrets')
      expect(error.hint).toContain(`--serviceaccount=${plan.namespace}:${plan.serviceAccount}`)
    })

    test('K4: what is not there is named', async () => {
      const { plan, runtime } = await native()
      await using sm = new SecretManager(nativeConfig(world, plan), { runtime })
      expect(await codeOf(sm.readSecrets({ ...definition(plan), secretName: 'none' }))).toBe(
        'SM_K8S_NOT_FOUND',
      )
      const missing = await failure(sm.readSecrets({ ...definition(plan), readKey: 'other.json' }))
      expect(missing.code).toBe('SM_KEY_MISSING')
      expect(missing.hint).toContain('secrets.json')
    })

    test('close revokes a service token that would live on, and is safe to repeat', async () => {
      const { plan, runtime } = await original({ tokenTtl: '1h' })
      const sm = new SecretManager(secretCfg(world, plan), { runtime })
      await sm.connectToVault()
      const alive = async (): Promise<number> => (await accessorsOf(world, plan)).length
      expect(await alive()).toBe(1)
      await sm.close()
      await sm.close()
      expect(await alive()).toBe(0)
      expect(await codeOf(sm.connectToVault())).toBe('SM_CLOSED')
    })
  })
}

const tokenOnly = [{ apiGroups: [''], resources: ['serviceaccounts/token'], verbs: ['create'] }]

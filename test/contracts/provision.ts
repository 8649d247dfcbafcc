/** Provision: one suite for embedded and real servers. Each test has mounts, keys and namespaces of its own. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SecretManager, reveal } from 'secretmanager'
import { parseProvisionFile } from '../../src/config/provision-file.ts'
import { isSecretManagerError, SecretManagerError } from '../../src/errors.ts'
import { compare } from '../../src/provision/apply.ts'
import type { Change } from '../../src/provision/change.ts'
import { prove } from '../../src/provision/prove.ts'
import { isBroken, isOtherwise } from '../../src/provision/proof.ts'
import { renewReviewers } from '../../src/provision/renew.ts'
import { renewerName } from '../../src/provision/names.ts'
import { TransportFailure } from '../../src/runtime.ts'
import { podOf, secretCfg, setUp, unique, type KubevaultUnderTest } from './kubevault-fixture.ts'
import { named, originalPlan, type KubevaultPlan } from '../../src/dev/plan.ts'
import {
  adminConfig,
  podOf as podOfAccount,
  adminRuntime,
  fileFor,
  isWrite,
  provisioned,
  writesIn,
  type Provisioned,
} from './provision-fixture.ts'

const METHODS = ['jwt', 'kubernetes'] as const

/** Runs the suite against what `open` gives. */
export function provisionContract(
  name: string,
  open: () => Promise<KubevaultUnderTest>,
  { killEvery = 1 }: { readonly killEvery?: number } = {},
): void {
  describe(`provision on ${name}`, () => {
    let world: KubevaultUnderTest
    beforeAll(async () => {
      world = await open()
      // Where no controller runs, nobody makes it; elsewhere it is there.
      await world.kubernetes('POST', '/api/v1/namespaces/kube-system/serviceaccounts', {
        token: world.servers.adminToken,
        body: { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'default' } },
      })
    }, 60_000)
    afterAll(() => world.close())

    const given = (auth: string, app: object = {}, cluster: object = {}): Provisioned => {
      const id = unique()
      const reviewer = auth === 'kubernetes' ? { reviewer: { serviceAccount: `review-${id}` } } : {}
      return provisioned(world, { cluster: { auth, ...reviewer, ...cluster }, app }, id)
    }
    /** With a reviewer that the cluster renews; where that is not possible, as {@link given}. */
    const renewing = (auth = 'kubernetes', mountOf = (id: string) => `auth-${id}`): Provisioned => {
      if (auth !== 'kubernetes') return given(auth)
      const id = unique()
      const renew = { image: 'registry.example/sm:1', vaultUrl: world.vaultUrl }
      const reviewer = { serviceAccount: `review-${id}`, renew }
      return provisioned(world, { cluster: { auth, reviewer, mount: mountOf(id) } }, id)
    }

    describe.each(METHODS)('by %s', (auth) => {
      test('from nothing to a service that reads, and the second time 0 writes', async () => {
        const setup = given(auth)
        await setup.run()
        expect(await readAsPod(world, setup)).toEqual({ redis_url: 'redis://canary' })
        setup.forget()
        const again = await setup.run()
        expect(again.changes.filter((change) => change.writes.length > 0)).toEqual([])
        expect(writesIn(setup.sent)).toEqual([])
      })

      test('I16: what must be refused is refused, by trying', async () => {
        const setup = given(auth)
        await setup.run()
        setup.forget()
        const proofs = await setup.with(prove)
        expect(proofs.map(({ what, outcome }) => `${what}: ${outcome}`)).toEqual([
          'reader logs in: allowed',
          'reader decrypts: allowed',
          'reader decrypts under another key: refused',
          'reader encrypts: refused',
          'reader reads the key: refused',
          'writer logs in: allowed',
          'writer encrypts: allowed',
          'writer decrypts: refused',
          'rotator logs in: allowed',
          'rotator rewraps: allowed',
          'rotator reads the key: allowed',
          'rotator decrypts: refused',
          'rotator sets exportable of the key: refused',
          'a token for another audience logs in as the reader: refused',
          'another namespace logs in as the reader: refused',
          'another ServiceAccount logs in as the reader: refused',
          `reader lists Secrets of ${setup.name} in Kubernetes: refused`,
        ])
        expect(proofs.filter(isBroken)).toEqual([])
      })

      test('proof finds a role that is too wide', async () => {
        const setup = given(auth)
        await setup.run()
        const policy = `path "*" { capabilities = ["create", "read", "update"] }`
        await setup.vault('PUT', `sys/policies/acl/${setup.name}-reader`, { policy })
        const broken = (await setup.with(prove)).filter(isBroken)
        expect(broken.map(({ what }) => what)).toEqual([
          'reader decrypts under another key',
          'reader encrypts',
          'reader reads the key',
        ])
      })

      test('what was changed by hand is set right, and what was added stays', async () => {
        const setup = given(auth)
        await setup.run()
        const role = `auth/auth-${setup.name}/role/${setup.name}`
        const before = (await setup.vault('GET', role)).body.data
        const byHand = { ...identityOf(before), token_ttl: '1h', token_explicit_max_ttl: 60 }
        expect(await setup.vault('POST', role, byHand)).toMatchObject({ status: 204 })
        const { changes } = await setup.run()
        expect(workOf(changes)).toEqual([`update role auth-${setup.name}/${setup.name}`])
        const after = (await setup.vault('GET', role)).body.data
        expect(after).toEqual({ ...before, token_explicit_max_ttl: 60 })
      })

      test('killed after any write, the next run does the rest', async () => {
        const whole = renewing(auth)
        await whole.run()
        const count = writesIn(whole.sent).length
        expect(count).toBeGreaterThan(15)
        for (let after = 0; after < count; after += killEvery) {
          const setup = renewing(auth)
          await expect(setup.run({ fail: killedAfter(after) })).rejects.toThrow('killed')
          setup.forget()
          await setup.run()
          expect(await setup.with(stillToDo)).toEqual([])
        }
      }, 120_000)

      test('an answer that is lost is no failure, and nothing is made twice', async () => {
        const setup = renewing(auth)
        const lost = new Set<string>()
        const lose: Parameters<Provisioned['run']>[0] = {
          isHurried: true,
          lose: (request) => {
            const key = `${request.method} ${request.url}`
            if (!isWrite(request) || lost.has(key)) return
            lost.add(key)
            throw new TransportFailure('unreachable', 'the connection broke', 'ECONNRESET')
          },
        }
        await setup.run(lose).catch((error: unknown) => {
          // The budget may end first: then the next run goes on.
          if (!isSecretManagerError(error) || !error.retryable) throw error
        })
        await setup.run()
        expect(await setup.with(stillToDo)).toEqual([])
      }, 60_000)
    })

    test('the keys of the cluster are those that Vault trusts', async () => {
      const setup = given('jwt')
      await setup.run()
      const { body } = await setup.vault('GET', `auth/auth-${setup.name}/config`)
      expect(body.data.bound_issuer).toMatch(/^https:/)
      expect(body.data.jwt_validation_pubkeys[0]).toContain('BEGIN PUBLIC KEY')
    })

    test('the reviewer may create TokenReviews, and nothing else', async () => {
      const setup = given('kubernetes')
      await setup.run()
      const user = `system:serviceaccount:kube-system:review-${setup.name}`
      const may = async (group: string, resource: string): Promise<boolean> => {
        const spec = { user, resourceAttributes: { verb: 'create', group, resource } }
        const path = '/apis/authorization.k8s.io/v1/subjectaccessreviews'
        const kind = 'SubjectAccessReview'
        const review = { apiVersion: 'authorization.k8s.io/v1', kind, spec }
        return (await setup.kubernetes('POST', path, review)).body.status.allowed
      }
      expect(await may('authentication.k8s.io', 'tokenreviews')).toBe(true)
      expect(await may('authorization.k8s.io', 'subjectaccessreviews')).toBe(false)
      expect(await may('', 'secrets')).toBe(false)
      const { body } = await setup.vault('GET', 'sys/auth')
      expect(body.data[`auth-${setup.name}/`].description).toMatch(
        / reviewer=\d{4}-.*Z\/\d{4}-.*Z\]$/,
      )
    })

    describe('a reviewer that is renewed in the cluster', () => {
      const home = '/namespaces/kube-system'
      const cronJobOf = ({ name: id }: Provisioned): string =>
        `/apis/batch/v1${home}/cronjobs/${renewerName(`auth-${id}`)}`
      const configOf = ({ name: id }: Provisioned): string =>
        `/api/v1${home}/configmaps/${renewerName(`auth-${id}`)}`
      const patched = async (path: string, body: object): Promise<void> => {
        const { adminToken: token } = world.servers
        const headers = { 'content-type': 'application/merge-patch+json' }
        const answer = await world.kubernetes('PATCH', path, { token, body, headers })
        expect(answer).toMatchObject({ status: 200 })
      }
      const podIn = (cronJob: { readonly spec: unknown }): Record<string, unknown> =>
        Object(cronJob.spec).jobTemplate.spec.template.spec

      test('is renewed by a pod that knows its ConfigMap alone, and can do nothing else', async () => {
        const setup = renewing()
        await setup.run()
        const { name: id } = setup
        const mount = `auth-${id}`
        const renewed = async (): Promise<readonly string[]> =>
          workOf((await setup.asRenewer(renewReviewers)).changes)
        expect(await renewed()).toEqual([])
        const description = async (): Promise<string> =>
          (await setup.vault('GET', `sys/auth/${mount}`)).body.data.description
        const old = '2020-01-01T00:00:00.000Z'
        const stale = (await description()).replace(/reviewer=[^\]]*/, `reviewer=${old}/${old}`)
        await setup.vault('POST', `sys/auth/${mount}/tune`, { description: stale })
        const before = (await setup.vault('GET', `auth/${mount}/config`)).body.data
        expect(await renewed()).toEqual([`update reviewer of ${mount}`])
        expect(await description()).not.toContain(old)
        expect((await setup.vault('GET', `auth/${mount}/config`)).body.data).toEqual(before)
        expect(await renewed()).toEqual([])
        expect((await setup.with(prove)).filter(isBroken)).toEqual([])

        const denied = { code: 'SM_VAULT_DENIED' }
        const hostile = {
          ...before,
          kubernetes_host: 'https://evil.example',
          token_reviewer_jwt: 'x',
        }
        const tries: readonly (readonly [string, object])[] = [
          [`auth/${mount}/config`, hostile],
          [`auth/${mount}/role/${id}`, { token_ttl: '1h' }],
          [`sys/auth/${mount}/tune`, { token_type: 'service' }],
        ]
        for (const [path, body] of tries) {
          const write = { target: 'vault', method: 'POST', path, body: { ...body } } as const
          const trying = setup.asRenewer(({ vault }) => vault.write(write))
          await expect(trying).rejects.toMatchObject(denied)
        }
      })

      test('has a CronJob, which the API server completes: the second time 0 writes', async () => {
        const setup = renewing()
        const { changes } = await setup.run()
        const own = changes.filter(({ what }) => what.includes('secretmanager-renewer'))
        expect(own.map(({ action, what }) => `${action} ${what.split(' ')[0]}`)).toEqual([
          'create policy',
          ...['ServiceAccount', 'Role', 'RoleBinding', 'ConfigMap', 'CronJob'].map(
            (kind) => `create ${kind}`,
          ),
          'create role',
        ])
        expect(await setup.kubernetes('GET', cronJobOf(setup))).toMatchObject({
          status: 200,
          body: { spec: { schedule: '17 3 * * 1', suspend: false } },
        })
        setup.forget()
        await setup.run()
        expect(writesIn(setup.sent)).toEqual([])
      })

      test('what differs is set right, and what somebody added stays', async () => {
        const setup = renewing()
        await setup.run()
        const [container] = Object(
          podIn((await setup.kubernetes('GET', cronJobOf(setup))).body)['containers'],
        )
        const limits = { memory: '64Mi' }
        const containers = [{ ...container, image: 'other:2', resources: { limits } }]
        const nodeSelector = { disk: 'ssd' }
        const spec = {
          suspend: true,
          jobTemplate: { spec: { template: { spec: { containers, nodeSelector } } } },
        }
        await patched(cronJobOf(setup), { spec })
        await patched(configOf(setup), { data: { more: 'x', 'secretmanager.json': '{}' } })
        const { changes } = await setup.run()
        const about = changes.filter(({ writes }) => writes.length > 0)
        const image = 'spec.jobTemplate.spec.template.spec.containers[0].image'
        expect(about.map(({ fields }) => fields)).toEqual([
          [{ field: 'data.secretmanager.json', from: '{}' }],
          [{ field: image, from: 'other:2', to: 'registry.example/sm:1' }],
        ])
        const { body } = await setup.kubernetes('GET', cronJobOf(setup))
        expect(body.spec.suspend).toBe(true)
        expect(podIn(body)).toMatchObject({
          containers: [{ image: 'registry.example/sm:1', resources: { limits } }],
          nodeSelector,
        })
        const config = await setup.kubernetes('GET', configOf(setup))
        expect(Object.keys(config.body.data)).toContain('more')
        setup.forget()
        await setup.run()
        expect(writesIn(setup.sent)).toEqual([])
      })

      test('a ConfigMap that somebody else made is not written over', async () => {
        const setup = renewing()
        const own = renewerName(`auth-${setup.name}`)
        const body = { metadata: { name: own }, data: { 'secretmanager.json': 'mine' } }
        await setup.kubernetes('POST', `/api/v1${home}/configmaps`, body)
        setup.forget()
        await expect(setup.run()).rejects.toMatchObject({
          code: 'SM_CONFIG_INVALID',
          message: expect.stringContaining(
            `ConfigMap kube-system/${own} is there and not of provision`,
          ),
        })
        expect(writesIn(setup.sent)).toEqual([])
      })

      test('is that of any mount that Vault can have', async () => {
        const setup = renewing('kubernetes', (id) => `K8s.${id}/west_1`)
        await setup.run()
        expect((await setup.asRenewer(renewReviewers)).changes).toHaveLength(1)
        expect((await setup.with(prove)).filter(isBroken)).toEqual([])
        setup.forget()
        await setup.run()
        expect(writesIn(setup.sent)).toEqual([])
        await setup.destroy()
        expect((await setup.destroy()).changes).toEqual([])
      })

      test('goes with all that it has', async () => {
        const setup = renewing()
        await setup.run()
        await setup.destroy()
        for (const path of [cronJobOf(setup), configOf(setup)]) {
          expect((await setup.kubernetes('GET', path)).status).toBe(404)
        }
        const policy = `sys/policies/acl/${renewerName(`auth-${setup.name}`)}`
        expect((await setup.vault('GET', policy)).status).toBe(404)
        expect((await setup.destroy()).changes).toEqual([])
      })

      test('I16: what it must not do is refused, by trying', async () => {
        const setup = renewing()
        await setup.run()
        const whose = `renewer of auth-${setup.name}`
        const told = async (): Promise<readonly string[]> =>
          (await setup.with(prove))
            .filter(({ app }) => app === undefined)
            .map(({ what, outcome }) => `${what.replace(whose, 'it')}: ${outcome}`)
        expect(await told()).toEqual([
          'it logs in: allowed',
          'it reads the configuration of its mount: allowed',
          'it names another API server: refused',
          'it makes a role: refused',
          'it decrypts: refused',
          'it requests tokens of the reviewer in Kubernetes: allowed',
          'it requests tokens of anybody in Kubernetes: refused',
          'it lists Secrets of kube-system in Kubernetes: refused',
        ])
        const before = (await setup.vault('GET', `auth/auth-${setup.name}/config`)).body.data
        const policy = 'path "*" { capabilities = ["create", "read", "update"] }'
        await setup.vault('PUT', `sys/policies/acl/${renewerName(`auth-${setup.name}`)}`, {
          policy,
        })
        expect((await setup.with(prove)).filter(isBroken).map(({ what }) => what)).toEqual([
          `${whose} names another API server`,
          `${whose} makes a role`,
          `${whose} decrypts`,
        ])
        const after = (await setup.vault('GET', `auth/auth-${setup.name}/config`)).body.data
        expect(after).toEqual(before)
      })
    })

    test("without a reviewer it is Vault's own ServiceAccount that asks", async () => {
      const setup = given('kubernetes', {}, { reviewer: false })
      await setup.run()
      const { body } = await setup.vault('GET', `auth/auth-${setup.name}/config`)
      expect(body.data.disable_local_ca_jwt).toBe(false)
      setup.forget()
      await setup.run()
      expect(writesIn(setup.sent)).toEqual([])
    })

    test('a token without rights gets all that is missing, before any write', async () => {
      const setup = given('jwt')
      const policy = 'path "sys/capabilities-self" { capabilities = ["update"] }'
      await setup.vault('PUT', `sys/policies/acl/${setup.name}-poor`, { policy })
      const created = { policies: [`${setup.name}-poor`], no_default_policy: true, ttl: '5m' }
      const { body } = await setup.vault('POST', 'auth/token/create', created)
      const error = await setup.run({ token: body.auth.client_token }).catch((caught) => caught)
      expect(error).toBeInstanceOf(SecretManagerError)
      expect(error.code).toBe('SM_VAULT_DENIED')
      const missing = error.problems.join('\n')
      const { name: id } = setup
      for (const path of [
        `"sys/auth" { capabilities = ["read"] }`,
        `"sys/mounts/transit-${id}" { capabilities = ["update"] }`,
        `"transit-${id}/keys/${id}" { capabilities = ["read", "update"] }`,
        `"sys/policies/acl/${id}-rotator" { capabilities = ["read", "update"] }`,
        `"sys/auth/auth-${id}" { capabilities = ["update", "sudo"] }`,
        `"auth/auth-${id}/role/${id}" { capabilities = ["read", "create"] }`,
      ]) {
        expect(missing).toContain(path)
      }
      expect(writesIn(setup.sent)).toEqual([])
    })

    test('with just these rights it can be done', async () => {
      const setup = given('jwt')
      const poor = `${setup.name}-poor`
      const policy = 'path "sys/capabilities-self" { capabilities = ["update"] }'
      await setup.vault('PUT', `sys/policies/acl/${poor}`, { policy })
      const tokenOf = async (): Promise<string> => {
        const created = { policies: [poor], no_default_policy: true, ttl: '5m' }
        return (await setup.vault('POST', 'auth/token/create', created)).body.auth.client_token
      }
      const error = await setup.run({ token: await tokenOf() }).catch((caught) => caught)
      const whole = [policy, ...error.problems].join('\n')
      await setup.vault('PUT', `sys/policies/acl/${poor}`, { policy: whole })
      await setup.run({ token: await tokenOf() })
      expect(await setup.with(stillToDo)).toEqual([])
    })

    test('a dry run writes nothing', async () => {
      const setup = given('jwt')
      const { changes } = await setup.with(compare)
      expect(workOf(changes).length).toBeGreaterThan(15)
      expect(writesIn(setup.sent)).toEqual([])
    })

    test('a mount that was made for another cluster is refused', async () => {
      const setup = given('jwt')
      await setup.run()
      const mount = `sys/auth/auth-${setup.name}/tune`
      const description = '[secretmanager cluster=default uid=00000000-0000-0000-0000-000000000000]'
      await setup.vault('POST', mount, { description })
      setup.forget()
      await expect(setup.run()).rejects.toMatchObject({
        code: 'SM_CONFIG_INVALID',
        message: expect.stringContaining('was set up for another cluster than the context leads'),
      })
      expect(writesIn(setup.sent)).toEqual([])
    })

    test('a namespace that is missing is not made unless asked', async () => {
      const setup = given('jwt', {}, { createNamespaces: false })
      await expect(setup.run()).rejects.toMatchObject({
        message: `nothing was changed: cluster default has no namespace ${setup.name}: kubectl create namespace ${setup.name}, or set createNamespaces: true of the cluster`,
      })
      expect(writesIn(setup.sent)).toEqual([])
    })

    describe.each(METHODS)('destroying, by %s', (auth) => {
      test('takes away what was made, and leaves keys, mounts and namespaces', async () => {
        const setup = given(auth)
        await setup.run()
        const verdict = await setup.destroy()
        expect(verdict.conflicts).toEqual([])
        const { name: id } = setup
        const gone = [
          ...['reader', 'writer', 'rotator'].map((job) => `sys/policies/acl/${id}-${job}`),
          `sys/auth/auth-${id}`,
        ]
        for (const path of gone) expect((await setup.vault('GET', path)).status).not.toBe(200)
        expect(await setup.vault('GET', `transit-${id}/keys/${id}`)).toMatchObject({ status: 200 })
        const home = `/api/v1/namespaces/${id}`
        expect(await setup.kubernetes('GET', home)).toMatchObject({ status: 200 })
        const accounts = await setup.kubernetes('GET', `${home}/serviceaccounts`)
        expect(accounts.body.items.map(nameOf)).not.toContain(id)
        const rbac = `/apis/rbac.authorization.k8s.io/v1/namespaces/${id}/roles`
        expect((await setup.kubernetes('GET', rbac)).body.items).toEqual([])
        setup.forget()
        expect(workOf((await setup.destroy()).changes)).toEqual([])
        expect(writesIn(setup.sent)).toEqual([])
      })

      test('killed after any write, the next run does the rest', async () => {
        const whole = given(auth)
        await whole.run()
        whole.forget()
        await whole.destroy()
        const count = writesIn(whole.sent).length
        expect(count).toBeGreaterThan(12)
        for (let after = 0; after < count; after += Math.max(killEvery, 3)) {
          const setup = given(auth)
          await setup.run()
          await expect(setup.destroy({ fail: killedAfter(after) })).rejects.toThrow('killed')
          await setup.destroy()
          expect(workOf((await setup.destroy()).changes)).toEqual([])
        }
      }, 60_000)
    })

    test('keys go when they are asked for', async () => {
      const setup = given('jwt')
      await setup.run()
      await setup.destroy({ keys: true })
      const { name: id } = setup
      expect(await setup.vault('GET', `transit-${id}/keys/${id}`)).toMatchObject({ status: 404 })
    })

    test('a mount with roles of somebody else stays', async () => {
      const setup = given('jwt')
      await setup.run()
      const { name: id } = setup
      const { body } = await setup.vault('GET', `auth/auth-${id}/role/${id}`)
      await setup.vault('POST', `auth/auth-${id}/role/other`, identityOf(body.data))
      const { notes } = await setup.destroy()
      expect(notes.map(({ says }) => says)).toContain('stays for its other roles: other')
      expect(await setup.vault('GET', `sys/auth/auth-${id}`)).toMatchObject({ status: 200 })
    })

    test('what is not of provision is not taken away', async () => {
      const setup = given('jwt')
      await setup.run()
      const { name: id } = setup
      const policy = `path "a" { capabilities = ["read"] }`
      await setup.vault('PUT', `sys/policies/acl/${id}-reader`, { policy })
      const account = `/api/v1/namespaces/${id}/serviceaccounts/${id}`
      await setup.kubernetes('DELETE', account)
      const body = { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: id } }
      await setup.kubernetes('POST', `/api/v1/namespaces/${id}/serviceaccounts`, body)
      await setup.destroy()
      expect((await setup.vault('GET', `sys/policies/acl/${id}-reader`)).status).toBe(200)
      expect(await setup.kubernetes('GET', account)).toMatchObject({ status: 200 })
    })

    describe('what the Ansible role set up', () => {
      const ansible = async (): Promise<{ plan: KubevaultPlan; setup: Provisioned }> => {
        const plan = originalPlan(world.servers, { ...named(unique()), policyName: unique() })
        await setUp(world, plan)
        const setup = provisioned(world, {
          cluster: { auth: 'kubernetes', mount: plan.authMount, adopt: true },
          app: {
            ...{ namespace: plan.namespace, serviceAccount: plan.serviceAccount },
            ...{ role: plan.role, policy: plan.policyName, transitKey: plan.transitKey },
            ...{ writer: false, rotator: false, tokenRequest: false, secrets: [], adopt: true },
          },
        })
        const file = { ...setup.file, transitMount: plan.transitMount }
        return { plan, setup: { ...setup, run: (options) => setup.run({ ...options, file }) } }
      }
      const readAsBefore = async (plan: KubevaultPlan): Promise<unknown> => {
        const { runtime } = await podOf(world, plan)
        await using sm = new SecretManager(secretCfg(world, plan), { runtime })
        return reveal(
          await sm.readSecrets(
            'matrix-secrets',
            plan.namespace,
            'SECRET',
            'secrets.json',
            plan.transitKey,
          ),
        )
      }

      test('is adopted without breaking whoever uses it', async () => {
        const { plan, setup } = await ansible()
        const paths = [
          `auth/${plan.authMount}/role/${plan.role}`,
          `auth/${plan.authMount}/config`,
          `sys/policies/acl/${plan.policyName}`,
          `transit/keys/${plan.transitKey}`,
        ]
        const state = (): Promise<unknown[]> =>
          Promise.all(paths.map(async (path) => (await setup.vault('GET', path)).body.data))
        const [before, dictionary] = [await state(), await readAsBefore(plan)]
        const verdict = await setup.run()
        expect(verdict.conflicts).toEqual([])
        expect(await state()).toEqual(before)
        expect(await readAsBefore(plan)).toEqual(dictionary)
        expect(verdict.notes.map(({ says }) => says)).toContain(
          'is not derived, and stays so: documents under it are bound to no place (scope none)',
        )
        setup.forget()
        await setup.run()
        expect(writesIn(setup.sent)).toEqual([])
        const file = { ...setup.file, transitMount: plan.transitMount }
        const proofs = await setup.with(prove, { file })
        expect(proofs.filter(isBroken)).toEqual([])
        // As wide as the original has it: told, and no failure.
        expect(proofs.filter(isOtherwise).map(({ what }) => what)).toContain('reader encrypts')
        await setup.destroy({ file })
        expect(await state()).toEqual(before)
        expect(await readAsBefore(plan)).toEqual(dictionary)
        const { body } = await setup.vault('GET', `sys/auth/${plan.authMount}`)
        expect(body.data.description).toBe('')
      })

      test('is refused where nobody said that it is to be adopted', async () => {
        const { plan } = await ansible()
        const cluster = { auth: 'kubernetes', mount: plan.authMount, reviewer: false, ca: '/ca' }
        const app = { role: plan.role, policy: plan.policyName, namespace: plan.namespace }
        const setup = provisioned(world, { cluster, app })
        await expect(setup.run()).rejects.toMatchObject({ code: 'SM_FILE_UNREADABLE' })
        const other = provisioned(world, { cluster: { ...cluster, ca: undefined }, app })
        await expect(other.run()).rejects.toMatchObject({
          code: 'SM_CONFIG_INVALID',
          message: expect.stringContaining(
            `policy ${plan.policyName} is there and not of provision: set adopt: true`,
          ),
        })
      })
    })

    test('a second app comes to the first', async () => {
      const setup = given('jwt')
      await setup.run()
      const one = fileFor(setup.name, { cluster: { auth: 'jwt' } }) as { apps: object[] }
      const other = `${setup.name}-b`
      const app = { name: other, namespace: setup.name, secrets: [{ secretName: 'other' }] }
      const file = parseProvisionFile({ ...one, apps: [...one.apps, app] }, 'file')
      setup.forget()
      await setup.run({ file })
      const writes = setup.sent.filter(isWrite)
      expect(writes.length).toBeGreaterThan(9)
      expect(writes.filter(({ url, body = '' }) => !`${url} ${body}`.includes(other))).toEqual([])
      expect((await setup.with(prove, { file })).filter(isBroken)).toEqual([])
    })
  })
}

/** What each write of a role of the jwt method has to say again. */
function identityOf(role: Readonly<Record<string, unknown>>): object {
  const names = ['role_type', 'user_claim', 'bound_subject', 'bound_audiences']
  return Object.fromEntries(names.filter((key) => key in role).map((key) => [key, role[key]]))
}

function workOf(changes: readonly Change[]): readonly string[] {
  return changes
    .filter(({ writes }) => writes.length > 0)
    .map(({ action, what }) => `${action} ${what}`)
}

async function stillToDo(
  servers: Parameters<Parameters<Provisioned['with']>[0]>[0],
): Promise<readonly string[]> {
  return workOf((await compare(servers)).changes)
}

const nameOf = (object: { readonly metadata: { readonly name: string } }): string =>
  object.metadata.name

/** As a kill does: what comes after this many writes is never sent. */
function killedAfter(count: number): (request: Parameters<typeof isWrite>[0]) => void {
  let written = 0
  return (request) => {
    if (!isWrite(request)) return
    if (written >= count) throw new Error('killed')
    written += 1
  }
}

/** Seals a dictionary as an administrator, and reads it as a pod of the app. */
async function readAsPod(world: KubevaultUnderTest, { name, file }: Provisioned): Promise<unknown> {
  const [cluster] = file.clusters
  const vault = {
    url: world.vaultUrl,
    ...(world.vaultCaPem !== '' && { caCert: { pem: world.vaultCaPem } }),
    transitMount: `transit-${name}`,
  }
  const definition = {
    secretName: 'matrix-secrets',
    namespace: name,
    readKey: 'secrets.json',
    transitKey: name,
  }
  const pod = await podOfAccount(world, { namespace: name, serviceAccount: name })
  const admin = adminConfig(world, world.servers.rootToken)
  const author = new SecretManager(
    { ...admin, vault: { ...admin.vault, transitMount: vault.transitMount } },
    { runtime: adminRuntime(world) },
  )
  await author.createSecrets(definition, JSON.stringify({ redis_url: 'redis://canary' }))
  await author.close()
  const auth = {
    method: cluster?.auth ?? 'jwt',
    role: name,
    mount: cluster?.mount ?? '',
  } as const
  await using sm = new SecretManager({ vault: { ...vault, auth } }, { runtime: pod })
  return reveal(await sm.readSecrets(definition))
}

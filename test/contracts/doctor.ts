/** Set-ups that are sound, and set-ups that are broken in one way each: doctor must tell them apart. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import type { SecretManagerConfig } from 'secretmanager'
import { appRoleIds, requestToken } from '../../src/dev/operator.ts'
import { journalName } from '../../src/rotation/journal.ts'
import type { Journal } from '../../src/rotation/journal-text.ts'
import { BROKEN } from './doctor-rows.ts'
import {
  asAdministrator,
  DATA_KEY,
  diagnose,
  doctor,
  DOCUMENT,
  mend,
  serviceOn,
  writeJournal,
  type DoctorUnderTest,
} from './doctor-setup.ts'

/** Runs the suite against what `open` gives. */
export function doctorContract(name: string, open: () => Promise<DoctorUnderTest>): void {
  describe(`doctor on ${name}`, () => {
    let world: DoctorUnderTest
    beforeAll(async () => {
      world = await open()
    }, 60_000)
    afterAll(() => world.close())

    test.each(['kubernetes', 'jwt'] as const)(
      'a sound set-up by %s has no finding',
      async (auth) => {
        const service = await serviceOn(world, () => ({ auth }))
        await service.store(DOCUMENT)
        const { code, found, checks } = await diagnose(service)
        expect({ code, found }).toEqual({ code: 0, found: [] })
        const unasked = checks
          .filter(({ outcome }) => outcome === 'not checked')
          .map(({ id }) => id)
        const other =
          auth === 'jwt'
            ? ['auth.ca', 'auth.host', 'auth.reviewer', 'auth.reviewer-term']
            : ['auth.keys', 'auth.reviewer-term']
        const unserved = [
          'key.snapshot',
          'vault.audit',
          'vault.audit-raw',
          'pod.sub-path',
          'updates.redis',
        ]
        expect(unasked.filter((id) => ![...other, ...unserved].includes(id))).toEqual([])
      },
    )

    test('a sound set-up by approle has no finding', async () => {
      const service = await serviceOn(world, () => ({ auth: 'approle' }))
      await service.store(DOCUMENT)
      const ids = await appRoleIds(world.vault, service.plan)
      const { vault } = service.config as SecretManagerConfig
      const auth = { method: 'approle', mount: service.plan.authMount, ...ids } as const
      service.config = { ...service.config, vault: { ...vault, auth } }
      const { code, found, check } = await diagnose(service)
      expect({ code, found }).toEqual({ code: 0, found: [] })
      expect(check('jwt.token')).toMatchObject({ outcome: 'not checked' })
      expect(check('login')).toMatchObject({ outcome: 'ok', reason: 'by approle' })
    })

    test('a sound set-up that never asks the API server has no finding, and asks it nothing', async () => {
      const service = await serviceOn(world)
      await service.store(DOCUMENT)
      const audiences = ['vault']
      service.files['/run/vault/token'] = await requestToken(world.kubernetes, {
        ...service.plan,
        audiences,
      })
      service.files[`/etc/sealed/${DATA_KEY}`] = await service.stored()
      service.files['/proc/self/mountinfo'] = '36 35 0:1 / /etc/sealed rw - tmpfs tmpfs rw\n'
      const { vault } = service.config as SecretManagerConfig
      service.config = {
        vault: { ...vault, auth: { ...vault.auth, jwtFile: '/run/vault/token' } as never },
        kubernetes: { mountedAt: '/etc/sealed', namespace: service.plan.namespace },
      }
      service.env = { VAULT_TOKEN: service.plan.rootToken }
      const { code, found, checks, check } = await diagnose(service)
      expect({ code, found }).toEqual({ code: 0, found: [] })
      const cluster = checks.filter(({ id }) => /^(kubernetes|rbac)\./.test(id))
      expect(new Set(cluster.map(({ outcome }) => outcome))).toEqual(new Set(['not checked']))
      expect(check('document.payload')).toMatchObject({ outcome: 'ok' })
      expect(check('pod.sub-path')).toMatchObject({ outcome: 'ok' })
    })

    test('access: who can decrypt, and who may become the ServiceAccount of the service', async () => {
      const service = await serviceOn(world)
      const { authMount, role, policyName, namespace, serviceAccount } = service.plan
      asAdministrator(service)
      const { code, stdout } = await doctor(
        service,
        ['--as-operator', '--json'],
        ['access', `${namespace}/app`],
      )
      expect(code).toBe(0)
      const { roles, accounts } = JSON.parse(stdout)
      const own = roles.filter((one: { role: string }) => one.role.includes(authMount))
      const account = `${namespace}/${serviceAccount}`
      expect(own).toEqual([
        {
          role: `auth/${authMount}/role/${role}`,
          policies: [policyName],
          doubts: [],
          subjects: [`ServiceAccount ${account}`],
          accounts: [account],
        },
      ])
      expect(accounts).toContainEqual({
        account,
        tokens: expect.arrayContaining(['Group system:masters', `ServiceAccount ${account}`]),
        pods: expect.arrayContaining(['Group system:masters']),
      })
    })

    test('access: what cannot be read counts as one that decrypts, and is named', async () => {
      const service = await serviceOn(world)
      const { authMount, role, policyName, namespace } = service.plan
      const odd = `${policyName}-odd`
      const policy = '{"path":{"transit/*":{"policy":"read"}},"path":{"*":{"policy":"write"}}}'
      await service.vault('PUT', `sys/policies/acl/${odd}`, { policy })
      const names = [odd, `${policyName}-none`, 'a b']
      const fields = { token_policies: names, bound_service_account_names: ['x'] }
      await service.vault('POST', `auth/${authMount}/role/${role}`, fields)
      const { stdout } = await doctor(service, ['--as-operator'], ['access', `${namespace}/app`])
      expect(stdout).toContain(
        `auth/${authMount}/role/${role} (policy ${odd} could not be understood: counts as may decrypt; policy a b was not read (vault policy read 'a b'): counts as may decrypt)`,
      )
    })

    test('access: what one policy grants and another denies is granted to nobody', async () => {
      const service = await serviceOn(world)
      const { authMount, role, policyName, namespace, transitMount } = service.plan
      const policy = `path "${transitMount}/decrypt/*" { policy = "deny" }\npath "/${transitMount}/decrypt/${service.plan.transitKey}" { "policy" = "deny" }`
      await service.vault('PUT', `sys/policies/acl/${policyName}-no`, { policy })
      const access = async (token_policies: readonly string[]): Promise<string> => {
        const fields = { token_policies, bound_service_account_names: ['x'] }
        await service.vault('POST', `auth/${authMount}/role/${role}`, fields)
        return (await doctor(service, ['--as-operator'], ['access', `${namespace}/app`])).stdout
      }
      expect(await access([policyName])).toContain(`${authMount}/role/${role} (policy`)
      expect(await access([policyName, `${policyName}-no`])).not.toContain(authMount)
    })

    test('a service that may look at its key, and no more, has no finding', async () => {
      const service = await serviceOn(world, ({ policy, transitMount }) => ({
        policy: `${policy}\npath "${transitMount}/keys/*" { capabilities = ["read"] }`,
      }))
      await service.store(DOCUMENT)
      expect(await diagnose(service)).toMatchObject({ code: 0, found: [] })
    })

    test('where no journal was found it says where it looked', async () => {
      const service = await serviceOn(world)
      await service.store(DOCUMENT)
      const { namespace } = service.plan
      expect((await diagnose(service)).check('key.snapshot')).toMatchObject({
        outcome: 'ok',
        reason: `no journal of a rotation is in ${namespace} (one elsewhere: --journal-namespace)`,
      })
    })

    test('a service that may not read the journal is told what it needs', async () => {
      // Of the ConfigMaps, those of documents alone.
      const service = await serviceOn(world, ({ rules }) => ({
        rules: rules.map((rule) =>
          'resourceNames' in rule ? rule : { ...rule, resourceNames: ['app'] },
        ),
      }))
      await service.store(DOCUMENT)
      await writeJournal(service, { from: 7, doneAt: 'x' })
      const { namespace, transitMount: mount, transitKey } = service.plan
      const { check } = await diagnose(service)
      expect(check('key.snapshot')).toMatchObject({
        outcome: 'not checked',
        reason: `get on configmaps ${namespace}/${journalName({ mount, transitKey })}`,
      })
    })

    test.each<[string, Partial<Journal>]>([
      ['was rotated', { from: 1 }],
      ['was about to be rotated', { phase: 'rotating', from: 1 }],
      ['was not rotated, as Vault refused', { phase: 'done', from: 1, begunAt: 'then' }],
      ['was retired', { from: 1, retirement: { phase: 'done', from: 0, to: 1, at: 'then' } }],
    ])('a key that %s, and is as its journal says', async (_how, changes) => {
      const service = await serviceOn(world)
      await service.store(DOCUMENT)
      await writeJournal(service, changes)
      const { found, check } = await diagnose(service)
      expect(found).toEqual([])
      expect(check('key.snapshot')).toMatchObject({
        outcome: 'ok',
        reason: expect.stringMatching(/^it has v1, /),
      })
    })

    test('without rights to look at it, a sound set-up has no finding either, and says what it needs', async () => {
      const service = await serviceOn(world)
      await service.store(DOCUMENT)
      const { code, found, check } = await diagnose(service, [])
      expect({ code, found }).toEqual({ code: 0, found: [] })
      expect(check('role.exists')).toMatchObject({
        outcome: 'not checked',
        reason: `read on auth/${service.plan.authMount}/role/${service.plan.role} (or --as-operator)`,
      })
      expect(check('document.payload')).toMatchObject({
        outcome: 'ok',
        reason: 'a dictionary of 2 entries',
      })
    })

    test.each(BROKEN.map((row) => [row.name, row] as const))('%s', async (_name, row) => {
      const own = row.fresh && (await world.fresh(row.fresh))
      try {
        const service = await serviceOn(own ?? world, row.plan)
        if (row.document !== null) await service.store(row.document ?? DOCUMENT)
        await row.arrange?.(service)
        const { code, found, check } = await diagnose(service, row.flags)
        const told = check(row.id)
        expect(told).toMatchObject({ outcome: row.outcome ?? 'finding' })
        expect(told.reason).toMatch(row.words)
        expect(told.mend).toMatch(row.mend ?? /\w/)
        const beside = found.filter((id) => id !== row.id && !row.also?.includes(id))
        expect({ code, beside }).toEqual({ code: 8, beside: [] })
        if (row.mends) {
          await mend(service, told.mend ?? '')
          expect((await diagnose(service)).check(row.id)).not.toMatchObject({
            outcome: told.outcome,
          })
        }
      } finally {
        await own?.close()
      }
    })
  })
}

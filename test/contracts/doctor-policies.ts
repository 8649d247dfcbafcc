/** Our reading of policies, held against what Vault itself says of tokens with them. */
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { expect2xx } from '../../src/dev/wire.ts'
import { rulesOf } from '../../src/doctor/access/policy-text.ts'
import { mayUpdate, type Grant } from '../../src/doctor/access/policy.ts'
import { CORPUS } from '../doctor/policy-corpus.ts'
import { anyText, blocks, chooser, choices, DECRYPT } from '../doctor/policy-syntax.ts'
import type { Wire } from './wire.ts'

/** A Vault of its own. */
export interface VaultWithPolicies {
  readonly vault: Wire
  readonly servers: { readonly rootToken: string }
  close(): Promise<void>
}

/** Runs the suite against what `open` gives. */
export function policyContract(name: string, open: () => Promise<VaultWithPolicies>): void {
  describe(`policies as doctor reads them, and as ${name} does`, () => {
    let world: VaultWithPolicies
    beforeAll(async () => {
      world = await open()
      await root('POST', 'sys/mounts/transit', { type: 'transit' })
      await root('POST', 'transit/keys/app', {})
    }, 60_000)
    afterAll(() => world.close())

    test('those that are easily read wrongly', async () => {
      const told: Record<string, Grant | undefined> = {}
      const real: Record<string, Grant> = {}
      for (const [how, text] of CORPUS.filter(([, policy]) => policy !== '')) {
        told[how] = answerTo(text)
        real[how] = await askedWith(text)
      }
      expect(told).toEqual(real)
    }, 30_000)

    test('any others, in any syntax', async () => {
      const sample = fc.sample(fc.tuple(blocks, choices), { numRuns: 150, seed: 4711 })
      const written = sample.map(([policy, numbers]) => anyText(policy, chooser(numbers)))
      for (const text of written.filter((one) => one.trim() !== '')) {
        expect({ text, grant: answerTo(text) }).toEqual({ text, grant: await askedWith(text) })
      }
    }, 60_000)

    test('what is damaged, and a policy all the same, is not read otherwise', async () => {
      const damage = fc.record({ at: fc.nat(), more: fc.constantFrom(...PIECES), cut: fc.nat(3) })
      const damaged = fc
        .tuple(blocks, choices, damage)
        .map(([policy, numbers, { at, more, cut }]) => {
          const text = anyText(policy, chooser(numbers))
          const place = at % (text.length + 1)
          return `${text.slice(0, place)}${more}${text.slice(place + cut)}`
        })
        .filter((text) => text.trim() !== '' && !text.includes('{{'))
      let read = 0
      for (const text of fc.sample(damaged, { numRuns: 300, seed: 4712 })) {
        const { rootToken: token } = world.servers
        const body = { policy: text }
        const { status } = await world.vault('POST', '/v1/sys/policies/acl/damaged', {
          token,
          body,
        })
        const told = answerTo(text)
        if (status >= 300 || told === undefined) continue
        read += 1
        expect({ text, told }).toEqual({ text, told: await askedWith(text) })
      }
      expect(read).toBeGreaterThan(50)
    }, 60_000)

    test.each<[string, string, number]>([
      ['update', '["update"]', 200],
      ['create', '["create"]', 403],
      ['read', '["read", "list", "sudo", "delete"]', 403],
    ])('the capability %s to decrypt', async (_name, capabilities, status) => {
      const plaintext = Buffer.from('canary').toString('base64')
      const { ciphertext } = await root('POST', 'transit/encrypt/app', { plaintext })
      const token = await tokenWith(`path "${DECRYPT}" { capabilities = ${capabilities} }`)
      const answer = await world.vault('POST', `/v1/${DECRYPT}`, { token, body: { ciphertext } })
      expect(answer.status).toBe(status)
    })

    test('a template holds for whom it is meant, and no other', async () => {
      const text = 'path "transit/{{identity.entity.metadata.does}}/app" { policy = "write" }'
      await root('POST', 'sys/policies/acl/templated', { policy: text })
      await root('POST', 'sys/auth/approle', { type: 'approle' })
      await root('POST', 'auth/approle/role/app', { token_policies: ['templated'] })
      const token = await login()
      const { entity_id: entity } = await lookup(token)
      const before = await grantOf(token)
      await root('POST', `identity/entity/id/${String(entity)}`, { metadata: { does: 'decrypt' } })
      expect([before, await grantOf(await login()), answerTo(text)]).toEqual(['no', 'yes', 'maybe'])
    })

    async function askedWith(policy: string): Promise<Grant> {
      return grantOf(await tokenWith(policy))
    }

    async function tokenWith(policy: string): Promise<string> {
      await root('POST', 'sys/policies/acl/asked', { policy })
      return newToken({ policies: ['asked'], no_default_policy: true, type: 'batch' })
    }

    async function newToken(body: object): Promise<string> {
      const { body: reply } = await call('POST', 'auth/token/create', body)
      return String((reply['auth'] as unknown as Record<string, string>)['client_token'])
    }

    async function login(): Promise<string> {
      const { role_id } = await root('GET', 'auth/approle/role/app/role-id')
      const { secret_id } = await root('POST', 'auth/approle/role/app/secret-id', {})
      const { body } = await call('POST', 'auth/approle/login', { role_id, secret_id })
      return String((body['auth'] as unknown as Record<string, string>)['client_token'])
    }

    function lookup(token: string): Promise<Readonly<Record<string, unknown>>> {
      return root('POST', 'auth/token/lookup', { token })
    }

    async function grantOf(token: string): Promise<Grant> {
      const { [DECRYPT]: names } = await root('POST', 'sys/capabilities', {
        token,
        paths: [DECRYPT],
      })
      return (names as readonly string[]).includes('update') ? 'yes' : 'no'
    }

    async function root(
      method: string,
      path: string,
      body?: object,
    ): Promise<Readonly<Record<string, unknown>>> {
      const { body: reply } = await call(method, path, body)
      return reply?.['data'] ?? {}
    }

    async function call(method: string, path: string, body?: object) {
      const { rootToken: token } = world.servers
      const answer = await world.vault(method, `/v1/${path}`, { token, body })
      expect2xx(method, path, answer)
      return answer
    }
  })
}

const PIECES = [
  '',
  ' ',
  '\n',
  '"',
  '{',
  '}',
  '[',
  ']',
  ',',
  '=',
  '#',
  '/*',
  '\\',
  '$',
  '<<A\n',
  'deny',
  'path',
]

function answerTo(text: string): Grant | undefined {
  const rules = rulesOf(text)
  return rules && mayUpdate(rules, DECRYPT)
}

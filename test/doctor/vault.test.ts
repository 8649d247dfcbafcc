/** What doctor says of the states that Vault can be in, and of what is no Vault. */
import { expect, onTestFinished, test } from 'vitest'

import { VAULT_NETWORK } from '../../src/doctor/checks/network.ts'
import { VAULT } from '../../src/doctor/checks/vault.ts'
import { hang, html, json, scriptedServer, type Step } from '../faults/scripted-server.ts'
import { socketRuntime } from '../faults/world.ts'
import { notOk, resultsOf } from './world.ts'

const AUTH = { method: 'kubernetes', role: 'app', jwtFile: '/nowhere' } as const
const SERVES = { initialized: true, sealed: false, standby: false, version: '1.17.6' }
/** What nobody could look at without a login. */
const UNSEEN = ['vault.audit', 'vault.audit-raw']

async function told(answer: Step, timeout = 10_000) {
  const server = await scriptedServer({ 'GET /v1/sys/health': answer })
  onTestFinished(() => server.close())
  const config = { vault: { url: server.url, auth: AUTH }, timeout }
  const results = await resultsOf([...VAULT_NETWORK, ...VAULT], config, socketRuntime())
  return { server, results, found: notOk(results).filter((id) => /^vault\.(i|u|a)/.test(id)) }
}

const now = (): number => Math.floor(Date.now() / 1000)

test.each<[string, object, string, RegExp]>([
  ['not initialised', { initialized: false, sealed: true }, 'vault.initialised', /not initialised/],
  ['sealed', { ...SERVES, sealed: true }, 'vault.unsealed', /sealed/],
  [
    'a secondary for disaster recovery',
    { ...SERVES, replication_dr_mode: 'secondary' },
    'vault.active',
    /disaster recovery/,
  ],
  ['another service that speaks JSON', { status: 'green' }, 'vault.initialised', /does not speak/],
])('V4: %s', async (_state, body, id, words) => {
  const { results, found } = await told(json(200, body))
  expect(found[0]).toBe(id)
  expect(results[id]?.outcome).toBe('finding')
  expect(results[id]?.reason).toMatch(words)
})

test('V4: plain http to a port that speaks TLS', async () => {
  const { results, server } = await told(html(400))
  expect(results['vault.initialised']).toMatchObject({
    outcome: 'finding',
    reason: `what answers at ${server.url} does not speak for Vault over plain http`,
    mend: `set vault.url to ${server.url.replace('http:', 'https:')}, and vault.caCert to its CA`,
  })
})

test.each<[string, object, string]>([
  ['the active node', {}, 'the active node'],
  ['a standby', { standby: true }, 'a standby'],
  ['a performance standby', { standby: true, performance_standby: true }, 'a performance standby'],
])('%s serves', async (_state, more, words) => {
  const { results, found } = await told(json(200, { ...SERVES, ...more, server_time_utc: now() }))
  expect(found).toEqual(UNSEEN)
  expect(results['vault.active']?.reason).toContain(words)
  expect(results['vault.initialised']?.reason).toBe('version 1.17.6')
})

test.each<[string, Step, number?]>([
  ['V2: silence', hang(), 300],
  ['V3: the page of a portal', html(200)],
  ['V4: a gateway without servers', json(502, {})],
])('%s: once, and at once', async (_what, answer, timeout) => {
  const { results, server } = await told(answer, timeout)
  expect(results['vault.initialised']).toMatchObject({ outcome: 'finding' })
  expect(results['vault.unsealed']).toMatchObject({
    outcome: 'not checked',
    reason: 'vault.initialised',
  })
  expect(server.to('GET /v1/sys/health')).toHaveLength(1)
})

test('a version that is no version is not repeated', async () => {
  const { results } = await told(json(200, { ...SERVES, version: 'CANARY\u001B[2J' }))
  expect(results['vault.initialised']?.reason).toBe('version unknown')
})

test('health is asked for outside of every namespace', async () => {
  const server = await scriptedServer({ 'GET /v1/sys/health': json(200, SERVES) })
  onTestFinished(() => server.close())
  const config = { vault: { url: server.url, auth: AUTH, namespace: 'team' } }
  await resultsOf(VAULT, config, socketRuntime())
  const [asked] = server.to('GET /v1/sys/health')
  expect(asked?.headers).not.toHaveProperty('x-vault-namespace')
})

import { describe, expect, onTestFinished, test } from 'vitest'
import { isSecretManagerError, reveal, SecretManager, type Runtime } from 'secretmanager'
import { createTestStack, type TestStack } from 'secretmanager/testing'

const SECRETS = { 'app-secrets': { redis_url: 'redis://test', nested: { n: 1 } } }

test('a unit test reads a dictionary without sockets: 2 calls to Vault, 2 to Kubernetes', async () => {
  const stack = await createTestStack({ secrets: SECRETS })
  await using sm = new SecretManager(stack.config, { runtime: stack.runtime })
  expect(reveal(await sm.readSecrets(stack.definition('app-secrets')))).toEqual(
    SECRETS['app-secrets'],
  )
  expect(stack.calls).toEqual({ vault: 2, kubernetes: 2 })
})

test('a test seals Vault and meets what a power cut leaves behind', async () => {
  const stack = await createTestStack({ secrets: SECRETS })
  const config = { ...stack.config, startup: { wait: 0 }, cache: { keepAtMost: 0 } }
  await using sm = new SecretManager(config, { runtime: stack.runtime })
  await stack.sealVault()
  const error: unknown = await sm
    .readSecrets(stack.definition('app-secrets'))
    .catch((reason: unknown) => reason)
  expect(isSecretManagerError(error) && error.code).toBe('SM_VAULT_SEALED')
  await stack.unsealVault()
  const { redis_url } = await sm.readSecrets(stack.definition('app-secrets'))
  expect(redis_url).toBe('redis://test')
})

test('a stored dictionary is replaced by the next of its name', async () => {
  const stack = await createTestStack({ secrets: SECRETS })
  await using sm = new SecretManager(stack.config, { runtime: stack.runtime })
  await stack.store('app-secrets', { redis_url: 'redis://other' })
  const { redis_url } = await sm.readSecrets(stack.definition('app-secrets'))
  expect(redis_url).toBe('redis://other')
})

test('dictionaries are sealed under a derived key, or raw where a test wants what the original has', async () => {
  for (const [format, stored] of [
    ['sealed', /^sealed:v1:transit:app:strict:\d+:vault:v1:/],
    ['raw', /^vault:v1:/],
  ] as const) {
    const stack = await createTestStack({ secrets: SECRETS, format })
    await using sm = new SecretManager(stack.config, { runtime: stack.runtime })
    const definition = stack.definition('app-secrets')
    expect(definition.format).toBe(format)
    expect(await sm.readK8sSecret(definition)).toMatch(stored)
    expect(reveal(await sm.readSecrets(definition))).toEqual(SECRETS['app-secrets'])
    const key = await stack.operator.vault('GET', '/v1/transit/keys/app')
    expect(key).toMatchObject({ body: { data: { derived: format === 'sealed' } } })
  }
})

test('what a test stores while Vault is sealed fails at once', async () => {
  const stack = await createTestStack({ secrets: SECRETS })
  await stack.sealVault()
  const storing = stack.store('app-secrets', {})
  await expect(storing).rejects.toMatchObject({ code: 'SM_VAULT_SEALED' })
})

describe('what goes wrong in a cluster can be had in a test', () => {
  test('a Secret that is deleted', async () => {
    const { stack, codeOf } = await world()
    await stack.remove('app-secrets')
    expect(await codeOf()).toBe('SM_K8S_NOT_FOUND')
    await expect(stack.remove('app-secrets')).rejects.toThrow('404')
  })

  test('a pod whose ServiceAccount Vault does not know', async () => {
    const { stack, codeOf } = await world()
    expect(await codeOf(await stack.stranger('other'))).toBe('SM_AUTH_DENIED')
  })

  test.each([
    ['vault', 'SM_VAULT_UNREACHABLE'],
    ['kubernetes', 'SM_K8S_UNREACHABLE'],
  ] as const)('%s that is down, and comes back', async (server, code) => {
    const { stack, codeOf } = await world()
    stack.disconnect(server)
    expect(await codeOf()).toBe(code)
    expect(stack.calls[server]).toBe(0)
    stack.reconnect(server)
    expect(await codeOf()).toBe('none')
  })

  test('whatever else an operator breaks', async () => {
    const { stack, codeOf } = await world()
    const { status } = await stack.operator.vault('DELETE', '/v1/sys/policies/acl/app')
    expect(status).toBe(204)
    expect(await codeOf()).toBe('SM_VAULT_DENIED')
    const secrets = '/api/v1/namespaces/app/secrets'
    expect(await stack.operator.kubernetes('GET', secrets)).toMatchObject({
      status: 200,
      body: { items: [{ metadata: { name: 'app-secrets' } }] },
    })
  })
})

test('time that a test moves lets the Vault token end: the next read logs in anew', async () => {
  const { stack, sm } = await world()
  const callsOf = async (): Promise<number> => {
    const before = stack.calls.vault
    await sm.readSecrets(stack.definition('app-secrets'))
    return stack.calls.vault - before
  }
  expect([await callsOf(), await callsOf()]).toEqual([2, 1])
  stack.advance(10_000)
  expect([await callsOf(), await callsOf()]).toEqual([2, 1])
  stack.advance(23 * 3_600_000)
  expect(await callsOf()).toBe(2)
})

interface World {
  readonly stack: TestStack
  readonly sm: SecretManager
  /** Code of a read's failure, or `none`. */
  readonly codeOf: (runtime?: Runtime) => Promise<string>
}

async function world(): Promise<World> {
  const stack = await createTestStack({ secrets: SECRETS })
  const config = { ...stack.config, startup: { wait: 0 }, cache: { keepAtMost: 0 } }
  const sm = new SecretManager(config, { runtime: stack.runtime })
  onTestFinished(() => sm.close())
  const codeOf = async (runtime = stack.runtime): Promise<string> => {
    await using pod = new SecretManager(config, { runtime })
    try {
      await pod.readSecrets(stack.definition('app-secrets'))
      return 'none'
    } catch (error) {
      return isSecretManagerError(error) ? error.code : 'foreign'
    }
  }
  return { stack, sm, codeOf }
}

import { expect, test } from 'vitest'
import { isSecretManagerError, reveal, SecretManager } from 'secretmanager'
import { createTestStack } from 'secretmanager/testing'

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
  const config = { ...stack.config, startup: { wait: 0 } }
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

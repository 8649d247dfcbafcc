import { expect, onTestFinished, test } from 'vitest'
import { SecretManager } from 'secretmanager'
import { createTestStack, type TestStack, type TestStackOptions } from 'secretmanager/testing'

const SECRETS = { 'app-secrets': { redis_url: 'redis://test' } }

test.each(['kubernetes', 'jwt', 'approle'] as const)(
  'a pod reads with a login by %s',
  async (auth) => {
    const { stack, read } = await world({ auth })
    expect(stack.config.vault.auth).toMatchObject({ method: auth })
    expect(await read()).toBe('redis://test')
    expect(stack.calls.vault).toBe(2)
  },
)

test('jwt takes the ServiceAccount that the role is bound to, and no other', async () => {
  const { stack, read } = await world({ auth: 'jwt' })
  await expect(read(await stack.stranger('other'))).rejects.toMatchObject({
    code: 'SM_AUTH_DENIED',
  })
})

test('jwt needs no access of Vault to the API server', async () => {
  const { stack, read } = await world({ auth: 'jwt' })
  const { status } = await stack.operator.kubernetes(
    'DELETE',
    '/api/v1/namespaces/kube-system/serviceaccounts/vault-reviewer',
  )
  expect(status).toBe(404)
  expect(await read()).toBe('redis://test')
})

test.each([
  [{}, { token_ttl: 10, token_max_ttl: 0, token_type: 'batch', token_no_default_policy: true }],
  [
    { ttl: '2s', maxTtl: '1m', type: 'service' },
    { token_ttl: 2, token_max_ttl: 60, token_type: 'service', token_no_default_policy: false },
  ],
  [
    { type: 'service', renewable: false },
    { token_ttl: 10, token_type: 'service', token_no_default_policy: true },
  ],
] as const)('logins give the tokens %j', async (token, expected) => {
  const { stack } = await world({ token })
  const { body } = await stack.operator.vault('GET', '/v1/auth/kubernetes/role/app')
  expect(body).toMatchObject({ data: expected })
})

async function world(options: TestStackOptions): Promise<{
  readonly stack: TestStack
  readonly read: (runtime?: TestStack['runtime']) => Promise<unknown>
}> {
  const stack = await createTestStack({ secrets: SECRETS, ...options })
  const read = async (runtime = stack.runtime): Promise<unknown> => {
    const config = { ...stack.config, startup: { wait: 0 } }
    const sm = new SecretManager(config, { runtime })
    onTestFinished(() => sm.close())
    const values = await sm.readSecrets(stack.definition('app-secrets'))
    return values['redis_url']
  }
  return { stack, read }
}

import { describe, expect, test } from 'vitest'

import { transitOn } from './transit-world.ts'

describe('decrypt', () => {
  test('posts to the mount, with token and namespace', async () => {
    const { transit, budget, sent } = transitOn(() => ({
      status: 200,
      json: { data: { plaintext: 'AP8=' } },
    }))
    const plaintext = await transit.decrypt(budget.begin(), 'app', 'vault:v1:AAAA')
    expect([...plaintext]).toEqual([0, 255])
    expect(sent).toHaveLength(1)
    expect(sent[0]).toMatchObject({
      method: 'POST',
      url: 'https://vault.example:8200/v1/mounts/transit/decrypt/app',
      headers: { 'x-vault-token': 'a', 'x-vault-namespace': 'team/a', 'x-vault-request': 'true' },
      body: '{"ciphertext":"vault:v1:AAAA"}',
    })
  })

  test('an empty plaintext is an empty document', async () => {
    const { transit, budget } = transitOn(() => ({
      status: 200,
      json: { data: { plaintext: '' } },
    }))
    expect(await transit.decrypt(budget.begin(), 'app', 'vault:v1:AAAA')).toHaveLength(0)
  })

  test.each([[undefined], [null], [1], ['A'], ['AAA'], ['A*=='], ['AAAA\n'], [{}]])(
    'I9: plaintext %j is none',
    async (plaintext) => {
      const { transit, budget } = transitOn(() => ({ status: 200, json: { data: { plaintext } } }))
      const result = transit.decrypt(budget.begin(), 'app', 'vault:v1:AAAA')
      await expect(result).rejects.toMatchObject({ code: 'SM_VAULT_BAD_RESPONSE' })
    },
  )

  test.each([['..'], ['a/b'], ['a?b'], ['a%2fb'], [''], ['../../sys/seal'], ['a#']])(
    'a key named %j is in no URL',
    async (key) => {
      const { transit, budget, sent } = transitOn(() => ({ status: 200 }))
      const result = transit.decrypt(budget.begin(), key, 'vault:v1:AAAA')
      await expect(result).rejects.toMatchObject({ code: 'SM_CONFIG_INVALID' })
      expect(sent).toEqual([])
    },
  )
})

describe('rotate', () => {
  test('believes the version that the answer names: who may only rotate may not read the key', async () => {
    const { transit, budget, sent } = transitOn(({ method }) =>
      method === 'POST' ? { status: 200, json: { data: { latest_version: 2 } } } : { status: 403 },
    )
    expect(await transit.rotate(budget.begin(), 'app')).toBe(2)
    expect(sent).toHaveLength(1)
  })

  test('says that the key was rotated where only its version cannot be read', async () => {
    const { transit, budget } = transitOn(({ method }) => ({
      status: method === 'POST' ? 204 : 403,
    }))
    await expect(transit.rotate(budget.begin(), 'app')).rejects.toMatchObject({
      code: 'SM_VAULT_DENIED',
      message: expect.stringMatching(
        /^the key was rotated, but its version is not known: vault at /,
      ),
    })
  })

  test('is sent once, and the key is read', async () => {
    const { transit, budget, sent } = transitOn(({ method }) =>
      method === 'POST' ? { status: 204 } : { status: 200, json: { data: { latest_version: 3 } } },
    )
    expect(await transit.rotate(budget.begin(), 'app')).toBe(3)
    expect(sent.map(({ method, url }) => `${method} ${new URL(url).pathname}`)).toEqual([
      'POST /v1/mounts/transit/keys/app/rotate',
      'GET /v1/mounts/transit/keys/app',
    ])
  })

  test('V15: is not repeated when its outcome is unknown', async () => {
    const { transit, budget, sent } = transitOn(() => ({ status: 500 }))
    const result = transit.rotate(budget.begin(), 'app')
    await expect(result).rejects.toMatchObject({ code: 'SM_VAULT_5XX', attempts: 1 })
    expect(sent).toHaveLength(1)
  })

  test('the hint of a 403 names the capability that is missing', async () => {
    const { transit, budget } = transitOn(({ method }) => ({
      status: method === 'GET' ? 403 : 204,
    }))
    await expect(transit.readKey(budget.begin(), 'app')).rejects.toMatchObject({
      hint: expect.stringContaining('["read"]'),
    })
  })

  test.each([[undefined], ['3'], [0], [-1]])(
    'I9: latest_version %j is none',
    async (latest_version) => {
      const { transit, budget } = transitOn(() => ({
        status: 200,
        json: { data: { latest_version } },
      }))
      const result = transit.readKey(budget.begin(), 'app')
      await expect(result).rejects.toMatchObject({ code: 'SM_VAULT_BAD_RESPONSE' })
    },
  )
})

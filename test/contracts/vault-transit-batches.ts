import { describe, expect, test } from 'vitest'
import { openBench, type Bench } from './vault-transit-bench.ts'
import { b64, DENIED, type ClientSource } from './vault-under-test.ts'

const NO_BASE64 = 'illegal base64 data at input byte 0'

/** Encrypt, decrypt and rewrap of many items at once. */
export function transitBatchSuite(client: ClientSource): void {
  const bench = (settings: object = {}, context?: string): Promise<Bench> =>
    openBench(client(), settings, context)

  describe('transit batches', () => {
    test('keep order and references', async () => {
      const { vault, mount } = await bench()
      const items = [{ plaintext: b64('a'), reference: 'r1' }, { plaintext: b64('b') }]
      const path = (operation: string): string => `${mount}/${operation}/app`
      const made = await vault.data('POST', path('encrypt'), { batch_input: items })
      expect(made.batch_results).toEqual([
        { ciphertext: expect.stringMatching(/^vault:v1:/), key_version: 1, reference: 'r1' },
        { ciphertext: expect.stringMatching(/^vault:v1:/), key_version: 1, reference: '' },
      ])
      const read = await vault.data('POST', path('decrypt'), { batch_input: made.batch_results })
      expect(read.batch_results).toEqual([
        { plaintext: b64('a'), reference: 'r1' },
        { plaintext: b64('b'), reference: '' },
      ])
      const again = await vault.data('POST', path('rewrap'), { batch_input: made.batch_results })
      expect(again.batch_results).toMatchObject([
        { key_version: 1, reference: 'r1' },
        { key_version: 1, reference: '' },
      ])
    })

    test.each([
      [undefined, 400, null],
      [200, 200, null],
      [222, 222, null],
      [
        999,
        400,
        [
          'invalid HTTP response code override from partial_failure_response_code, reverting to 400',
        ],
      ],
    ])(
      'that fail in part, with code %s, answer %i and all results',
      async (code, status, warnings) => {
        const { ciphertext, decrypt } = await bench()
        const batch_input = [
          { ciphertext, reference: 'good' },
          { ciphertext: 'junk' },
          { ciphertext: '' },
        ]
        const answer = await decrypt({ batch_input, partial_failure_response_code: code })
        const failed = (error: string): object => ({ plaintext: '', error, reference: '' })
        expect(answer).toMatchObject({ status, body: { warnings, request_id: expect.any(String) } })
        expect(answer).toHaveProperty('body.data.batch_results', [
          { plaintext: b64('hello'), reference: 'good' },
          failed('invalid ciphertext: no prefix'),
          failed('missing ciphertext to decrypt'),
        ])
      },
    )

    test('that fail as a whole answer 400 whatever code was asked for', async () => {
      const { vault, mount, decrypt } = await bench()
      const body = { batch_input: [{ ciphertext: 'junk' }], partial_failure_response_code: 200 }
      const results = [{ plaintext: '', error: 'invalid ciphertext: no prefix', reference: '' }]
      expect(await decrypt(body)).toMatchObject({
        status: 400,
        body: { data: { batch_results: results } },
      })
      const encrypt = await vault.call('POST', `${mount}/encrypt/app`, {
        batch_input: [{ plaintext: '!!' }],
      })
      expect(encrypt).toMatchObject({ status: 400 })
      expect(encrypt.body.data.batch_results).toEqual([{ error: NO_BASE64, reference: '' }])
    })

    test('of rewraps answer 200 even when every item failed', async () => {
      const { vault, mount } = await bench()
      const batch_input = [{ ciphertext: 'junk', reference: 'r' }, {}]
      const { batch_results } = await vault.data('POST', `${mount}/rewrap/app`, { batch_input })
      expect(batch_results).toEqual([
        { error: 'invalid ciphertext: no prefix', reference: 'r' },
        { error: 'missing ciphertext to decrypt', reference: '' },
      ])
    })

    test.each([
      ['encrypt', 'x', 'source data must be an array or slice, got string'],
      ['encrypt', [1], "[0] expected a map, got 'json.Number'"],
      ['encrypt', [{}], "'[0].plaintext' missing plaintext to encrypt"],
      [
        'encrypt',
        [{ plaintext: 1 }],
        "'[0].plaintext' expected type 'string', got unconvertible type 'json.Number'",
      ],
      [
        'encrypt',
        [{ plaintext: '', key_version: '1' }],
        "'[0].key_version' expected type 'int', got unconvertible type 'string'",
      ],
      ['decrypt', [{}], "'[0].ciphertext' missing ciphertext to decrypt"],
      ['rewrap', 'x', "'' source data must be an array or slice, got string"],
    ])(
      'of %s that are malformed (%j) are a server error',
      async (operation, batch_input, reason) => {
        const { vault, mount } = await bench()
        const error = `1 error occurred:\n\t* failed to parse batch input: ${reason}\n\n`
        await vault.refused(['POST', `${mount}/${operation}/app`, { batch_input }], 500, error)
      },
    )

    test('may hold a thousand and one items', async () => {
      const { vault, mount } = await bench()
      const batch_input = Array.from({ length: 1001 }, () => ({ plaintext: b64('x') }))
      const data = await vault.data('POST', `${mount}/encrypt/app`, { batch_input })
      expect(data.batch_results).toHaveLength(1001)
    })

    test('are refused where a policy pins the context', async () => {
      const context = b64('prod/app')
      const { vault, mount, ciphertext } = await bench({ derived: true }, context)
      const token = await vault.tokenWith(`path "${mount}/decrypt/app" {
        capabilities = ["update"]
        allowed_parameters = { "ciphertext" = [], "context" = ["${context}"] }
      }`)
      const path = `${mount}/decrypt/app`
      await vault.data('POST', path, { ciphertext, context }, token)
      const other = { ciphertext, context: b64('other') }
      await vault.refused(['POST', path, other, token], 403, DENIED)
      const batch = { batch_input: [{ ciphertext, context }] }
      await vault.refused(['POST', path, batch, token], 403, DENIED)
    })
  })
}

import { describe, expect, test } from 'vitest'
import { isSecretManagerError, type SecretManagerError } from '../../src/errors.ts'
import type { HttpRequest } from '../../src/runtime.ts'
import type { RewrapItem } from '../../src/vault/keyring.ts'
import { inProcess, type Answered, type Handler } from '../faults/in-process.ts'
import { codes, rotatorOn, type Rotator } from './keyring-world.ts'

interface World extends Rotator {
  readonly sent: readonly HttpRequest[]
}

function keyringOn(handler: Handler): World {
  const server = inProcess(handler)
  return { ...rotatorOn(server.transport, 'mounts/transit', 'a'), sent: server.sent }
}

interface Item {
  readonly ciphertext: string
  readonly context?: string
  readonly reference?: string
}

function bodyOf({ body = '' }: HttpRequest): Item & { readonly batch_input?: Item[] } {
  return JSON.parse(body) as Item
}

/** How many items each request had; 0 for a plain rewrap. */
function sizes(sent: readonly HttpRequest[]): number[] {
  return sent.map((request) => bodyOf(request).batch_input?.length ?? 0)
}

const TOO_NEW = 'invalid ciphertext: version is too new'
const DENIED: Answered = { status: 403, json: { errors: ['permission denied'] } }

/** The same document under version 2; what is no ciphertext is the error. */
function rewrapped({ ciphertext, reference }: Item): object {
  const name = reference === undefined ? {} : { reference }
  if (!ciphertext.startsWith('vault:v1:')) return { error: ciphertext, ...name }
  return { ciphertext: ciphertext.replace('v1', 'v2'), key_version: 2, ...name }
}

/** Answers as Transit does: a batch by 200, whatever became of its items. */
function vaultLike(request: HttpRequest): Answered {
  const { batch_input: batch, ...item } = bodyOf(request)
  if (batch) return { status: 200, json: { data: { batch_results: batch.map(rewrapped) } } }
  const data = rewrapped(item)
  return 'error' in data
    ? { status: 400, json: { errors: [data.error] } }
    : { status: 200, json: { data } }
}

/** Changes the results of batches of real answers. */
function withResults(change: (results: object[]) => unknown, status = 200): Handler {
  return (request) => {
    const batch = bodyOf(request).batch_input
    if (!batch) return vaultLike(request)
    return { status, json: { data: { batch_results: change(batch.map(rewrapped)) } } }
  }
}

function items(count: number, from = 0): RewrapItem[] {
  return Array.from({ length: count }, (_, index) => ({ ciphertext: sealed(index + from) }))
}

function sealed(index: number, version = 1): string {
  return `vault:v${version}:${Buffer.from(`CANARY ${index}`).toString('base64')}`
}

const inContext = (count: number): RewrapItem[] =>
  items(count).map(({ ciphertext }, index) => ({
    ciphertext,
    context: new TextEncoder().encode(`context ${index}`),
  }))

async function failure(call: Promise<unknown>): Promise<SecretManagerError> {
  return call.then(
    () => expect.unreachable('it succeeded'),
    (reason: unknown) => {
      if (isSecretManagerError(reason)) return reason
      throw reason
    },
  )
}

describe('rewrap', () => {
  test('of one is a plain request, of many batches within the limits of both servers', async () => {
    const { rewrap, sent } = keyringOn(vaultLike)
    await rewrap('app', items(1))
    expect(sent[0]).toMatchObject({ method: 'POST', url: expect.stringMatching(/\/rewrap\/app$/) })
    expect(bodyOf(sent[0] ?? expect.unreachable())).toEqual({ ciphertext: sealed(0) })
    const results = await rewrap('app', items(600))
    expect(sizes(sent)).toEqual([0, 249, 249, 102])
    const wanted = items(600).map((_, index) => ({
      ciphertext: sealed(index, 2),
      keyVersion: 2,
    }))
    expect(results).toEqual(wanted)
  })

  test('of items with and without a context keeps them in requests apart, and their order', async () => {
    const { rewrap, sent } = keyringOn(vaultLike)
    // Transit takes an empty context for none.
    const empty = { ciphertext: 'bad', context: new Uint8Array() }
    const mixed = [...inContext(2), ...items(2, 2), ...inContext(1), empty]
    const results = await rewrap('app', mixed)
    expect(codes(results)).toEqual([2, 2, 2, 2, 2, 'SM_VAULT_REJECTED'])
    const contexts = sent.map((request) =>
      bodyOf(request).batch_input?.map(({ context }) => context !== undefined),
    )
    expect(contexts).toEqual([
      [false, false, false],
      [true, true, true],
    ])
  })

  test('of nothing asks nothing', async () => {
    const { rewrap, sent } = keyringOn(vaultLike)
    expect(await rewrap('app', [])).toEqual([])
    expect(sent).toHaveLength(0)
  })

  test('V6: tells the version that a standby gave, also where it lags behind', async () => {
    const { rewrap } = keyringOn(
      withResults((results) =>
        results.map((_, index) => ({ ciphertext: sealed(index), reference: String(index) })),
      ),
    )
    expect(codes(await rewrap('app', items(2)))).toEqual([1, 1])
  })

  test.each(['../sys/seal', 'a/b', '', 'a b'])('never asks for a key named %j', async (key) => {
    const { rewrap, facts, configure, trim, sent } = keyringOn(vaultLike)
    const calls = [
      rewrap(key, items(1)),
      facts(key),
      configure(key, { minDecryptionVersion: 1 }),
      trim(key, 1),
    ]
    for (const call of calls) {
      expect(await failure(call)).toMatchObject({ code: 'SM_CONFIG_INVALID' })
    }
    expect(sent).toHaveLength(0)
  })
})

describe('V14: of a batch whose results do not fit, nothing is used', () => {
  const one = { ciphertext: sealed(1, 2), reference: '1' }

  test.each<[string, (results: object[]) => unknown]>([
    ['reordered', (results) => results.toReversed()],
    ['one missing', (results) => results.slice(1)],
    ['one too many', (results) => [...results, one]],
    ['one twice', (results) => results.map(() => one)],
    ['a reference of nobody', (results) => results.map((it) => ({ ...it, reference: '9' }))],
    ['a hole', ([first]) => [first, null]],
    ['no list', () => ({ 0: one })],
    ['nothing', () => undefined],
  ])('%s', async (_what, change) => {
    const { rewrap, sent } = keyringOn(withResults(change))
    const bad = 'SM_VAULT_BAD_RESPONSE'
    expect(codes(await rewrap('app', items(2)))).toEqual([bad, bad])
    expect(sent).toHaveLength(1)
  })

  test('and of the other batches everything is', async () => {
    let batch = 0
    const handler = withResults((results) => (++batch === 2 ? results.slice(1) : results))
    const { rewrap, sent } = keyringOn(handler)
    const results = codes(await rewrap('app', items(600)))
    expect(results.map((code) => code === 2)).toEqual(
      items(600).map((_, index) => index < 249 || index >= 498),
    )
    expect(sent).toHaveLength(3)
  })

  test('but results in the answer of a 400 do', async () => {
    const { rewrap } = keyringOn(withResults((results) => results, 400))
    const mixed = [...items(1), { ciphertext: 'message authentication failed' }]
    expect(codes(await rewrap('app', mixed))).toEqual([2, 'SM_CT_AUTH_FAILED'])
  })
})

describe('V14: an answer that is no ciphertext replaces nothing', () => {
  test.each([
    ['none', {}],
    ['a number', { ciphertext: 5 }],
    ['empty', { ciphertext: '' }],
    ['plaintext', { ciphertext: 'aGVsbG8=' }],
    ['version 0', { ciphertext: 'vault:v0:AAAA' }],
    ['of another version than it says', { ciphertext: 'vault:v2:AAAA', key_version: 3 }],
    ['with an error that is no text', { ciphertext: 'vault:v2:AAAA', error: {} }],
  ])('%s', async (_what, answer) => {
    const alone = keyringOn(() => ({ status: 200, json: { data: answer } }))
    if (!('error' in answer)) {
      expect(codes(await alone.rewrap('app', items(1)))).toEqual(['SM_VAULT_BAD_RESPONSE'])
    }
    const inBatch = keyringOn(
      withResults(([first = {}, second]) => {
        const { reference } = first as Item
        return [{ ...answer, reference }, second]
      }),
    )
    expect(codes(await inBatch.rewrap('app', items(2)))).toEqual(['SM_VAULT_BAD_RESPONSE', 2])
  })
})

describe('a batch that is refused', () => {
  test.each([
    [413, 'by a gateway', undefined],
    [400, 'by the server', ['request body too large']],
  ])('%i %s goes in smaller ones, and the size is remembered', async (status, _by, errors) => {
    const { rewrap, sent } = keyringOn((request) =>
      (bodyOf(request).batch_input?.length ?? 0) > 40
        ? { status, ...(errors && { json: { errors } }) }
        : vaultLike(request),
    )
    expect(await rewrap('app', items(249))).toHaveLength(249)
    const before = sent.length
    const results = await rewrap('app', items(100))
    expect(results).toEqual(
      items(100).map((_, index) => ({ ciphertext: sealed(index, 2), keyVersion: 2 })),
    )
    expect(sizes(sent.slice(before))).toEqual([32, 32, 32, 4])
  })

  test('for one of its items loses that one alone, and the next are as big as ever', async () => {
    const spoils = sealed(77)
    const { rewrap, sent } = keyringOn((request) =>
      request.body?.includes(spoils)
        ? { status: 400, json: { errors: ['CANARY'] } }
        : vaultLike(request),
    )
    const results = codes(await rewrap('app', items(249)))
    const wanted = items(249).map((_, index) => (index === 77 ? 'SM_VAULT_REJECTED' : 2))
    expect(results).toEqual(wanted)
    expect(sent.length).toBeLessThan(20)
    const before = sent.length
    await rewrap('app', items(200, 1000))
    expect(sizes(sent.slice(before))).toEqual([200])
  })
})

describe('V13: a ciphertext that is too new', () => {
  test('is asked for again while a standby catches up, and it alone', async () => {
    const behind = new Set([sealed(1), sealed(2)])
    const { rewrap, sent } = keyringOn((request) => {
      const input = bodyOf(request).batch_input ?? []
      const results = input.map((item) =>
        behind.has(item.ciphertext)
          ? { error: TOO_NEW, reference: item.reference }
          : rewrapped(item),
      )
      if (sent.length === 2) behind.clear()
      return { status: 200, json: { data: { batch_results: results } } }
    })
    expect(codes(await rewrap('app', items(4)))).toEqual([2, 2, 2, 2])
    expect(sizes(sent)).toEqual([4, 2, 2])
  })

  test.each([1, 2])('is believed after three requests (%i of them)', async (count) => {
    const { rewrap, sent } = keyringOn(vaultLike)
    const results = await rewrap(
      'app',
      Array.from({ length: count }, () => ({ ciphertext: TOO_NEW })),
    )
    expect(new Set(codes(results))).toEqual(new Set(['SM_CT_TOO_NEW']))
    expect(sent).toHaveLength(3)
  })
})

describe('a policy', () => {
  test('that denies rewrap ends it after a few requests', async () => {
    for (const list of [items(600), inContext(600), items(1)]) {
      const { rewrap, sent } = keyringOn(() => DENIED)
      expect(await failure(rewrap('app', list))).toMatchObject({
        code: 'SM_VAULT_DENIED',
        hint: expect.stringContaining(
          'path "mounts/transit/rewrap/app" { capabilities = ["update"] }',
        ),
      })
      expect(sent.length).toBeLessThanOrEqual(6)
    }
  })

  test('that refuses batches has all go one by one, from then on', async () => {
    const { rewrap, sent } = keyringOn((request) =>
      bodyOf(request).batch_input ? DENIED : vaultLike(request),
    )
    expect(codes(await rewrap('app', items(5)))).toEqual([2, 2, 2, 2, 2])
    const before = sent.length
    await rewrap('app', items(3))
    expect(sizes(sent.slice(before))).toEqual([0, 0, 0])
  })

  test('that pins a context denies the others, each once', async () => {
    const [first, pinned] = inContext(2)
    const context = Buffer.from(pinned?.context ?? []).toString('base64')
    const { rewrap, sent } = keyringOn((request) =>
      bodyOf(request).context === context ? vaultLike(request) : DENIED,
    )
    const list = [first, first, first, pinned, first, pinned].flatMap((item) => item ?? [])
    const denied = 'SM_VAULT_DENIED'
    const results = codes(await rewrap('app', list))
    expect(results).toEqual([denied, denied, denied, 2, denied, 2])
    // The batch and the first item twice, as the token might have been dead.
    expect(sent.length).toBeLessThanOrEqual(6)
  })

  test('that lets through only what cannot be rewrapped does not deny everything', async () => {
    const [pinned, ...others] = inContext(3)
    const { rewrap } = keyringOn((request) =>
      bodyOf(request).ciphertext === 'invalid ciphertext' ? vaultLike(request) : DENIED,
    )
    const list = [{ ...pinned, ciphertext: 'invalid ciphertext' }, ...others]
    const wanted = ['SM_CT_FORMAT', 'SM_VAULT_DENIED', 'SM_VAULT_DENIED']
    expect(codes(await rewrap('app', list))).toEqual(wanted)
  })

  test('that allows no context denies those that have one, and no others', async () => {
    const { rewrap } = keyringOn((request) =>
      request.body?.includes('"context"') ? DENIED : vaultLike(request),
    )
    const denied = 'SM_VAULT_DENIED'
    const results = codes(await rewrap('app', [...inContext(2), ...items(2, 2)]))
    expect(results).toEqual([denied, denied, 2, 2])
  })
})

describe('what concerns every item rejects', () => {
  test.each<[string, Answered]>([
    ['SM_KEY_NOT_FOUND', { status: 400, json: { errors: ['encryption key not found'] } }],
    ['SM_VAULT_NOT_FOUND', { status: 404, json: { errors: ['no handler for route'] } }],
    ['SM_VAULT_SEALED', { status: 503, json: { errors: ['Vault is sealed'] } }],
    ['SM_VAULT_5XX', { status: 500, json: { errors: ['CANARY'] } }],
  ])('%s', async (code, answer) => {
    for (const count of [1, 2]) {
      const { rewrap } = keyringOn(() => answer)
      expect(await failure(rewrap('app', items(count)))).toMatchObject({ code })
    }
  })

  test.each([
    ['an empty 200', { status: 200 }],
    ['a login page', { status: 200, headers: { 'content-type': 'text/html' }, json: 'CANARY' }],
  ])('V3: %s is no answer, and is asked for twice at most', async (_what, answer) => {
    const { rewrap, sent } = keyringOn(() => answer)
    const code = 'SM_VAULT_BAD_RESPONSE'
    expect(await failure(rewrap('app', items(2)))).toMatchObject({ code })
    expect(sent).toHaveLength(2)
  })

  test('an abort between two batches sends no more', async () => {
    const stop = new AbortController()
    const { rewrap, sent } = keyringOn((request) => {
      stop.abort()
      return vaultLike(request)
    })
    const call = rewrap('app', items(600), stop.signal)
    expect(await failure(call)).toMatchObject({ code: 'SM_ABORTED' })
    expect(sent).toHaveLength(1)
  })

  test('I10: and no error quotes a ciphertext or the text of the server', async () => {
    const canary = Buffer.from('CANARY').toString('base64').slice(0, 7)
    const { rewrap } = keyringOn(() => ({ status: 400, json: { errors: [`CANARY ${canary}`] } }))
    const results = await rewrap('app', [...items(2), ...inContext(1)])
    const told = JSON.stringify(results)
    expect(codes(results)).toEqual(results.map(() => 'SM_VAULT_REJECTED'))
    expect(told).not.toContain('CANARY')
    expect(told).not.toContain(canary)
  })
})

const KEY = {
  latest_version: 3,
  min_decryption_version: 2,
  min_encryption_version: 0,
  min_available_version: 1,
  keys: { 2: 1_700_000_000, 3: 1_800_000_000 },
  type: 'aes256-gcm96',
  derived: true,
  deletion_allowed: false,
  exportable: false,
  supports_decryption: true,
}

describe('facts', () => {
  const of = (changes: object): World =>
    keyringOn(() => ({ status: 200, json: { data: { ...KEY, ...changes } } }))

  test('are those of the answer, with times in milliseconds', async () => {
    expect(await of({}).facts('app')).toEqual({
      latestVersion: 3,
      isDerived: true,
      type: 'aes256-gcm96',
      minDecryptionVersion: 2,
      minEncryptionVersion: 0,
      minAvailableVersion: 1,
      createdAt: new Map([
        [2, 1_700_000_000_000],
        [3, 1_800_000_000_000],
      ]),
      deletionAllowed: false,
      exportable: false,
      supportsDecryption: true,
    })
  })

  test('of an asymmetric key have its times, too', async () => {
    const creation_time = '2026-11-24T10:57:47.564481342Z'
    const { createdAt } = await of({ keys: { 1: { creation_time }, 2: {}, 3: null } }).facts('app')
    expect(createdAt).toEqual(new Map([[1, Date.UTC(2026, 10, 24, 10, 57, 47, 564)]]))
  })

  test('of a Vault without trim have no trimmed version', async () => {
    const { minAvailableVersion } = await of({ min_available_version: undefined }).facts('app')
    expect(minAvailableVersion).toBe(0)
  })

  test.each([
    ['latest_version', 0],
    ['latest_version', '3'],
    ['latest_version', undefined],
    ['min_decryption_version', -1],
    ['min_decryption_version', 1.5],
    ['min_encryption_version', null],
    ['min_available_version', 'x'],
    ['type', ''],
    ['derived', undefined],
    ['deletion_allowed', 0],
    ['exportable', 'false'],
    ['supports_decryption', null],
    ['keys', []],
  ])('V3: are none where %s is %j', async (field, value) => {
    expect(await failure(of({ [field]: value }).facts('app'))).toMatchObject({
      code: 'SM_VAULT_BAD_RESPONSE',
      message: expect.stringContaining(`data.${field}`),
    })
  })

  test.each<[string, Answered]>([
    ['SM_KEY_NOT_FOUND', { status: 404, json: { errors: [] } }],
    ['SM_VAULT_NOT_FOUND', { status: 404, json: { errors: ['no handler for route'] } }],
    ['SM_VAULT_DENIED', DENIED],
  ])('are refused as %s', async (code, answer) => {
    expect(await failure(keyringOn(() => answer).facts('app'))).toMatchObject({ code })
  })
})

describe('changes of a key', () => {
  test.each([[{ status: 204 }], [{ status: 200, json: { data: KEY } }]])(
    'send what is given and nothing else (%j)',
    async (answer) => {
      const { configure, trim, sent } = keyringOn(() => answer)
      await configure('app', { minDecryptionVersion: 2 })
      await configure('app', { minEncryptionVersion: 0, minDecryptionVersion: undefined })
      await configure('app', { minDecryptionVersion: 2, minEncryptionVersion: 3 })
      await configure('app', {})
      await trim('app', 2)
      expect(sent.map(({ url, body }) => [url.split('/').at(-1), JSON.parse(body ?? '')])).toEqual([
        ['config', { min_decryption_version: 2 }],
        ['config', { min_encryption_version: 0 }],
        ['config', { min_decryption_version: 2, min_encryption_version: 3 }],
        ['trim', { min_available_version: 2 }],
      ])
    },
  )

  test.each([Number.NaN, Infinity, -1, 1.5])('send no version %d', async (version) => {
    const { configure, trim, sent } = keyringOn(() => ({ status: 204 }))
    await expect(configure('app', { minDecryptionVersion: version })).rejects.toThrow(TypeError)
    await expect(configure('app', { minEncryptionVersion: version })).rejects.toThrow(TypeError)
    await expect(trim('app', version)).rejects.toThrow(TypeError)
    expect(sent).toHaveLength(0)
  })

  test('are made again where no answer came', async () => {
    const { configure, sent } = keyringOn(() => ({ status: sent.length === 1 ? 502 : 204 }))
    await configure('app', { minDecryptionVersion: 2 })
    expect(sent).toHaveLength(2)
  })

  test('name the stanza of a policy, with what it pins', async () => {
    const { configure, trim } = keyringOn(() => DENIED)
    const path = 'mounts/transit/keys/KEY'
    expect(await failure(configure('KEY', { minDecryptionVersion: 2 }))).toMatchObject({
      code: 'SM_VAULT_DENIED',
      message: `vault denied ${path}/config (403)`,
      hint:
        `grant it in a policy of the role: path "${path}/config" { capabilities = ["update"], ` +
        'allowed_parameters = { "min_decryption_version" = [], "min_encryption_version" = [] } }',
    })
    const hint = `grant it in a policy of the role: path "${path}/trim" { capabilities = ["update"] }`
    expect(await failure(trim('KEY', 2))).toMatchObject({ code: 'SM_VAULT_DENIED', hint })
  })

  test.each([
    ['something that nobody has heard of: CANARY', 'SM_VAULT_REJECTED', 'malformed'],
    ['no existing key named app could be found', 'SM_KEY_NOT_FOUND', 'list mounts/transit/keys'],
    ['invalid key name', 'SM_KEY_NOT_FOUND', 'list mounts/transit/keys'],
    ['cannot set min decryption version of 9, latest …', 'SM_VAULT_REJECTED', 'transit/keys/app'],
    ['cannot set min encryption version of 9, latest …', 'SM_VAULT_REJECTED', 'transit/keys/app'],
    ['cannot set min encryption/decryption values; …', 'SM_VAULT_REJECTED', 'change both'],
    [
      'min decryption version should not be less then min available version',
      'SM_VAULT_REJECTED',
      'gone for ever',
    ],
    [
      'min encryption version should not be less than min available version',
      'SM_VAULT_REJECTED',
      'gone for ever',
    ],
    ['minimum available version cannot be decremented', 'SM_VAULT_REJECTED', 'gone for ever'],
    [
      'minimum available version cannot be set when minimum encryption version is not set',
      'SM_VAULT_REJECTED',
      'below both minima',
    ],
    [
      'minimum available version cannot be greater than minmum encryption version',
      'SM_VAULT_REJECTED',
      'below both minima',
    ],
    [
      'minimum available version cannot be greater than minimum decryption version',
      'SM_VAULT_REJECTED',
      'below both minima',
    ],
  ])('that Vault refuses with %j are %s', async (text, code, hint) => {
    const { trim } = keyringOn(() => ({ status: 400, json: { errors: [text] } }))
    const error = await failure(trim('app', 2))
    expect(error).toMatchObject({ code, hint: expect.stringContaining(hint), status: 400 })
    expect(JSON.stringify(error)).not.toContain('CANARY')
  })
})

describe('capabilities', () => {
  const answering = (data: object): World => keyringOn(() => ({ status: 200, json: { data } }))

  test('are asked for in requests of 500 paths, each once', async () => {
    const { capabilities, sent } = keyringOn((request) => {
      const { paths } = JSON.parse(request.body ?? '') as { paths: string[] }
      const data = Object.fromEntries(paths.map((path) => [path, ['read', path]]))
      return { status: 200, json: { data } }
    })
    const paths = Array.from({ length: 1200 }, (_, index) => `transit/keys/k${index}`)
    const found = await capabilities([...paths, ...paths])
    expect(found).toEqual(Object.fromEntries(paths.map((path) => [path, ['read', path]])))
    expect(sent.map(({ body }) => JSON.parse(body ?? '').paths.length)).toEqual([500, 500, 200])
  })

  test('of no paths ask nothing', async () => {
    const { capabilities, sent } = answering({})
    expect(await capabilities([])).toEqual({})
    expect(sent).toHaveLength(0)
  })

  test.each([
    ['no answer', {}],
    ['another path only', { other: ['root'], capabilities: ['root'] }],
    ['no list', { 'transit/keys/app': 'root' }],
    ['an empty list', { 'transit/keys/app': [] }],
    ['a list of what is no text', { 'transit/keys/app': ['read', 5] }],
  ])('V3: are never guessed from %s', async (_what, data) => {
    expect(await failure(answering(data).capabilities(['transit/keys/app']))).toMatchObject({
      code: 'SM_VAULT_BAD_RESPONSE',
    })
  })

  test('that may not be asked for say so', async () => {
    const { capabilities } = keyringOn(() => DENIED)
    expect(await failure(capabilities(['x']))).toMatchObject({
      code: 'SM_VAULT_DENIED',
      hint: expect.stringContaining('path "sys/capabilities-self" { capabilities = ["update"] }'),
    })
  })
})

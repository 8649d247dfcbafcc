/** Rotate: every right first, then a version, then its documents; nothing is done by halves. */
import { describe, expect, test } from 'vitest'

import { rotate, type Rotation, type RotationParts } from '../../src/rotation/rotate.ts'
import { failure, type KubevaultUnderTest } from './kubevault-fixture.ts'
import {
  rotationDesk,
  rotatorPolicy,
  told,
  type DeskOptions,
  type JobOptions,
  type RotationDesk,
} from './rotation-desk.ts'

const never = new AbortController().signal

/** Rotates as the command does. */
export function rotateOn(
  desk: RotationDesk,
  options: JobOptions = {},
  changes: Partial<RotationParts> = {},
): Promise<Rotation> {
  return desk.job(options, ({ job }) =>
    rotate(
      { ...job.rotation(), patienceMs: 1, ...changes },
      {
        signal: never,
        minAgeMs: 0,
        verify: true,
        onStep: () => undefined,
        onEntry: () => undefined,
        onPage: () => undefined,
        onUnread: () => undefined,
      },
    ),
  )
}

/** The policy of who rotates, without the rule of a path that ends so. */
function without(end: string): DeskOptions {
  const lines = (key: Parameters<typeof rotatorPolicy>[0]): readonly string[] =>
    rotatorPolicy(key).split('\n')
  const policy: DeskOptions['policy'] = (key) =>
    lines(key)
      .filter((line) => !new RegExp(`^path "[^"]*${end}`).test(line))
      .join('\n')
  return { policy }
}

/** What the Python original published, and the right to ask what one may do, which every token has. */
const original: NonNullable<DeskOptions['policy']> = ({ mount, transitKey }) =>
  [
    `path "${mount}/encrypt/${transitKey}" { capabilities = ["update"] }`,
    `path "${mount}/decrypt/${transitKey}" { capabilities = ["update"] }`,
    `path "${mount}/keys/${transitKey}" { capabilities = ["read"] }`,
    `path "${mount}/keys/${transitKey}/rotate" { capabilities = ["update"] }`,
    'path "sys/capabilities-self" { capabilities = ["update"] }',
  ].join('\n')

const ALL = ['get', 'list', 'patch'] as const

function rulesOf(objects: readonly string[], journal: readonly string[]): DeskOptions {
  return {
    rules: [
      { apiGroups: [''], resources: ['secrets', 'configmaps'], verbs: objects },
      ...(journal.length > 0
        ? [{ apiGroups: [''], resources: ['configmaps'], verbs: journal }]
        : []),
    ],
  }
}

interface Refused {
  readonly options: DeskOptions
  readonly code: string
  readonly says: (desk: RotationDesk) => string
  readonly hint: string
}

const REFUSED: readonly (readonly [string, Refused])[] = [
  [
    'the right to rotate',
    {
      options: without('/rotate'),
      code: 'SM_VAULT_DENIED',
      says: ({ key }) =>
        `path "${key.mount}/keys/${key.transitKey}/rotate" { capabilities = ["update"] }`,
      hint: 'vault policy write',
    },
  ],
  [
    'the right to rewrap',
    {
      options: without('/rewrap/.*'),
      code: 'SM_VAULT_DENIED',
      says: ({ key }) =>
        `path "${key.mount}/rewrap/${key.transitKey}" { capabilities = ["update"] }`,
      hint: '--compat',
    },
  ],
  [
    'all that the policy of the Python original has not',
    {
      options: { policy: original },
      code: 'SM_VAULT_DENIED',
      says: ({ key }) =>
        `path "${key.mount}/rewrap/${key.transitKey}" { capabilities = ["update"] }`,
      hint: '--compat',
    },
  ],
  [
    'the right to patch',
    {
      options: rulesOf(['get', 'list'], ['create', 'patch']),
      code: 'SM_K8S_DENIED',
      says: ({ plan }) => `patch secrets "app" in namespace ${plan.namespace}`,
      hint: 'RoleBinding',
    },
  ],
  [
    'the right to list',
    {
      options: rulesOf(['get', 'patch'], ['create']),
      code: 'SM_K8S_DENIED',
      says: ({ plan }) => `list secrets in namespace ${plan.namespace}`,
      hint: 'RoleBinding',
    },
  ],
  [
    'the right to keep a journal',
    {
      options: rulesOf(ALL, []),
      code: 'SM_K8S_DENIED',
      says: ({ plan }) => `create configmaps in namespace ${plan.namespace}`,
      hint: 'but for create',
    },
  ],
]

async function seeded(world: KubevaultUnderTest, options: DeskOptions = {}): Promise<RotationDesk> {
  const desk = await rotationDesk(world, options)
  await desk.secret('app', { 'app.json': await desk.seal({}, '{"a":1}') })
  return desk
}

/** The tests of it. */
export function rotateContract(world: () => KubevaultUnderTest): void {
  test('a rotation from end to end, and what the journal says of it', async () => {
    const desk = await seeded(world())
    const before = Date.now()
    const result = await rotateOn(desk, { definitions: [desk.define('app')] })
    expect(result).toMatchObject({ from: 1, to: 2, isDone: true })
    expect(result.stocks).toMatchObject([{ documents: 1, oldest: 2 }])
    expect(await desk.keyFacts()).toMatchObject({
      latest_version: 2,
      min_decryption_version: 1,
      min_encryption_version: 0,
    })
    expect((await desk.open({}, await desk.line('app'))).version).toBe(2)
    const journal = await desk.journal()
    expect(journal).toMatchObject({ phase: 'done', from: 1, ...desk.key })
    expect(Date.parse(journal?.begunAt ?? '')).toBeGreaterThanOrEqual(before - 60_000)
    expect(Object.values(journal?.sites ?? {})).toMatchObject([{ isComplete: true, oldest: 2 }])
    expect(Buffer.from(await desk.read('app')).toString()).toBe('{"a":1}')
    expect(await rotateOn(desk)).toMatchObject({ from: 2, to: 3, isDone: true })
    expect(await desk.journal()).toMatchObject({ phase: 'done', from: 2 })
  })

  test.each(REFUSED)('preflight: without %s nothing is changed', async (_what, refused) => {
    const desk = await seeded(world(), refused.options)
    const before = await desk.get('Secret', 'app')
    const error = await failure(rotateOn(desk))
    expect(error).toMatchObject({ code: refused.code, exitCode: 3 })
    expect(error.message).toContain('nothing was changed')
    expect(error.problems).toContain(refused.says(desk))
    expect(error.hint).toContain(refused.hint)
    expect(await desk.keyFacts()).toMatchObject({ latest_version: 1 })
    expect(await desk.get('Secret', 'app')).toEqual(before)
    expect(await desk.journal()).toBeUndefined()
  })

  test('preflight: with rights on what is named alone it goes on', async () => {
    const desk = await seeded(world(), {
      rules: [
        {
          apiGroups: [''],
          resources: ['secrets'],
          resourceNames: ['app'],
          verbs: ['get', 'patch'],
        },
        { apiGroups: [''], resources: ['configmaps'], verbs: ['get', 'create', 'patch'] },
      ],
    })
    const result = await rotateOn(desk, { definitions: [desk.define('app')], scan: [] })
    expect(result).toMatchObject({ to: 2, isDone: true })
  })

  test('V17: a key that is not there is told of, and not made', async () => {
    const desk = await rotationDesk(world(), {
      policy: (key) =>
        rotatorPolicy(key)
          .replaceAll(key.transitKey + '"', '*"')
          .replaceAll(`/${key.transitKey}/`, '/+/'),
    })
    const { mount } = desk.key
    const error = await failure(
      desk.job({}, ({ job, core, runtime, sites }) => {
        const key = { mount, transitKey: 'mistyped' }
        const other = new (job.constructor as typeof import('../../src/rotation/job.ts').KeyJob)({
          ...{ core, runtime, key, sites, journal: desk.plan.namespace, isCompat: false },
        })
        return rotate(other.rotation(), {
          ...{ signal: never, minAgeMs: 0, verify: true, onStep: () => undefined },
          ...{ onEntry: () => undefined, onPage: () => undefined, onUnread: () => undefined },
        })
      }),
    )
    expect(error).toMatchObject({ code: 'SM_KEY_NOT_FOUND', exitCode: 4 })
    const keys = (await desk.vault('LIST', `${mount}/keys`)) as { keys: string[] }
    expect(keys.keys).toEqual([desk.key.transitKey])
    const { items } = (await desk.kubernetes(
      'GET',
      `/api/v1/namespaces/${desk.plan.namespace}/configmaps`,
    )) as { items: { metadata: { name: string } }[] }
    expect(items.filter(({ metadata }) => metadata.name.includes('rotation'))).toEqual([])
  })

  test('V15: an answer that is lost is not asked for again', async () => {
    const desk = await seeded(world())
    let asked = 0
    const via: JobOptions['via'] = async (request, send) => {
      const answer = await send(request)
      if (!request.url.endsWith('/rotate')) return answer
      asked += 1
      return { status: 504, headers: {}, body: Buffer.from('gateway timeout') }
    }
    const result = await rotateOn(desk, { via })
    expect(result).toMatchObject({ from: 1, to: 2, isDone: true })
    expect(asked).toBe(1)
    expect(await desk.keyFacts()).toMatchObject({ latest_version: 2 })
  })

  test('I4: two at once: one is told of the other, or goes on with it; one version', async () => {
    const desk = await seeded(world())
    const results = await Promise.allSettled([
      rotateOn(desk, {}, { patienceMs: 3000 }),
      rotateOn(desk, {}, { patienceMs: 3000 }),
    ])
    const came = results.map((each) =>
      each.status === 'fulfilled' ? each.value.to : Reflect.get(each.reason, 'code'),
    )
    expect(came).toContain(2)
    expect(came.filter((each) => each !== 2 && each !== 'SM_K8S_CONFLICT')).toEqual([])
    expect(await desk.keyFacts()).toMatchObject({ latest_version: 2 })
    expect((await desk.open({}, await desk.line('app'))).version).toBe(2)
  })

  describe('--compat, with the policy of the Python original', () => {
    const bytes = Uint8Array.from({ length: 4096 }, (_, at) => (at * 31) % 256)

    test('documents are the same, byte for byte, and under the new version', async () => {
      const desk = await rotationDesk(world(), { policy: original, derived: false })
      await desk.secret('app', {
        'app.json': await desk.seal({}, bytes, { scope: 'raw' }),
        sibling: 'a',
      })
      const definitions = [desk.define('app', { format: 'raw' })]
      const result = await rotateOn(desk, { isCompat: true, definitions, scan: [] })
      expect(result).toMatchObject({ to: 2, isDone: true })
      const opened = await desk.open({}, await desk.line('app'))
      expect(opened).toMatchObject({ document: Buffer.from(bytes).toString('base64'), version: 2 })
      expect(await desk.line('app', 'sibling')).toBe('a')
    })

    test('sealed ones keep their revision, too', async () => {
      const desk = await rotationDesk(world(), { policy: original })
      await desk.secret('app', { 'app.json': await desk.seal({}, bytes, { revision: 42 }) })
      await rotateOn(desk, { isCompat: true })
      expect(await desk.open({}, await desk.line('app'))).toEqual({
        document: Buffer.from(bytes).toString('base64'),
        revision: 42,
        version: 2,
      })
    })

    test('a document of another key fails alone', async () => {
      const desk = await rotationDesk(world(), { policy: original, derived: false })
      await desk.vault('POST', `${desk.key.mount}/keys/other`, {})
      const other = await desk.seal({}, '{}', { scope: 'raw', transitKey: 'other' })
      const wrong = await desk.secret('wrong', { 'app.json': other })
      await desk.secret('right', { 'app.json': await desk.seal({}, '{}', { scope: 'raw' }) })
      await desk.rotateKey()
      const definitions = ['wrong', 'right'].map((name) => desk.define(name, { format: 'raw' }))
      const look = await desk.look('rewrap', { isCompat: true, definitions })
      expect(told(look)).toEqual([
        'Secret right app.json: rewrapped',
        'Secret wrong app.json: failed SM_CT_AUTH_FAILED',
      ])
      expect(await desk.get('Secret', 'wrong')).toEqual(wrong)
    })

    test('K6: who writes meanwhile wins', async () => {
      const desk = await rotationDesk(world(), { policy: original })
      await desk.secret('app', { 'app.json': await desk.seal({}, '{"by":"us"}') })
      await desk.rotateKey()
      const via: JobOptions['via'] = async (request, send) => {
        if (request.method === 'PATCH') {
          const text = await desk.seal({}, '{"by":"them"}', { revision: 8 })
          const now = await desk.get('Secret', 'app')
          const data = { 'app.json': Buffer.from(text).toString('base64') }
          await desk.replace('Secret', { ...now, data })
        }
        return send(request)
      }
      expect(told(await desk.look('rewrap', { isCompat: true, via }))).toEqual([
        'Secret app app.json: overtaken',
      ])
      expect((await desk.open({}, await desk.line('app'))).revision).toBe(8)
    })

    test('a standby that lags behind is not believed', async () => {
      const desk = await rotationDesk(world(), { policy: original })
      await desk.secret('app', { 'app.json': await desk.seal({}, '{}') })
      const line = await desk.line('app')
      await desk.rotateKey()
      const stale = (await desk.vault('POST', `${desk.key.mount}/encrypt/${desk.key.transitKey}`, {
        plaintext: 'e30=',
        context: 'AAAA',
        key_version: 1,
      })) as { ciphertext: string }
      const via: JobOptions['via'] = async (request, send) => {
        if (!request.url.includes('/encrypt/')) return send(request)
        const asked = { ...(JSON.parse(request.body ?? '{}') as object), key_version: 1 }
        return send({ ...request, body: JSON.stringify(asked) })
      }
      expect(stale.ciphertext).toMatch(/^vault:v1:/)
      expect(told(await desk.look('rewrap', { isCompat: true, via }))).toEqual([
        'Secret app app.json: failed SM_VAULT_STALE_REPLICA',
      ])
      expect(await desk.line('app')).toBe(line)
    })
  })
}

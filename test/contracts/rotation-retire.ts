/** I21: an old version is retired when nothing anywhere is under it, and given back when something turns up. */
import { expect, test } from 'vitest'

import { ClusterSite } from '../../src/rotation/cluster-site.ts'
import { retire, type RetirementResult, type RetirementStep } from '../../src/rotation/retire.ts'
import { failure, type KubevaultUnderTest } from './kubevault-fixture.ts'
import {
  rotationDesk,
  told,
  type JobOptions,
  type RotationDesk,
  type Stored,
} from './rotation-desk.ts'
import { rotateOn } from './rotation-rotate.ts'

interface Measure {
  readonly keep?: number
  readonly settleMs?: number
  readonly onStep?: (step: RetirementStep) => void | Promise<void>
}

function retireOn(
  desk: RotationDesk,
  { keep = 0, settleMs = 1, onStep = () => undefined }: Measure = {},
  options: JobOptions = {},
): Promise<RetirementResult> {
  return desk.job(options, async ({ job }) => {
    const parts = job.retirement()
    return retire(
      {
        ...parts,
        // A step is told of at once; what it makes happen is waited for before the next request of Vault.
        configure: async (minima, signal) => {
          await pending
          await parts.configure(minima, signal)
          await after?.()
        },
      },
      {
        signal: new AbortController().signal,
        keep,
        settleMs,
        dryRun: false,
        onStep: (step) => void (pending = Promise.resolve(onStep(step))),
        onEntry: () => undefined,
        onPage: () => undefined,
        onUnread: () => undefined,
      },
    )
  })
}

let pending: Promise<void> = Promise.resolve()
let after: (() => Promise<void>) | undefined

/** A document under version 2, and its manifest of before. */
async function rotated(world: KubevaultUnderTest): Promise<{
  readonly desk: RotationDesk
  readonly old: Stored
}> {
  const desk = await rotationDesk(world)
  const old = await desk.secret('app', { 'app.json': await desk.seal({}, '{"a":1}') })
  expect(await rotateOn(desk)).toMatchObject({ to: 2, isDone: true })
  return { desk, old }
}

/** What kubectl does with a manifest of before: the content comes back, whatever the version. */
async function putBack(desk: RotationDesk, { data }: Stored): Promise<void> {
  const now = await desk.get('Secret', 'app')
  await desk.replace('Secret', { ...now, data })
}

async function minimumOf(desk: RotationDesk): Promise<number | undefined> {
  return (await desk.keyFacts())['min_decryption_version']
}

/** The tests of it. */
export function retireContract(world: () => KubevaultUnderTest): void {
  test('one old version stays, where nothing else is asked for', async () => {
    const { desk } = await rotated(world())
    expect(await retireOn(desk, { keep: 1 })).toMatchObject({ from: 1, to: 1, reasons: [] })
    expect(await minimumOf(desk)).toBe(1)
    await rotateOn(desk)
    expect(await retireOn(desk, { keep: 1 })).toMatchObject({
      latest: 3,
      from: 1,
      to: 2,
      reasons: [],
    })
    expect(await desk.keyFacts()).toMatchObject({
      min_decryption_version: 2,
      min_encryption_version: 3,
    })
  })

  test('keep 0: what is under an old version does not open, what was rewrapped does', async () => {
    const { desk, old } = await rotated(world())
    const line = Buffer.from(old.data?.['app.json'] ?? '', 'base64').toString()
    expect(await retireOn(desk)).toMatchObject({ from: 1, to: 2, reasons: [] })
    await expect(desk.open({}, line)).rejects.toThrow()
    expect(Buffer.from(await desk.read('app')).toString()).toBe('{"a":1}')
    expect(await desk.journal()).toMatchObject({ retirement: { phase: 'done', from: 1, to: 2 } })
  })

  test('I21: while one document is behind nothing is retired', async () => {
    const { desk, old } = await rotated(world())
    await putBack(desk, old)
    const { reasons } = await retireOn(desk)
    expect(reasons).toEqual([
      expect.stringMatching(/^cluster default.* has documents under version 1, before 2: /),
    ])
    expect(await desk.keyFacts()).toMatchObject({
      min_decryption_version: 1,
      min_encryption_version: 0,
    })
    await desk.look('rewrap')
    expect(await retireOn(desk)).toMatchObject({ to: 2, reasons: [] })
  })

  test('I21: while a part cannot be looked at nothing is retired', async () => {
    const { desk } = await rotated(world())
    const via: JobOptions['via'] = (request, send) => {
      const { pathname, searchParams } = new URL(request.url)
      const isList = searchParams.has('limit') && pathname.endsWith('/configmaps')
      return isList
        ? Promise.resolve({ status: 403, headers: {}, body: Buffer.from('{"kind":"Status"}') })
        : send(request)
    }
    const { reasons } = await retireOn(desk, {}, { via })
    expect(reasons).toEqual([
      expect.stringMatching(/^cluster default.* was not looked at completely$/),
    ])
    expect(await minimumOf(desk)).toBe(1)
  })

  test('I21: while a rotation is not finished nothing is retired', async () => {
    const { desk } = await rotated(world())
    const { journalPath: name } = desk
    const map = (await desk.kubernetes('GET', name)) as { data: Record<string, string> }
    const text = map.data['journal.json']?.replace('"phase":"done"', '"phase":"rewrapping"') ?? ''
    await desk.kubernetes('PUT', name, { ...map, data: { 'journal.json': text } })
    expect((await retireOn(desk)).reasons).toEqual([
      'a rotation is not finished: secretmanager rotate',
    ])
    expect(await minimumOf(desk)).toBe(1)
    expect(await rotateOn(desk)).toMatchObject({ from: 1, to: 2, isDone: true })
    expect(await retireOn(desk)).toMatchObject({ to: 2, reasons: [] })
  })

  test('I21: a loop that applies old YAML again and again blocks it, and I2: the document opens again', async () => {
    const { desk, old } = await rotated(world())
    let isOver = false
    const loop = (async () => {
      while (!isOver) {
        await putBack(desk, old).catch(() => undefined)
        await new Promise((resolve) => setTimeout(resolve, 30))
      }
    })()
    await desk.look('rewrap')
    const { reasons } = await retireOn(desk, { settleMs: 200 })
    expect(reasons.join()).toContain('before 2')
    isOver = true
    await loop
    expect(await minimumOf(desk)).toBe(1)
    expect(Buffer.from(await desk.read('app')).toString()).toBe('{"a":1}')
    await desk.look('rewrap')
    expect(await retireOn(desk)).toMatchObject({ to: 2, reasons: [] })
  })

  test('I21: put back between the second look and the raise, it opens again at once', async () => {
    const { desk, old } = await rotated(world())
    const steps: string[] = []
    const onStep = async ({ step }: RetirementStep): Promise<void> => {
      steps.push(step)
      if (step === 'raise') await putBack(desk, old)
    }
    const result = await retireOn(desk, { onStep })
    expect(result.reasons.join()).toContain('under version 1')
    expect(result).toMatchObject({ from: 1, to: 1 })
    expect(steps).toEqual(['look', 'settle', 'look', 'raise', 'look', 'lower'])
    expect(await minimumOf(desk)).toBe(1)
    expect(Buffer.from(await desk.read('app')).toString()).toBe('{"a":1}')
    expect(await desk.journal()).toMatchObject({ retirement: { phase: 'done', to: 1 } })
  })

  test('I4: ended right after the raise, the next run lowers first and then does it all', async () => {
    const { desk, old } = await rotated(world())
    const onStep = ({ step }: RetirementStep): void => {
      const ends = (): Promise<never> => Promise.reject(new TypeError('the process ended'))
      after = step === 'raise' ? ends : undefined
    }
    await expect(retireOn(desk, { onStep })).rejects.toThrow('the process ended')
    after = undefined
    expect(await minimumOf(desk)).toBe(2)
    await putBack(desk, old)
    const second = await retireOn(desk)
    expect(second.reasons.join()).toContain('under version 1')
    expect(await minimumOf(desk)).toBe(1)
    await desk.look('rewrap')
    expect(await retireOn(desk)).toMatchObject({ to: 2, reasons: [] })
  })

  test('I21: of two API servers on one key, the one that is behind blocks', async () => {
    const { desk } = await rotated(world())
    const elsewhere = await rotationDesk(world())
    const place = { namespace: elsewhere.plan.namespace }
    const text = await desk.seal(place, '{}', { cluster: 'east' })
    await elsewhere.secret('app', { 'app.json': text })
    await desk.rotateKey()
    await desk.look('rewrap')
    const { reasons } = await elsewhere.job({}, ({ sites: _own, core: theirs }) =>
      retireOn(
        desk,
        { keep: 0 },
        {
          others: () => [siteOf(desk, elsewhere, theirs)],
        },
      ),
    )
    expect(reasons).toEqual([
      expect.stringMatching(/^cluster east.* has documents under version 2, before 3: /),
    ])
    expect(await minimumOf(desk)).toBe(1)
  })

  test('I21: and the one that cannot be reached blocks, too', async () => {
    const { desk } = await rotated(world())
    const elsewhere = await rotationDesk(world())
    const via: JobOptions['via'] = async (request, send) =>
      request.url.includes(`/namespaces/${elsewhere.plan.namespace}/`) &&
      !request.url.includes('token')
        ? { status: 403, headers: {}, body: Buffer.from('{"kind":"Status"}') }
        : send(request)
    const { reasons } = await elsewhere.job({ via }, ({ core: theirs }) =>
      retireOn(desk, {}, { others: () => [siteOf(desk, elsewhere, theirs)] }),
    )
    expect(reasons).toEqual([
      expect.stringMatching(/^cluster east.* was not looked at completely$/),
    ])
    expect(await minimumOf(desk)).toBe(1)
  })

  test('an etcd restore after a retirement: told of, unretired, rewrapped, retired again', async () => {
    const { desk, old } = await rotated(world())
    expect(await retireOn(desk)).toMatchObject({ to: 2, reasons: [] })
    await putBack(desk, old)
    expect((await failure(desk.read('app'))).code).toBe('SM_CT_TOO_OLD')
    const look = await desk.look('rewrap')
    expect(told(look)).toEqual(['Secret app app.json: failed SM_CT_TOO_OLD'])
    const [entry] = look.entries
    const hint = entry?.outcome.state === 'failed' ? entry.outcome.error.hint : ''
    expect(hint).toContain('secretmanager unretire')
    // What unretire does.
    await desk.job({}, ({ job }) =>
      job.configure(
        { minDecryptionVersion: 1, minEncryptionVersion: 0 },
        new AbortController().signal,
      ),
    )
    expect(Buffer.from(await desk.read('app')).toString()).toBe('{"a":1}')
    expect(told(await desk.look('rewrap'))).toEqual(['Secret app app.json: rewrapped'])
    expect(await retireOn(desk)).toMatchObject({ from: 1, to: 2, reasons: [] })
    expect(Buffer.from(await desk.read('app')).toString()).toBe('{"a":1}')
    expect(await minimumOf(desk)).toBe(2)
  })
}

/** Documents of the desk's key at another API server, as far as one server can be two: by another identity, in another namespace. */
function siteOf(
  { key }: RotationDesk,
  { plan }: RotationDesk,
  { calls, connections }: Parameters<NonNullable<JobOptions['others']>>[0]['core'],
): ClusterSite {
  return new ClusterSite({
    ...{ cluster: 'east', key, calls, definitions: [], scan: [plan.namespace] },
    connect: (allowance) => connections.kubernetes(allowance),
  })
}

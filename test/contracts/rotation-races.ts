/** Rewrap beside others who write: they win, and nothing of theirs is lost. */
import { expect, test } from 'vitest'

import type { KubevaultUnderTest } from './kubevault-fixture.ts'
import {
  isPatch,
  onlyFailure,
  rotationDesk,
  told,
  type RotationDesk,
  type Via,
} from './rotation-desk.ts'

/** Something happens between the read and the write of an object. */
function meanwhile(name: string, happens: (nth: number) => Promise<void>): Via {
  let count = 0
  return async (request, send) => {
    if (isPatch(request) && request.url.endsWith(`/${name}`)) await happens((count += 1))
    return send(request)
  }
}

async function twoSecrets(desk: RotationDesk): Promise<void> {
  for (const name of ['app', 'beside'])
    await desk.secret(name, { 'app.json': await desk.seal({ name }, '{"by":"us"}'), sibling: 'a' })
  await desk.rotateKey()
}

async function put(desk: RotationDesk, name: string, texts: Record<string, string>): Promise<void> {
  const now = await desk.get('Secret', name)
  const data = Object.entries(texts).map(([entry, text]) => [
    entry,
    Buffer.from(text).toString('base64'),
  ])
  await desk.replace('Secret', { ...now, data: { ...now.data, ...Object.fromEntries(data) } })
}

async function documentIn(desk: RotationDesk, name: string): Promise<unknown> {
  const { document, version } = await desk.open({ name }, await desk.line(name))
  return [JSON.parse(Buffer.from(document, 'base64').toString()), version]
}

/** The tests of it. */
export function racesContract(world: () => KubevaultUnderTest): void {
  test('K6: a sibling that somebody wrote meanwhile stays, and the document is rewrapped', async () => {
    const desk = await rotationDesk(world())
    await twoSecrets(desk)
    const via = meanwhile('app', async (nth) => {
      if (nth === 1) await put(desk, 'app', { sibling: 'theirs', added: 'theirs' })
    })
    const look = await desk.look('rewrap', { via })
    expect(told(look)).toEqual([
      'Secret app app.json: rewrapped',
      'Secret beside app.json: rewrapped',
    ])
    expect(await desk.line('app', 'sibling')).toBe('theirs')
    expect(await desk.line('app', 'added')).toBe('theirs')
    expect(await documentIn(desk, 'app')).toEqual([{ by: 'us' }, 2])
  })

  test('I1: a document that somebody wrote meanwhile under the latest version is left', async () => {
    const desk = await rotationDesk(world())
    await twoSecrets(desk)
    const via = meanwhile('app', async () => {
      await put(desk, 'app', { 'app.json': await desk.seal({}, '{"by":"them"}', { revision: 8 }) })
    })
    const look = await desk.look('rewrap', { via })
    expect(told(look)).toEqual([
      'Secret app app.json: overtaken',
      'Secret beside app.json: rewrapped',
    ])
    expect(await documentIn(desk, 'app')).toEqual([{ by: 'them' }, 2])
    expect(told(await desk.look('rewrap'))).toEqual([
      'Secret app app.json: current',
      'Secret beside app.json: current',
    ])
  })

  test('I1: one that somebody put back under an old version is rewrapped, not what was read before', async () => {
    const desk = await rotationDesk(world())
    const old = await desk.seal({}, '{"by":"them"}', { revision: 8 })
    await twoSecrets(desk)
    const via = meanwhile('app', async (nth) => {
      if (nth === 1) await put(desk, 'app', { 'app.json': old })
    })
    const look = await desk.look('rewrap', { via })
    expect(told(look)).toContain('Secret app app.json: rewrapped')
    expect(await documentIn(desk, 'app')).toEqual([{ by: 'them' }, 2])
  })

  test('K6: of two entries, the one that somebody wrote is theirs, the other is rewrapped', async () => {
    const desk = await rotationDesk(world())
    const second = { dataKey: 'second.json' }
    await desk.secret('app', {
      'app.json': await desk.seal({}, '{"by":"us"}'),
      'second.json': await desk.seal(second, '{"by":"us"}'),
    })
    await desk.rotateKey()
    const via = meanwhile('app', async (nth) => {
      if (nth > 1) return
      const text = await desk.seal(second, '{"by":"them"}', { revision: 8 })
      await put(desk, 'app', { 'second.json': text })
    })
    expect(told(await desk.look('rewrap', { via }))).toEqual([
      'Secret app app.json: rewrapped',
      'Secret app second.json: overtaken',
    ])
    expect(await documentIn(desk, 'app')).toEqual([{ by: 'us' }, 2])
    const opened = await desk.open(second, await desk.line('app', 'second.json'))
    expect(Buffer.from(opened.document, 'base64').toString()).toBe('{"by":"them"}')
  })

  test('K6: four lost races are none; five are a conflict, for that object alone', async () => {
    const desk = await rotationDesk(world())
    await twoSecrets(desk)
    let races = 0
    const losing = (most: number): Via =>
      meanwhile('app', async (nth) => {
        if (nth > most) return
        races += 1
        await put(desk, 'app', { sibling: String(nth) })
      })
    const look = await desk.look('rewrap', { via: losing(5) })
    expect(told(look)).toEqual([
      'Secret app app.json: failed SM_K8S_CONFLICT',
      'Secret beside app.json: rewrapped',
    ])
    expect(races).toBe(5)
    expect(onlyFailure(look)).toMatchObject({ exitCode: 7, hint: 'run it again' })
    expect(await desk.line('app', 'sibling')).toBe('5')
    expect(await documentIn(desk, 'app')).toEqual([{ by: 'us' }, 1])
    expect(told(await desk.look('rewrap', { via: losing(4) }))).toContain(
      'Secret app app.json: rewrapped',
    )
    expect(await documentIn(desk, 'app')).toEqual([{ by: 'us' }, 2])
  })

  test('an object that is deleted meanwhile is overtaken, and does not come back', async () => {
    const desk = await rotationDesk(world())
    await twoSecrets(desk)
    const via = meanwhile('app', () => desk.remove('Secret', 'app'))
    expect(told(await desk.look('rewrap', { via }))).toEqual([
      'Secret app app.json: overtaken',
      'Secret beside app.json: rewrapped',
    ])
    expect(told(await desk.look('look'))).toEqual(['Secret beside app.json: current'])
  })

  test('one that is deleted and made anew is not what was read', async () => {
    const desk = await rotationDesk(world())
    await twoSecrets(desk)
    const via = meanwhile('app', async (nth) => {
      if (nth > 1) return
      await desk.remove('Secret', 'app')
      await desk.secret('app', { other: 'theirs' })
    })
    expect(told(await desk.look('rewrap', { via }))).toContain('Secret app app.json: overtaken')
    expect((await desk.get('Secret', 'app')).data).toEqual({
      other: Buffer.from('theirs').toString('base64'),
    })
  })

  test('one that Argo CD takes over meanwhile is left to it', async () => {
    const desk = await rotationDesk(world())
    await twoSecrets(desk)
    const line = await desk.line('app')
    const via = meanwhile('app', async () => {
      const now = await desk.get('Secret', 'app')
      const annotations = { 'argocd.argoproj.io/tracking-id': 'shop:/Secret:a/b' }
      await desk.replace('Secret', { ...now, metadata: { ...now.metadata, annotations } })
    })
    expect(told(await desk.look('rewrap', { via }))).toContain('Secret app app.json: behind')
    expect(await desk.line('app')).toBe(line)
  })

  test('a document that is broken meanwhile is no success', async () => {
    const desk = await rotationDesk(world())
    await twoSecrets(desk)
    const via = meanwhile('app', () => put(desk, 'app', { 'app.json': 'sealed:v1:junk' }))
    const look = await desk.look('rewrap', { via })
    expect(told(look)).toContain('Secret app app.json: failed SM_CT_FORMAT')
    expect(look.stocks).toMatchObject([{ isComplete: false }])
  })
}

import fc from 'fast-check'
import { expect, test } from 'vitest'

import { unseen, withStocks } from '../../src/rotation/journal-text.ts'
import {
  covers,
  extentOf,
  extentOfPaths,
  extentText,
  type Extent,
} from '../../src/rotation/extent.ts'
import type { Stock } from '../../src/rotation/stock.ts'

const app = { kind: 'Secret', namespace: 'prod', name: 'app' } as const

test.each([
  ['all', [app], true, ['*']],
  ['namespaces', [], ['b', 'a'], ['namespace a', 'namespace b']],
  ['an object', [app], [], ['Secret prod/app']],
  ['an object beside a namespace', [app], ['dev'], ['Secret prod/app', 'namespace dev']],
  ['an object of a namespace that is looked through', [app], ['prod'], ['namespace prod']],
] as const)('%s is looked at', (_what, objects, scan, extent) => {
  expect(extentOf(objects, scan)).toEqual(extent)
})

test.each<[Extent, Extent, boolean]>([
  [['*'], ['*'], true],
  [['*'], ['namespace a', 'Secret b/c'], true],
  [['namespace a'], ['*'], false],
  [['namespace a'], ['namespace a'], true],
  [['namespace a'], ['Secret a/b', 'ConfigMap a/c'], true],
  [['namespace a'], ['Secret aa/b'], false],
  [['Secret a/b'], ['namespace a'], false],
  [['Secret a/b'], ['ConfigMap a/b'], false],
  [['/a'], ['/a', '/b'], false],
  [['/a', '/b'], ['/b'], true],
  [['namespace x'], ['/Secret x/y'], false],
])('I21: %j covers %j: %s', (whole, part, isSo) => {
  expect(covers(whole, part)).toBe(isSo)
})

test('the text of an extent is short, and another for each', () => {
  const part = fc.nat(500).map((at) => `Secret prod/app-${at}`)
  const extent = fc
    .uniqueArray(part, { minLength: 1, maxLength: 40 })
    .map((list) => list.toSorted())
  fc.assert(
    fc.property(extent, extent, (one, other) => {
      expect(extentText(one).length).toBeLessThan(80)
      expect(extentText(one) === extentText(other)).toBe(one.join() === other.join())
    }),
  )
})

test.each([
  [['/b', '/a', '/b'], '/a, /b'],
  [['/a, /b'], '"/a, /b"'],
  [['/a", "/b'], String.raw`"/a\", \"/b"`],
  [['/a\n'], String.raw`"/a\n"`],
])('the paths %j are told as %s, and no others are', (paths, text) => {
  expect(extentText(extentOfPaths(paths))).toBe(text)
})

test('I21: a look at a part takes the place of no look at the whole, and hides nothing of it', () => {
  const whole = stock('cluster default', ['*'])
  const part = stock('cluster default', ['namespace a'])
  const sites = withStocks(withStocks({}, [whole]), [part])
  expect(Object.values(sites)).toEqual([whole, part])
  expect(unseen(sites, [part])).toEqual([whole])
  expect(unseen(sites, [stock('cluster default', ['namespace b'])])).toEqual([whole, part])
  expect(unseen(sites, [stock('cluster west', ['*'])])).toEqual([whole, part])
  expect(Object.values(withStocks(sites, [whole]))).toEqual([whole])
})

function stock(where: string, extent: Extent): Stock {
  const site = extent.includes('*') ? where : `${where}, ${extentText(extent)}`
  const at = '2026-01-01T00:00:00.000Z'
  return { site, where, extent, at, isComplete: true, documents: 1, oldest: 1, newest: 1 }
}

import { describe, expect, test } from 'vitest'
import { type Secret, SECRETS } from '../../../src/dev/kubernetes/data-kinds.ts'
import { Store, type StoreEvent } from '../../../src/dev/kubernetes/store.ts'

const secret = (namespace: string, name: string, data: Record<string, string> = {}): Secret => ({
  metadata: { namespace, name },
  data,
})

describe('the store', () => {
  test('moves one counter for every change, deletes included', () => {
    const store = new Store()
    const first = store.put(SECRETS, secret('n', 'a'))
    const second = store.put(SECRETS, secret('n', 'b'))
    store.remove(SECRETS, first)
    const third = store.put(SECRETS, secret('n', 'a'))
    const versions = [first, second, third].map(({ metadata }) => metadata.resourceVersion)
    expect(versions).toEqual(['1', '2', '4'])
    expect(store.resourceVersion).toBe('4')
  })

  test('lists in the order of the keys, one namespace or all', () => {
    const store = new Store()
    for (const [namespace, name] of [
      ['b', 'x'],
      ['a', 'z'],
      ['a', 'y'],
      ['ab', 'x'],
    ] as const) {
      store.put(SECRETS, secret(namespace, name))
    }
    const names = (namespace: string): string[] =>
      store.list(SECRETS, namespace).map(({ metadata }) => `${metadata.namespace}/${metadata.name}`)
    expect(names('a')).toEqual(['a/y', 'a/z'])
    expect(names('')).toEqual(['a/y', 'a/z', 'ab/x', 'b/x'])
  })

  test('tells every change in order, until nobody listens', () => {
    const store = new Store()
    const heard: StoreEvent[] = []
    const unsubscribe = store.subscribe((event) => heard.push(event))
    store.put(SECRETS, secret('n', 'a'))
    const changed = store.put(SECRETS, secret('n', 'a', { k: 'dg==' }))
    store.remove(SECRETS, changed)
    unsubscribe()
    store.put(SECRETS, secret('n', 'a'))
    const told = heard.map(({ type, resource, object }) => [
      type,
      resource,
      object.metadata.resourceVersion,
    ])
    expect(told).toEqual([
      ['ADDED', 'secrets', '1'],
      ['MODIFIED', 'secrets', '2'],
      ['DELETED', 'secrets', '3'],
    ])
  })

  test('does not change what it gave before', () => {
    const store = new Store()
    const before = store.put(SECRETS, secret('n', 'a', { k: 'MQ==' }))
    store.put(SECRETS, secret('n', 'a', { k: 'Mg==' }))
    expect(before).toMatchObject({ metadata: { resourceVersion: '1' }, data: { k: 'MQ==' } })
  })
})

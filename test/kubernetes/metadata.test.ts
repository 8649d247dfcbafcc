import { describe, expect, test } from 'vitest'

import {
  annotationsOf,
  labelsOf,
  managersOf,
  nameOf,
  namespaceOf,
} from '../../src/kubernetes/metadata.ts'

describe('metadata that is not as it should be', () => {
  test.each([
    [{}],
    [{ name: 1, namespace: null, labels: 'x', annotations: [], managedFields: {} }],
    [{ labels: { a: 1 }, annotations: { b: null }, managedFields: [1, null] }],
  ])('%j says nothing', (metadata) => {
    const object = { metadata }
    expect([nameOf(object), namespaceOf(object)]).toEqual(['', ''])
    expect([...labelsOf(object), ...annotationsOf(object), ...managersOf(object)]).toEqual([])
  })

  test('a manager whose fields cannot be read is one all the same', () => {
    const managedFields = [{ manager: 'a' }, { manager: 'b', fieldsV1: 1 }, { manager: 'a' }]
    expect([...managersOf({ metadata: { managedFields } })]).toEqual(['a', 'b'])
  })

  test('I18: names such as __proto__ are keys like others', () => {
    const metadata: Record<string, unknown> = JSON.parse('{"labels":{"__proto__":"x"}}')
    expect([...labelsOf({ metadata })]).toEqual([['__proto__', 'x']])
  })
})

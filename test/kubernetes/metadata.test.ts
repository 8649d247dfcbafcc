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

  test('a manager whose fields cannot be read owns no entry', () => {
    const metadata = {
      managedFields: [
        { manager: 'a' },
        { manager: 'b', operation: 'Apply', fieldsV1: { 'f:data': 1 } },
      ],
    }
    expect(managersOf({ metadata })).toEqual([
      { manager: 'a', operation: '', keys: [] },
      { manager: 'b', operation: 'Apply', keys: [] },
    ])
  })

  test('I18: names such as __proto__ are keys like others', () => {
    const text =
      '{"labels":{"__proto__":"x"},"managedFields":[{"manager":"m","operation":"Update","fieldsV1":{"f:data":{".":{},"f:__proto__":{},"f:f:x":{}}}}]}'
    const metadata: Record<string, unknown> = JSON.parse(text)
    expect([...labelsOf({ metadata })]).toEqual([['__proto__', 'x']])
    expect(managersOf({ metadata })[0]?.keys).toEqual(['__proto__', 'f:x'])
  })
})

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { canonicalBase64 } from '../../../src/dev/kubernetes/base64.ts'

describe('base64 as Go reads it', () => {
  test('any bytes come back as they were, with line breaks or without', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(80), (bytes, width) => {
        const text = Buffer.from(bytes).toString('base64')
        const broken = text.replaceAll(new RegExp(`(.{${width + 1}})`, 'g'), '$1\r\n')
        expect(canonicalBase64(broken)).toBe(text)
      }),
    )
  })

  test('bits that are left over are dropped', () => {
    expect(canonicalBase64('YR==')).toBe('YQ==')
  })

  // Offsets that encoding/base64 reports.
  test.each([
    ['!', 0],
    ['YWFh!', 4],
    ['Y', 0],
    ['YWFhY', 4],
    ['YQ', 0],
    ['YQ=', 3],
    ['YQ=x', 2],
    ['Y===', 1],
    ['=', 0],
    ['YQ==YQ==', 4],
    ['YWE=x', 4],
    ['-_-_', 0],
  ])('%s is wrong at %i', (text, corruptAt) => {
    expect(canonicalBase64(text)).toEqual({ corruptAt })
  })
})

/** Several documents of a file are replaced at once, and what stands where is known afterwards. */
import { expect, test } from 'vitest'

import { withDocuments } from '../../src/authoring/manifest-values.ts'
import { readManifests, type ManifestEntry } from '../../src/authoring/manifests.ts'

const OLD = `sealed:v1:transit:app:none:1:vault:v1:${'A'.repeat(40)}`
const NEW = `sealed:v1:transit:app:none:1:vault:v12:${'B'.repeat(61)}=`

const base64 = (text: string): string => Buffer.from(text).toString('base64')

const HEAD = 'apiVersion: v1\nkind: Secret\nmetadata: {name: app}\n'

const FILES: readonly (readonly [what: string, (line: string) => string])[] = [
  ['words', (line) => `${HEAD}data: {a: "${base64(line)}", b: '${base64(line)}'}\n---\n`],
  [
    'words, in a file with an alias',
    (line) => `x: &x 1\ny: *x\n---\n${HEAD}data: {a: ${base64(line)}}\n---\n`,
  ],
  [
    'blocks',
    (line) => `${HEAD}data:\n  a: |\n    ${base64(line)}\n  b: >-\n\n     ${base64(line)}\n---\n`,
  ],
]

test.each(FILES)(
  '%s: the result is what a parser finds, and can be changed again',
  async (_what, part) => {
    const file = (line: string): string => `${part(line)}${HEAD}data:\n  z: AAEC\n  ü: "AQID"\n`
    const replaceAll = async (text: string, by: string): Promise<string> => {
      const manifests = await readManifests(text, 'it')
      const entries = manifests.flatMap((each) => each.entries)
      const ours = entries.filter(({ bytes }) => bytes?.toString().startsWith('sealed:'))
      const texts = new Map<ManifestEntry, string>(ours.map((each) => [each, by]))
      const changed = await withDocuments(text, manifests, texts)
      expect(changed?.manifests).toEqual(await readManifests(changed?.text ?? '', 'it'))
      return changed?.text ?? ''
    }
    const now = await replaceAll(file(OLD), NEW)
    expect(now).toBe(file(NEW))
    expect(await replaceAll(now, OLD)).toBe(file(OLD))
  },
)

test('a value that two entries share is not replaced', async () => {
  const file = `${HEAD}data: {a: &a ${base64(OLD)}, b: *a}\n`
  const manifests = await readManifests(file, 'it')
  const [entry] = manifests.flatMap(({ entries }) => entries)
  const texts = new Map(entry ? [[entry, NEW]] : [])
  expect(texts.size).toBe(1)
  expect(await withDocuments(file, manifests, texts)).toBeUndefined()
})

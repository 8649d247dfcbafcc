import { describe, expect, test } from 'vitest'

import { mentionsDocuments, readManifests } from '../../src/authoring/manifests.ts'
import { rejection } from '../faults/world.ts'
import { rawLine, sealedLine, secretYaml } from './lines.ts'

const CANARY = 'canary-7f3a'

async function entriesOf(
  text: string,
): Promise<readonly (readonly [string, string | undefined])[]> {
  const manifests = await readManifests(text, 'the file')
  return manifests.flatMap(({ entries }) =>
    entries.map(({ key, bytes }) => [key, bytes?.toString()] as const),
  )
}

describe('what is found', () => {
  test.each([
    ['one document', secretYaml({ a: 'x' }), [['a', 'x']]],
    [
      'several',
      `${secretYaml({ a: 'x' })}---\n${secretYaml({ b: 'y' })}`,
      [
        ['a', 'x'],
        ['b', 'y'],
      ],
    ],
    ['an empty document between', `---\n---\n${secretYaml({ a: 'x' })}`, [['a', 'x']]],
    [
      'JSON, with tabs',
      '{\n\t"apiVersion": "v1", "kind": "Secret", "data": {"a": "eA=="}}',
      [['a', 'x']],
    ],
    [
      'a List',
      'apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, data: {a: x}}\n- {apiVersion: v1, kind: Pod}',
      [['a', 'x']],
    ],
    [
      'a SecretList, whose items say no kind',
      'apiVersion: v1\nkind: SecretList\nitems:\n- data: {a: eA==}',
      [['a', 'x']],
    ],
    [
      'base64 in lines, as the API server takes it',
      'apiVersion: v1\nkind: Secret\ndata:\n  a: |\n    eH\n    g=\n',
      [['a', 'xx']],
    ],
    ['stringData', 'apiVersion: v1\nkind: Secret\nstringData: {a: x}', [['a', 'x']]],
    ['binaryData', 'apiVersion: v1\nkind: ConfigMap\nbinaryData: {a: eA==}', [['a', 'x']]],
    [
      'an alias',
      'apiVersion: v1\nkind: ConfigMap\ndata: {a: &a x, b: *a}',
      [
        ['a', 'x'],
        ['b', 'x'],
      ],
    ],
    ['no base64', 'apiVersion: v1\nkind: Secret\ndata: {a: "%"}', [['a', undefined]]],
    ['no text', 'apiVersion: v1\nkind: ConfigMap\ndata: {a: 1}', [['a', undefined]]],
    ['another kind', 'apiVersion: v1\nkind: Service\ndata: {a: eA==}', []],
    ["somebody else's Secret", 'apiVersion: example.com/v1\nkind: Secret\ndata: {a: eA==}', []],
    ['nothing', '', []],
    ['a scalar', 'hello', []],
  ])('%s', async (_what, text, expected) => {
    expect(await entriesOf(text)).toEqual(expected)
  })

  test('an entry knows where its value stands', async () => {
    const text = `# first\n${secretYaml({ a: 'one' })}---\n${secretYaml({ b: 'two' })}`
    const manifests = await readManifests(text, 'the file')
    const values = manifests.flatMap(({ entries }) =>
      entries.map(({ range: [start, end] }) => text.slice(start, end)),
    )
    expect(values).toEqual(['one', 'two'].map((each) => Buffer.from(each).toString('base64')))
  })
})

test.each([
  ['broken', `data:\n  a: "${CANARY}\n b: [`],
  ['with a name that comes twice', `${CANARY}: 1\n${CANARY}: 2\n`],
])('I10: text that is %s is told by its place, without a word of it', async (_what, text) => {
  const error = await rejection(readManifests(text, 'the file'))
  expect(error).toMatchObject({ code: 'SM_CONFIG_INVALID' })
  expect(error.message).toMatch(/^the file is not YAML: .* at line \d$/)
  expect(JSON.stringify(error)).not.toContain(CANARY)
})

test.each([
  ['a sealed line', sealedLine(), true],
  ['a raw one', rawLine(), true],
  ['one in base64', Buffer.from(sealedLine()).toString('base64'), true],
  ['a raw one in base64', Buffer.from(rawLine()).toString('base64'), true],
  ['the label', '{{ x }}: kubevault.secretmanager/managed', true],
  ['neither', '{{ .Values.password }}', false],
])('a template with %s is noticed: %s', (_what, text, expected) => {
  expect(mentionsDocuments(text)).toBe(expected)
})

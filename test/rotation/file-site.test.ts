/** Files are rewrapped in place: the ciphertext changes, and nothing beside it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

import { readManifests } from '../../src/authoring/manifests.ts'
import { parseDefinition } from '../../src/config/definition.ts'
import type { BoundPlace } from '../../src/sealed/binding.ts'
import { filesWorld, MemoryFiles, told, type FilesWorld } from './files-world.ts'

let world: FilesWorld

beforeAll(async () => {
  world = await filesWorld()
})

afterAll(() => world.close())

const CANARY = 'CANARY-of-the-files'
const PATH = 'deploy/app.yaml'

function placeOf(change: Partial<BoundPlace> = {}): BoundPlace {
  return { kind: 'Secret', namespace: 'prod', name: 'app', dataKey: 'app.json', ...change }
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64')
}

/** A Secret with these entries. */
function secretYaml(entries: Record<string, string>, name = 'app', field = 'data'): string {
  const lines = Object.entries(entries).map(([key, value]) => `  ${key}: ${value}\n`)
  const metadata = `metadata: {name: ${name}, namespace: prod}`
  return `apiVersion: v1\nkind: Secret\n${metadata}\n${field}:\n${lines.join('')}`
}

/** What the entry of a file holds. */
async function heldIn(text: string, key: string, name = 'app'): Promise<string> {
  const manifests = await readManifests(text, 'it')
  const ours = manifests.filter((each) => each.name === name).flatMap(({ entries }) => entries)
  return ours.find((entry) => entry.key === key)?.bytes?.toString() ?? ''
}

const HEAD = 'apiVersion: v1\nkind: Secret\nmetadata: {name: app, namespace: prod}\n'
const MAP = 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app, namespace: prod}\n'

/** The same file with any document in it. */
const NOTATIONS: readonly (readonly [how: string, BoundPlace['kind'], (line: string) => string])[] =
  [
    [
      'plain, with a comment',
      'Secret',
      (line) =>
        `# ours\n${HEAD}data:\n  a: AAEC\n  app.json:   ${base64(line)}   # v1\n  z: eg==\n`,
    ],
    [
      'in a plain text',
      'ConfigMap',
      (line) => `${MAP}data:\n  app.json: ${line}\n  note: "ü\\n"\n`,
    ],
    ['in quotes', 'Secret', (line) => `${HEAD}data:\n    "app.json": "${base64(line)}"\r\n`],
    ['in single quotes', 'ConfigMap', (line) => `${MAP}data: {'app.json': '${line}', b: 'c''d'}\n`],
    [
      'as a block without the line feed',
      'ConfigMap',
      (line) => `${MAP}data:\n  app.json: |-  # sealed\n      ${line}\n\n  z: |\n    y\n`,
    ],
    [
      'as a block of base64',
      'Secret',
      (line) => `${HEAD}data:\n  app.json: |\n    ${base64(line)}\n  z: eg==\n`,
    ],
    ['folded, at the end', 'Secret', (line) => `${HEAD}data:\n  app.json: >-\n    ${base64(line)}`],
    [
      'in a flow map',
      'Secret',
      (line) => `${HEAD}data: {a: eg==, app.json: ${base64(line)}, z: eg==}\n`,
    ],
    [
      'with an anchor of its own',
      'Secret',
      (line) => `${HEAD}data:\n  app.json: &document ${base64(line)}\n  z: eg==\n`,
    ],
    ['in binaryData', 'ConfigMap', (line) => `${MAP}binaryData:\n  app.json: ${base64(line)}\n`],
    [
      'in a List',
      'Secret',
      (line) =>
        `apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata:\n    name: app\n    namespace: prod\n  data:\n    app.json: ${base64(line)}\n- apiVersion: v1\n  kind: Service\n`,
    ],
    [
      'among several documents',
      'Secret',
      (line) =>
        `%YAML 1.2\n---\n# first\nkind: Other\n...\n---\n${HEAD}data:\n  app.json: ${base64(line)}\n--- # last\n# ${base64(line.slice(0, 20))}\nkind: [a,   b]\n`,
    ],
    [
      'after a byte order mark',
      'Secret',
      (line) => `\uFEFF${HEAD}data:\n  app.json: ${base64(line)}\n`,
    ],
    [
      'in JSON',
      'Secret',
      (line) =>
        `{"apiVersion":"v1", "kind":"Secret",\n\t"metadata":{"name":"app","namespace":"prod"}, "data":{"app.json":"${base64(line)}"}  }`,
    ],
    [
      'in indented JSON',
      'ConfigMap',
      (line) =>
        `${JSON.stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'app', namespace: 'prod' }, data: { 'app.json': line, n: '\u2028' }, immutable: true }, undefined, 4)}\n`,
    ],
  ]

describe('a document in a file', () => {
  test.each(NOTATIONS)(
    'I3, I5: %s: every other byte stays, and it is the same to its reader',
    async (_how, kind, file) => {
      const place = placeOf({ kind })
      const before = await world.seal(place, CANARY)
      const files = new MemoryFiles({ [PATH]: file(before) })
      const latest = await world.rotate()
      world.requests.length = 0
      const name = `${kind} prod/app in ${PATH}`
      expect(told(await world.rewrap(files))).toEqual([`${name}: app.json rewrapped`])
      const now = await heldIn(files.text(PATH), 'app.json')
      expect(now).toContain(`:vault:v${latest}:`)
      expect(files.text(PATH)).toBe(file(now))
      expect(await world.open(place, now)).toBe(CANARY)
      expect(new Set(world.requests)).toEqual(new Set(['/v1/transit/rewrap/app']))

      const again = await world.rewrap(files)
      expect(told(again)).toEqual([`${name}: app.json current`])
      expect(files.replaced).toEqual([PATH])
    },
  )

  test.each(['try', 'look', 'prove'] as const)('mode %s writes nothing', async (mode) => {
    const line = await world.seal(placeOf(), '{}')
    const text = secretYaml({ 'app.json': base64(line) })
    const files = new MemoryFiles({ [PATH]: text })
    await world.rotate()
    const { entries } = await world.rewrap(files, {}, mode)
    expect(entries).toHaveLength(1)
    expect(files).toMatchObject({ replaced: [] })
    expect(files.text(PATH)).toBe(text)
  })

  test('a line feed at the end of a block does not become part of a text', async () => {
    const place = placeOf({ kind: 'ConfigMap' })
    const line = await world.seal(place, CANARY)
    const file = (text: string, header: string): string =>
      `${MAP}data:\n  app.json: ${header} # sealed\n    ${text}\n\n  z: y\n`
    const files = new MemoryFiles({ [PATH]: file(line, '|+') })
    await world.rotate()
    await world.rewrap(files)
    const now = await heldIn(files.text(PATH), 'app.json')
    expect(await world.open(place, now)).toBe(CANARY)
    expect(files.text(PATH)).toBe(file(now, '|-'))
  })
})

describe('several documents', () => {
  test('of one Secret are written at once, and what is none of the key stays', async () => {
    const [a, b] = [placeOf({ dataKey: 'a' }), placeOf({ dataKey: 'b' })]
    const [one, two] = [await world.seal(a, 'one'), await world.seal(b, 'two')]
    const other = one.replace(':app:', ':other:')
    const file = (first: string, second: string): string =>
      secretYaml({ a: base64(first), x: base64(other), b: base64(second), y: 'AAEC' })
    const files = new MemoryFiles({ [PATH]: file(one, two) })
    await world.rotate()
    const name = `Secret prod/app in ${PATH}`
    expect(told(await world.rewrap(files))).toEqual([
      `${name}: a rewrapped`,
      `${name}: b rewrapped`,
    ])
    const now = [await heldIn(files.text(PATH), 'a'), await heldIn(files.text(PATH), 'b')]
    expect(files.text(PATH)).toBe(file(now[0] ?? '', now[1] ?? ''))
    expect(await Promise.all([world.open(a, now[0] ?? ''), world.open(b, now[1] ?? '')])).toEqual([
      'one',
      'two',
    ])
    expect(files.replaced).toEqual([PATH])
  })

  test('I1: of many objects in one file: no write undoes another', async () => {
    const names = Array.from({ length: 30 }, (_each, at) => `app-${at}`)
    const lines = await Promise.all(names.map((name) => world.seal(placeOf({ name }), name)))
    const file = names.map((name, at) => secretYaml({ 'app.json': base64(lines[at] ?? '') }, name))
    const files = new MemoryFiles({ [PATH]: file.join('---\n') })
    const latest = await world.rotate()
    const { entries, pages } = await world.rewrap(files)
    expect(entries.filter(({ outcome }) => outcome.state === 'rewrapped')).toHaveLength(30)
    expect(pages).toBe(1)
    for (const name of names) {
      const now = await heldIn(files.text(PATH), 'app.json', name)
      expect(now).toContain(`:vault:v${latest}:`)
      expect(await world.open(placeOf({ name }), now)).toBe(name)
    }
    // Those that wait at the same time are written together.
    expect(files.replaced.length).toBeLessThan(15)
  })

  test('I1: somebody else writes between two writes of one file: all of it is there in the end', async () => {
    const names = Array.from({ length: 20 }, (_each, at) => `app-${at}`)
    const lines = await Promise.all(names.map((name) => world.seal(placeOf({ name }), name)))
    const file = names.map((name, at) => secretYaml({ 'app.json': base64(lines[at] ?? '') }, name))
    const files = new MemoryFiles({ [PATH]: file.join('---\n') })
    let replaces = 0
    files.meanwhile = (path, step) => {
      if (step === 'replace') replaces += 1
      if (replaces === 2) files.files.set(path, Buffer.from(`# theirs\n${files.text(path)}`))
      if (replaces === 2) replaces += 1
    }
    await world.rotate()
    const { entries } = await world.rewrap(files)
    expect(new Set(entries.map(({ outcome }) => outcome.state))).toEqual(new Set(['rewrapped']))
    expect(files.text(PATH)).toMatch(/^# theirs\napiVersion/)
    for (const name of names) {
      const now = await heldIn(files.text(PATH), 'app.json', name)
      expect(await world.open(placeOf({ name }), now)).toBe(name)
    }
  })

  test('of one object that is in the file twice, as overlays have it', async () => {
    const line = await world.seal(placeOf(), 'same')
    const text = secretYaml({ 'app.json': base64(line) })
    const files = new MemoryFiles({ [PATH]: `${text}---\n${text}` })
    const latest = await world.rotate()
    await world.rewrap(files)
    const manifests = await readManifests(files.text(PATH), 'it')
    const held = manifests.flatMap(({ entries }) => entries.map(({ bytes }) => bytes?.toString()))
    expect(held).toHaveLength(2)
    for (const each of held) expect(each).toContain(`:vault:v${latest}:`)
  })

  test('of many files: one request to Vault for many, each file once however it is named', async () => {
    const names = Array.from({ length: 250 }, (_each, at) => `app-${at}`)
    const lines = await Promise.all(names.map((name) => world.seal(placeOf({ name }), name)))
    const texts = names.map((name, at) => secretYaml({ 'app.json': base64(lines[at] ?? '') }, name))
    const files = new MemoryFiles(
      Object.fromEntries(names.map((name, at) => [`deploy/${name}.yaml`, texts[at] ?? ''])),
    )
    await world.rotate()
    world.requests.length = 0
    const given = ['deploy/app-7.yaml', 'deploy', 'deploy']
    const { entries, pages } = await world.rewrap(files, { given })
    expect(entries).toHaveLength(250)
    expect(new Set(files.replaced).size).toBe(250)
    expect({ pages, requests: world.requests.length }).toEqual({ pages: 3, requests: 3 })
  })
})

/** A file with a document that is behind. */
async function fileBehind(): Promise<MemoryFiles> {
  const line = await world.seal(placeOf(), CANARY)
  const files = new MemoryFiles({ [PATH]: secretYaml({ 'app.json': base64(line), b: 'AAEC' }) })
  await world.rotate()
  return files
}

describe.each([
  // The first is that of the page.
  ['before the file is read for the write', 'read', 2],
  ['before the file is replaced', 'replace', 1],
] as const)('I1: somebody else writes %s', (_when, step, nth) => {
  const name = `Secret prod/app in ${PATH}`

  function once(files: MemoryFiles, change: (text: string) => string | undefined): void {
    let steps = 0
    files.meanwhile = (path, at) => {
      if (at === step) steps += 1
      if (steps !== nth) return
      files.meanwhile = () => undefined
      const now = change(files.text(path))
      if (now === undefined) files.files.delete(path)
      else files.files.set(path, Buffer.from(now))
    }
  }

  test('beside the document: both changes are there in the end', async () => {
    const files = await fileBehind()
    once(files, (text) => `# new\n${text.replace('AAEC', 'AQID')}`)
    expect(told(await world.rewrap(files))).toEqual([`${name}: app.json rewrapped`])
    const now = await heldIn(files.text(PATH), 'app.json')
    expect(await world.open(placeOf(), now)).toBe(CANARY)
    expect(files.text(PATH)).toBe(`# new\n${secretYaml({ 'app.json': base64(now), b: 'AQID' })}`)
  })

  test('the document itself: theirs is kept', async () => {
    const files = await fileBehind()
    const theirs = base64(await world.seal(placeOf(), 'theirs'))
    once(files, () => secretYaml({ 'app.json': theirs }))
    expect(told(await world.rewrap(files))).toEqual([`${name}: app.json overtaken`])
    expect(files.text(PATH)).toBe(secretYaml({ 'app.json': theirs }))
  })

  test('the document itself, behind too: theirs is rewrapped', async () => {
    const theirs = await world.seal(placeOf(), 'theirs')
    const files = await fileBehind()
    once(files, () => secretYaml({ 'app.json': base64(theirs) }))
    expect(told(await world.rewrap(files))).toEqual([`${name}: app.json rewrapped`])
    const now = await heldIn(files.text(PATH), 'app.json')
    expect(await world.open(placeOf(), now)).toBe('theirs')
  })

  test.each([
    ['the object is gone', () => secretYaml({ x: 'AAEC' }, 'other')],
    ['the entry is gone', () => secretYaml({ x: 'AAEC' })],
  ])('%s: nothing is brought back', async (_what, change) => {
    const files = await fileBehind()
    once(files, change)
    expect(told(await world.rewrap(files))).toEqual([`${name}: app.json overtaken`])
    expect(files.text(PATH)).toBe(change())
  })

  test('the file is gone: it is not brought back', async () => {
    const files = await fileBehind()
    once(files, () => undefined)
    expect(told(await world.rewrap(files))).toEqual([`${name}: app.json overtaken`])
    expect(files.files.size).toBe(0)
  })

  test('the file is broken then: that is told, and it stays', async () => {
    const files = await fileBehind()
    once(files, () => 'a: "b')
    expect(told(await world.rewrap(files))).toEqual([`${name}: app.json failed SM_CONFIG_INVALID`])
    expect(files.text(PATH)).toBe('a: "b')
  })
})

test('K6: somebody else writes again and again: it ends, and says so', async () => {
  const files = await fileBehind()
  let writes = 0
  files.meanwhile = (path, at) => {
    if (at !== 'replace') return
    writes += 1
    files.files.set(path, Buffer.from(`${files.text(path)}# ${writes}\n`))
  }
  expect(told(await world.rewrap(files))).toEqual([
    `Secret prod/app in ${PATH}: app.json failed SM_K8S_CONFLICT`,
  ])
  expect({ writes, replaced: files.replaced }).toEqual({ writes: 5, replaced: [] })
})

describe('I21: what cannot be looked at makes the inventory incomplete', () => {
  const SEALED = 'sealed:v1:transit:app:strict:7:vault:v1:AAAA'

  test.each([
    ['a template', `{{- if .x }}\n${HEAD}data:\n  app.json: ${base64(SEALED)}\n{{- end }}\n`],
    ['what is no YAML', `a: "${SEALED}\nb`],
    ['a template with a raw document', '{{- if .x }}\na: vault:v1:AAAA\n{{- end }}\n'],
    ['UTF-16', Buffer.from(`\uFEFF${HEAD}data:\n  app.json: ${base64(SEALED)}\n`, 'utf16le')],
    ['UTF-16 without a mark', Buffer.from(secretYaml({ a: base64(SEALED) }), 'utf16le')],
    ['values of a chart', `app:\n  sealed: ${SEALED}\n`],
    ['values of a chart in base64', `app: {sealed: ${base64(SEALED)}}\n`],
    ['values of a chart with a raw document', 'app: "vault:v1:AAAA"\n'],
  ])('%s', async (_what, content) => {
    const files = new MemoryFiles({ [PATH]: content })
    const { entries, unread } = await world.rewrap(files)
    expect({ entries, codes: unread.map(({ code }) => code) }).toEqual({
      entries: [],
      codes: ['SM_CONFIG_INVALID'],
    })
    expect(unread[0]?.message).toContain(`"${PATH}"`)
    expect(unread[0]?.message).not.toContain('AAAA')
  })

  test.each([
    ['a template of something else', '{{- if .x }}\nkind: Secret\n{{- end }}\n'],
    ['what is no YAML', 'kind: "Secret\nb'],
    ['values with a document of another key', `a: ${SEALED.replace(':app:', ':other:')}\n`],
    ['the same in base64', `a: ${base64(SEALED.replace(':app:', ':other:'))}\n`],
    ['a Secret without a document', secretYaml({ a: 'AAEC' })],
  ])('%s is no part of it', async (_what, content) => {
    const run = await world.rewrap(new MemoryFiles({ [PATH]: content }))
    expect(run).toEqual({ entries: [], unread: [], pages: 0 })
  })

  test.each([
    ['properties', `a=b\nsealed=${SEALED}\n`],
    ['.env in base64', `A="${base64(SEALED)}"\n`],
    ['a binary file', Buffer.from(`\0\u00FF\0${SEALED}\0`, 'latin1')],
    ['UTF-16', Buffer.from(`a=${SEALED}`, 'utf16le')],
  ])('%s beside manifests: told, and left as it is', async (_what, content) => {
    const path = 'deploy/app.properties'
    const files = new MemoryFiles({ [path]: content })
    const { entries, unread } = await world.rewrap(files)
    expect(entries).toEqual([])
    expect(unread).toMatchObject([
      {
        message: `the file "${path}" has a document of the key and is no manifest`,
        hint: expect.stringContaining('name only the manifests'),
      },
    ])
    expect(files.replaced).toEqual([])
  })

  test.each([
    ['a page about Vault', '`vault:v1:AAAA`, or sealed:v1:MOUNT:KEY:'],
    ['a document of another key', SEALED.replace(':app:', ':app2:')],
    // The same but for the last bits of `:`.
    ['the same in base64', base64(SEALED.replace(':app:', ':app8:'))],
    ['what is none by the mount', SEALED.replace(':transit:', ':other:')],
  ])('%s beside manifests is no part of it', async (_what, content) => {
    const run = await world.rewrap(new MemoryFiles({ 'deploy/README.md': content }))
    expect(run).toEqual({ entries: [], unread: [], pages: 0 })
  })

  test('a manifest by one name is none of the others by another', async () => {
    const line = await world.seal(placeOf(), '{}')
    const files = new MemoryFiles({ [PATH]: secretYaml({ 'app.json': base64(line) }) })
    // A link beside the first, whose one name is that of the second.
    files.others = (given) => Promise.resolve(given === 'deploy' ? [] : [PATH])
    const paths = files.paths.bind(files)
    files.paths = (given) => (given === 'deploy' ? paths(given) : Promise.resolve([]))
    const run = await world.rewrap(files, { given: ['links', 'deploy'] }, 'look')
    expect(run.unread).toEqual([])
    expect(run.entries).toHaveLength(1)
  })

  test('what cannot be read, and what is not there; the rest is rewrapped', async () => {
    const line = await world.seal(placeOf(), '{}')
    const files = new MemoryFiles({ [PATH]: secretYaml({ 'app.json': base64(line) }) })
    const paths = files.paths.bind(files)
    files.paths = async (given) => ['deploy/none.yaml', ...(await paths(given))]
    await world.rotate()
    const run = await world.rewrap(files, { given: ['deploy', 'nowhere'] })
    expect(told(run)).toEqual([`Secret prod/app in ${PATH}: app.json rewrapped`])
    expect(run.unread.map(({ message }) => message)).toEqual([
      'the file "deploy/none.yaml" cannot be read',
      'the file "nowhere" cannot be read',
    ])
  })

  test('an abort ends it', async () => {
    const files = new MemoryFiles({ [PATH]: secretYaml({ a: 'AAEC' }) })
    const running = world.rewrap(files, {}, 'rewrap', AbortSignal.abort())
    await expect(running).rejects.toMatchObject({ code: 'SM_ABORTED' })
  })
})

describe('what a file leaves open, or says wrongly', () => {
  const OPEN = (line: string, metadata: string): string =>
    `apiVersion: v1\nkind: Secret\nmetadata: ${metadata}\ndata:\n  app.json: ${base64(line)}\n`

  const DEFINITION = { secretName: 'app', readKey: 'app.json', transitKey: 'app' }

  test.each([
    ['strict', 'failed SM_CONFIG_INVALID'],
    ['namespace', 'failed SM_CONFIG_INVALID'],
    ['none', 'rewrapped'],
  ] as const)('a manifest without a namespace, bound by %s: %s', async (scope, outcome) => {
    const files = new MemoryFiles({
      [PATH]: OPEN(await world.seal(placeOf(), '', scope), '{name: app}'),
    })
    await world.rotate()
    const run = await world.rewrap(files)
    expect(told(run)).toEqual([`Secret app in ${PATH}: app.json ${outcome}`])
    const [entry] = run.entries
    if (entry?.outcome.state === 'failed')
      expect(entry.outcome.error.hint).toContain('-n NAMESPACE')
  })

  test.each([
    ['that is given', { namespace: 'prod' }],
    ['of its definition', { definitions: [parseDefinition({ ...DEFINITION, namespace: 'prod' })] }],
  ])('a manifest without a namespace is in the one %s', async (_which, parts) => {
    const files = new MemoryFiles({
      [PATH]: OPEN(await world.seal(placeOf(), CANARY), '{name: app}'),
    })
    await world.rotate()
    expect(told(await world.rewrap(files, parts))).toEqual([
      `Secret prod/app in ${PATH}: app.json rewrapped`,
    ])
    expect(await world.open(placeOf(), await heldIn(files.text(PATH), 'app.json'))).toBe(CANARY)
  })

  test.each([
    ['{name: "{{ .Release.Name }}-app", namespace: prod}'],
    ['{name: {{ .Release.Name }}, namespace: prod}'],
    ['{generateName: app-, namespace: prod}'],
    ['{name: app, namespace: "{{ .Release.Namespace }}"}'],
  ])('a name that is open: %s', async (metadata) => {
    const text = OPEN(await world.seal(placeOf(), ''), metadata)
    const files = new MemoryFiles({ [PATH]: text })
    await world.rotate()
    const run = await world.rewrap(files)
    expect(run.entries.map(({ outcome }) => outcome)).toMatchObject([
      {
        state: 'failed',
        error: { code: 'SM_CONFIG_INVALID', hint: expect.stringContaining('rendered') },
      },
    ])
    expect(files.text(PATH)).toBe(text)
  })

  test('a document in stringData is told, in the words of verify', async () => {
    const line = await world.seal(placeOf(), '')
    const text = secretYaml({ 'app.json': line, other: 'text' }, 'app', 'stringData')
    const { entries } = await world.rewrap(new MemoryFiles({ [PATH]: text }))
    expect(entries).toMatchObject([
      {
        dataKey: 'app.json',
        outcome: {
          error: {
            code: 'SM_CONFIG_INVALID',
            message: 'app.json of Secret prod/app stands in stringData',
          },
        },
      },
    ])
  })

  test('I22: a definition that the document does not agree with', async () => {
    const line = await world.seal(placeOf(), '', 'none')
    const files = new MemoryFiles({ [PATH]: secretYaml({ 'app.json': base64(line) }) })
    await world.rotate()
    const definitions = [parseDefinition({ ...DEFINITION, namespace: 'prod' })]
    expect(told(await world.rewrap(files, { definitions }))).toEqual([
      `Secret prod/app in ${PATH}: app.json failed SM_BINDING_MISMATCH`,
    ])
    expect(files.replaced).toEqual([])
  })

  test('a definition that no file has may be of the cluster', async () => {
    const definitions = [
      parseDefinition({ ...DEFINITION, namespace: 'prod' }),
      parseDefinition({ ...DEFINITION, namespace: 'prod', secretName: 'other' }),
    ]
    const files = new MemoryFiles({ [PATH]: secretYaml({ 'b.json': 'AAEC' }) })
    expect(await world.rewrap(files, { definitions })).toMatchObject({ entries: [], unread: [] })
  })

  test('a value for two objects at once is not replaced; the others of the file are', async () => {
    const line = await world.seal(placeOf(), '', 'none')
    const shared = `${secretYaml({ z: 'AAEC' }, 'good')}---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: a, namespace: prod}\n  data: &data {app.json: ${base64(line)}}\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: b, namespace: prod}\n  data: *data\n`
    const text = shared.replace(
      'AAEC',
      base64(await world.seal(placeOf({ name: 'good', dataKey: 'z' }), '')),
    )
    const files = new MemoryFiles({ [PATH]: text })
    const latest = await world.rotate()
    expect(told(await world.rewrap(files))).toEqual([
      `Secret prod/a in ${PATH}: app.json failed SM_CONFIG_INVALID`,
      `Secret prod/b in ${PATH}: app.json failed SM_CONFIG_INVALID`,
      `Secret prod/good in ${PATH}: z rewrapped`,
    ])
    expect(await heldIn(files.text(PATH), 'z', 'good')).toContain(`:vault:v${latest}:`)
    expect(await heldIn(files.text(PATH), 'app.json', 'b')).toBe(line)
  })
})

import { describe, expect, test } from 'vitest'

import { compareManifests } from '../../src/authoring/against.ts'
import { readManifests } from '../../src/authoring/manifests.ts'
import {
  verifyManifests,
  type Demand,
  type Finding,
  type ManifestFile,
} from '../../src/authoring/verify.ts'
import { definitionOf } from '../../src/config/definition.ts'
import type { SecretDefinition } from '../../src/config/types.ts'
import { rawLine, sealedLine, secretYaml } from './lines.ts'

const CANARY = 'canary-91bc'
const DEFINITION = { secretName: 'app', namespace: 'prod', readKey: 's', transitKey: 'app' }

async function fileOf(text: string, file = 'app.yaml'): Promise<ManifestFile> {
  return { file, manifests: await readManifests(text, 'the file') }
}

async function verified(
  text: string,
  all: Demand = {},
  definitions: readonly SecretDefinition[] = [],
): Promise<ReturnType<typeof verifyManifests>> {
  const demands = { all, definitions: definitions.map(definitionOf) }
  return verifyManifests([await fileOf(text)], demands)
}

function told(findings: readonly Finding[]): readonly string[] {
  return findings.map(({ error }) => `${error.code} ${error.message}`)
}

const PLAIN = `{"password": "${CANARY}"}`
const STRING_DATA = `apiVersion: v1\nkind: Secret\nmetadata: {name: app}\nstringData: {s: "${sealedLine()}"}`

describe('a repository that is in order', () => {
  test.each([
    ['sealed', secretYaml({ s: sealedLine() })],
    ['sealed, without the label', secretYaml({ s: sealedLine() }, { isManaged: false })],
    ['sealed, with white space around it', secretYaml({ s: `\n${sealedLine()}\n` })],
    ['raw', secretYaml({ s: rawLine() })],
    ['with siblings that are no JSON', secretYaml({ s: sealedLine(), 'ca.crt': 'PEM' })],
    ["somebody else's, in plaintext", secretYaml({ s: PLAIN }, { isManaged: false })],
  ])('%s', async (_what, text) => {
    expect(told((await verified(text)).findings)).toEqual([])
  })

  test('claims and key version are told', async () => {
    const { documents } = await verified(secretYaml({ s: sealedLine({ revision: 7 }, 4) }))
    expect(documents).toEqual([
      {
        file: 'app.yaml',
        kind: 'Secret',
        namespace: 'prod',
        name: 'app',
        key: 's',
        format: 'sealed',
        keyVersion: 4,
        claims: { mount: 'transit', transitKey: 'app', scope: 'strict', revision: 7 },
      },
    ])
  })
})

describe('what is found', () => {
  test.each<readonly [what: string, text: string, code: string, message: RegExp]>([
    [
      'a line that is not canonical',
      secretYaml({ s: sealedLine().replace(':1000:', ':01000:') }),
      'SM_CT_FORMAT',
      /^the revision in s of Secret prod\/app is malformed$/,
    ],
    ['a line of another version', secretYaml({ s: 'sealed:v2:x' }), 'SM_CT_FORMAT', /format v2/],
    [
      'base64 of base64',
      secretYaml({ s: Buffer.from(sealedLine()).toString('base64') }),
      'SM_CT_FORMAT',
      /but base64 of one$/,
    ],
    [
      'a raw line that is cut',
      secretYaml({ s: 'vault:v1:%' }),
      'SM_CT_FORMAT',
      /is not a Transit ciphertext/,
    ],
    [
      'plaintext beside a document',
      secretYaml({ s: sealedLine(), 'config.json': PLAIN }),
      'SM_CT_FORMAT',
      /^config\.json of Secret prod\/app is plaintext JSON$/,
    ],
    ['stringData', STRING_DATA, 'SM_CONFIG_INVALID', /^s of Secret app stands in stringData$/],
    [
      'no base64',
      secretYaml({ s: sealedLine() }).replace('\ndata:\n', '\ndata:\n  t: "%"\n'),
      'SM_CT_FORMAT',
      /^t of Secret prod\/app is not base64$/,
    ],
    [
      'our label without a document',
      secretYaml({ s: 'hello' }),
      'SM_KEY_MISSING',
      /holds no document$/,
    ],
    [
      'more than an object holds',
      secretYaml({ s: sealedLine(), t: 'x'.repeat(1 << 20) }),
      'SM_TOO_LARGE',
      /has \d+ bytes, the most is 1048576$/,
    ],
  ])('%s', async (_what, text, code, message) => {
    const { findings } = await verified(text)
    expect(findings).toHaveLength(1)
    expect(findings[0]?.error.code).toBe(code)
    expect(findings[0]?.error.message).toMatch(message)
    expect(JSON.stringify(findings)).not.toContain(CANARY)
  })

  test('an object of exactly 1 MiB is none', async () => {
    const text = secretYaml({ s: sealedLine(), t: 'x'.repeat((1 << 20) - sealedLine().length) })
    expect((await verified(text)).findings).toEqual([])
  })
})

describe('I22: a weaker variant than what is demanded', () => {
  test.each<readonly [what: string, line: string, demand: Demand]>([
    ['scope', sealedLine({ scope: 'none' }), { binding: 'strict' }],
    ['mount', sealedLine({ mount: 'other' }), { mount: 'transit' }],
    ['key', sealedLine({ transitKey: 'other' }), { transitKey: 'app' }],
  ])('another %s', async (_what, line, demand) => {
    const text = secretYaml({ s: line })
    expect(told((await verified(text, demand)).findings)).toEqual([
      expect.stringMatching(/^SM_BINDING_MISMATCH s of Secret prod\/app/),
    ])
    expect((await verified(secretYaml({ s: sealedLine() }), demand)).findings).toEqual([])
  })

  test.each([
    ['sealed', rawLine()],
    ['raw', sealedLine()],
  ] as const)('%s is demanded, and it is the other', async (format, line) => {
    const { findings } = await verified(secretYaml({ s: line }), { format })
    expect(told(findings)).toEqual([expect.stringMatching(/^SM_CT_FORMAT /)])
  })
})

describe('a definition', () => {
  const mismatch = secretYaml({ s: sealedLine({ transitKey: 'old' }) })

  test.each<
    readonly [what: string, text: string, changes: Partial<SecretDefinition>, found: string[]]
  >([
    ['agrees', secretYaml({ s: sealedLine() }), {}, []],
    ['of another key', mismatch, {}, ['SM_BINDING_MISMATCH']],
    ['says nothing of other objects', mismatch, { secretName: 'other' }, ['SM_K8S_NOT_FOUND']],
    ['of another namespace', mismatch, { namespace: 'test' }, ['SM_K8S_NOT_FOUND']],
    ['of another kind', mismatch, { readType: 'CONFIG_MAP' }, ['SM_K8S_NOT_FOUND']],
    ['leaves the namespace open', mismatch, { namespace: undefined }, ['SM_BINDING_MISMATCH']],
    [
      'of an entry that is not there',
      secretYaml({ s: sealedLine() }),
      { readKey: 't' },
      ['SM_KEY_MISSING'],
    ],
    [
      'of an entry in plaintext, without label',
      secretYaml({ s: PLAIN }, { isManaged: false }),
      {},
      ['SM_CT_FORMAT'],
    ],
    ['says raw, as the original has it', secretYaml({ s: rawLine() }), { format: 'raw' }, []],
  ])('%s', async (_what, text, changes, found) => {
    const { findings } = await verified(text, {}, [{ ...DEFINITION, ...changes }])
    expect(findings.map(({ error }) => error.code)).toEqual(found)
    expect(JSON.stringify(findings)).not.toContain(CANARY)
  })
})

describe('I22: against another commit', () => {
  const seven = secretYaml({ s: sealedLine({ revision: 7 }) })

  async function compared(
    before: string,
    now: string,
    moved = 'app.yaml',
  ): Promise<readonly string[]> {
    return told(compareManifests([await fileOf(before)], [await fileOf(now, moved)]))
  }

  test.each([
    ['a new revision', secretYaml({ s: sealedLine({ revision: 8 }) })],
    ['a rewrap', secretYaml({ s: sealedLine({ revision: 7 }, 9) })],
    ['another object', secretYaml({ s: sealedLine({ revision: 1 }) }, { name: 'other' })],
    ['an object that is gone', ''],
  ])('%s is no finding', async (_what, now) => {
    expect(await compared(seven, now)).toEqual([])
  })

  test.each([
    [
      'an older revision',
      secretYaml({ s: sealedLine({ revision: 6 }) }),
      /went back from revision 7 to 6$/,
    ],
    ['raw', secretYaml({ s: rawLine() }), /was sealed, and is raw now$/],
    ['something else', secretYaml({ s: PLAIN }), /was sealed, and is no document now$/],
    [
      'a weaker binding',
      secretYaml({ s: sealedLine({ revision: 8, scope: 'none' }) }),
      /was bound by strict, and is by none now$/,
    ],
  ])('%s is one, in a file that was moved, too', async (_what, now, message) => {
    for (const file of ['app.yaml', 'moved.yaml']) {
      const findings = await compared(seven, now, file)
      expect(findings).toEqual([
        expect.stringMatching(/^SM_ROLLBACK_REFUSED s of Secret prod\/app /),
      ])
      expect(findings[0]).toMatch(message)
    }
  })

  test('two files with one object each, as overlays have them, are compared by file', async () => {
    const older = secretYaml({ s: sealedLine({ revision: 6 }) })
    const files = [await fileOf(seven, 'prod.yaml'), await fileOf(older, 'test.yaml')]
    expect(compareManifests(files, files)).toEqual([])
  })

  test('what was raw before may be sealed, or stay', async () => {
    const raw = secretYaml({ s: rawLine() })
    expect(await compared(raw, seven)).toEqual([])
    expect(await compared(raw, raw)).toEqual([])
  })
})

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { transformSync } from 'esbuild'
import { describe, expect, test } from 'vitest'

const root = join(import.meta.dirname, '..')

/** From the ground up: what stands on a line may import its own folder and the lines above it. */
const LAYERS: readonly (readonly string[])[] = [
  ['errors.ts'],
  ['runtime.ts'],
  ['values.ts'],
  ['telemetry.ts'],
  ['lib'],
  ['config'],
  ['status.ts'],
  ['http'],
  ['vault'],
  ['kubernetes'],
  ['sealed'],
  ['sources'],
  ['cache'],
  ['updates'],
  ['calls.ts', 'core.ts', 'manager.ts', 'load-config.ts'],
  ['authoring'],
  ['rotation'],
  ['provision'],
  ['doctor', 'template'],
  ['index.ts'],
  ['dev'],
  ['agent'],
  ['cli'],
]

/** The only places with sockets, processes, files and real time. */
const EDGES = /^src\/(runtime\.ts|http\/transport[^/]*\.ts|dev\/.*|agent\/server\.ts|cli\/.*)$/

const EFFECTS: Readonly<Record<string, RegExp>> = {
  'files, sockets, processes':
    /["'](node:)?(fs|net|https?|http2|tls|dgram|dns|child_process|worker_threads|os|timers)(\/promises)?["']/,
  'the process': /\bprocess\./,
  'the clock': /\bDate\.now\b|\bnew Date\(\)|\bperformance\./,
  timers: /\bset(Timeout|Interval|Immediate)\b|\bAbortSignal\.timeout\b/,
  randomness: /\bMath\.random\b|\brandom(Bytes|UUID|Int|FillSync)\b|\bgetRandomValues\b/,
}

const files = listed('src/**/*.ts')

describe('the import rule', () => {
  test.each(files)('%s imports its own folder and what lies below it', (file) => {
    const wrong = importsOf(file).filter((target) => !mayImport(file, target))
    expect(wrong).toEqual([])
  })

  test('every file has its place in the order', () => {
    expect(files.filter((file) => rank(file) < 0)).toEqual([])
  })
})

describe('effects', () => {
  const inner = files.filter((file) => !EDGES.test(file))

  test.each(Object.entries(EFFECTS))('%s: only at the edges', (_effect, pattern) => {
    expect(inner.filter((file) => pattern.test(code(file)))).toEqual([])
  })

  test('Request, Response and fetch: only in the embedded servers', () => {
    const web =
      /\bnew (Request|Response|Headers)\b|\b(Request|Response)\.|(await|return|[=>(]) ?fetch\(/
    const outer = files.filter((file) => !file.startsWith('src/dev/'))
    expect(outer.filter((file) => web.test(code(file)))).toEqual([])
  })
})

describe('habits', () => {
  const texts = listed().filter((file) => !/(^|\/)(package-lock\.json|go\.(mod|sum))$/.test(file))

  test('no default exports but where a tool demands one', () => {
    const sources = texts.filter((file) => /\.(ts|mjs)$/.test(file) && !file.endsWith('.config.ts'))
    expect(sources.filter((file) => /^export default\b/m.test(read(file)))).toEqual([])
  })

  test('no notes to ourselves', () => {
    const note = /\b(T[O]DO|F[I]XME|X[X]X)\b/
    expect(texts.filter((file) => note.test(read(file)))).toEqual([])
  })

  test('no host of a package registry', () => {
    const host = /\b(registry\.npmjs|proxy\.golang|sum\.golang|pypi|crates|deb\.debian)\.(org|io)\b/
    expect(texts.filter((file) => host.test(read(file)))).toEqual([])
  })
})

/** Paths of the files that are, or would be, in the repository. */
function listed(...patterns: string[]): string[] {
  const args = ['ls-files', '--cached', '--others', '--exclude-standard', '--', ...patterns]
  const output = execFileSync('git', args, { cwd: root, encoding: 'utf8' })
  const paths = [...new Set(output.split('\n'))].filter((path) => path !== '')
  return paths.filter((path) => existsSync(join(root, path))).toSorted()
}

function read(file: string): string {
  return readFileSync(join(root, file), 'utf8')
}

/** The file without types and comments. */
function code(file: string): string {
  return transformSync(read(file), { loader: 'ts', legalComments: 'none' }).code
}

/** Types count too: a file that knows the shape of another depends on it. */
function importsOf(file: string): string[] {
  const specifiers = read(file).matchAll(/(?:\bfrom|\bimport|\bimport\()\s*'(\.[^']+)'/g)
  return [...specifiers].map(([, path = '']) => posix.join(posix.dirname(file), path))
}

function mayImport(file: string, target: string): boolean {
  if (!target.startsWith('src/')) return false
  return place(file) === place(target) || rank(target) < rank(file)
}

/** The folder of `src/` that the file lies in, or its own name. */
function place(file: string): string {
  return file.split('/')[1] ?? ''
}

function rank(file: string): number {
  return LAYERS.findIndex((layer) => layer.includes(place(file)))
}

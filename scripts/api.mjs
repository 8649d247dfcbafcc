/**
 * Holds the built declarations against docs/api.d.ts: the same exported names outside the namespace
 * `planned`, and under each name the same type. Writes a file that compiles only if that is so.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { run } from './run.mjs'

const DECLARATION =
  /^export (?:declare )?(interface|type|class|function|const) (\w+)(?:<([\s\S]*?)>(?=[ (]))?/gm

/** @throws when they differ, with the compiler's report */
export async function checkApi(root) {
  const agreed = readFileSync(join(root, 'docs/api.d.ts'), 'utf8').split(
    'export declare namespace planned',
  )[0]
  const names = [...agreed.matchAll(DECLARATION)].map(([, kind, name, parameters]) => {
    // Without a declared constructor, how one is made is nobody's business but ours.
    const body = new RegExp(`class ${name} [^]*?\\n}`).exec(agreed)?.[0] ?? ''
    return { kind, name, parameters, constructs: body.includes('constructor(') }
  })
  compareNames(
    names.map(({ name }) => name),
    exportedNames(readFileSync(join(root, 'dist/types/index.d.ts'), 'utf8')),
  )

  const folder = join(root, '.cache/api')
  mkdirSync(folder, { recursive: true })
  // What is opaque in the agreement is whatever it is in the build.
  const opaque = agreed.replaceAll(
    /^export interface (\w+) \{\}/gm,
    "export type $1 = import('../../dist/types/index.js').$1",
  )
  writeFileSync(
    join(folder, 'agreed.d.ts'),
    opaque.replaceAll("'../src/errors.ts'", "'../../dist/types/errors.js'"),
  )
  writeFileSync(join(folder, 'pins.ts'), pins(names))
  writeFileSync(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../tsconfig.json', include: ['*.ts'] }),
  )
  await run(process.execPath, ['node_modules/typescript/bin/tsc', '--pretty', '-p', folder], {
    cwd: root,
  })
}

function exportedNames(declarations) {
  const lists = [...declarations.matchAll(/^export (?:type )?\{([^}]*)\} from/gm)]
  return lists
    .flatMap(([, list]) => list.split(',').map((item) => item.trim().replace(/^type /, '')))
    .filter(Boolean)
}

function compareNames(agreed, built) {
  const missing = agreed.filter((name) => !built.includes(name))
  const extra = built.filter((name) => !agreed.includes(name))
  if (missing.length + extra.length === 0) return
  throw new Error(
    `docs/api.d.ts: not built: ${missing.join(', ') || 'none'}; built, not agreed: ${extra.join(', ') || 'none'}`,
  )
}

const PRELUDE = `import type * as agreed from './agreed.d.ts'
import type * as built from '../../dist/types/index.js'

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
/** Strips the brand that #private members give to a class. */
type Members<C> = Pick<C, keyof C>
declare function same<A, B>(...difference: Same<A, B> extends true ? [] : [{ agreed: A; built: B }]): void
declare function assignable<A>(value: A): void
declare function a<T>(): T
`

function pins(names) {
  return PRELUDE + names.flatMap(pin).join('\n') + '\n'
}

/** The assignments say what differs; `same` also sees optional, readonly and overloads. */
function pin(declaration) {
  const pair = types(declaration)
  return pair.flatMap(([left, right]) => [
    `assignable<${left}>(a<${right}>())`,
    `assignable<${right}>(a<${left}>())`,
    `same<${left}, ${right}>()`,
  ])
}

function types({ kind, name, parameters = '', constructs }) {
  const both = (wrap) => [wrap(`agreed.${name}`), wrap(`built.${name}`)]
  if (kind === 'function' || kind === 'const') return [both((type) => `typeof ${type}`)]
  if (kind === 'class') {
    const members = both((type) => `Members<${type}>`)
    return constructs
      ? [members, both((type) => `ConstructorParameters<typeof ${type}>`)]
      : [members]
  }
  const required = parameters
    .split(',')
    .filter((parameter) => parameter.trim() !== '' && !parameter.includes('='))
  const list = required.length > 0 ? `<${required.map(() => 'string').join(', ')}>` : ''
  return [both((type) => type + list)]
}

/**
 * esbuild cuts what two entry points share, lazily loaded parts included, into as many chunks as there
 * are combinations. Loading each takes a millisecond at every start, so the chunks that index.js loads
 * at once are put into it. Whoever else needs them takes them from its export `~core`: there is one
 * copy of everything.
 */
import * as esbuild from 'esbuild'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const IMPORT = /^import (?:\{([^}]*)\} from )?"(\.{1,2}\/[^"]+)";$/gm

/**
 * @param metafile - of a build with splitting whose outputs are on disk
 * @returns the sources of each output, both as paths from `root`
 */
export async function mergeCore(root, { outputs }) {
  const index = Object.keys(outputs).find((path) => outputs[path].entryPoint === 'src/index.ts')
  const core = staticClosure(outputs, index)
  await bundleCore(root, outputs, index, core)
  const others = Object.keys(outputs).filter((path) => path.endsWith('.js') && !core.includes(path))
  for (const path of others) takeFromIndex(root, path, index, core)
  for (const path of core) {
    if (path === index) continue
    rmSync(join(root, path))
    rmSync(join(root, `${path}.map`))
  }
  const sources = others.map((path) => [path, sourcesOf(outputs[path])])
  return Object.fromEntries([...sources, [index, core.flatMap((path) => sourcesOf(outputs[path]))]])
}

function staticClosure(outputs, entry, found = []) {
  if (found.includes(entry)) return found
  found.push(entry)
  for (const { path, kind, external } of outputs[entry].imports) {
    if (kind === 'import-statement' && !external) staticClosure(outputs, path, found)
  }
  return found
}

function sourcesOf({ inputs }) {
  return Object.keys(inputs).filter((path) => inputs[path].bytesInOutput > 0)
}

async function bundleCore(root, outputs, index, core) {
  const chunks = core.filter((path) => path !== index)
  const imports = chunks.map((path, at) => {
    const names = outputs[path].exports.map((name) => `${name} as ${coreName(at, name)}`)
    return `import { ${names.join(', ')} } from ${JSON.stringify(join(root, path))}`
  })
  const all = chunks.flatMap((path, at) => outputs[path].exports.map((name) => coreName(at, name)))
  const contents = `${imports.join('\n')}
export * from ${JSON.stringify(join(root, index))}
const core = { ${all.join(', ')} }
export { core as '~core' }`
  await esbuild.build({
    stdin: { contents, resolveDir: root },
    outfile: join(root, index),
    allowOverwrite: true,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    sourcemap: true,
    sourcesContent: false,
    logLevel: 'silent',
    plugins: [{ name: 'lazy', setup: (build) => keepLazy(build, join(root, index)) }],
  })
}

function keepLazy({ onResolve }, index) {
  onResolve({ filter: /^\./ }, ({ path, kind, resolveDir }) => {
    if (kind !== 'dynamic-import') return undefined
    return { path: pathFrom(index, join(resolveDir, path)), external: true }
  })
}

/** Keeps every line where it is, for the source map. */
function takeFromIndex(root, path, index, core) {
  const file = join(root, path)
  const chunks = core.filter((each) => each !== index)
  const code = readFileSync(file, 'utf8').replaceAll(IMPORT, (statement, names, from) => {
    const target = relative(root, join(dirname(file), from))
    // Ours have no side effects; esbuild imports its own small functions where none is used.
    if (names === undefined) return ''
    if (!chunks.includes(target)) return statement
    const at = chunks.indexOf(target)
    const fields = names.replaceAll(
      /(\w+)(?: as (\w+))?/g,
      (_, name, local = name) => `${coreName(at, name)}: ${local}`,
    )
    return `import { "~core" as core${at} } from "${pathFrom(file, join(root, index))}"; const {${fields}} = core${at};`
  })
  writeFileSync(file, code)
}

function coreName(at, name) {
  return `${name}_${at}`
}

function pathFrom(file, target) {
  const path = relative(dirname(file), target)
  return path.startsWith('.') ? path : `./${path}`
}

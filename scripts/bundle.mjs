import * as esbuild from 'esbuild'
import { join } from 'node:path'
import { mergeCore } from './merge-core.mjs'

/** What stands in the package, by the name of its file in dist/. */
export const ENTRIES = {
  index: 'src/index.ts',
  testing: 'src/dev/testing.ts',
  cli: 'src/cli/main.ts',
}

/**
 * Bundles with all dependencies. Code behind a dynamic import() stays in a file of its own: what a
 * read does not execute, it does not load. What index.js loads at once is one file.
 *
 * @returns the sources of each output, both as paths from `root`
 */
export async function bundle({ root, outdir, entryPoints = ENTRIES, external = [] }) {
  const { metafile } = await esbuild.build({
    absWorkingDir: root,
    entryPoints,
    outdir,
    chunkNames: 'lib/[name]-[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    // Names and lines for stack traces; the text would double the package.
    sourcemap: true,
    sourcesContent: false,
    metafile: true,
    legalComments: 'none',
    logLevel: 'silent',
    external,
    alias: {
      // The build for browsers consists of ES modules: no wrapper around each file, and less of it stays.
      yaml: join(root, 'node_modules/yaml/browser/dist/index.js'),
    },
    plugins: [{ name: 'commonjs', setup: adaptCommonJs }],
  })
  return mergeCore(root, metafile)
}

/** Makes CommonJS packages behave in bundles of ES modules as they do in Node. */
function adaptCommonJs({ onResolve, onLoad, initialOptions: { absWorkingDir } }) {
  onResolve({ filter: /^[^.]/ }, ({ path, kind, namespace }) => {
    const isBuiltin = process.getBuiltinModule(path) !== undefined
    if (kind === 'dynamic-import' && namespace === 'file' && !isBuiltin)
      return { path, namespace: 'package' }
    if (kind === 'require-call' && isBuiltin) return { path, namespace: 'builtin' }
    return undefined
  })
  // ES modules have no require().
  onLoad({ filter: /./, namespace: 'builtin' }, ({ path }) => ({
    contents: `module.exports = process.getBuiltinModule(${JSON.stringify(path)})`,
  }))
  // By itself, esbuild gives to import() of a CommonJS package nothing but a default export.
  onLoad({ filter: /./, namespace: 'package' }, async ({ path }) => {
    const names = Object.keys(await import(path)).filter((name) => /^(?!default$)\w+$/.test(name))
    return { contents: `export { ${names.join(', ')} } from '${path}'`, resolveDir: absWorkingDir }
  })
}

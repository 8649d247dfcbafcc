/** What is bundled: names, versions, licences, as text for people and as CycloneDX for machines. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'

const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))

/** The packages among the `sources` of a build, by name. */
export function bundledPackages(sources) {
  const folders = sources
    .map((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0])
    .filter((folder) => folder !== undefined)
  return [...new Set(folders)].toSorted().map(readPackage)
}

function readPackage(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry))
  if (file === undefined) throw new Error(`${name} is bundled and has no licence file`)
  const { integrity } = lock.packages[folder]
  return {
    name,
    version,
    license,
    text: readFileSync(join(folder, file), 'utf8').trim(),
    integrity,
  }
}

export function licences(packages) {
  const sections = packages.map(
    ({ name, version, license, text }) => `${name} ${version} (${license})\n\n${text}\n`,
  )
  const head = 'Code of these packages is part of the files in this folder.\n'
  return [head, ...sections].join(`\n${'-'.repeat(80)}\n\n`)
}

/** A CycloneDX 1.6 document without a time stamp, so that equal builds give equal files. */
export function sbom({ name, version, license }, packages) {
  return {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    version: 1,
    metadata: { component: component({ name, version, license }) },
    components: packages.map(component),
  }
}

function component({ name, version, license, integrity }) {
  const purl = `pkg:npm/${name.replace('@', '%40')}@${version}`
  const [, sha512] = /^sha512-(.+)$/.exec(integrity ?? '') ?? []
  return {
    type: 'library',
    'bom-ref': purl,
    name,
    version,
    purl,
    licenses: [{ license: { id: license } }],
    ...(sha512 && {
      hashes: [{ alg: 'SHA-512', content: Buffer.from(sha512, 'base64').toString('hex') }],
    }),
  }
}

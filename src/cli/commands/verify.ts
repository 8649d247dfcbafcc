import { join } from 'node:path'
import type { Command } from 'commander'

import { compareManifests } from '../../authoring/against.ts'
import { mentionsDocuments, readManifests, type Manifest } from '../../authoring/manifests.ts'
import {
  verifyManifests,
  type Demands,
  type Finding,
  type ManifestFile,
  type Verification,
} from '../../authoring/verify.ts'
import { isSecretManagerError } from '../../errors.ts'
import { demandsOf, DEMAND_FLAGS } from '../demands.ts'
import { Findings } from '../findings.ts'
import { commitOf, fileAt, filesWith } from '../git.ts'
import {
  isManifestName,
  lookAt,
  manifestPaths,
  readGiven,
  textOfFile,
  type Named,
} from '../manifest-files.ts'
import type { Context } from '../context.ts'
import type { FlagValues } from '../settings.ts'
import { printVerification } from '../verification.ts'

/** Adds `secretmanager verify`: checks the manifests of a repository without a server. */
export function addVerifyCommand(program: Command, context: Context): void {
  const command = program
    .command('verify')
    .argument('<paths...>', 'files and directories with manifests in YAML or JSON (-: stdin)')
    .description('check manifests in a repository: no server is asked, nothing is decrypted')
    .option('--against <ref>', 'compare with this commit: no revision goes back')
    .option('--json', 'print what was found as JSON')
  for (const flag of DEMAND_FLAGS) command.addOption(flag)
  command.addHelpText('after', MORE)
  command.action((paths: string[], values: FlagValues) => verify(paths, values, context))
}

const MORE = `
Exits with 8 where something is wrong. Only Secrets and ConfigMaps
that hold a document, carry the label of secretmanager, or are
named by a --def are looked at.

Examples:
  secretmanager verify deploy --against origin/main
  secretmanager verify app.yaml --def secretdef.json
  helm template . | secretmanager verify - --transit-key app`

/** Manifests of the paths, and files that may have some and cannot be read. */
interface Repository {
  readonly files: readonly ManifestFile[]
  readonly findings: readonly Finding[]
}

async function verify(
  paths: readonly string[],
  values: FlagValues,
  context: Context,
): Promise<void> {
  const demands = await demandsOf(values, context.runtime)
  const named = await Promise.all(paths.filter((path) => path !== STDIN).map(lookAt))
  const now = await readAll(named, paths.includes(STDIN), context)
  const ref = values['against']
  const before = typeof ref === 'string' ? await readAllAt(ref, named) : []
  const verification = merged(now, before, demands)
  printVerification(verification, now.files.length, values['json'] === true, context.output)
  if (verification.findings.length > 0) throw new Findings()
}

const STDIN = '-'

function merged(now: Repository, before: readonly ManifestFile[], demands: Demands): Verification {
  const { documents, findings } = verifyManifests(now.files, demands)
  const compared = compareManifests(before, now.files)
  return { documents, findings: [...now.findings, ...findings, ...compared] }
}

async function readAll(
  named: readonly Named[],
  hasStdin: boolean,
  context: Context,
): Promise<Repository> {
  const files: ManifestFile[] = []
  const findings: Finding[] = []
  const add = async (file: string, text: string, isGiven: boolean): Promise<void> => {
    const read = await manifestsOrFinding(file, text, isGiven)
    if ('error' in read) findings.push(read)
    else files.push(read)
  }
  if (hasStdin) {
    const { text } = await readGiven(STDIN, context)
    await add(STDIN, text, true)
  }
  for (const one of named) {
    for (const path of await manifestPaths(one)) {
      if (files.some(({ file }) => file === path)) continue
      await add(path, await textOfFile(path, context.runtime), !one.isDirectory)
    }
  }
  return { files, findings }
}

/** In a directory there are other files, too, and templates: they count where they have something of ours. */
async function manifestsOrFinding(
  file: string,
  text: string,
  isGiven: boolean,
): Promise<ManifestFile | Finding> {
  if (!isGiven && !mentionsKinds(text)) return { file, manifests: [] }
  try {
    return { file, manifests: await readManifests(text, 'the file') }
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    return isGiven || mentionsDocuments(text) ? { file, error } : { file, manifests: [] }
  }
}

/** Spares parsing what a repository has besides. */
function mentionsKinds(text: string): boolean {
  return text.includes('Secret') || text.includes('ConfigMap')
}

/** What was sealed under the same paths at a commit. */
async function readAllAt(ref: string, named: readonly Named[]): Promise<readonly ManifestFile[]> {
  const found = new Map<string, readonly Manifest[]>()
  for (const { directory, within, isDirectory } of named) {
    const commit = await commitOf(directory, ref)
    for (const path of await filesWith(directory, commit, SEALED, within)) {
      if (isDirectory && !isManifestName(path)) continue
      const text = await fileAt(directory, commit, path)
      found.set(join(directory, path), await manifestsOrNone(text))
    }
  }
  return [...found].map(([file, manifests]) => ({ file, manifests }))
}

/** In clear, and in base64, of which the last character depends on what follows. */
const SEALED: readonly string[] = ['sealed:', 'c2VhbGVkO']

/** What nobody could read then was no document. */
async function manifestsOrNone(text: string): Promise<readonly Manifest[]> {
  try {
    return await readManifests(text, 'the file')
  } catch (error) {
    if (isSecretManagerError(error)) return []
    throw error
  }
}

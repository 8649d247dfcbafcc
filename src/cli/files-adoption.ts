/** `adopt --files`: what it asks, what it says of each document, and how it ends. */
import type { AdoptedDocument, FoundInFile, Selection } from '../authoring/adopt-files.ts'
import { objectName, type Finding, type Spot } from '../authoring/verify.ts'
import type { Definition } from '../config/definition.ts'
import type { Core } from '../core.ts'
import { inContext } from '../errors.ts'
import type { Kind } from '../kubernetes/objects.ts'
import { describe } from '../sources/place.ts'
import { adoptFile, findInFiles, type FoundInFiles } from './adopted-files.ts'
import { withCore } from './core.ts'
import { paragraph, printError, type Output } from './output.ts'
import type { Context } from './context.ts'
import { settingsOf, type FlagValues } from './settings.ts'
import { shownName } from './shown.ts'

/**
 * Seals the raw documents in files: that of `name`, else all of them.
 *
 * @param ask - rejects where the person says no
 * @throws {@link SecretManagerError} the first failure of a document, once the others are done; SM_CONFIG_INVALID, SM_FILE_UNREADABLE,
 * SM_K8S_NOT_FOUND, SM_KEY_MISSING, SM_ABORTED
 */
export async function adoptFiles(
  name: string | undefined,
  values: FlagValues,
  context: Context,
  ask: (question: string) => Promise<void>,
): Promise<void> {
  const { runtime } = context
  const isNamed = (name ?? values['def'] ?? runtime.env('SECRET_NAME')) !== undefined
  const key = text(values['key']) ?? runtime.env('SECRET_DATA_NAME')
  // Without a name the manifests give it, and the entry; a definition has both all the same.
  const named = isNamed ? values : { ...values, key: key ?? ANY }
  const settings = await settingsOf(isNamed ? name : ANY, { ...named, format: 'sealed' }, runtime)
  const paths = Array.isArray(values['files']) ? values['files'].map(String) : []
  await withCore(settings, context, async (core, definition) => {
    const selection: Selection = isNamed
      ? { definition, isNamed }
      : { definition, isNamed, key, kind: KINDS.get(values['type']) }
    const found = await findInFiles(core, paths, selection, context)
    tellFound(found, context.output)
    const total = found.files.reduce((sum, { raw }) => sum + raw.length, 0)
    if (total > 0) await ask(total === 1 ? 'seal it?' : `seal ${total} documents?`)
    await perform(core, definition, found, total, values, context)
  })
}

const ANY = 'any'

const KINDS: ReadonlyMap<unknown, Kind> = new Map([
  ['SECRET', 'Secret'],
  ['CONFIG_MAP', 'ConfigMap'],
])

function tellFound({ files, failures, count }: FoundInFiles, { notes }: Output): void {
  const raw = files.flatMap((each) => each.raw)
  for (const { spot, document } of files.flatMap((each) => each.sealed)) {
    const { place, revision } = document
    notes.line(`${describe(place)} in ${fileOf(spot)} is already sealed, revision ${revision}`)
  }
  for (const { spot } of raw) notes.line(`${nameOf(spot)} in ${fileOf(spot)} is raw`)
  if (raw.length > 0) paragraph(notes, WARNING, 0)
  else if (failures.length + files.flatMap((each) => each.failures).length === 0)
    notes.line(`nothing to be sealed in ${counted(count, 'file')}`)
}

const WARNING =
  'once sealed and applied, readers with a raw definition (the Python original, secretdef.json) cannot read it any more; deploy the native definition with it'

async function perform(
  core: Core,
  definition: Definition,
  { files, failures: before }: FoundInFiles,
  total: number,
  values: FlagValues,
  { output, interrupt }: Context,
): Promise<void> {
  const dryRun = values['dryRun'] === true
  const fromTransitKey = text(values['fromTransitKey']) ?? definition.transitKey
  const adopted: AdoptedDocument[] = []
  const failures = [...before, ...files.flatMap((each) => each.failures)]
  let tried = 0
  for (const found of files.filter(({ raw }) => raw.length > 0)) {
    const done = await adoptFile(core, found, { fromTransitKey, dryRun }, interrupt)
    tried += done.adopted.length + done.failures.length
    for (const each of done.adopted) output.notes.line(told(each, dryRun))
    adopted.push(...done.adopted)
    failures.push(...done.failures)
    if (done.isStopped) break
  }
  if (values['json'] === true)
    output.data.line(JSON.stringify(report(files, adopted, failures, dryRun)))
  tellEnd(adopted.length, failures, total - tried, output)
}

function told({ spot, document }: AdoptedDocument, dryRun: boolean): string {
  const { place, revision, keyVersion } = document
  const now = `revision ${revision}, key ${place.transitKey} version ${keyVersion}`
  const where = `${describe(place)} in ${fileOf(spot)}`
  return dryRun ? `would seal ${where}: ${now}; nothing was written` : `sealed ${where}: ${now}`
}

/** All failures but the first are printed here; that one ends the command. */
function tellEnd(
  adopted: number,
  failures: readonly Finding[],
  untried: number,
  output: Output,
): void {
  const [first, ...others] = failures.map(({ error, ...spot }) => inContext(error, fileOf(spot)))
  if (first === undefined) return
  for (const error of others) printError(output, error)
  const rest = untried === 0 ? '' : `, ${untried} not tried`
  if (adopted + untried + others.length > 0)
    output.notes.line(`${adopted} adopted, ${failures.length} failed${rest}`)
  throw first
}

function report(
  files: readonly FoundInFile[],
  adopted: readonly AdoptedDocument[],
  failures: readonly Finding[],
  dryRun: boolean,
): object {
  const sealed = files.flatMap((each) => each.sealed)
  return {
    documents: [
      ...sealed.map((each) => plain(each, false)),
      ...adopted.map((each) => plain(each, !dryRun)),
      ...failures.map(plainFailure),
    ],
  }
}

function plain({ spot, document }: AdoptedDocument, isAdopted: boolean): object {
  const { place, revision, keyVersion } = document
  return { file: spot.file, ...place, adopted: isAdopted, revision, keyVersion }
}

function plainFailure({ file, kind, namespace, name, key, error }: Finding): object {
  const { code, message, hint } = error
  const place = { kind, namespace, name, dataKey: key }
  return { file, ...place, adopted: false, code, message, hint }
}

function nameOf({ kind = 'Secret', namespace, name = '', key = '' }: Spot): string {
  return shownName(`${key} of ${objectName({ kind, namespace, name, isManaged: false })}`)
}

function fileOf({ file }: Spot): string {
  return shownName(file)
}

function counted(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

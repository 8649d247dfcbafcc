/** Prints what a check of manifests came to. */
import {
  objectName,
  type Finding,
  type FoundDocument,
  type Spot,
  type Verification,
} from '../authoring/verify.ts'
import { paragraph, strong, type Output } from './output.ts'
import { shownName } from './shown.ts'
import { tableOf } from './table.ts'

/** Prints documents and findings: a table, or JSON. Nothing of what is encrypted, or should be, is in either. */
export function printVerification(
  { documents, findings }: Verification,
  files: number,
  isJson: boolean,
  { data, notes }: Output,
): void {
  if (isJson) {
    const plain = { documents: documents.map(plainDocument), findings: findings.map(plainFinding) }
    return data.line(JSON.stringify(plain, undefined, 2))
  }
  if (documents.length > 0) for (const line of tableOf(HEAD, documents.map(rowOf))) data.line(line)
  for (const { error, ...spot } of findings) {
    data.line(`${strong(data, 'found:')} ${[...fileOf(spot), shownName(error.message)].join(': ')}`)
    paragraph(data, `${error.code}: ${shownName(error.hint)}`, 7)
  }
  notes.line(summary(documents.length, files, findings.length))
}

function summary(documents: number, files: number, findings: number): string {
  const what = `${count(documents, 'document')} in ${count(files, 'file')}`
  return `${what}: ${findings === 0 ? 'nothing found' : count(findings, 'finding')}`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

function fileOf({ file }: Spot): readonly string[] {
  return file === '' ? [] : [shownName(file)]
}

const HEAD: readonly string[] = [
  'FILE',
  'OBJECT',
  'ENTRY',
  'FORMAT',
  'KEY',
  'VERSION',
  'SCOPE',
  'REVISION',
]

function rowOf(document: FoundDocument): readonly string[] {
  const { file, key = '', format, keyVersion, claims } = document
  const transitKey = claims ? `${claims.mount}/${claims.transitKey}` : '-'
  const sealed = [claims?.scope ?? '-', String(claims?.revision ?? '-')]
  const names = [file, nameOf(document), key].map(shownName)
  return [...names, format, transitKey, `v${keyVersion}`, ...sealed]
}

function nameOf({ kind = 'Secret', namespace, name = '' }: Spot): string {
  return objectName({ kind, namespace, name, isManaged: false })
}

function plainSpot({ file, kind, namespace, name, key }: Spot): object {
  return { file, kind, namespace, name, entry: key }
}

function plainDocument(document: FoundDocument): object {
  const { format, keyVersion, claims } = document
  return { ...plainSpot(document), format, keyVersion, ...claims }
}

function plainFinding({ error, ...spot }: Finding): object {
  const { code, message, hint } = error
  return { ...plainSpot(spot), code, message, hint }
}

/** Documents of now against those of before: no revision goes back, and nothing becomes weaker. */
import { SecretManagerError } from '../errors.ts'
import { parseSealed, type Claims, type Scope } from '../sealed/format.ts'
import { formatOf, objectName, type Finding, type ManifestFile, type Spot } from './verify.ts'

/** An entry, and what it claims where it is sealed. */
interface Sealing extends Spot {
  readonly place: string
  readonly claims: Claims | undefined
  readonly format: 'sealed' | 'raw' | undefined
}

/**
 * Compares by file and place. Where a file was moved, what stood elsewhere before counts, if no file there has it any more.
 *
 * @param before - the same files at another commit
 */
export function compareManifests(
  before: readonly ManifestFile[],
  now: readonly ManifestFile[],
): readonly Finding[] {
  const entries = sealingsIn(now)
  const present = new Set(entries.map(idOf))
  const old = sealingsIn(before).filter(({ claims }) => claims !== undefined)
  const stayed = new Map(old.map((each) => [idOf(each), each]))
  const moved = new Map(
    // Of several the oldest counts: nobody can tell which of them it was.
    old
      .filter((each) => !present.has(idOf(each)))
      .toSorted(newestFirst)
      .map((each) => [each.place, each]),
  )
  return entries.flatMap((entry) => {
    const previous = stayed.get(idOf(entry)) ?? moved.get(entry.place)
    const error = previous?.claims && weakening(previous.claims, entry)
    return error ? [{ ...spotOf(entry), error }] : []
  })
}

function sealingsIn(files: readonly ManifestFile[]): Sealing[] {
  return files.flatMap(({ file, manifests }) =>
    manifests.flatMap((manifest) =>
      manifest.entries.map((entry) => {
        const { kind, namespace, name } = manifest
        const { key } = entry
        const format = formatOf(entry)
        const claims = format === 'sealed' ? claimsOf(entry.bytes) : undefined
        const place = `${key} of ${objectName(manifest)}`
        return { file, kind, namespace, name, key, place, format, claims }
      }),
    ),
  )
}

/** What cannot be read is told by the check of the format. */
function claimsOf(bytes: Buffer | undefined): Claims | undefined {
  try {
    return parseSealed(bytes?.toString('latin1') ?? '', 'it').claims
  } catch {
    return undefined
  }
}

function idOf({ file, place }: Sealing): string {
  return `${file}\n${place}`
}

function spotOf({ file, kind, namespace, name, key }: Sealing): Spot {
  return { file, ...(kind && { kind }), namespace, ...(name && { name }), ...(key && { key }) }
}

function newestFirst(a: Sealing, b: Sealing): number {
  return (b.claims?.revision ?? 0) - (a.claims?.revision ?? 0)
}

function weakening(before: Claims, now: Sealing): SecretManagerError | undefined {
  const { place, format, claims } = now
  if (format !== 'sealed') {
    return refused(`${place} was sealed, and is ${format ?? 'no document'} now`)
  }
  if (claims === undefined) return undefined
  if (claims.revision < before.revision) {
    return refused(`${place} went back from revision ${before.revision} to ${claims.revision}`)
  }
  if (STRENGTH[claims.scope] < STRENGTH[before.scope]) {
    return refused(`${place} was bound by ${before.scope}, and is by ${claims.scope} now`, WEAKER)
  }
  return undefined
}

const STRENGTH: Readonly<Record<Scope, number>> = { none: 0, namespace: 1, strict: 2 }

const WEAKER = 'seal it with the binding it had: secretmanager encrypt --binding'

function refused(message: string, hint?: string): SecretManagerError {
  return new SecretManagerError('SM_ROLLBACK_REFUSED', message, {
    hint:
      hint ??
      'reverting a manifest is no way back: seal the old content under a new revision: secretmanager rollback',
  })
}

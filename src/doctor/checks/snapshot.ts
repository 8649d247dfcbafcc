/** Whether Vault was restored from a snapshot that is older than what was done to the key since. */
import { latestKnown, restoreNewer } from '../../rotation/lost-version.ts'
import type { KeyFacts } from '../../vault/keyring.ts'
import { journal, journalNamespaces, type FoundJournal } from '../journal.ts'
import { key } from '../vault.ts'
import { finding, ok, warning, type Verdict } from '../verdict.ts'
import type { World } from '../world.ts'

/** Holds the key against the journal of its rotation. */
export async function upToDate(world: World): Promise<Verdict> {
  const facts = await key(world)
  const found = await journal(world)
  // An inventory may have put it where only that says.
  if (!found) {
    const places = [...(await journalNamespaces(world))].join(', ')
    return ok(`no journal of a rotation is in ${places} (one elsewhere: --journal-namespace)`)
  }
  return lost(found, facts) ?? counted(found, facts) ?? reopened(found, facts) ?? asRecorded(found)
}

function lost({ journal: said, where }: FoundJournal, facts: KeyFacts): Verdict | undefined {
  const reached = latestKnown(said)
  if (reached <= facts.latestVersion) return undefined
  return finding(
    `Vault was restored from a snapshot older than v${reached} of the key: ${where} has v${reached}, and the latest is v${facts.latestVersion}; documents under what is missing do not open`,
    restoreNewer(reached),
  )
}

/** Whoever may write a document may have made its version up. */
function counted(
  { journal: { sites }, where }: FoundJournal,
  { latestVersion }: KeyFacts,
): Verdict | undefined {
  const [ahead] = Object.values(sites).toSorted((a, b) => (b.newest ?? 0) - (a.newest ?? 0))
  const { newest = null, site = '', at = '' } = ahead ?? {}
  if (newest === null || newest <= latestVersion) return undefined
  return finding(
    `a document under v${newest} was seen (${short(site)}, ${short(at)}; ${where}), and the latest is v${latestVersion}: Vault was restored from a snapshot older than v${newest}, or that document is of another Vault`,
    restoreNewer(newest),
  )
}

/** Whether what was retired opens again. */
function reopened(
  { journal: { retirement }, where }: FoundJournal,
  { minDecryptionVersion: now }: KeyFacts,
): Verdict | undefined {
  if (retirement?.phase !== 'done' || retirement.to <= now) return undefined
  return warning(
    `versions below v${retirement.to} were retired (${short(retirement.at)}; ${where}), and open again from v${Math.max(now, 1)} on: Vault was restored from a snapshot older than that, or somebody opened them (unretire)`,
    'secretmanager status; then secretmanager rewrap, and secretmanager retire',
  )
}

/** What others wrote, and nobody checked. */
function short(text: string): string {
  return text.slice(0, 100)
}

function asRecorded({ journal: said, where }: FoundJournal): Verdict {
  return ok(`it has v${latestKnown(said)}, the latest that ${where} knows`)
}

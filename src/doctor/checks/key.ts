/** The Transit key: that it is there, what it is, and which versions it still decrypts. */
import { upToDate } from './snapshot.ts'
import { key } from '../vault.ts'
import { finding, ok, warning, type Verdict } from '../verdict.ts'
import type { Check, World } from '../world.ts'

/** The key. */
export const KEY: readonly Check[] = [
  { id: 'key.exists', title: 'Transit key', needs: ['vault.unsealed'], run: exists },
  { id: 'key.derived', title: 'documents are bound', needs: ['key.exists'], run: derived },
  { id: 'key.versions', title: 'versions of the key', needs: ['key.exists'], run: versions },
  {
    id: 'key.snapshot',
    title: 'Vault has all that was done to the key',
    needs: ['key.exists', 'kubernetes.version'],
    run: upToDate,
  },
  {
    id: 'key.exportable',
    title: 'the key cannot leave Vault',
    needs: ['key.exists'],
    run: exportable,
  },
]

function pathOf({ settings, definition }: World): string {
  return `${settings.vault.transitMount}/keys/${definition.transitKey}`
}

async function exists(world: World): Promise<Verdict> {
  const { type, supportsDecryption } = await key(world)
  if (supportsDecryption) return ok(`${pathOf(world)}, ${type}`)
  return finding(
    `${pathOf(world)} is of type ${type}, which does not decrypt`,
    `make one that does: vault write ${pathOf(world)}-2 type=aes256-gcm96 derived=true`,
  )
}

async function derived(world: World): Promise<Verdict> {
  const { format, binding, transitKey } = world.definition
  const { isDerived } = await key(world)
  if (format === 'sealed' && binding !== 'none') {
    if (isDerived) return ok('the key is derived: a document opens only at its place')
    return finding(
      `the key ${transitKey} is not derived: Transit ignores what documents are bound to, and they open anywhere`,
      `make one that is: vault write ${pathOf(world)}-2 type=aes256-gcm96 derived=true; then seal the documents under it: secretmanager adopt`,
    )
  }
  if (!isDerived) {
    return ok(
      `the key is not derived, and these documents (${format === 'raw' ? 'raw' : 'binding none'}) are bound to nothing: whoever may write the object may put another's ciphertext there`,
    )
  }
  if (format === 'sealed') return ok('the key is derived; binding is none')
  return finding(
    `the key ${transitKey} is derived, and raw documents have no context to open with`,
    'leave format out of the definition (sealed), or name the key that they were encrypted with',
  )
}

async function versions(world: World): Promise<Verdict> {
  const { latestVersion, minDecryptionVersion, minEncryptionVersion } = await key(world)
  const from = Math.max(minDecryptionVersion, 1)
  const text = `latest v${latestVersion}, decrypts from v${from}`
  if (minEncryptionVersion === 0) return ok(`${text}, encrypts with the latest`)
  return ok(`${text}, encrypts from v${minEncryptionVersion}`)
}

async function exportable(world: World): Promise<Verdict> {
  const { exportable: mayLeave, deletionAllowed } = await key(world)
  if (mayLeave) {
    return warning(
      'the key is exportable, for ever: who may read its export decrypts without Vault, and no log tells of it',
      `make one that is not: vault write ${pathOf(world)}-2 type=aes256-gcm96 derived=true; then seal the documents under it`,
    )
  }
  if (!deletionAllowed) return ok('neither exportable nor deletable')
  return warning(
    'the key may be deleted, and every document with it',
    `vault write ${pathOf(world)}/config deletion_allowed=false`,
  )
}

/** What is read: stored, claimed, under which version, opened, parsed. */
import { isSecretManagerError } from '../../errors.ts'
import { parseDictionary } from '../../lib/json.ts'
import { restoreNewer } from '../../rotation/lost-version.ts'
import { checkClaims, contextOf } from '../../sealed/binding.ts'
import { keyVersionOf } from '../../sealed/raw.ts'
import { describe } from '../../sources/place.ts'
import { opened, parsed, place, stored } from '../document.ts'
import { key } from '../vault.ts'
import { critical, finding, Missing, ok, warning, type Verdict } from '../verdict.ts'
import type { Check, World } from '../world.ts'

/** The document. */
export const DOCUMENT: readonly Check[] = [
  { id: 'document.stored', title: 'stored document', needs: ['rbac.read'], run: isStored },
  {
    id: 'document.format',
    title: 'format of the document',
    needs: ['document.stored'],
    run: format,
  },
  {
    id: 'document.claims',
    title: 'claims of the document',
    needs: ['document.format'],
    run: agrees,
  },
  {
    id: 'document.version',
    title: 'key version of the document',
    needs: ['document.format', 'key.exists'],
    run: version,
  },
  {
    id: 'document.opens',
    title: 'the document opens',
    needs: ['document.claims', 'document.version', 'login', 'policy.decrypt', 'key.exists'],
    run: opens,
  },
  {
    id: 'document.binding',
    title: 'it opens at its place alone',
    needs: ['document.opens'],
    run: opensElsewhere,
  },
  { id: 'document.payload', title: 'what was decrypted', needs: ['document.opens'], run: payload },
]

async function isStored(world: World): Promise<Verdict> {
  const text = await stored(world).catch((error: unknown) => {
    // Whoever begins meets this, and whoever misspelt a name.
    if (isSecretManagerError(error) && error.code === 'SM_K8S_NOT_FOUND') return error
    throw error
  })
  if (isSecretManagerError(text)) {
    const { kind, namespace, name, dataKey } = await place(world)
    const type = kind === 'ConfigMap' ? ' --type CONFIG_MAP' : ''
    const make = `secretmanager encrypt ${name} -n ${namespace} --key ${dataKey} --transit-key ${world.definition.transitKey}${type}`
    return finding(text.message, `${text.hint}; or make it: ${make}`)
  }
  const size = Buffer.byteLength(text)
  const { mountedAt } = world.settings.kubernetes
  const where = describe(await place(world))
  return ok(`${where}${mountedAt === undefined ? '' : ` at ${mountedAt}`}, ${size} bytes`)
}

async function format(world: World): Promise<Verdict> {
  const { claims } = await parsed(world)
  if (!claims) return ok('raw: a ciphertext alone, without revision and binding')
  return ok(`sealed, revision ${claims.revision}`)
}

async function agrees(world: World): Promise<Verdict> {
  const { claims } = await parsed(world)
  if (!claims) return ok('raw documents claim nothing')
  const { transitKey, binding } = world.definition
  const { transitMount: mount } = world.settings.vault
  checkClaims(claims, { mount, transitKey, binding }, describe(await place(world)))
  return ok(`${mount}/${transitKey}, bound to ${BOUND[binding]}`)
}

const BOUND = { strict: 'its place', namespace: 'its namespace', none: 'nothing' } as const

async function version(world: World): Promise<Verdict> {
  const { ciphertext } = await parsed(world)
  const own = keyVersionOf(ciphertext)
  const { latestVersion, minDecryptionVersion } = await key(world)
  const { transitKey } = world.definition
  const path = `${world.settings.vault.transitMount}/keys/${transitKey}/config`
  if (own > latestVersion) {
    return finding(
      `it is under v${own}, and the latest version of ${transitKey} is v${latestVersion}: Vault was restored from a snapshot older than v${own}, or the document is of another Vault`,
      restoreNewer(own),
    )
  }
  if (own < minDecryptionVersion) {
    return finding(
      `it is under v${own}, and ${transitKey} decrypts from v${minDecryptionVersion} on`,
      `vault write ${path} min_decryption_version=${own}; secretmanager rewrap; then raise it again`,
    )
  }
  if (own === latestVersion) return ok(`v${own}, the latest`)
  return warning(`it is under v${own}, and the latest is v${latestVersion}`, 'secretmanager rewrap')
}

async function opens(world: World): Promise<Verdict> {
  const { document } = await opened(world)
  return ok(`${document.byteLength} bytes`)
}

/** A context that no document has: the probe must fail on a derived key. What it gives is dropped. */
async function opensElsewhere(world: World): Promise<Verdict> {
  const { binding, transitKey } = world.definition
  const { claims, ciphertext } = await parsed(world)
  if (!claims || binding === 'none')
    throw new Missing('a document that is bound, and this one is not')
  const elsewhere = { ...(await place(world)), dataKey: '-secretmanager-doctor' }
  const context = contextOf(elsewhere, 'strict', world.settings.cluster)
  const { transit } = world.core.connections
  try {
    await world.call((allowance) => transit.decrypt(allowance, transitKey, ciphertext, context))
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    if (error.code === 'SM_CT_AUTH_FAILED') return ok('Transit refuses it with another context')
    if (error.code === 'SM_VAULT_DENIED') return ok('the policy allows one context alone')
    throw error
  }
  return critical(
    `Transit opened the document with another context: ${transitKey} is not derived, and any document under it may be put in the place of any other`,
    `vault write ${world.settings.vault.transitMount}/keys/${transitKey}-2 type=aes256-gcm96 derived=true; then seal the documents under it: secretmanager adopt`,
  )
}

async function payload(world: World): Promise<Verdict> {
  const { document } = await opened(world)
  const count = Object.keys(parseDictionary(document)).length
  if (count === 0) return warning('an empty dictionary', 'secretmanager set NAME')
  return ok(`a dictionary of ${count} ${count === 1 ? 'entry' : 'entries'}`)
}

/** Renews the reviewer's token of the cluster that this runs in, by the few rights of the renewer. */
import type { ClusterSpec, ReviewerSpec } from '../config/provision-file.ts'
import { SecretManagerError } from '../errors.ts'
import { textOf } from '../lib/record.ts'
import { renewReviewer } from './apply.ts'
import { changed, joined, verdict, type ReviewerWrite, type Verdict } from './change.ts'
import { mountsOf } from './diff-vault.ts'
import { uidOf } from './facts.ts'
import type { Fields } from './items.ts'
import { isDue, readRecord } from './record.ts'
import type { Servers } from './servers.ts'

/**
 * Renews each token of which half is over. In a pod every context leads to the pod's own cluster, so the
 * mounts of other clusters are passed over.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where no mount is of this cluster; SM_K8S_*, SM_VAULT_*
 */
export async function renewReviewers(servers: Servers): Promise<Verdict> {
  const methods = mountsOf((await servers.vault.read('sys/auth')) ?? {})
  const found: Verdict[] = []
  for (const cluster of servers.file.clusters) {
    const { reviewer } = cluster
    if (reviewer) found.push(await renewOne(servers, cluster, reviewer, methods))
  }
  const all = joined(found)
  if (all.changes.length > 0) return all
  throw new SecretManagerError(
    'SM_CONFIG_INVALID',
    'no auth mount of the file has a reviewer of this cluster',
    {
      hint: 'set it up first: secretmanager provision FILE',
    },
  )
}

async function renewOne(
  servers: Servers,
  cluster: ClusterSpec,
  reviewer: ReviewerSpec,
  methods: ReadonlyMap<string, Fields>,
): Promise<Verdict> {
  const { name, mount } = cluster
  const what = `reviewer of ${mount}`
  const description = textOf(methods.get(mount)?.['description'])
  const record = readRecord(description)
  const uid = await uidOf(servers.cluster(name))
  if (record === undefined || record.cluster !== name || record.uid !== uid) {
    return verdict({ notes: [{ about: what, says: 'is not of this cluster', isRisk: false }] })
  }
  const term = record.reviewer
  if (term && !isDue(term, servers.runtime.wallClock())) return changed('vault', what, 'same')
  const fields = configured((await servers.vault.read(`auth/${mount}/config`)) ?? {})
  const about = { cluster: name, mount, reviewer, fields, record, description }
  const write: ReviewerWrite = { target: 'reviewer', ...about }
  await renewReviewer(servers, write)
  return changed('vault', what, 'update', [{ field: 'token_reviewer_jwt' }], [write])
}

/** What its policy lets it say again: exactly what is there. */
function configured(there: Fields): Fields {
  const names = ['kubernetes_host', 'kubernetes_ca_cert', 'disable_local_ca_jwt']
  return Object.fromEntries(
    names.filter((name) => name in there).map((name) => [name, there[name]]),
  )
}

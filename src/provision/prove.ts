/**
 * Proof by trying: what an app needs works, and what nobody must be able to do is refused. Nothing is
 * stored by it; the tokens that it takes live seconds.
 */
import type { AppSpec, ClusterSpec } from '../config/provision-file.ts'
import { isSecretManagerError } from '../errors.ts'
import { inParallel } from '../lib/in-parallel.ts'
import { isRecord, textOf } from '../lib/record.ts'
import type { ClusterCalls } from './cluster-calls.ts'
import { JOBS, type Job } from './names.ts'
import { attemptsOf, strangersOf, type Attempted } from './attempts.ts'
import type { Servers } from './servers.ts'

/** One thing that was tried. */
export interface Proof {
  readonly cluster: string
  readonly app: string
  /** In words, such as `reader decrypts`. */
  readonly what: string
  readonly expected: 'allowed' | 'refused'
  readonly outcome: 'allowed' | 'refused' | 'not tried'
  /** Why it was not tried. */
  readonly reason?: string | undefined
  /** Whether it is of a set-up that was there before, and stays as wide as it is. */
  readonly isAdopted: boolean
}

/** Who tries, and where. */
export interface Trial {
  readonly servers: Servers
  readonly cluster: ClusterSpec
  readonly app: AppSpec
}

/** Trials under way. */
const AT_ONCE = 4

/**
 * Tries everything for each app in each of its clusters.
 *
 * @throws {@link SecretManagerError} where a server gives no answer
 */
export async function prove(servers: Servers): Promise<readonly Proof[]> {
  const { apps, clusters } = servers.file
  const trials = apps.flatMap((app) =>
    clusters
      .filter(({ name }) => app.clusters.includes(name))
      .map((cluster) => ({ servers, cluster, app })),
  )
  return (await inParallel(trials, AT_ONCE, proveOne)).flat()
}

/** Whether something is otherwise than it should be; what was not tried says nothing. */
export function isOtherwise({ expected, outcome }: Proof): boolean {
  return outcome !== 'not tried' && outcome !== expected
}

/** Whether something is otherwise than it must be: what was adopted may let in more. */
export function isBroken(proof: Proof): boolean {
  return isOtherwise(proof) && !(proof.isAdopted && proof.expected === 'refused')
}

async function proveOne(trial: Trial): Promise<readonly Proof[]> {
  const jobs = JOBS.filter((job) => trial.app[job])
  const [lists, strangers, ...tried] = await Promise.all([
    proveRbac(trial),
    proveStrangers(trial),
    ...jobs.map((job) => proveJob(trial, job)),
  ])
  return [...tried.flat(), ...strangers, ...lists]
}

async function proveJob(trial: Trial, job: Job): Promise<readonly Proof[]> {
  const login = await logIn(trial, job)
  const entry = proofOf(trial, `${job} logs in`, 'allowed', login)
  const token = 'token' in login ? login.token : undefined
  const attempts = attemptsOf(trial.app, job, trial.servers.file.transitMount)
  if (token === undefined) {
    const reason = 'it could not log in'
    return [
      entry,
      ...attempts.map(({ what, expected }) =>
        proofOf(trial, `${job} ${what}`, expected, { outcome: 'not tried', reason }),
      ),
    ]
  }
  const { vault } = trial.servers
  const proofs = attempts.map(async ({ what, expected, request }) => {
    const came = await vault.attempt({ ...request, token })
    // Vault looks at the policies first: whatever else it finds fault with, it has allowed.
    const isDenied = 'refusal' in came && came.refusal.code === 'SM_VAULT_DENIED'
    const outcome = isDenied ? 'refused' : 'allowed'
    return proofOf(trial, `${job} ${what}`, expected, { outcome })
  })
  return [entry, ...(await Promise.all(proofs))]
}

function proofOf(
  { cluster, app }: Trial,
  what: string,
  expected: Proof['expected'],
  { outcome, reason }: Attempted,
): Proof {
  const isAdopted = app.adopt || cluster.adopt
  return { cluster: cluster.name, app: app.name, what, expected, outcome, reason, isAdopted }
}

/** A login of somebody: with the token of the job's ServiceAccount, or with another. */
async function logIn(
  { servers, cluster, app }: Trial,
  job: Job,
  other: {
    readonly audience?: string
    readonly namespace?: string
    readonly account?: string
  } = {},
): Promise<Attempted & { readonly token?: string | undefined }> {
  const { serviceAccount, role } = app[job] ?? app.reader
  const { audience = cluster.audience, namespace = app.namespace, account = serviceAccount } = other
  const issued = await tokenOrReason(servers.cluster(cluster.name), {
    namespace,
    serviceAccount: account,
    audience,
    seconds: 600,
  })
  if ('reason' in issued) return { outcome: 'not tried', reason: issued.reason }
  const came = await servers.vault.attempt({
    method: 'POST',
    path: `auth/${cluster.mount}/login`,
    body: { role, jwt: issued.jwt },
  })
  if ('refusal' in came) return { outcome: 'refused' }
  const { auth } = came.reply
  return { outcome: 'allowed', token: isRecord(auth) ? textOf(auth['client_token']) : undefined }
}

async function tokenOrReason(
  calls: ClusterCalls,
  wanted: Parameters<ClusterCalls['token']>[0],
): Promise<{ readonly jwt: string } | { readonly reason: string }> {
  try {
    return await calls.token(wanted)
  } catch (error) {
    if (!isSecretManagerError(error)) throw error
    const { namespace, serviceAccount } = wanted
    if (error.code === 'SM_K8S_NOT_FOUND') {
      return { reason: `there is no ServiceAccount ${namespace}/${serviceAccount}` }
    }
    if (error.code === 'SM_K8S_DENIED') {
      return { reason: `it needs create serviceaccounts/token of ${namespace}/${serviceAccount}` }
    }
    throw error
  }
}

/** Who must not get in: for another audience, of another namespace, of another name. */
function proveStrangers(trial: Trial): Promise<readonly Proof[]> {
  return Promise.all(
    strangersOf(trial).map(async ({ what, ...other }) => {
      const came = await logIn(trial, 'reader', other)
      return proofOf(trial, `${what} logs in as the reader`, 'refused', came)
    }),
  )
}

/** Asked of the API server, which judges as it would when the reader asks. */
async function proveRbac(trial: Trial): Promise<readonly Proof[]> {
  const { servers, cluster, app } = trial
  const what = `reader lists Secrets of ${app.namespace} in Kubernetes`
  const { serviceAccount } = app.reader
  const came = await servers
    .cluster(cluster.name)
    .mayList(app.namespace, serviceAccount)
    .then(
      (isAllowed): Attempted => ({ outcome: isAllowed ? 'allowed' : 'refused' }),
      (error: unknown): Attempted => {
        if (!isSecretManagerError(error) || error.code !== 'SM_K8S_DENIED') throw error
        return { outcome: 'not tried', reason: 'it needs create subjectaccessreviews' }
      },
    )
  return [proofOf(trial, what, 'refused', came)]
}

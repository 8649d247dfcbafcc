/**
 * Proof by trying: what an app needs works, and what nobody must be able to do is refused. Nothing is
 * stored by it; the tokens that it takes live seconds.
 */
import { inParallel } from '../lib/in-parallel.ts'
import { attemptsOf, strangersOf } from './attempts.ts'
import { JOBS, type Job } from './names.ts'
import type { Attempted, Proof, Trial } from './proof.ts'
import { proveRenewer } from './prove-renewer.ts'
import type { Servers } from './servers.ts'
import { judged, logInAs, tried, type LoggedIn, type Who } from './trying.ts'

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
  const used = clusters.filter((cluster) => trials.some((trial) => trial.cluster === cluster))
  const [ofApps, ofRenewers] = [
    await inParallel(trials, AT_ONCE, proveOne),
    await inParallel(used, AT_ONCE, (cluster) => proveRenewer(servers, cluster)),
  ]
  return [...ofApps, ...ofRenewers].flat()
}

async function proveOne(trial: Trial): Promise<readonly Proof[]> {
  const jobs = JOBS.filter((job) => trial.app[job])
  const [lists, strangers, ...jobProofs] = await Promise.all([
    proveRbac(trial),
    proveStrangers(trial),
    ...jobs.map((job) => proveJob(trial, job)),
  ])
  return [...jobProofs.flat(), ...strangers, ...lists]
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
  const proofs = attempts.map(async ({ what, expected, request }) =>
    proofOf(trial, `${job} ${what}`, expected, await tried(trial.servers, { ...request, token })),
  )
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

/** A login as the job's ServiceAccount, or as somebody else. */
function logIn(
  { servers, cluster, app }: Trial,
  job: Job,
  other: Partial<Who> = {},
): Promise<LoggedIn> {
  const { serviceAccount: account, role } = app[job] ?? app.reader
  const who = { audience: cluster.audience, namespace: app.namespace, account, ...other }
  return logInAs(servers, cluster, role, who)
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

async function proveRbac(trial: Trial): Promise<readonly Proof[]> {
  const { servers, cluster, app } = trial
  const what = `reader lists Secrets of ${app.namespace} in Kubernetes`
  const who = { namespace: app.namespace, account: app.reader.serviceAccount }
  const action = { verb: 'list', resource: 'secrets', namespace: app.namespace }
  return [proofOf(trial, what, 'refused', await judged(servers, cluster, who, action))]
}

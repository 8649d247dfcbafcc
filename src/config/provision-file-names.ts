/** What the parts of a provision file must not say of each other. */
import { closest } from '../lib/closest.ts'
import type { Problem } from './problems.ts'
import type { AppOfFile } from './provision-file-app.ts'
import type { AccessSpec, ClusterSpec } from './provision-spec.ts'

/** Finds names that are used twice and clusters that there are not. */
export function agreeAll(
  clusters: readonly ClusterSpec[] | undefined,
  apps: readonly AppOfFile[],
): readonly Problem[] {
  const names = clusters?.map(({ name }) => name) ?? ['default']
  const mounts = clusters?.map(({ mount }) => mount) ?? []
  return [
    ...twice(names, (at) => `clusters[${at}].name`, 'is that of another cluster, too'),
    ...twice(mounts, (at) => `clusters[${at}].mount`, ONE_EACH),
    ...twice(
      apps.map(({ name }) => name),
      (at) => `apps[${at}].name`,
      'is that of another app, too',
    ),
    ...twiceIn(apps, 'role', 'is the role of another job, too: whoever has one has the other'),
    ...twiceIn(apps, 'policy', 'is the policy of another job, too: each has one of its own'),
    ...apps.flatMap((app, at) => unknownClusters(app, at, names)),
    ...periods(apps),
  ]
}

const ONE_EACH = 'is that of another cluster, too: each has a mount of its own'

function twice(
  values: readonly string[],
  pathOf: (at: number) => string,
  says: string,
): readonly Problem[] {
  return values.flatMap((value, at) =>
    values.indexOf(value) < at ? [{ path: pathOf(at), says }] : [],
  )
}

function twiceIn(
  apps: readonly AppOfFile[],
  key: 'role' | 'policy',
  says: string,
): readonly Problem[] {
  const all = apps.flatMap((app, at) =>
    jobsOf(app).map(([job, { [key]: value }]) => ({
      value,
      path: `apps[${at}].${job === 'reader' ? key : `${job}.${key}`}`,
    })),
  )
  return twice(
    all.map(({ value }) => value),
    (at) => all[at]?.path ?? '',
    says,
  )
}

function jobsOf({ reader, writer, rotator }: AppOfFile): readonly [string, AccessSpec][] {
  const jobs = { reader, writer, rotator }
  return Object.entries(jobs).filter((job): job is [string, AccessSpec] => job[1] !== undefined)
}

function unknownClusters(
  { clusters = [] }: AppOfFile,
  app: number,
  names: readonly string[],
): readonly Problem[] {
  return clusters.flatMap((name, at) => {
    if (names.includes(name)) return []
    const meant = closest(name, names)
    const says = 'is no cluster of this file'
    return [
      {
        path: `apps[${app}].clusters[${at}]`,
        says: meant === undefined ? says : `${says}: did you mean ${meant}?`,
      },
    ]
  })
}

/** Two apps may share a key, but it has one period. */
function periods(apps: readonly AppOfFile[]): readonly Problem[] {
  const said = apps.flatMap(({ transitKey, autoRotatePeriodMs: ms }, at) =>
    ms === undefined ? [] : [{ transitKey, ms, at }],
  )
  return said.flatMap(({ transitKey, ms, at }) => {
    const first = said.find((other) => other.transitKey === transitKey)
    if (first === undefined || first.ms === ms) return []
    return [
      { path: `apps[${at}].autoRotatePeriod`, says: 'differs from that of another app of the key' },
    ]
  })
}

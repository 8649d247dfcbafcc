/** The pod of a template: what the API server adds to it, as far as anybody here looks at it. */
import { type FieldError, required } from './status.ts'

/** A pod as it was given; what is not named here is kept unseen. */
export interface PodTemplate {
  readonly containers?: readonly Container[]
  readonly volumes?: readonly Volume[]
  readonly restartPolicy?: string
  readonly serviceAccountName?: string
}

interface Container {
  readonly image?: string
}

type Volume = Readonly<Record<string, object | string>>

/** Fills in defaults. */
export function completePod(pod: PodTemplate): object {
  const { containers, volumes, serviceAccountName } = pod
  return {
    restartPolicy: 'Always',
    terminationGracePeriodSeconds: 30,
    dnsPolicy: 'ClusterFirst',
    securityContext: {},
    schedulerName: 'default-scheduler',
    ...(serviceAccountName === undefined ? {} : { serviceAccount: serviceAccountName }),
    ...pod,
    ...(containers === undefined ? {} : { containers: containers.map(completeContainer) }),
    ...(volumes === undefined ? {} : { volumes: volumes.map(completeVolume) }),
  }
}

function completeContainer(container: Container): object {
  const { image = '' } = container
  const isMoving = image.endsWith(':latest') || !/[:@][^/]*$/.test(image)
  return {
    resources: {},
    terminationMessagePath: '/dev/termination-log',
    terminationMessagePolicy: 'File',
    imagePullPolicy: isMoving ? 'Always' : 'IfNotPresent',
    ...container,
  }
}

const FILES: ReadonlySet<string> = new Set(['configMap', 'secret', 'projected', 'downwardAPI'])
/** 0644. */
const MODE = 420

function completeVolume(volume: Volume): Volume {
  const entries = Object.entries(volume).map(([key, source]) =>
    FILES.has(key) ? [key, Object.assign({ defaultMode: MODE }, source)] : [key, source],
  )
  return Object.fromEntries(entries)
}

/** What a pod of a Job must have. */
export function podErrors(
  { containers = [], restartPolicy = '' }: PodTemplate,
  field: string,
): FieldError[] {
  const isOnce = restartPolicy === 'OnFailure' || restartPolicy === 'Never'
  return [
    ...(containers.length === 0 ? [required(`${field}.containers`)] : []),
    ...containers.flatMap(({ image }, at) =>
      image === undefined ? [required(`${field}.containers[${at}].image`)] : [],
    ),
    ...(isOnce ? [] : [required(`${field}.restartPolicy`, 'valid values: "OnFailure", "Never"')]),
  ]
}

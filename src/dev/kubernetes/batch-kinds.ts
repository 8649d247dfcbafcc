/** CronJobs: stored and completed as kube-apiserver does it, and never run. */
import { anyType, boolType, intType, structType, stringType, type GoType } from './decode.ts'
import { type KubernetesObject, OBJECT_META, type Resource, TYPE_META } from './objects.ts'
import { completePod, podErrors } from './pod-template.ts'
import { type FieldError, required, unsupportedValue } from './status.ts'
import { dnsSubdomain } from './validation.ts'

/** The group of these kinds. */
export const BATCH_GROUP = 'batch'

/** A CronJob. */
export interface CronJob extends KubernetesObject {
  spec?: CronJobSpec
  status?: unknown
}

/** When it runs, and what. */
export interface CronJobSpec {
  schedule?: string
  concurrencyPolicy?: string
  suspend?: boolean
  /** Kept as it is, but for what the server adds to its pod. */
  jobTemplate?: unknown
  successfulJobsHistoryLimit?: number
  failedJobsHistoryLimit?: number
}

const SPEC: GoType<CronJobSpec> = structType<CronJobSpec>(
  'CronJobSpec',
  {
    schedule: stringType(),
    concurrencyPolicy: stringType('v1.ConcurrencyPolicy'),
    suspend: boolType,
    jobTemplate: anyType,
    successfulJobsHistoryLimit: intType,
    failedJobsHistoryLimit: intType,
  },
  'v1.',
)

/** https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/cron-job-v1/ */
export const CRON_JOBS: Resource<CronJob> = {
  group: BATCH_GROUP,
  version: 'v1',
  name: 'cronjobs',
  kind: 'CronJob',
  namespaced: true,
  deleteGives: 'status',
  type: structType<CronJob>('CronJob', {
    ...TYPE_META,
    metadata: OBJECT_META,
    spec: SPEC,
    status: anyType,
  }),
  complete: (object) => ({ ...object, spec: completeSpec(object.spec ?? {}), status: {} }),
  validate: ({ spec = {} }) => specErrors(spec),
  validateName,
}

function completeSpec({ jobTemplate = {}, ...given }: CronJobSpec): CronJobSpec {
  return {
    concurrencyPolicy: 'Allow',
    suspend: false,
    successfulJobsHistoryLimit: 3,
    failedJobsHistoryLimit: 1,
    ...given,
    jobTemplate: completeJob(jobTemplate),
  }
}

function completeJob(template: unknown): object {
  const { metadata = {}, spec = {} } = Object(template)
  const pod = Object(spec.template)
  const completed = { metadata: {}, ...pod, spec: completePod(Object(pod.spec)) }
  return { ...Object(template), metadata, spec: { ...spec, template: completed } }
}

const POLICIES = ['Allow', 'Forbid', 'Replace']

/** When a schedule is none, is not judged here. */
function specErrors({
  schedule = '',
  concurrencyPolicy = '',
  jobTemplate,
}: CronJobSpec): FieldError[] {
  const isKnown = POLICIES.includes(concurrencyPolicy)
  return [
    ...(schedule === '' ? [required('spec.schedule')] : []),
    ...(isKnown ? [] : [unsupportedValue('spec.concurrencyPolicy', concurrencyPolicy, POLICIES)]),
    ...podErrors(Object(jobTemplate).spec.template.spec, 'spec.jobTemplate.spec.template.spec'),
  ]
}

/** Its Jobs add eleven characters. */
const LONGEST_NAME = 52

function validateName(name: string): string[] {
  const long = name.length > LONGEST_NAME
  return [
    ...dnsSubdomain(name),
    ...(long ? [`must be no more than ${LONGEST_NAME} characters`] : []),
  ]
}

/**
 * A Kubernetes Job that runs doctor as the service's ServiceAccount: what a person's kubeconfig shows is
 * not what the pod sees. It has the service's settings, the paths of its files, and no secret.
 */
import type { Definition } from '../config/definition.ts'
import type { Settings } from '../config/schema.ts'
import { SecretManagerError } from '../errors.ts'
import { readNamedFile } from '../kubernetes/named-file.ts'
import { certificatesIn } from '../kubernetes/pem.ts'
import { CONTAINER_SECURITY, POD_SECURITY } from '../kubernetes/pod-security.ts'
import type { Pem, Runtime } from '../runtime.ts'
import { asksCluster } from './cluster.ts'

/** What the Job is for. */
export interface JobPlan {
  readonly settings: Settings
  readonly definition: Definition
  readonly image: string
  /** Certificate of the CA of Vault in PEM; absent: those that the image trusts. */
  readonly caPem: string | undefined
}

/** Where the Job finds what it needs. */
const CONFIG = '/etc/secretmanager-doctor'
const NAME = 'secretmanager-doctor'

/**
 * Makes the manifests: a ConfigMap with settings, and the Job.
 *
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID for a login that needs a secret
 */
export function jobManifests(plan: JobPlan): readonly object[] {
  const { settings, definition, caPem } = plan
  refuseSecrets(settings)
  const namespace = namespaceOf(plan)
  const metadata = { name: NAME, namespace, labels: { 'app.kubernetes.io/name': NAME } }
  const data = {
    'config.json': JSON.stringify(configOf(plan), undefined, 2),
    'definition.json': JSON.stringify(definitionOf(definition), undefined, 2),
    ...(caPem !== undefined && { 'ca.crt': caPem }),
  }
  return [
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
    {
      apiVersion: 'batch/v1',
      kind: 'Job',
      metadata,
      spec: {
        backoffLimit: 0,
        ttlSecondsAfterFinished: 3600,
        template: { metadata: { labels: metadata.labels }, spec: podOf(plan) },
      },
    },
  ]
}

/** Where the Job runs: where the ServiceAccount is. */
export function namespaceOf({ settings, definition }: JobPlan): string {
  return settings.kubernetes.namespace ?? definition.namespace ?? 'default'
}

/** In the native shape, with the old one's meaning. */
function configOf({ settings, caPem }: JobPlan): object {
  const { vault, kubernetes, cluster } = settings
  const { url, namespace, transitMount, redirectHosts, transport } = vault
  const { serverName, proxy } = transport
  return {
    cluster,
    vault: {
      url,
      ...(namespace !== undefined && { namespace }),
      ...(caPem !== undefined && { caCert: `${CONFIG}/ca.crt` }),
      ...(serverName !== undefined && { serverName }),
      ...(proxy !== undefined && { proxy }),
      ...(new URL(url).protocol === 'http:' && { allowInsecureHttp: true }),
      ...(redirectHosts.length > 0 && { redirectHosts }),
      transitMount,
      auth: jwtAuth(settings),
    },
    kubernetes: withoutUndefined({
      namespace: kubernetes.namespace,
      serviceAccount: kubernetes.serviceAccount,
      mountedAt: kubernetes.mountedAt,
    }),
  }
}

function jwtAuth({ vault: { auth } }: Settings): JwtAuth {
  if (auth.method === 'kubernetes' || auth.method === 'jwt') {
    const { method, role, mount, audience, jwtFile } = auth
    return { method, role, mount, audience, ...(jwtFile !== undefined && { jwtFile }) }
  }
  throw secret(`these settings log in by ${auth.method}`)
}

/** A manifest is for everybody to read. */
function refuseSecrets({ vault: { transport } }: Settings): void {
  const { clientCert, proxy = '' } = transport
  if (clientCert) throw secret('these settings have a client certificate')
  if (/^\w+:\/\/[^/]*@/.test(proxy)) throw secret('the proxy of these settings has credentials')
}

function secret(what: string): SecretManagerError {
  const message = `${what}, and a Job can only be its ServiceAccount`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'run doctor in the pod of the service: kubectl exec',
  })
}

interface JwtAuth {
  readonly method: 'kubernetes' | 'jwt'
  readonly role: string
  readonly mount: string
  readonly audience: string
  readonly jwtFile?: string
}

function definitionOf(definition: Definition): object {
  const { secretName, namespace, readType, readKey, transitKey, format, binding } = definition
  return withoutUndefined({ secretName, namespace, readType, readKey, transitKey, format, binding })
}

function withoutUndefined(fields: Readonly<Record<string, unknown>>): object {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function podOf(plan: JobPlan): object {
  const { settings, image } = plan
  const volumes = volumesOf(plan)
  const { serviceAccount = 'default' } = settings.kubernetes
  return {
    serviceAccountName: serviceAccount,
    // The API server is asked by it, where it is asked at all.
    automountServiceAccountToken: asksCluster(plan),
    restartPolicy: 'Never',
    securityContext: POD_SECURITY,
    containers: [
      {
        name: 'doctor',
        image,
        command: ['secretmanager'],
        args: ['doctor', `--config=${CONFIG}/config.json`, `--def=${CONFIG}/definition.json`],
        securityContext: CONTAINER_SECURITY,
        resources: { limits: { memory: '128Mi' }, requests: { cpu: '50m', memory: '64Mi' } },
        volumeMounts: volumes.map(({ volume, at }) => {
          return { name: volume.name, mountPath: at, readOnly: true }
        }),
      },
    ],
    volumes: volumes.map(({ volume }) => volume),
  }
}

interface Volume {
  readonly at: string
  readonly volume: { readonly name: string } & Readonly<Record<string, unknown>>
}

/** At the paths of the service: its settings name them. */
function volumesOf({ settings, definition }: JobPlan): readonly Volume[] {
  const { audience, jwtFile } = jwtAuth(settings)
  const { mountedAt } = settings.kubernetes
  const { secretName, readType } = definition
  const own: Volume = { at: CONFIG, volume: { name: 'settings', configMap: { name: NAME } } }
  const token = jwtFile === undefined ? [] : [projectedToken(jwtFile, audience)]
  const source =
    readType === 'CONFIG_MAP' ? { configMap: { name: secretName } } : { secret: { secretName } }
  const document =
    mountedAt === undefined ? [] : [{ at: mountedAt, volume: { name: 'document', ...source } }]
  return [own, ...token, ...document]
}

/** @see https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken */
function projectedToken(jwtFile: string, audience: string): Volume {
  const at = jwtFile.slice(0, jwtFile.lastIndexOf('/')) || '/'
  const path = jwtFile.slice(jwtFile.lastIndexOf('/') + 1)
  const serviceAccountToken = { path, audience, expirationSeconds: 600 }
  return { at, volume: { name: 'token', projected: { sources: [{ serviceAccountToken }] } } }
}

/**
 * The CA of Vault for the Job: a certificate is no secret.
 *
 * @throws {@link SecretManagerError} SM_FILE_UNREADABLE
 */
export async function caOf(pem: Pem | undefined, runtime: Runtime): Promise<string | undefined> {
  if (pem?.kind === 'text') return pem.pem
  if (pem?.kind !== 'file') return undefined
  const bytes = await readNamedFile(pem.path, 'vault.caCert', runtime)
  return certificatesIn(Buffer.from(bytes).toString('latin1'))
}

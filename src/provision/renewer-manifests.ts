/** What renews the reviewer's token in the cluster: a CronJob, what it reads, and the few rights that it has. */
import type { ClusterSpec } from '../config/provision-file.ts'
import { CONTAINER_SECURITY, POD_SECURITY } from '../kubernetes/pod-security.ts'
import { accountManifest, grant, ruleFor, type Manifest } from './manifest.ts'
import { LABELS, renewerName } from './names.ts'
import { renewedIn, type Renewed } from './renewal.ts'
import { CONFIG, renewerFiles, type VaultAddress } from './renewer-config.ts'

/** The objects of a cluster whose reviewer is renewed in it; else none. */
export function renewerManifests(cluster: ClusterSpec, vault: VaultAddress): readonly Manifest[] {
  const renewed = renewedIn(cluster)
  if (renewed === undefined) return []
  const { namespace } = renewed
  const metadata = { name: renewerName(cluster.mount), namespace, labels: LABELS }
  const data = renewerFiles(cluster, renewed, vault)
  return [
    ...rights(renewed, metadata.name),
    { apiVersion: 'v1', kind: 'ConfigMap', metadata, data },
    { apiVersion: 'batch/v1', kind: 'CronJob', metadata, spec: cronJob(cluster, renewed) },
  ]
}

/** It may request tokens for the reviewer, and see which cluster it is in. */
function rights({ namespace, serviceAccount }: Renewed, name: string): readonly Manifest[] {
  const token = ruleFor('serviceaccounts/token', ['create'], [serviceAccount])
  const home = ruleFor('namespaces', ['get'], ['kube-system'])
  const places = { 'kube-system': [home], [namespace]: [token] }
  if (namespace === 'kube-system') places[namespace] = [token, home]
  const account = { namespace, serviceAccount: name }
  return [
    accountManifest(name, namespace),
    ...Object.entries(places).flatMap(([place, rules]) => grant(name, place, rules, account)),
  ]
}

const TOKEN = '/var/run/secrets/vault'
/** In seconds. A pod that waits for an image which is nowhere would for ever keep the next from beginning. */
const DEADLINE = 3600

function cronJob(cluster: ClusterSpec, { renew }: Renewed): Readonly<Record<string, unknown>> {
  return {
    schedule: renew.schedule,
    concurrencyPolicy: 'Forbid',
    jobTemplate: {
      spec: {
        backoffLimit: 6,
        activeDeadlineSeconds: DEADLINE,
        template: { spec: podOf(cluster, renew.image) },
      },
    },
  }
}

function podOf({ mount, audience }: ClusterSpec, image: string): object {
  const name = renewerName(mount)
  const volumeMounts = [
    { name: 'config', mountPath: CONFIG, readOnly: true },
    { name: 'vault-token', mountPath: TOKEN, readOnly: true },
  ]
  const args = argsOf(mount, audience)
  const token = { serviceAccountToken: { audience, path: 'token', expirationSeconds: 600 } }
  return {
    serviceAccountName: name,
    // The API server is asked by it, whatever the ServiceAccount says.
    automountServiceAccountToken: true,
    restartPolicy: 'OnFailure',
    securityContext: POD_SECURITY,
    containers: [{ name: 'renew', image, args, volumeMounts, securityContext: CONTAINER_SECURITY }],
    volumes: [
      { name: 'config', configMap: { name } },
      { name: 'vault-token', projected: { sources: [token] } },
    ],
  }
}

function argsOf(mount: string, audience: string): readonly string[] {
  return [
    'provision',
    `${CONFIG}/provision.json`,
    '--renew-reviewer',
    `--config=${CONFIG}/secretmanager.json`,
    '--auth-method=kubernetes',
    `--auth-mount=${mount}`,
    `--role=${renewerName(mount)}`,
    `--jwt-file=${TOKEN}/token`,
    `--audience=${audience}`,
  ]
}

/** The Kubernetes half as manifests, for who applies them by other means. */
import type { ClusterSpec, ProvisionFile } from '../config/provision-file.ts'
import { manifestsOf } from './rbac.ts'
import { renewedIn, renewerCronJob } from './renewal.ts'

/** All objects of each cluster as YAML documents; where there are several, each says whose they are. */
export async function manifestsYaml(file: ProvisionFile): Promise<string> {
  const { stringify } = await import('yaml')
  const { clusters } = file
  const documents = clusters.flatMap((cluster) =>
    [...manifestsOf(file, cluster), ...cronJobs(cluster)].map((manifest) => {
      const head = clusters.length > 1 ? `# cluster ${cluster.name}\n` : ''
      return (
        head +
        stringify(manifest, { lineWidth: 0, singleQuote: true, aliasDuplicateObjects: false })
      )
    }),
  )
  return documents.join('---\n')
}

/** Provision itself makes none: it changes nothing that runs. */
function cronJobs(cluster: ClusterSpec): readonly object[] {
  const renewed = renewedIn(cluster)
  return renewed ? [renewerCronJob(cluster, renewed)] : []
}

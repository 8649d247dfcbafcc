/** The Kubernetes half as manifests, for who applies them by other means. */
import type { ProvisionFile } from '../config/provision-file.ts'
import { manifestsOf } from './rbac.ts'
import type { VaultAddress } from './renewer-config.ts'

/** All objects of each cluster as YAML documents; where there are several, each says whose they are. */
export async function manifestsYaml(file: ProvisionFile, vault: VaultAddress): Promise<string> {
  const { stringify } = await import('yaml')
  const { clusters } = file
  const documents = clusters.flatMap((cluster) =>
    manifestsOf(file, cluster, vault).map((manifest) => {
      const head = clusters.length > 1 ? `# cluster ${cluster.name}\n` : ''
      return (
        head +
        stringify(manifest, { lineWidth: 0, singleQuote: true, aliasDuplicateObjects: false })
      )
    }),
  )
  return documents.join('---\n')
}

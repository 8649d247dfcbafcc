/** Stored documents and manifests without a server: nobody opens them. */
import { formatSealed, type Claims } from '../../src/sealed/format.ts'

/** A sealed line of these claims. */
export function sealedLine(claims: Partial<Claims> = {}, keyVersion = 3): string {
  const all = { mount: 'transit', transitKey: 'app', scope: 'strict', revision: 1000, ...claims }
  return formatSealed(all as Claims, rawLine(keyVersion))
}

/** A raw line. */
export function rawLine(keyVersion = 3): string {
  return `vault:v${keyVersion}:${Buffer.alloc(48, keyVersion).toString('base64')}`
}

/** A Secret in YAML with these entries, given as text. */
export function secretYaml(
  entries: Readonly<Record<string, string>>,
  { name = 'app', namespace = 'prod', isManaged = true }: Partial<Named> = {},
): string {
  const label = isManaged ? `  labels:\n    kubevault.secretmanager/managed: 'true'\n` : ''
  const data = Object.entries(entries).map(
    ([key, text]) => `  ${key}: ${Buffer.from(text).toString('base64')}\n`,
  )
  return `apiVersion: v1\nkind: Secret\nmetadata:\n  name: ${name}\n  namespace: ${namespace}\n${label}data:\n${data.join('')}`
}

interface Named {
  readonly name: string
  readonly namespace: string
  readonly isManaged: boolean
}

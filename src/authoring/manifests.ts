/** Kubernetes manifests as they lie in a repository: what of them can hold a document. Text in, data out. */
import type { Document, Node, Pair, YAMLMap } from 'yaml'

import { SecretManagerError } from '../errors.ts'
import type { Kind } from '../kubernetes/objects.ts'
import { fromBase64 } from '../lib/base64.ts'

/** A Secret or a ConfigMap in a file. */
export interface Manifest {
  readonly kind: Kind
  /** Absent where whoever applies the file chooses it. */
  readonly namespace: string | undefined
  /** Empty where the file leaves it open. */
  readonly name: string
  /** Whether it carries the label of what is written here. */
  readonly isManaged: boolean
  readonly entries: readonly ManifestEntry[]
}

/** One entry of an object. */
export interface ManifestEntry {
  readonly field: Field
  readonly key: string
  /** What the object will hold; absent where the API server would refuse the text. */
  readonly bytes: Buffer | undefined
  /** Where the value stands in the text of the file: of its first character, and past its last. */
  readonly range: readonly [start: number, end: number]
}

/** Part of an object that has entries. */
export type Field = 'data' | 'stringData' | 'binaryData'

/** Label of every object that is written here. */
const MANAGED = 'kubevault.secretmanager/managed'

/**
 * Finds the Secrets and ConfigMaps in YAML or JSON: in each document of the file, and in lists.
 *
 * @param where - names the file in the error
 * @throws {@link SecretManagerError} SM_CONFIG_INVALID where it is neither, never with a word of it
 */
export async function readManifests(text: string, where: string): Promise<readonly Manifest[]> {
  // Loaded on use: most commands never read a manifest.
  const yaml = await import('yaml')
  const documents = yaml.parseAllDocuments(text, { logLevel: 'error' })
  if (!Array.isArray(documents)) return []
  return documents.flatMap((document: Document) => {
    const [error] = document.errors
    if (error === undefined) return new Reader(yaml, document).manifests(document.contents)
    // The library's message quotes the text; its code and place do not.
    const why = error.code.toLowerCase().replaceAll('_', ' ')
    const line = error.linePos?.[0].line
    throw notYaml(where, line === undefined ? why : `${why} at line ${line}`)
  })
}

/** Whether a text may hold something of ours, in clear or in base64, though nobody could read it as a manifest. */
export function mentionsDocuments(text: string): boolean {
  return SIGNS.some((sign) => text.includes(sign))
}

const SIGNS: readonly string[] = [
  MANAGED,
  ...['sealed:v', 'vault:v'].flatMap((sign) => [sign, beginningInBase64(sign)]),
]

/** Gives base64 of what begins with `text`, without the last character: that depends on what follows. */
export function beginningInBase64(text: string): string {
  return Buffer.from(text).toString('base64').replace(/.=*$/, '')
}

/** Reads one YAML document. Its nodes are walked, not turned into data: only they know where they stand. */
class Reader {
  readonly #yaml: typeof import('yaml')
  readonly #document: Document

  constructor(yaml: typeof import('yaml'), document: Document) {
    this.#yaml = yaml
    this.#document = document
  }

  manifests(node: unknown): readonly Manifest[] {
    const object = this.#map(node)
    if (object === undefined || this.#text(object, 'apiVersion') !== 'v1') return []
    const kind = this.#text(object, 'kind')
    if (kind === 'Secret' || kind === 'ConfigMap') return [this.#manifest(kind, object)]
    return kind !== undefined && LISTS.has(kind) ? this.#items(object, kind) : []
  }

  #items(object: YAMLMap, list: string): readonly Manifest[] {
    const items = this.#resolved(object.get('items', true))
    if (!this.#yaml.isSeq(items)) return []
    // In a SecretList the items need not repeat what they are.
    const kind = KINDS.find((each) => `${each}List` === list)
    return items.items.flatMap((item) => {
      const map = this.#map(item)
      const isBare = kind !== undefined && map !== undefined && !map.has('kind')
      return isBare ? [this.#manifest(kind, map)] : this.manifests(map)
    })
  }

  #manifest(kind: Kind, object: YAMLMap): Manifest {
    const metadata = this.#map(object.get('metadata', true))
    const labels = this.#map(metadata?.get('labels', true))
    return {
      kind,
      namespace: metadata && this.#text(metadata, 'namespace'),
      name: (metadata && this.#text(metadata, 'name')) ?? '',
      isManaged: labels?.has(MANAGED) === true,
      entries: FIELDS[kind].flatMap((field) => this.#entries(kind, object, field)),
    }
  }

  #entries(kind: Kind, object: YAMLMap, field: Field): ManifestEntry[] {
    const map = this.#map(object.get(field, true))
    const isText = field === 'stringData' || (field === 'data' && kind === 'ConfigMap')
    return (map?.items ?? []).flatMap((pair) => this.#entry(pair, field, isText) ?? [])
  }

  #entry({ key, value }: Pair, field: Field, isText: boolean): ManifestEntry | undefined {
    const { isScalar, isNode } = this.#yaml
    const name = isScalar(key) ? String(key.value) : undefined
    if (name === undefined || !isNode(value)) return undefined
    const { range } = value
    const scalar = this.#resolved(value)
    const text = isScalar(scalar) && typeof scalar.value === 'string' ? scalar.value : undefined
    const bytes = text === undefined ? undefined : isText ? Buffer.from(text) : decoded(text)
    return { field, key: name, bytes, range: range ? [range[0], range[1]] : [0, 0] }
  }

  #text(map: YAMLMap, name: string): string | undefined {
    const node = this.#resolved(map.get(name, true))
    const value = this.#yaml.isScalar(node) ? node.value : undefined
    return typeof value === 'string' ? value : undefined
  }

  #map(node: unknown): YAMLMap | undefined {
    const resolved = this.#resolved(node)
    return this.#yaml.isMap(resolved) ? resolved : undefined
  }

  #resolved(node: unknown): Node | undefined {
    const { isAlias, isNode } = this.#yaml
    if (isAlias(node)) return node.resolve(this.#document)
    return isNode(node) ? node : undefined
  }
}

const KINDS: readonly Kind[] = ['Secret', 'ConfigMap']

const LISTS: ReadonlySet<string> = new Set(['List', 'SecretList', 'ConfigMapList'])

const FIELDS: Readonly<Record<Kind, readonly Field[]>> = {
  Secret: ['data', 'stringData'],
  ConfigMap: ['data', 'binaryData'],
}

/** As the API server does, which skips line breaks. */
function decoded(text: string): Buffer | undefined {
  return fromBase64(text.replaceAll(/[\r\n]/g, ''))
}

const notYaml = (where: string, why: string): SecretManagerError =>
  new SecretManagerError('SM_CONFIG_INVALID', `${where} is not YAML: ${why}`, {
    hint: 'correct the file; a template can be checked once it is rendered, such as by helm template',
  })

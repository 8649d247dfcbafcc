import { delimiter, join } from 'node:path'
import { SecretManagerError } from '../errors.ts'
import type { Runtime } from '../runtime.ts'
import type { AccessSettings } from './access.ts'
import {
  entrySection,
  mergeKubeconfigs,
  parseKubeconfig,
  type EntryKind,
  type Kubeconfig,
} from './kubeconfig-file.ts'
import { readIfPresent, readNamedFile } from './named-file.ts'
import { invalid, quoted, requiredText, text, type Section } from './section.ts'

/** The context that was chosen, and what it refers to. */
export interface ChosenContext {
  readonly name: string
  /** The file that the context stands in. */
  readonly file: string
  readonly namespace: string | undefined
  readonly cluster: Section
  /** Absent where the context names none, as for `kubectl proxy`. */
  readonly user: Section | undefined
}

/**
 * Finds the kubeconfig, or merges those of `KUBECONFIG`, and chooses the context.
 *
 * @throws SM_CONFIG_INVALID, SM_FILE_UNREADABLE
 * @see https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
 */
export async function chooseContext(
  settings: AccessSettings,
  runtime: Runtime,
): Promise<ChosenContext> {
  const { config, files } = await loadKubeconfig(settings.kubeconfig, runtime)
  const name = settings.context || config.currentContext
  if (!name) throw noCurrentContext(config, files)
  const context = lookUp(config, 'context', name, `kubeconfig ${files}`)
  const user = text(context, 'user')
  return {
    name,
    file: context.file,
    namespace: text(context, 'namespace'),
    cluster: lookUp(config, 'cluster', requiredText(context, 'cluster'), context.where),
    user: user === undefined ? undefined : lookUp(config, 'user', user, context.where),
  }
}

interface Loaded {
  readonly config: Kubeconfig
  /** For messages. */
  readonly files: string
}

async function loadKubeconfig(named: string | undefined, runtime: Runtime): Promise<Loaded> {
  if (!named) return loadDefaults(runtime)
  const path = expandHome(named, runtime)
  const bytes = await readNamedFile(path, 'the setting kubernetes.kubeconfig', runtime)
  return { config: await parseKubeconfig(path, bytes), files: path }
}

async function loadDefaults(runtime: Runtime): Promise<Loaded> {
  const list = (runtime.env('KUBECONFIG') ?? '').split(delimiter).filter((path) => path !== '')
  const paths = list.length > 0 ? list : ['~/.kube/config']
  const setting = list.length > 0 ? 'named by KUBECONFIG' : 'the default kubeconfig'
  const expanded = [...new Set(paths.map((path) => expandHome(path, runtime)))]
  const found = await Promise.all(
    expanded.map(async (path) => {
      const bytes = await readIfPresent(path, setting, runtime)
      return bytes ? [{ path, config: await parseKubeconfig(path, bytes) }] : []
    }),
  )
  const present = found.flat()
  if (present.length === 0) throw nothingFound(expanded, list.length > 0, runtime)
  return {
    config: mergeKubeconfigs(present.map(({ config }) => config)),
    files: present.map(({ path }) => path).join(', '),
  }
}

function expandHome(path: string, runtime: Runtime): string {
  return path === '~' || path.startsWith('~/') ? join(runtime.home(), path.slice(1)) : path
}

function lookUp(config: Kubeconfig, kind: EntryKind, name: string, where: string): Section {
  const entry = config[kind].get(name)
  if (entry) return entrySection(kind, name, entry)
  throw invalid(where, `there is no ${kind} ${quoted(name)}`, `it has ${known(config, kind)}`)
}

function noCurrentContext(config: Kubeconfig, files: string): SecretManagerError {
  const hint = `kubectl config use-context NAME, or set kubernetes.context: it has ${known(config, 'context')}`
  return invalid(
    `kubeconfig ${files}`,
    'no context is chosen and there is no current-context',
    hint,
  )
}

function known(config: Kubeconfig, kind: EntryKind): string {
  const names = [...config[kind].keys()]
  if (names.length === 0) return `no ${kind}s`
  const more = names.length > 10 ? ` and ${names.length - 10} more` : ''
  return `the ${kind}s ${names.slice(0, 10).map(quoted).join(', ')}${more}`
}

function nothingFound(
  paths: readonly string[],
  named: boolean,
  runtime: Runtime,
): SecretManagerError {
  const places = [
    runtime.env('KUBERNETES_SERVICE_HOST')
      ? 'the ServiceAccount token of the pod is not mounted'
      : 'this is not a pod (KUBERNETES_SERVICE_HOST is not set)',
    'kubernetes.kubeconfig is not set',
    named ? 'KUBECONFIG names only missing files' : 'KUBECONFIG is not set',
    ...paths.map((path) => `${path} does not exist`),
  ]
  const message = `no access to a Kubernetes API server: ${places.join(', ')}`
  return new SecretManagerError('SM_CONFIG_INVALID', message, {
    hint: 'in a pod, mount the ServiceAccount token (automountServiceAccountToken: true); elsewhere set kubernetes.kubeconfig or KUBECONFIG',
  })
}

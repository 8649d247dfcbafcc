import { relativeTo } from './pem.ts'
import {
  invalid,
  list,
  quoted,
  requiredText,
  section,
  text,
  flag,
  type Section,
} from './section.ts'

/** A credential plugin as a kubeconfig describes it. */
export interface ExecPlugin {
  /** For messages: the plugin by its command, and whose it is. Never its arguments, they may be secret. */
  readonly label: string
  readonly apiVersion: string
  readonly command: string
  readonly args: readonly string[]
  /** Added to the environment, `KUBERNETES_EXEC_INFO` included. */
  readonly env: Readonly<Record<string, string>>
  readonly installHint: string | undefined
}

const API_VERSIONS = ['client.authentication.k8s.io/v1', 'client.authentication.k8s.io/v1beta1']

/**
 * Checks the `exec` of a user. `cluster` is what the plugin is told where it asks for it.
 *
 * @throws SM_CONFIG_INVALID
 * @see https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
 */
export function parseExecPlugin(
  exec: Section,
  cluster: Readonly<Record<string, unknown>>,
): ExecPlugin {
  const apiVersion = supportedVersion(exec)
  refuseInteractive(exec)
  const command = requiredText(exec, 'command')
  const info = flag(exec, 'provideClusterInfo')
    ? { interactive: false, cluster }
    : { interactive: false }
  return {
    label: `credential plugin ${quoted(command)} (${exec.where})`,
    apiVersion,
    // As kubectl: a bare name is looked for in PATH, a relative path from the kubeconfig.
    command: command.includes('/') ? relativeTo(exec.file, command) : command,
    args: list(exec, 'args').map((arg) => argument(exec, arg)),
    env: {
      ...environment(exec),
      KUBERNETES_EXEC_INFO: JSON.stringify({ kind: 'ExecCredential', apiVersion, spec: info }),
    },
    installHint: text(exec, 'installHint'),
  }
}

function supportedVersion(exec: Section): string {
  const apiVersion = requiredText(exec, 'apiVersion')
  if (API_VERSIONS.includes(apiVersion)) return apiVersion
  const hint = `update the plugin and write apiVersion: ${API_VERSIONS[0]}`
  throw invalid(exec.where, 'apiVersion is not supported', hint)
}

function refuseInteractive(exec: Section): void {
  const mode = text(exec, 'interactiveMode') ?? 'IfAvailable'
  if (mode === 'Never' || mode === 'IfAvailable') return
  if (mode !== 'Always') {
    throw invalid(exec.where, 'interactiveMode is unknown', 'write Never, IfAvailable or Always')
  }
  const problem = 'interactiveMode is Always, and nobody is there to answer the plugin'
  throw invalid(
    exec.where,
    problem,
    'use a user that needs no answers, such as a ServiceAccount token',
  )
}

function argument(exec: Section, arg: unknown): string {
  if (typeof arg === 'string') return arg
  throw invalid(exec.where, 'args must be strings', 'put the values into quotes')
}

function environment(exec: Section): Record<string, string> {
  const variables = list(exec, 'env').map((item, index): [string, string] => {
    const variable = section(item, exec.file, `${exec.where}: env[${index}]`)
    return [requiredText(variable, 'name'), text(variable, 'value') ?? '']
  })
  return Object.fromEntries(variables)
}

/** Runs examples/kubevault as a process of its own, against whichever servers the files name. */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { parseAllDocuments } from 'yaml'

import type { SecretCfg } from '../src/config/types.ts'

const root = join(import.meta.dirname, '..')
const example = join(root, 'examples/kubevault')

/**
 * Runs the example with its own two files, changed in nothing but where the servers are.
 *
 * @param directory - where the changed configuration is put
 * @throws where it does not exit with 0
 */
export async function runExample(
  directory: string,
  places: Pick<SecretCfg, 'vault_url' | 'kube_config' | 'ca_cert'>,
): Promise<{ readonly stdout: string; readonly stderr: string }> {
  const shipped: unknown = JSON.parse(await exampleFile('secretcfg.json'))
  const config = join(directory, 'example.json')
  await writeFile(config, JSON.stringify({ ...(shipped as SecretCfg), ...places }))
  const args = ['--import', 'tsx', join(example, 'index.ts'), config]
  return promisify(execFile)(process.execPath, [...args, join(example, 'secretdef.json')], {
    cwd: root,
    // No variable of whoever runs the tests: each would win over the files.
    env: { PATH: process.env['PATH'] },
    timeout: 60_000,
  })
}

/** A file of the example. */
export function exampleFile(name: string): Promise<string> {
  return readFile(join(example, name), 'utf8')
}

/** A Kubernetes object. */
export type Manifest = { readonly kind: string } & Readonly<Record<string, unknown>>

/** The objects of one of the example's manifests. */
export async function manifests(name: string): Promise<readonly Manifest[]> {
  return parseAllDocuments(await exampleFile(name)).map((document) => document.toJS() as Manifest)
}

/** Where each kind is created, in namespace `default`. */
export const PATHS: Readonly<Record<string, string>> = {
  ServiceAccount: '/api/v1/namespaces/default/serviceaccounts',
  ConfigMap: '/api/v1/namespaces/default/configmaps',
  Job: '/apis/batch/v1/namespaces/default/jobs',
  Role: '/apis/rbac.authorization.k8s.io/v1/namespaces/default/roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1/namespaces/default/rolebindings',
}

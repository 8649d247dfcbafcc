/** The three files that a new app begins with: its configuration, its definition, and what provisions both sides. */
import { stringify } from 'yaml'

/** What must be known of an app. */
export interface StarterAnswers {
  readonly app: string
  readonly namespace: string
  readonly vaultUrl: string
  /** Path of the CA of Vault; absent: those the system trusts. */
  readonly caCert: string | undefined
  /** What documents are bound to. */
  readonly cluster: string
  /** Context of the kubeconfig; absent: the current one. */
  readonly context: string | undefined
  /** How Vault checks ServiceAccount tokens. */
  readonly auth: 'jwt' | 'kubernetes'
}

/** A file to write. */
export interface StarterFile {
  readonly name: string
  readonly text: string
}

/** Gives the files. None holds a secret: they are fit to be committed. */
export function starterFiles(answers: StarterAnswers): readonly StarterFile[] {
  return [configFile(answers), definitionFile(answers), provisionFile(answers)]
}

function configFile({
  app,
  namespace,
  vaultUrl,
  caCert,
  cluster,
  auth,
}: StarterAnswers): StarterFile {
  const mount = `${auth}-${cluster}`
  const config = {
    ...(cluster !== 'default' && { cluster }),
    vault: {
      url: vaultUrl,
      ...(caCert !== undefined && { caCert }),
      auth: { method: auth, mount, role: app },
    },
    // In a pod that is who it is; from outside nobody else could log in by that role.
    kubernetes: { namespace, serviceAccount: app },
  }
  const what =
    'Where the servers are. Of the service: new SecretManager(await loadConfig({ file }))'
  return { name: 'secretmanager.yaml', text: commented(what, config) }
}

function definitionFile({ app, namespace }: StarterAnswers): StarterFile {
  const definition = { secretName: app, namespace, readKey: 'secrets.json', transitKey: app }
  const what = 'Where the dictionary is, and the key that it is under.'
  return { name: `${app}.yaml`, text: commented(what, definition) }
}

function provisionFile({ app, namespace, cluster, context, auth }: StarterAnswers): StarterFile {
  const file = {
    clusters: [{ name: cluster, ...(context !== undefined && { context }), auth }],
    apps: [{ name: app, namespace, secrets: [{ secretName: app, readKey: 'secrets.json' }] }],
  }
  const what =
    'Who may read what: secretmanager provision; also the inventory of rotate and retire.'
  return { name: 'provision.yaml', text: commented(what, file) }
}

function commented(what: string, content: object): string {
  return `# ${what}\n${stringify(content, { lineWidth: 0 })}`
}

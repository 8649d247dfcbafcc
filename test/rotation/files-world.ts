/** Files in memory, documents in them, and a rewrap by who may do nothing else: it cannot decrypt. */
import { expect } from 'vitest'

import { parseConfig } from '../../src/config/schema.ts'
import { closeCore, createCore } from '../../src/core.ts'
import { createStack, provisionStack, VAULT_ORIGIN } from '../../src/dev/stack.ts'
import { inProcessTransport } from '../../src/dev/transport.ts'
import { SecretManagerError } from '../../src/errors.ts'
import { FileSite, type FileParts } from '../../src/rotation/file-site.ts'
import type { FileStore } from '../../src/rotation/manifest-file.ts'
import type { Mode } from '../../src/rotation/outcome.ts'
import { rewrapper } from '../../src/rotation/recrypt.ts'
import { rewrapSite, type Entry } from '../../src/rotation/rewrap.ts'
import { systemRuntime } from '../../src/runtime.ts'
import { contextOf, type BoundPlace } from '../../src/sealed/binding.ts'
import { formatSealed, parseSealed, type Scope } from '../../src/sealed/format.ts'
import { unwrapDocument, wrapDocument } from '../../src/sealed/plaintext.ts'
import { Keyring } from '../../src/vault/keyring.ts'

const MANIFEST = /\.(?:ya?ml|json)$/

/** The files of a person, and who else writes there. */
export class MemoryFiles implements FileStore {
  readonly files: Map<string, Buffer>
  /** Paths of the files that were replaced, in order. */
  readonly replaced: string[] = []
  /** Happens before a file is read or replaced. */
  meanwhile: (path: string, step: 'read' | 'replace') => void = () => undefined

  constructor(files: Readonly<Record<string, string | Uint8Array>>) {
    const entries = Object.entries(files)
    this.files = new Map(entries.map(([path, content]) => [path, Buffer.from(content)]))
  }

  place(given: string): Promise<string> {
    return Promise.resolve(`/repository/${given}`)
  }

  paths(given: string): Promise<readonly string[]> {
    const within = this.#within(given)
    const found = within.filter((path) => path === given || MANIFEST.test(path))
    return within.length > 0 ? Promise.resolve(found) : Promise.reject(noFile(given))
  }

  others(given: string): Promise<readonly string[]> {
    const found = this.#within(given).filter((path) => path !== given && !MANIFEST.test(path))
    return Promise.resolve(found)
  }

  read(path: string): Promise<Uint8Array> {
    this.meanwhile(path, 'read')
    const bytes = this.files.get(path)
    return bytes ? Promise.resolve(Buffer.from(bytes)) : Promise.reject(noFile(path))
  }

  replace(path: string, expected: Uint8Array, bytes: Uint8Array): Promise<'replaced' | 'changed'> {
    this.meanwhile(path, 'replace')
    if (this.files.get(path)?.equals(expected) !== true) return Promise.resolve('changed')
    this.files.set(path, Buffer.from(bytes))
    this.replaced.push(path)
    return Promise.resolve('replaced')
  }

  #within(given: string): readonly string[] {
    return [...this.files.keys()].filter((path) => `${path}/`.startsWith(`${given}/`))
  }

  text(path: string): string {
    return this.files.get(path)?.toString() ?? ''
  }
}

function noFile(path: string): SecretManagerError {
  return new SecretManagerError('SM_FILE_UNREADABLE', `the file "${path}" cannot be read`, {
    causeClass: 'ENOENT',
  })
}

/** What a run came to. */
export interface FilesRun {
  readonly entries: readonly Entry[]
  readonly unread: readonly SecretManagerError[]
  /** One per page. */
  readonly pages: number
}

/** A Vault with the key `app`, and who rewraps with it. */
export interface FilesWorld {
  /** Paths that Vault was asked for by who rewraps. */
  readonly requests: string[]
  close(): Promise<void>
  /** Seals a document for its place. */
  seal(place: BoundPlace, document: string, scope?: Scope): Promise<string>
  /** Opens a document, as its reader would. */
  open(place: BoundPlace, line: string): Promise<string>
  /** Rotates the key, and gives its version. */
  rotate(): Promise<number>
  /** Rewraps what is in files to the latest version. */
  rewrap(
    store: FileStore,
    parts?: Partial<FileParts>,
    mode?: Mode,
    signal?: AbortSignal,
  ): Promise<FilesRun>
}

/** Starts one, with a token that may rewrap and nothing else. */
export async function filesWorld(): Promise<FilesWorld> {
  const stack = createStack()
  const { rootToken } = await provisionStack(stack, 'native')
  const vault = async (path: string, body: object): Promise<Record<string, never>> => {
    const answer = await stack.vaultWire('POST', `/v1/${path}`, { token: rootToken, body })
    expect({ path, isOk: answer.status < 300 }).toEqual({ path, isOk: true })
    return answer.body as Record<string, never>
  }
  await vault('sys/policies/acl/rewrap', {
    policy: 'path "transit/rewrap/app" { capabilities = ["update"] }',
  })
  const tokens = { policies: ['rewrap'], no_default_policy: true, ttl: '1h' }
  const { auth } = await vault('auth/token/create', tokens)
  const { client_token: token } = auth as unknown as { client_token: string }
  const requests: string[] = []
  const runtime = systemRuntime(
    inProcessTransport(
      new Map([
        [
          VAULT_ORIGIN,
          (request: Request) => {
            requests.push(new URL(request.url).pathname)
            return stack.vault.handle(request)
          },
        ],
      ]),
    ),
  )
  const config = { vault: { url: VAULT_ORIGIN, auth: { method: 'token', token } } }
  const core = createCore(parseConfig(config), runtime)
  const { vault: client, session } = core.connections
  const recrypt = rewrapper(
    core,
    new Keyring({ client, session, mount: 'transit' }),
    'app',
    runtime,
  )
  let latest = 1

  const contextIn = (place: BoundPlace, scope: Scope): string =>
    Buffer.from(contextOf(place, scope, 'default')).toString('base64')

  return {
    requests,
    close: () => closeCore(core),

    async seal(place: BoundPlace, document: string, scope: Scope = 'strict'): Promise<string> {
      const plaintext = Buffer.from(wrapDocument(7, Buffer.from(document))).toString('base64')
      const body = { plaintext, context: contextIn(place, scope) }
      const { data } = await vault('transit/encrypt/app', body)
      const { ciphertext } = data as unknown as { ciphertext: string }
      const claims = { mount: 'transit', transitKey: 'app', scope, revision: 7 }
      return formatSealed(claims, ciphertext)
    },

    async open(place: BoundPlace, line: string): Promise<string> {
      const { claims, ciphertext } = parseSealed(line, 'it')
      const body = { ciphertext, context: contextIn(place, claims.scope) }
      const { data } = await vault('transit/decrypt/app', body)
      const { plaintext } = data as unknown as { plaintext: string }
      const bytes = unwrapDocument(Buffer.from(plaintext, 'base64'), 7, 'it')
      return Buffer.from(bytes).toString()
    },

    async rotate(): Promise<number> {
      await vault('transit/keys/app/rotate', {})
      latest += 1
      return latest
    },

    async rewrap(
      store: FileStore,
      parts: Partial<FileParts> = {},
      mode: Mode = 'rewrap',
      signal: AbortSignal = new AbortController().signal,
    ): Promise<FilesRun> {
      const key = { mount: 'transit', transitKey: 'app' }
      const given = {
        given: ['deploy'],
        places: ['/repository/deploy'],
        cluster: 'default',
        namespace: undefined,
      }
      const site = new FileSite({ key, definitions: [], ...given, store, ...parts })
      const entries: Entry[] = []
      const unread: SecretManagerError[] = []
      let pages = 0
      const listeners = {
        onEntry: (entry: Entry) => void entries.push(entry),
        onUnread: (error: SecretManagerError) => void unread.push(error),
        onPage: () => void (pages += 1),
      }
      await rewrapSite(site, { latest, recrypt: recrypt(latest), mode, ...listeners }, signal)
      return { entries, unread, pages }
    },
  }
}

/** Each line of a report: object, entry, what became of it. */
export function told({ entries }: FilesRun): readonly string[] {
  return entries
    .map(({ object, dataKey = '-', outcome }) => {
      const code = outcome.state === 'failed' ? ` ${outcome.error.code}` : ''
      return `${object.name}: ${dataKey} ${outcome.state}${code}`
    })
    .toSorted()
}

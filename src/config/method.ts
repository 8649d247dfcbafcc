/**
 * Which auth method is meant where several places speak of it, and what of their words is about it.
 *
 * A pod has variables for other programs. A `VAULT_TOKEN` or a `VAULT_SECRET_ID` among them must neither
 * break nor replace a login that a file or a flag names, so each counts only for its own method.
 */
import { keysOfMethod } from './auth.ts'
import { methodFromEnv, type Layer, type Lookup, type Said } from './env.ts'
import { valueAt } from './merge.ts'
import { isSecretCfg } from './secretcfg.ts'

/** Where logins are spoken of. */
export interface Places {
  /** A file's content, of either shape. */
  readonly base: unknown
  readonly env: Layer
  readonly flags: Layer
  readonly lookup: Lookup
}

/** What comes of them. */
export interface Login {
  readonly method: unknown
  /** What flags and environment say, of the login and of all else, to be laid over the file. */
  readonly above: Layer
  /** Whether what the file says of its login is about another method, and not to be used. */
  readonly isReplaced: boolean
}

const METHOD = 'vault.auth.method'

/** Chooses the method: a flag's, the file's, the environment's, or the one that the other settings speak of. */
export function chooseLogin({ base, env, flags, lookup }: Places): Login {
  const written = writtenMethod(base)
  const flag = flags.get(METHOD)
  const isReplaced = written !== undefined && flag !== undefined && flag.value !== written
  const said = flag ?? methodFromEnv(lookup) ?? impliedMethod({ base, env, flags })
  const isNew = written === undefined || isReplaced
  const method = isNew ? said.value : written
  // In this order: what is laid first makes room for the rest.
  const layers = [
    only(isReplaced, 'vault.auth', { ...said, value: {} }),
    only(isNew, METHOD, said),
    ofMethod(env, method),
    without(flags, METHOD),
  ]
  return { method, above: over(base, layers), isReplaced }
}

const only = (isSo: boolean, path: string, said: Said): Layer => new Map(isSo ? [[path, said]] : [])

const without = (layer: Layer, path: string): Layer =>
  new Map([...layer].filter(([each]) => each !== path))

/** The method of a file; one in the original's shape has no word for the only one that it knows. */
function writtenMethod(base: unknown): unknown {
  return isSecretCfg(base) ? 'kubernetes' : valueAt(base, METHOD.split('.'))
}

/** The first that is spoken of; a role means what it meant when there was only one method. */
const IMPLIED = [
  ['kubernetes', ['role']],
  ['approle', ['roleId', 'roleIdFile']],
  ['token', ['token', 'tokenFile']],
] as const

function impliedMethod({ base, env, flags }: Omit<Places, 'lookup'>): Said {
  const isSaid = (key: string): boolean => {
    const path = `vault.auth.${key}`
    return flags.has(path) || env.has(path) || valueAt(base, path.split('.')) !== undefined
  }
  const [method] = IMPLIED.find(([, keys]) => keys.some(isSaid)) ?? ['kubernetes']
  return { value: method, from: 'default' }
}

/** What `layer` says without settings of other methods. */
export function ofMethod(layer: Layer, method: unknown): Layer {
  const keys = keysOfMethod(method)
  const isForeign = (path: string): boolean =>
    path.startsWith(AUTH) && !keys.includes(path.slice(AUTH.length))
  return new Map([...layer].filter(([path]) => !isForeign(path)))
}

const AUTH = 'vault.auth.'

/** A value and the path of its file: who says one of them takes back the other. */
const EITHER_OR: ReadonlyMap<string, string> = new Map(
  ['roleId', 'secretId', 'token'].flatMap((key) => [
    [AUTH + key, `${AUTH}${key}File`],
    [`${AUTH}${key}File`, AUTH + key],
  ]),
)

/** All of `layers`, the last winning; what they say may take something back that `base` has. */
function over(base: unknown, layers: readonly Layer[]): Layer {
  const all = new Map<string, Said>()
  for (const layer of layers) {
    for (const [path, said] of layer) {
      const other = EITHER_OR.get(path)
      const isBeside = other === undefined || layer.has(other)
      if (!isBeside && valueAt(base, other.split('.')) !== undefined) all.set(other, nothing(said))
      else if (!isBeside) all.delete(other)
      all.set(path, said)
    }
  }
  return all
}

const nothing = ({ from }: Said): Said => ({ value: undefined, from })

/**
 * A backend as a table of paths, like Vault's own framework: patterns, fields, handlers.
 *
 * The table answers what Vault's framework answers by itself: 404 for a path it does not know, 405
 * for an operation the path does not have, 400 for fields that do not convert, and warnings about
 * fields that nobody reads.
 */
import { fault, refusal, VaultFailure } from './failure.ts'
import { readFields, type Fields, type Schema } from './fields.ts'
import type { Backend, Operation, OperationKind, Reply } from './operation.ts'

/** One request as a handler sees it. */
export interface Call {
  readonly operation: Operation
  readonly fields: Fields
  /** What the pattern captured, such as the name of a key. */
  readonly param: (name: string) => string
}

/** Answers one operation of one path. */
export type Handler = (call: Call) => Reply | undefined | Promise<Reply | undefined>

/** One row of the table. */
export interface PathSpec {
  /** Segments; `:name` captures one name, `*path` at least one segment. */
  readonly pattern: string
  readonly fields?: Schema
  /** Makes a write a `create` where it says false; without it every write is an `update`. */
  readonly exists?: (call: Call) => boolean
  readonly on: Readonly<Partial<Record<OperationKind, Handler>>>
}

/** A backend of `paths`; the first pattern that matches wins. */
export function backendOf(
  paths: readonly PathSpec[],
  special: Partial<Pick<Backend, 'isLogin' | 'isRootPath' | 'paramsOf'>> = {},
): Backend {
  const rows = paths.map((spec) => ({ spec, regex: compile(spec.pattern) }))
  return {
    isLogin: () => false,
    isRootPath: () => false,
    ...special,
    exists: (operation) => {
      const route = find(rows, operation)
      return route?.spec.exists?.(callOf(route, operation))
    },
    handle: (operation) => answer(find(rows, operation), operation),
  }
}

interface Row {
  readonly spec: PathSpec
  readonly regex: RegExp
}

interface Route {
  readonly spec: PathSpec
  readonly params: Readonly<Record<string, string>>
}

function compile(pattern: string): RegExp {
  const source = pattern
    .split('/')
    .map((segment) => {
      if (segment.startsWith(':')) return String.raw`(?<${segment.slice(1)}>\w(?:[\w.-]*\w)?)`
      if (segment.startsWith('*')) return `(?<${segment.slice(1)}>.+?)`
      return segment.replaceAll(/[.+]/g, String.raw`\$&`)
    })
    .join('/')
  return new RegExp(`^${source}/?$`)
}

function find(rows: readonly Row[], operation: Operation): Route | undefined {
  for (const { spec, regex } of rows) {
    const match = regex.exec(operation.path)
    if (match) return { spec, params: { ...match.groups } }
  }
  return undefined
}

function callOf({ spec, params }: Route, operation: Operation): Call {
  return {
    operation,
    fields: readFields(operation.data, spec.fields ?? {}),
    param: (name) => params[name] ?? '',
  }
}

async function answer(route: Route | undefined, operation: Operation): Promise<Reply | undefined> {
  if (!route) throw fault('unsupported path', 404)
  const handler = route.spec.on[operation.kind]
  if (!handler) throw fault('unsupported operation', 405)
  const reply = await handler(validated(route, operation))
  return reply && withWarnings(reply, fieldWarnings(route, operation))
}

function validated(route: Route, operation: Operation): Call {
  try {
    return callOf(route, operation)
  } catch (error) {
    if (error instanceof VaultFailure) throw refusal(`Field validation failed: ${error.message}`)
    throw error
  }
}

function fieldWarnings({ spec, params }: Route, { data }: Operation): readonly string[] {
  const known = { ...spec.fields, ...params }
  const ignored = Object.keys(data)
    .filter((name) => !Object.hasOwn(known, name))
    .toSorted()
  const replaced = Object.keys(data).filter((name) => Object.hasOwn(params, name))
  return [
    ...(ignored.length === 0
      ? []
      : [`Endpoint ignored these unrecognized parameters: [${ignored.join(' ')}]`]),
    ...(replaced.length === 0
      ? []
      : [
          'Endpoint replaced the value of these parameters with the values captured from the ' +
            `endpoint's path: [${replaced.join(' ')}]`,
        ]),
  ]
}

/** The same reply with further warnings. */
export function withWarnings(reply: Reply, warnings: readonly string[]): Reply {
  if (warnings.length === 0) return reply
  return { ...reply, warnings: [...(reply.warnings ?? []), ...warnings] }
}

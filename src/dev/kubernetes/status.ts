/**
 * What the API server answers when it refuses: the Status object, with the words of kube-apiserver.
 *
 * https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/
 */

/** One field that failed validation, as `metav1.StatusCause` reports it. */
export interface FieldError {
  readonly reason:
    | 'FieldValueInvalid'
    | 'FieldValueRequired'
    | 'FieldValueForbidden'
    | 'FieldValueNotSupported'
    | 'FieldValueTooLong'
    | 'NamespaceTerminating'
  readonly field: string
  readonly message: string
}

/** What a refusal is about; `kind` is a resource name or, for 422, a kind. */
export interface StatusDetails {
  readonly name?: string
  readonly group?: string
  readonly kind?: string
  readonly uid?: string
  readonly causes?: readonly (FieldError | { readonly reason: string; readonly message: string })[]
  readonly retryAfterSeconds?: number
}

/** A group and a resource or kind, printed as kube-apiserver does: `roles.rbac.authorization.k8s.io`. */
export interface Qualified {
  readonly group: string
  readonly name: string
}

/** Thrown inside the embedded server and turned into its answer; never leaves it. */
export class Refusal extends Error {
  readonly code: number
  readonly reason: string
  readonly details: StatusDetails | undefined
  /** `metadata` of the Status. */
  readonly metadata: object

  constructor(
    code: number,
    reason: string,
    message: string,
    details?: StatusDetails,
    metadata: object = {},
  ) {
    super(message)
    this.code = code
    this.reason = reason
    this.details = details
    this.metadata = metadata
  }
}

/** The Status object of a refusal; absent parts are left out, as Go's `omitempty` does. */
export function statusOf({ code, reason, message, details, metadata }: Refusal): object {
  return {
    kind: 'Status',
    apiVersion: 'v1',
    metadata,
    status: 'Failure',
    message,
    ...(reason === '' ? {} : { reason }),
    ...(details === undefined ? {} : { details }),
    code,
  }
}

/** 400 without details: the request itself makes no sense. */
export function badRequest(message: string): Refusal {
  return new Refusal(400, 'BadRequest', message)
}

/** 401: the same words for every reason, so that nothing is learnt from them. */
export function unauthorized(): Refusal {
  return new Refusal(401, 'Unauthorized', 'Unauthorized')
}

/** 403 for one object or, with an empty name, for a whole resource. */
export function forbidden(
  resource: Qualified,
  name: string,
  message: string,
  causes: readonly FieldError[] = [],
): Refusal {
  const subject = name === '' ? qualified(resource) : `${qualified(resource)} "${name}"`
  const details = { ...about(resource, name), ...(causes.length === 0 ? {} : { causes }) }
  return new Refusal(403, 'Forbidden', `${subject} is forbidden: ${message}`, details)
}

/** 404: the object does not exist. */
export function notFound(resource: Qualified, name: string): Refusal {
  const message = `${qualified(resource)} "${name}" not found`
  return new Refusal(404, 'NotFound', message, about(resource, name))
}

/** 404: the resource does not exist in a group version that does. */
export function unknownResource(): Refusal {
  return new Refusal(404, 'NotFound', 'the server could not find the requested resource', {})
}

/** 405: the resource exists and does not take this verb. */
export function methodNotAllowed(): Refusal {
  const message = 'the server does not allow this method on the requested resource'
  return new Refusal(405, 'MethodNotAllowed', message, {})
}

/** 409 to a create. */
export function alreadyExists(resource: Qualified, name: string): Refusal {
  const message = `${qualified(resource)} "${name}" already exists`
  return new Refusal(409, 'AlreadyExists', message, about(resource, name))
}

/** 409 to a change or to a precondition that does not hold. */
export function conflict(resource: Qualified, name: string, message: string): Refusal {
  const text = `Operation cannot be fulfilled on ${qualified(resource)} "${name}": ${message}`
  return new Refusal(409, 'Conflict', text, about(resource, name))
}

/** 415 to a PATCH in a format that is not one of the patch formats. */
export function unsupportedPatch(): Refusal {
  return new Refusal(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {})
}

/** 415 to a body that is not an object in an accepted format. */
export function unsupportedBody(): Refusal {
  const accepted = 'application/json, application/yaml, application/vnd.kubernetes.protobuf'
  const text = `the body of the request was in an unknown format - accepted media types include: ${accepted}`
  return new Refusal(415, 'UnsupportedMediaType', text)
}

/** 422: what was sent is well formed and not allowed; one field is named alone, several in brackets. */
export function invalid(kind: Qualified, name: string, errors: readonly FieldError[]): Refusal {
  const texts = [...new Set(errors.map(({ field, message }) => `${field}: ${message}`))]
  const list = texts.length === 1 ? texts.join('') : `[${texts.join(', ')}]`
  const details = { ...about(kind, name), causes: errors }
  return new Refusal(422, 'Invalid', `${qualified(kind)} "${name}" is invalid: ${list}`, details)
}

/** 500 as storage errors come out: without a reason. */
export function internal(message: string): Refusal {
  return new Refusal(500, '', message)
}

/** A field that must have a value. */
export function required(field: string, detail = ''): FieldError {
  const message = detail === '' ? 'Required value' : `Required value: ${detail}`
  return { reason: 'FieldValueRequired', message, field }
}

/** A field whose value is wrong. `value` is shown as Go prints it: JSON. */
export function invalidValue(field: string, value: unknown, detail: string): FieldError {
  const message = `Invalid value: ${JSON.stringify(value)}: ${detail}`
  return { reason: 'FieldValueInvalid', message, field }
}

/** A field whose value is none of the few that exist. */
export function unsupportedValue(field: string, value: unknown, known: string[]): FieldError {
  const list = known.map((one) => JSON.stringify(one)).join(', ')
  const message = `Unsupported value: ${JSON.stringify(value)}: supported values: ${list}`
  return { reason: 'FieldValueNotSupported', message, field }
}

/** A field that must not change or be set. */
export function forbiddenField(field: string, detail: string): FieldError {
  return { reason: 'FieldValueForbidden', message: `Forbidden: ${detail}`, field }
}

/** A field that holds more bytes than it may. */
export function tooLong(field: string, limit: number): FieldError {
  const message = `Too long: may not be more than ${limit} bytes`
  return { reason: 'FieldValueTooLong', message, field }
}

/** A list of strings as Go's %q prints it. */
export function quoted(texts: readonly string[]): string {
  return `[${texts.map((text) => JSON.stringify(text)).join(' ')}]`
}

function qualified({ group, name }: Qualified): string {
  return group === '' ? name : `${name}.${group}`
}

function about({ group, name: kind }: Qualified, name: string): StatusDetails {
  return {
    ...(name === '' ? {} : { name }),
    ...(group === '' ? {} : { group }),
    ...(kind === '' ? {} : { kind }),
  }
}

/** 410: a list is too old to be continued as it was; `token` continues it as it is now. */
export function expired(token: string): Refusal {
  const message =
    'The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.'
  return new Refusal(410, 'Expired', message, undefined, { continue: token })
}

/** 504: a version that there has not been yet. */
export function tooLargeVersion(version: string, current: string): Refusal {
  const text = 'Too large resource version'
  const message = `Timeout: ${text}: ${version}, current: ${current}`
  const causes = [{ reason: 'ResourceVersionTooLarge', message: text }]
  return new Refusal(504, 'Timeout', message, { causes, retryAfterSeconds: 1 })
}

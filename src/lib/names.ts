/**
 * Allow-lists of the names that enter a URL or a path. What passes is one segment (or, for mounts,
 * several), stays itself under `encodeURIComponent` and is not `.` or `..`, so nothing is ever
 * escaped on the way. Each pattern is anchored and runs in linear time.
 */

/** Whether `text` is segments of letters, digits and `_.-`, joined by single slashes: a mount path or a Vault namespace. */
export function isPathSegments(text: string): boolean {
  return text.length <= 1024 && text.split('/').every(isSegment)
}

const isSegment = (text: string): boolean =>
  /^[A-Za-z0-9_.-]+$/.test(text) && text !== '.' && text !== '..'

/** Whether `text` can be the name of a Transit key: Vault's `GenericNameRegex`. */
export function isTransitKey(text: string): boolean {
  return text.length <= 512 && /^\w(?:[\w.-]*\w)?$/.test(text)
}

/** Whether `text` can be the name of a role of an auth method: Vault's `GenericNameRegex`. */
export const isRoleName: (text: string) => boolean = isTransitKey

/**
 * Whether `text` can name a Secret, a ConfigMap or a ServiceAccount.
 *
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
 */
export function isDnsSubdomain(text: string): boolean {
  return text.length <= 253 && text.split('.').every(isLabelText)
}

/**
 * Whether `text` can name a namespace.
 *
 * @see https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
 */
export function isDnsLabel(text: string): boolean {
  return text.length <= 63 && isLabelText(text)
}

const isLabelText = (text: string): boolean => /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?$/.test(text)

/**
 * Whether `text` can be a key in the `data` of a Secret or ConfigMap. The API server refuses `.` and
 * what begins with `..` too: in a mounted volume they would be other files.
 *
 * @see https://kubernetes.io/docs/concepts/configuration/secret/#restriction-names-data
 */
export function isDataKey(text: string): boolean {
  return /^[-._a-zA-Z0-9]{1,253}$/.test(text) && text !== '.' && !text.startsWith('..')
}

/**
 * Whether `text` can be the email of a Google service account. Its `@` may stand in a path as it is.
 *
 * @see https://cloud.google.com/iam/docs/service-account-types
 */
export function isServiceAccountEmail(text: string): boolean {
  const [name = '', domain = '', ...more] = text.split('@')
  return more.length === 0 && isLocalPart(name) && isDnsSubdomain(domain)
}

const isLocalPart = (text: string): boolean => /^[a-z0-9][a-z0-9._-]{0,63}$/.test(text)

/** Whether `hostname`, as a parsed `URL` has it, is this host. */
export function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname)
}

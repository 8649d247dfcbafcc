/** A text that somebody else chose, as one word of a command that a person is to copy. */
export function word(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`
}

/**
 * One field of `vault write`, as a word of a command that a person is to copy: unescaped, a value that begins with
 * `@` names a file whose content Vault would get.
 *
 * @see https://developer.hashicorp.com/vault/docs/commands/write
 */
export function vaultField(name: string, value: string): string {
  return word(`${name}=${value.startsWith('@') ? `\\${value}` : value}`)
}

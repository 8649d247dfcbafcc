/**
 * An answer of Vault that is an error: a status and the one text of its `errors` list.
 *
 * Vault prints what a backend *answers* as it is, and wraps what a backend *fails with*
 * ("1 error occurred: …") unless the request was a login. `wrapped` tells the two apart.
 */
export class VaultFailure extends Error {
  readonly status: number
  readonly wrapped: boolean

  constructor(status: number, message: string, wrapped: boolean) {
    super(message)
    this.status = status
    this.wrapped = wrapped
  }
}

/** A refusal that a backend words itself: 400 unless told otherwise. */
export function refusal(message: string, status = 400): VaultFailure {
  return new VaultFailure(status, message, false)
}

/** A failure that Vault wraps on its way out: 500 unless told otherwise. */
export function fault(message: string, status = 500): VaultFailure {
  return new VaultFailure(status, message, true)
}

/** The format of go-multierror, which Vault's clients see in every denied request. */
export function multierror(messages: readonly string[]): string {
  const head = messages.length === 1 ? '1 error occurred:' : `${messages.length} errors occurred:`
  return `${head}\n${messages.map((message) => `\t* ${message}\n`).join('')}\n`
}

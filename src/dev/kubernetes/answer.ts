/** What a handler answers, before it becomes a Response. */
export interface Answer {
  readonly status: number
  /** An object goes as JSON, a string as plain text. */
  readonly body: object | string
  /** Texts of `Warning` headers. */
  readonly warnings?: readonly string[]
  /** When it is not application/json or text/plain. */
  readonly contentType?: string
}

/** Types for the tests; the scripts themselves are plain JavaScript. */
export declare function bundle(options: {
  readonly root: string
  readonly outdir: string
  readonly entryPoints?: Readonly<Record<string, string>>
  readonly external?: readonly string[]
}): Promise<Readonly<Record<string, readonly string[]>>>

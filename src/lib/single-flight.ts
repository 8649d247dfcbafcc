/** Lets concurrent callers share one run of an operation. */
export class SingleFlight<T> {
  #flight: Promise<T> | undefined

  /** Joins the run under way, or starts one. */
  run(start: () => Promise<T>): Promise<T> {
    if (this.#flight) return this.#flight
    const flight = start().finally(() => {
      // Only while still current: a slow old run must not clear a newer one.
      if (this.#flight === flight) this.#flight = undefined
    })
    this.#flight = flight
    return flight
  }
}

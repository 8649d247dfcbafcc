/**
 * Does `work` for each item, a few at a time, and gives the results in the order of the items. After a
 * failure no further item is begun.
 *
 * @param atOnce - the most that are under way
 * @throws what the first of them rejects with, once all that were begun have ended
 */
export async function inParallel<T, R>(
  items: readonly T[],
  atOnce: number,
  work: (item: T) => Promise<R>,
): Promise<R[]> {
  const results: R[] = []
  const rest = items.entries()
  let failure: { readonly reason: unknown } | undefined
  const worker = async (): Promise<void> => {
    for (const [at, item] of rest) {
      if (failure) return
      try {
        results[at] = await work(item)
      } catch (reason) {
        failure ??= { reason }
      }
    }
  }
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker))
  if (failure) throw failure.reason
  return results
}

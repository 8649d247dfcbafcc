/** Statistics of noisy samples: medians, and how far to believe them. */

/** The middle of the samples. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5)
}

/** The sample below which the part `p` of all lies. */
export function quantile(samples: readonly number[], p: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  return sorted[Math.floor((sorted.length - 1) * p)] ?? Number.NaN
}

/** Median and the middle half, for notes. */
export function spread(samples: readonly number[]): string {
  const [low, middle, high] = [0.25, 0.5, 0.75].map((p) => quantile(samples, p).toFixed(0))
  return `${middle} (${low}–${high})`
}

/** How much of `floor` above `bare` is needed by `ours`, from rounds that ran the three side by side. */
export interface Ratio {
  readonly value: number
  /** Where nine tenths of resampled rounds lie. */
  readonly low: number
  readonly high: number
}

/** `(ours − bare) / (floor − bare)` of medians; each array has one entry per round. */
export function ratioAbove(
  ours: readonly number[],
  floor: readonly number[],
  bare: readonly number[],
): Ratio {
  const of = (rounds: readonly number[]): number => {
    const pick = (samples: readonly number[]): number =>
      median(rounds.map((round) => samples[round] ?? Number.NaN))
    return (pick(ours) - pick(bare)) / (pick(floor) - pick(bare))
  }
  const rounds = ours.map((_sample, round) => round)
  const random = generator()
  const resampled = Array.from({ length: 400 }, () =>
    of(rounds.map(() => Math.floor(random() * rounds.length))),
  )
  return { value: of(rounds), low: quantile(resampled, 0.05), high: quantile(resampled, 0.95) }
}

/** Slope through all pairs of points by their median (Theil–Sen): outliers do not bend it. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const slopes = points.flatMap(([x, y], at) =>
    points
      .slice(at + 1)
      .filter(([other]) => other !== x)
      .map(([otherX, otherY]) => (otherY - y) / (otherX - x)),
  )
  return median(slopes)
}

/** Repeatable: two runs over the same samples say the same. */
function generator(): () => number {
  let state = 1
  return () => {
    state = (state * 48_271) % 2_147_483_647
    return state / 2_147_483_647
  }
}

/** One measured figure, as `--json` prints it. A part is named `figure.part`. */
export interface Figure {
  readonly name: string
  /** `null` where it could not be measured; `note` then says why. */
  readonly value: number | null
  readonly unit: string
  /** Largest value that is good enough, or the smallest, as {@link atLeast} says; `null` where nothing is promised. */
  readonly goal: number | null
  /** `null` where there is no goal or no value. */
  readonly met: boolean | null
  /** Rounds behind the value. */
  readonly samples: number
  readonly note: string
  /** Whether more is better. For people: {@link json} leaves it out, as the name says which it is. */
  readonly atLeast?: boolean | undefined
}

/** What is known of a figure when it is made. */
export interface Measured {
  readonly value: number
  readonly unit: string
  readonly goal?: number | undefined
  readonly samples: number
  readonly note: string
  /** Default: whether the value is at most the goal; at least, where {@link atLeast}. */
  readonly met?: boolean | undefined
  /** Whether more is better. Default `false`. */
  readonly atLeast?: boolean | undefined
}

/** Makes a figure that was measured. */
export function figure(name: string, measured: Measured): Figure {
  const { value, unit, goal = null, samples, note, met, atLeast = false } = measured
  const rounded = Number(value.toPrecision(3))
  const good = atLeast ? rounded >= (goal ?? 0) : rounded <= (goal ?? 0)
  const judged = goal === null ? null : (met ?? good)
  return { name, value: rounded, unit, goal, met: judged, samples, note, atLeast }
}

/** Makes a figure that could not be measured. */
export function unmeasured(name: string, unit: string, goal: number | null, why: string): Figure {
  return { name, value: null, unit, goal, met: null, samples: 0, note: why }
}

/** Writes figures for programs. */
export function json(figures: readonly Figure[]): string {
  return JSON.stringify(
    figures.map(({ atLeast: _more, ...shown }) => shown),
    undefined,
    2,
  )
}

/** Lays figures out for people. */
export function table(figures: readonly Figure[]): string {
  const rows = figures.map(({ name, value, unit, goal, met, samples, note, atLeast }) => [
    name,
    value === null ? '–' : `${value} ${unit}`,
    goal === null ? '' : `${atLeast === true ? '≥' : '≤'} ${goal}`,
    met === null ? '' : met ? 'met' : 'MISSED',
    samples === 0 ? '' : String(samples),
    note,
  ])
  const all = [['figure', 'value', 'goal', '', 'n', 'note'], ...rows]
  const widths = [0, 1, 2, 3, 4].map((at) => Math.max(...all.map((row) => row[at]?.length ?? 0)))
  return all
    .map((row) =>
      row
        .map((cell, at) => cell.padEnd(widths[at] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Gives rows in columns, as wide as their widest cell. */
export function tableOf(
  head: readonly string[],
  rows: readonly (readonly string[])[],
): readonly string[] {
  const all = [head, ...rows]
  const widths = head.map((_name, at) =>
    all.reduce((most, row) => Math.max(most, (row[at] ?? '').length), 0),
  )
  return all.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

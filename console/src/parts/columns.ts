/**
 * Which columns of a list are shown, as its address says: `columns=name,health`. The first column tells what a row is,
 * and columns of buttons are how something is done with it: they stay.
 */
export interface Titled {
  title: string
  actions?: boolean
}

/** A column's name in the address: "Last push" is "last-push". */
export function slug({ title }: Titled): string {
  return title
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^-|-$/g, '')
}

/** Whether a column is there to be chosen at all. */
export function optional(column: Titled, index: number): boolean {
  return index > 0 && !column.actions
}

/**
 * The columns that the address asks for, in the list's order. One that does not name the list's first column was written
 * for another list, and asks for nothing here.
 */
export function shownColumns<One extends Titled>(all: One[], asked: string): One[] {
  const named = new Set(asked.split(','))
  if (!all[0] || !named.has(slug(all[0]))) return all
  return all.filter((one, index) => !optional(one, index) || named.has(slug(one)))
}

/** What the address says once a column is shown, or no more: "" where all are. */
export function toggled(all: Titled[], asked: string, column: Titled): string {
  const shown = new Set(shownColumns(all, asked))
  if (!shown.delete(column)) shown.add(column)
  const kept = all.filter((one) => shown.has(one) && !one.actions)
  return all.every((one) => shown.has(one)) ? '' : kept.map(slug).join(',')
}

/** Where ends lie in the next ninety days: a lane for each registry, and what has no end or has ended apart. */
import type { components } from '../api/schema'

export type Entry = components['schemas']['CalendarEntry'] & { registry?: string | null; purpose?: string | null; canEnd?: boolean }

export const DAYS = 90
const DAY_MS = 86_400_000
/** From so many days before an end on, it is told of: until then there is time to rotate in quiet. */
export const WINDOW_DAYS = 30

export interface Mark {
  entry: Entry
  /** Days from today, 0 to DAYS; what has ended lies at 0. */
  day: number
  /** From which day on it should be renewed. */
  from: number
  overdue: boolean
}

export interface Lane {
  name: string
  marks: Mark[]
  /** What has no end: a band of its own, as none should. */
  never: Entry[]
  /** What ends behind the ninety days. */
  later: number
}

/** The lanes, that with the nearest end first; those in which nothing ends come last, what never ends before them. */
export function lanes(entries: Entry[], now: number): Lane[] {
  const found = new Map<string, Lane>()
  for (const entry of entries) {
    const name = laneOf(entry)
    const lane = found.get(name) ?? { name, marks: [], never: [], later: 0 }
    found.set(name, lane)
    if (!entry.expiresAt) {
      lane.never.push(entry)
      continue
    }
    const day = (Date.parse(entry.expiresAt) - now) / DAY_MS
    if (day > DAYS) lane.later += 1
    else lane.marks.push({ entry, day: Math.max(0, day), from: Math.max(0, day - WINDOW_DAYS), overdue: day <= 0 })
  }
  for (const lane of found.values()) lane.marks.sort((one, other) => one.day - other.day)
  return [...found.values()].sort(
    (one, other) => rank(one) - rank(other) || (one.marks[0]?.day ?? 0) - (other.marks[0]?.day ?? 0) || (one.name < other.name ? -1 : 1),
  )
}

function rank(lane: Lane): number {
  if (lane.marks.length) return 0
  return lane.never.length ? 1 : 2
}

function laneOf(entry: Entry): string {
  if (entry.lane === 'exemption') return 'Exemptions'
  return entry.registry || 'Others'
}

/** The first of each month within the days, and today. */
export function ticks(now: number): { day: number; words: string }[] {
  const found = [{ day: 0, words: 'today' }]
  const begin = new Date(now)
  for (let month = 1; month <= 4; month += 1) {
    const at = Date.UTC(begin.getUTCFullYear(), begin.getUTCMonth() + month, 1)
    const day = (at - now) / DAY_MS
    if (day > 4 && day <= DAYS) {
      found.push({ day, words: new Date(at).toLocaleDateString('en', { day: 'numeric', month: 'short', timeZone: 'UTC' }) })
    }
  }
  return found
}

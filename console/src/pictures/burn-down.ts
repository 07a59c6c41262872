/** Where the days of a roll-out lie: a bar for what is known, a hatched one where nobody knows, a line where it changed. */
export interface BurnPoint {
  day: string
  /** What would have been denied; null: nothing is known of that day. */
  violations: number | null
  known: number
  unknown: number
}

export interface BurnMarker {
  day: string
  version: number
  stage: string
  what: string
}

export interface Bar {
  point: BurnPoint
  x: number
  width: number
  y: number
  height: number
  /** "known", "partly" if some environments are not, "unknown" if none is. */
  sort: 'known' | 'partly' | 'unknown'
}

export interface Frame {
  left: number
  top: number
  width: number
  height: number
}

/** The most that the axis has to show: a round number, and at least 1. */
export function most(points: BurnPoint[]): number {
  const found = Math.max(1, ...points.map((one) => one.violations ?? 0))
  const step = 10 ** Math.floor(Math.log10(found))
  return Math.ceil(found / step) * step
}

export function bars(points: BurnPoint[], frame: Frame): Bar[] {
  const width = points.length ? frame.width / points.length : 0
  const top = most(points)
  return points.map((point, index) => {
    const sort = point.violations === null ? 'unknown' : point.unknown ? 'partly' : 'known'
    // A day of which nothing is known is hatched from top to bottom: it could be anything.
    const height = point.violations === null ? frame.height : (point.violations / top) * frame.height
    return { point, x: frame.left + index * width, width, y: frame.top + frame.height - height, height, sort }
  })
}

/** Where a day lies, in the middle of its bar; null: it is not among the points. */
export function placeOf(day: string, points: BurnPoint[], frame: Frame): number | null {
  const index = points.findIndex((one) => one.day === day)
  return index < 0 ? null : frame.left + ((index + 0.5) * frame.width) / points.length
}

const WHAT: Record<string, string> = { begun: 'watched from here', sources: 'its sources changed', stage: 'went to' }

export function marked(one: BurnMarker): string {
  const what = one.what === 'stage' ? `went to ${one.stage}` : (WHAT[one.what] ?? one.what)
  return `version ${one.version}: ${what}`
}

/** Times as people read them: how long ago, with the instant itself at hand. */

const steps: [number, string][] = [
  [60, 's'],
  [60, 'min'],
  [24, 'h'],
  [Number.POSITIVE_INFINITY, 'd'],
]

/** "42 s", "5 min", "3 h", "12 d". */
export function duration(seconds: number): string {
  let left = Math.max(0, Math.round(seconds))
  for (const [size, unit] of steps) {
    if (left < size) return `${left} ${unit}`
    left = Math.floor(left / size)
  }
  return ''
}

/** "3 h ago" or "in 12 d". */
export function relative(at: string, now: number): string {
  const seconds = (Date.parse(at) - now) / 1000
  return seconds > 0 ? `in ${duration(seconds)}` : `${duration(-seconds)} ago`
}

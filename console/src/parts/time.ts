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

/** How instants are written: how long ago, or as they are, where the reader is or in UTC. */
export type Zone = 'local' | 'utc'

export function zoneOf(text: string | undefined): Zone | null {
  return text === 'local' || text === 'utc' ? text : null
}

const two = (number: number) => String(number).padStart(2, '0')

/** "2026-11-29 03:24:21 UTC", or "2026-11-29 08:54:21 +05:30". What is no instant stays as it is. */
export function instant(at: string, zone: Zone): string {
  const found = new Date(at)
  if (Number.isNaN(found.getTime())) return at
  const ahead = zone === 'utc' ? 0 : -found.getTimezoneOffset()
  const moved = new Date(found.getTime() + ahead * 60_000).toISOString()
  const away = Math.abs(ahead)
  const offset = zone === 'utc' ? 'UTC' : `${ahead < 0 ? '-' : '+'}${two(Math.floor(away / 60))}:${two(away % 60)}`
  return `${moved.slice(0, 10)} ${moved.slice(11, 19)} ${offset}`
}

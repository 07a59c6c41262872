import { describe, expect, it } from 'vitest'

import { instant, zoneOf } from './time'
import { alongOf, withAlong } from './url'

describe('an instant', () => {
  it('is written in UTC, whatever offset it came with', () => {
    expect(instant('2026-11-29T03:24:21.5Z', 'utc')).toBe('2026-11-29 03:24:21 UTC')
    expect(instant('2026-11-29T01:24:21+05:30', 'utc')).toBe('2026-11-28 19:54:21 UTC')
  })

  it('is written as clocks of this place show it, with what that is from UTC', () => {
    const text = instant('2026-07-01T23:59:59Z', 'local')
    const [, day, time, sign, hours, minutes] = /^(\S+) (\S+) ([+-])(\d\d):(\d\d)$/.exec(text) ?? []
    expect(new Date(`${day}T${time}${sign}${hours}:${minutes}`).toISOString()).toBe('2026-07-01T23:59:59.000Z')
    expect(time).toBe(new Date('2026-07-01T23:59:59Z').toTimeString().slice(0, 8))
  })

  it('that is none stays as it is', () => {
    expect(instant('soon', 'utc')).toBe('soon')
  })

  it('is written as the address says, if it says something known', () => {
    expect([zoneOf('utc'), zoneOf('local'), zoneOf('mars'), zoneOf(undefined)]).toEqual(['utc', 'local', null, null])
  })
})

describe('how times are written', () => {
  it('is taken along by links that do not say it themselves, but not to sign in', () => {
    const along = alongOf({ tz: 'utc', q: 'harbor', cursor: 'x' })
    expect(along).toEqual({ tz: 'utc' })
    expect(withAlong('/registries/a%2Fb', along)).toBe('/registries/a%2Fb?tz=utc')
    expect(withAlong('/images?q=a%26b', along)).toBe('/images?tz=utc&q=a%26b')
    expect(withAlong('/images?q=a?b', along)).toBe('/images?tz=utc&q=a%3Fb')
    expect(withAlong('/images?tz=local', along)).toBe('/images?tz=local')
    expect(withAlong('/login?next=%2F', along)).toBe('/login?next=%2F')
    expect(withAlong('/images?q=1', {})).toBe('/images?q=1')
  })
})

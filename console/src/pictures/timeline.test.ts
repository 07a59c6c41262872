import { describe, expect, it } from 'vitest'

import { lanes, ticks, type Entry } from './timeline'

const NOW = Date.parse('2026-11-28T12:00:00Z')
const DAY = 86_400_000

function entry(registry: string, days: number | null, lane = 'credential'): Entry {
  return {
    lane, name: `${registry}/pull`, registry, purpose: 'pull', daysLeft: days, level: 'ok', canEnd: true,
    expiresAt: days === null ? null : new Date(NOW + days * DAY).toISOString(),
    impact: { grants: 1, namespaces: 1, environments: 1 },
  }
}

describe('lanes', () => {
  it('has a lane for each registry, that with the nearest end first', () => {
    const found = lanes([entry('b', 40), entry('a', 60), entry('b', 3), entry('c', 200)], NOW)
    expect(found.map((one) => one.name)).toEqual(['b', 'a', 'c'])
    expect(found[0]?.marks.map((one) => Math.round(one.day))).toEqual([3, 40])
    expect(found[2]).toMatchObject({ marks: [], later: 1 })
  })

  it('keeps what has ended at today and says so', () => {
    const [lane] = lanes([entry('a', -5)], NOW)
    expect(lane?.marks[0]).toMatchObject({ day: 0, from: 0, overdue: true })
  })

  it('does not lose what never ends', () => {
    const found = lanes([entry('quiet', null), entry('ends', 80)], NOW)
    expect(found.map((one) => [one.name, one.never.length])).toEqual([['ends', 0], ['quiet', 1]])
  })

  it('puts exemptions into a lane of their own', () => {
    expect(lanes([{ ...entry('', 5, 'exemption'), name: 'redis' }], NOW)[0]?.name).toBe('Exemptions')
  })

  it('begins the window to rotate in thirty days before the end', () => {
    expect(lanes([entry('a', 50)], NOW)[0]?.marks[0]?.from).toBeCloseTo(20)
  })
})

describe('ticks', () => {
  it('are today and the first days of months', () => {
    expect(ticks(NOW).map((one) => one.words)).toEqual(['today', 'Jan 1', 'Feb 1'])
  })
})

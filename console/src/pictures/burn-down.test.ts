import { describe, expect, it } from 'vitest'

import { bars, marked, most, placeOf, type BurnPoint } from './burn-down'

const FRAME = { left: 50, top: 10, width: 300, height: 100 }
const point = (day: string, violations: number | null, unknown = 0): BurnPoint => ({ day, violations, known: 1, unknown })

describe('bars', () => {
  it('are as high as what would have been denied', () => {
    const found = bars([point('1', 10), point('2', 5), point('3', 0)], FRAME)
    expect(found.map((one) => one.height)).toEqual([100, 50, 0])
    expect(found.map((one) => one.x)).toEqual([50, 150, 250])
  })

  it('show a day that nobody knows as unknown and not as nothing', () => {
    const [one] = bars([point('1', null, 2)], FRAME)
    expect(one).toMatchObject({ sort: 'unknown', height: 100 })
  })

  it('say where a number is only of a part', () => {
    expect(bars([point('1', 3, 1)], FRAME)[0]?.sort).toBe('partly')
  })

  it('have a round top', () => {
    expect(most([point('1', 0)])).toBe(1)
    expect(most([point('1', 7)])).toBe(7)
    expect(most([point('1', 123)])).toBe(200)
    expect(most([])).toBe(1)
  })
})

describe('markers', () => {
  it('lie on their day, or nowhere', () => {
    const points = [point('2026-11-01', 1), point('2026-11-02', 1)]
    expect(placeOf('2026-11-02', points, FRAME)).toBe(275)
    expect(placeOf('2026-10-01', points, FRAME)).toBeNull()
  })

  it('say what changed', () => {
    expect(marked({ day: '', version: 3, stage: 'warn', what: 'stage' })).toBe('version 3: went to warn')
    expect(marked({ day: '', version: 2, stage: 'audit', what: 'sources' })).toBe('version 2: its sources changed')
  })
})

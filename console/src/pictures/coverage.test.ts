import { describe, expect, it } from 'vitest'

import { covered, step } from './coverage'

const square = (namespace: string, coverage: number | null, images: number | null = 10, stale = false) => ({
  group: 'g', environment: 'e', namespace, images, stale, coverage, worst: null, verdicts: null, violations: null, refused: null,
})

describe('covered', () => {
  it('puts what is covered least first, and what is unknown before that', () => {
    const found = covered([square('full', 1), square('none', 0), square('old', 1, 10, true), square('half', 0.5)])
    expect(found.map((one) => one.namespace)).toEqual(['old', 'none', 'half', 'full'])
  })

  it('calls what nothing measures unknown, not 0 and not 1', () => {
    const [one] = covered([square('full', 1)])
    expect(one?.cells.map((cell) => cell.share)).toEqual([1, null, null, null])
  })

  it('leaves out where nothing runs', () => {
    expect(covered([square('empty', null, 0), square('untold', null, null)])).toEqual([])
  })

  it('never rounds up to whole', () => {
    expect(covered([square('almost', 0.9999)])[0]?.cells[0]?.words).toContain('99%')
    expect([0, 0.001, 0.5, 0.9999, 1].map(step)).toEqual([0, 1, 2, 3, 4])
  })
})

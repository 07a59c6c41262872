import { describe, expect, it } from 'vitest'

import { inner, treemap, type Box } from './treemap'

const BOX: Box = { x: 10, y: 20, width: 300, height: 200 }
const area = (box: Box) => box.width * box.height

describe('treemap', () => {
  it('gives each value its share of the area', () => {
    const values = [60, 25, 10, 4, 1]
    const found = treemap(values, BOX)
    values.forEach((value, index) => expect(area(found[index]!)).toBeCloseTo((value / 100) * area(BOX), 6))
  })

  it('stays within the box and lays nothing upon another', () => {
    const values = Array.from({ length: 57 }, (_, index) => ((index * 37) % 91) + 1)
    const found = treemap(values, BOX)
    const slack = 1e-6
    for (const [index, one] of found.entries()) {
      expect(one.x).toBeGreaterThanOrEqual(BOX.x - slack)
      expect(one.y).toBeGreaterThanOrEqual(BOX.y - slack)
      expect(one.x + one.width).toBeLessThanOrEqual(BOX.x + BOX.width + slack)
      expect(one.y + one.height).toBeLessThanOrEqual(BOX.y + BOX.height + slack)
      for (const other of found.slice(index + 1)) {
        const across = Math.min(one.x + one.width, other.x + other.width) - Math.max(one.x, other.x)
        const down = Math.min(one.y + one.height, other.y + other.height) - Math.max(one.y, other.y)
        expect(across > slack && down > slack).toBe(false)
      }
    }
  })

  it('makes squares rather than stripes', () => {
    const found = treemap(Array(12).fill(5), BOX)
    for (const one of found) expect(Math.max(one.width / one.height, one.height / one.width)).toBeLessThan(2)
  })

  it('gives nothing to what is nothing, and does not fall over it', () => {
    expect(treemap([0, 5, 0], BOX).map(area)).toEqual([0, area(BOX), 0])
    expect(treemap([], BOX)).toEqual([])
    expect(treemap([0, 0], BOX).map(area)).toEqual([0, 0])
    expect(treemap([3, 4], { ...BOX, width: 0 }).map(area)).toEqual([0, 0])
  })
})

describe('inner', () => {
  it('never has a negative side', () => {
    expect(inner({ x: 0, y: 0, width: 3, height: 3 }, 2, 10)).toEqual({ x: 2, y: 12, width: 0, height: 0 })
  })
})

import { expect, test } from 'vitest'

import { placed } from './Course'

test('what is full stands at the top, what is empty at the bottom, and the latest at the right edge', () => {
  const points = [
    { at: '2026-11-20T10:00:00Z', value: 100 },
    { at: '2026-11-20T11:00:00Z', value: 0 },
    { at: '2026-11-20T12:00:00Z', value: 250 },
  ]
  const [full, empty, more] = placed(points, 100)
  expect(full?.y).toBe(8)
  expect(empty?.y).toBeGreaterThan(100)
  expect(more?.y).toBe(8) // more than all is all
  expect(full?.x).toBeLessThan(empty?.x ?? 0)
  expect(placed([{ at: '2026-11-20T10:00:00Z', value: 1 }], 100)[0]?.x).toBe(more?.x)
})

import { describe, expect, it } from 'vitest'

import { fitting, placed, type Rest, type Square } from './fleet-map'

const BOX = { x: 0, y: 0, width: 1000, height: 500 }

function square(group: string, environment: string, namespace: string, images: number | null, worst: string | null = 'ALLOW'): Square {
  const verdicts = { ALLOW: images ?? 0, DENY: 0, UNKNOWN: 0, NOT_JUDGED: 0 }
  return { group, environment, namespace, images, worst, stale: false, verdicts, violations: 0, refused: 0, coverage: 1 }
}

const rest = (group: string, environment: string, namespaces: number, images: number): Rest => {
  const { namespace: _, ...one } = square(group, environment, '', images)
  return { ...one, namespaces }
}

describe('placed', () => {
  it('nests namespaces in their environment and environments in their group', () => {
    const found = placed(
      [square('prod', 'eu', 'shop', 60), square('prod', 'eu', 'pay', 20), square('prod', 'us', 'shop', 30), square('dev', 'd', 'x', 40)],
      [rest('dev', 'd', 7, 10)],
      BOX,
    )
    expect(found.groups.map((one) => [one.name, one.images])).toEqual([['dev', 50], ['prod', 110]])
    expect(found.squares).toHaveLength(5)
    for (const one of found.squares) {
      const around = found.environments.find((other) => other.name === one.environment)!.box
      expect(one.box.x).toBeGreaterThanOrEqual(around.x)
      expect(one.box.y).toBeGreaterThanOrEqual(around.y)
      expect(one.box.x + one.box.width).toBeLessThanOrEqual(around.x + around.width + 1e-6)
      expect(one.box.y + one.box.height).toBeLessThanOrEqual(around.y + around.height + 1e-6)
    }
  })

  it('fills what nobody has told the verdict of as unknown, and never as allowed', () => {
    const [one] = placed([square('g', 'e', 'n', 5, null)], [], BOX).squares
    expect(one?.word).toBe('UNKNOWN')
    const [odd] = placed([square('g', 'e', 'n', 5, 'SOMETHING_NEW')], [], BOX).squares
    expect(odd?.word).toBe('UNKNOWN')
  })

  it('draws nothing where nothing runs', () => {
    expect(placed([square('g', 'e', 'n', 0), square('g', 'e', 'm', null)], [], BOX).squares).toEqual([])
  })
})

describe('fitting', () => {
  it('cuts a name that is too long, and leaves out one that would say nothing', () => {
    expect(fitting('payments', 200)).toBe('payments')
    expect(fitting('payments', 40)).toBe('paym…')
    expect(fitting('payments', 15)).toBe('')
  })
})

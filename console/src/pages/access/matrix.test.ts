import { expect, it } from 'vitest'

import { byEnvironment, cellId, columnsOf, MOST_COLUMNS, stateOf, type Row } from './matrix'

const registries = Array.from({ length: 12 }, (_, number) => ({
  name: `r${String(number).padStart(2, '0')}`,
  title: '',
  provider: 'generic',
  prefix: '',
  granted: number,
  needed: number === 0 ? 100 : 0,
}))
const row = (environment: string, namespace: string | null, team?: string): Row => ({
  environment,
  group: 'g',
  type: 'kubernetes',
  tier: 'production',
  namespace,
  subject: team ? { kind: 'team', name: team } : null,
  labels: {},
  complete: true,
  connected: true,
  reportedAt: null,
  phase: null,
  policy: null,
  cells: [],
})

it('shows the registries that most is to be said of, in their order, and those that were chosen', () => {
  const shown = columnsOf(registries, []).map((one) => one.name)
  expect(shown).toHaveLength(MOST_COLUMNS)
  expect(shown[0]).toBe('r00')
  expect(shown).not.toContain('r01')
  expect([...shown].sort()).toEqual(shown)
  expect(columnsOf(registries, ['r03', 'gone']).map((one) => one.name)).toEqual(['r03'])
  expect(columnsOf(registries, ['gone'])).toHaveLength(MOST_COLUMNS)
})

it('keeps rows of one environment together', () => {
  expect(byEnvironment([row('a', 'x'), row('a', 'y'), row('b', 'x')]).map((group) => group.length)).toEqual([2, 1])
})

it('tells cells of namespaces and of teams apart', () => {
  expect(cellId(row('a', 'ops'), 'r')).not.toBe(cellId(row('a', null, 'ops'), 'r'))
})

it('takes no state out of an address that there is not', () => {
  expect(stateOf('needed')).toBe('needed')
  expect(stateOf('constructor')).toBeUndefined()
})

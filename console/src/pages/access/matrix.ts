/** The access matrix as the server answers it. */
import { keepPreviousData, useQuery } from '@tanstack/react-query'

import { api } from '../../api/client'
import type { components } from '../../api/schema'

export type Cell = components['schemas']['AccessCell']
export type Row = components['schemas']['AccessRow']
export type GrantedBy = components['schemas']['GrantedBy']
export type State = Cell['state']

export interface Asked {
  q?: string
  group?: string
  environment?: string
  namespace?: string
  state?: State | 'unused'
  registry?: string
  rows: 'namespaces' | 'people'
  cursor?: string
  limit: number
}

const STATES = ['granted', 'synced', 'stale', 'conflict', 'masked', 'needed', 'unknown', 'unused'] as const

/** A state out of an address; what is none there is left out. */
export function stateOf(text: string | undefined): State | 'unused' | undefined {
  return STATES.find((one) => one === text)
}

export function useMatrix(asked: Asked) {
  return useQuery({
    queryKey: ['access-matrix', asked],
    queryFn: async ({ signal }) => {
      const { registry, ...rest } = asked
      const query = { ...rest, ...(registry ? { registry: [registry] } : {}) }
      const { data } = await api.GET('/api/v1/access-matrix', { params: { query }, signal })
      if (!data) throw new TypeError('no answer')
      return data
    },
    placeholderData: keepPreviousData,
    refetchInterval: 30_000,
  })
}

export type Matrix = NonNullable<ReturnType<typeof useMatrix>['data']>

/** Who or what the row is of: a namespace, or where there are none a team or user. */
export function nameOf(row: Row): string {
  return row.namespace ?? row.subject?.name ?? ''
}

/** What tells a row apart, also in an address. */
export function rowId(row: Row): string {
  return [row.environment, row.namespace ?? `${row.subject?.kind}:${row.subject?.name}`].join('/')
}

export function cellId(row: Row, registry: string): string {
  return `${rowId(row)}/${registry}`
}

export const MOST_COLUMNS = 8

/** The registries that stand in columns: those chosen, else the ones that most is to be said of, by name. */
export function columnsOf(registries: Matrix['registries'], chosen: string[]): Matrix['registries'] {
  const known = registries.filter((one) => chosen.includes(one.name))
  if (known.length) return known
  const busiest = [...registries].sort((a, b) => b.granted + b.needed - (a.granted + a.needed) || a.name.localeCompare(b.name))
  const names = new Set(busiest.slice(0, MOST_COLUMNS).map((one) => one.name))
  return registries.filter((one) => names.has(one.name))
}

/** Rows by environment, in their order. */
export function byEnvironment(rows: Row[]): Row[][] {
  const found: Row[][] = []
  for (const row of rows) {
    const last = found.at(-1)
    if (last?.[0]?.environment === row.environment) last.push(row)
    else found.push([row])
  }
  return found
}

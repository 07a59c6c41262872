/** How far a credential has come: counts, then environment by environment and namespace by namespace. */
import { FormSelect, FormSelectOption, Progress, ProgressMeasureLocation } from '@patternfly/react-core'
import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { pathOf, send } from '../../api/client'
import { Fresh, When } from '../../parts/Fresh'
import { StateLabel } from '../../parts/State'
import { Wrong } from '../../parts/Wrong'
import { counted } from './model'

interface Rotation {
  credential: { id: string; version: number; wanted: number | null } | null
  overlap: { version: number; since: string; until: string } | null
  done: boolean
  counts: Record<string, number>
  environments: { environment: string; standing: string; reachable: boolean; lastSeen: string | null; namespaces: number; current: number }[]
  metadata: { total: number; continue?: string }
  items: { environment: string; namespace: string; standing: string; there: number | null; wanted: number | null; state: string | null; phase: string | null; conflict: string | null }[]
}

const LOOKS: Record<string, 'good' | 'watching' | 'bad' | 'warning' | 'unknown'> = {
  confirmed: 'good',
  current: 'good',
  waiting: 'watching',
  behind: 'watching',
  unreachable: 'bad',
  missing: 'warning',
  conflict: 'bad',
}

const STANDINGS = [
  ['behind', 'with an older version'],
  ['missing', 'without any'],
  ['conflict', 'in conflict'],
  ['current', 'with the present version'],
] as const

/** Every few seconds while somebody is waited for. */
const SOON_MS = 3_000
const LATER_MS = 30_000
const ROWS = 50

export function RotationProgress({ name }: { name: string }) {
  const [standing, setStanding] = useState('behind')
  const { data, error, dataUpdatedAt, refetch } = useQuery({
    queryKey: ['registry', name, 'rotation', standing],
    queryFn: () => send<Rotation>(pathOf('registries', name, 'rotation'), { query: { limit: ROWS, standing } }),
    placeholderData: keepPreviousData,
    refetchInterval: ({ state }) => (state.data?.done ? LATER_MS : SOON_MS),
  })
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) return null
  if (!data.credential) return <p className="fresh">No pull credential is stored, so nothing is delivered.</p>
  const { counts } = data
  const namespaces = counts.namespaces ?? 0
  const current = counts.current ?? 0
  return (
    <section aria-label="How far it has come" aria-live="polite">
      {namespaces ? (
        <Progress
          value={(100 * current) / namespaces}
          title={data.done ? 'Every cluster that can be reached has the present version' : 'Waiting for clusters to confirm'}
          label={`${current} of ${counted(namespaces, 'namespace')}`}
          measureLocation={ProgressMeasureLocation.outside}
          aria-label="Namespaces with the present version"
        />
      ) : (
        <p>No namespace has it yet: it is granted nowhere, or no agent has told of it.</p>
      )}
      <p className="fresh">
        version {data.credential.version}
        {data.overlap ? (
          <>
            {' '}
            · version {data.overlap.version} is kept until <When at={data.overlap.until} />
          </>
        ) : null}{' '}
        · <Fresh at={dataUpdatedAt} what="asked" />
      </p>
      {data.environments.length ? (
        <table className="plain" aria-label="Environments">
          <thead>
            <tr>
              <th scope="col">Environment</th>
              <th scope="col">State</th>
              <th scope="col">Namespaces</th>
              <th scope="col">Agent seen</th>
            </tr>
          </thead>
          <tbody>
            {data.environments.slice(0, ROWS).map((one) => (
              <tr key={one.environment}>
                <td>{one.environment}</td>
                <td>
                  <StateLabel look={LOOKS[one.standing] ?? 'unknown'}>{one.standing}</StateLabel>
                </td>
                <td>
                  {one.current} of {one.namespaces}
                </td>
                <td>
                  <When at={one.lastSeen} />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      ) : null}
      {namespaces ? (
        <details>
          <summary>Namespaces</summary>
          <FormSelect className="filter" aria-label="Which namespaces" value={standing} onChange={(_, value) => setStanding(value)}>
            {STANDINGS.map(([one, title]) => (
              <FormSelectOption key={one} value={one} label={`${title}: ${counts[one] ?? 0}`} />
            ))}
          </FormSelect>
          {data.items.length ? (
            <table className="plain" aria-label="Namespaces">
              <thead>
                <tr>
                  <th scope="col">Environment</th>
                  <th scope="col">Namespace</th>
                  <th scope="col">State</th>
                  <th scope="col">Version there</th>
                </tr>
              </thead>
              <tbody>
                {data.items.map((one) => (
                  <tr key={`${one.environment}/${one.namespace}`}>
                    <td>{one.environment}</td>
                    <td>{one.namespace}</td>
                    <td>
                      <StateLabel look={LOOKS[one.standing] ?? 'unknown'}>{one.standing}</StateLabel> {one.conflict}
                    </td>
                    <td>{one.there ?? 'none'}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          ) : (
            <p>None.</p>
          )}
          {data.metadata.total > data.items.length ? (
            <p className="fresh">
              The first {data.items.length} of {data.metadata.total}: <code>portreeve rotation {name} --all</code> lists them.
            </p>
          ) : null}
        </details>
      ) : null}
    </section>
  )
}

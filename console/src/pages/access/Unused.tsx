/** Grants that nothing uses: taken back from here. Where nobody has told enough, nothing is called unused. */
import { Alert, Button } from '@patternfly/react-core'
import { useState } from 'react'

import { useMay } from '../../api/session'
import { Go, here } from '../../parts/Go'
import { Rows, useList } from '../../parts/Rows'
import { Teach } from '../../parts/Teach'
import { Revoke } from './Grant'
import type { Held } from './grants'

interface UnusedRow {
  environment: string
  namespace: string
  registry: string
  kind: string
  name: string
}

const FILTERS = [
  { name: 'environment', title: 'Environment (whole name)' },
  { name: 'namespace', title: 'Namespace (whole name)' },
  { name: 'registry', title: 'Registry (whole name)' },
]
const NAMED = 10

export function Unused() {
  const [places, take] = useState<{ places: Held[]; clear: () => void } | null>(null)
  const may = useMay('registry-access', 'delete')
  return (
    <>
      <NotKnown />
      <Rows<UnusedRow>
        caption="Grants that nothing uses"
        path="/api/v1/access-unused"
        id={(row) => [row.environment, row.namespace, row.registry, row.kind, row.name].join('/')}
        filters={FILTERS}
        columns={[
          { title: 'Environment', cell: (row) => <Go to={here('environments', row.environment)}>{row.environment}</Go> },
          { title: 'Namespace', cell: (row) => row.namespace },
          { title: 'Registry', cell: (row) => <Go to={here('registries', row.registry)}>{row.registry}</Go> },
          {
            title: 'Granted by',
            cell: (row) =>
              row.kind === 'RegistryPolicy' ? (
                <Go to={here('policies', row.name)}>policy {row.name}</Go>
              ) : (
                <Go to={`/access?view=grants&q=${encodeURIComponent(row.name)}`}>access {row.name}</Go>
              ),
          },
        ]}
        {...(may.allowed
          ? {
              selected: (rows: UnusedRow[], clear: () => void) => (
                <Button
                  variant="secondary"
                  isDanger
                  onClick={() =>
                    take({
                      places: rows.map(({ registry, environment, namespace, kind, name }) => ({ registry, environment, namespace, by: [{ kind, name }] })),
                      clear,
                    })
                  }
                >
                  Take back {rows.length}
                </Button>
              ),
            }
          : {})}
        empty={
          <Teach title="No grant is known to be unused" command="portreeve unused">
            A grant stands here when nothing in its namespace uses the registry: no image, no template of a workload that sleeps, no annotation.
          </Teach>
        }
      />
      {may.allowed ? null : <p className="fresh">Taking back: {may.who}.</p>}
      {places ? (
        <Revoke
          places={places.places}
          onClose={() => take(null)}
          onDone={() => {
            places.clear()
            take(null)
          }}
        />
      ) : null}
    </>
  )
}

/** Environments of which nothing is known: an empty list must not be read as good. */
function NotKnown() {
  const { data } = useList<UnusedRow>('/api/v1/access-unused', { limit: '1' })
  const names = (data?.metadata.unknown as string[] | undefined) ?? []
  if (!names.length) return null
  return (
    <Alert
      className="access-note"
      variant="info"
      isInline
      title={`${names.length} ${names.length === 1 ? 'environment has' : 'environments have'} not told enough: nothing there is called unused`}
    >
      {names.slice(0, NAMED).join(', ')}
      {names.length > NAMED ? ` and ${names.length - NAMED} more` : ''}
    </Alert>
  )
}

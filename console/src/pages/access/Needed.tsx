/** Registries that workloads use where nobody granted them: granted from here, many at once. */
import { Button } from '@patternfly/react-core'
import { useState } from 'react'

import { useMay } from '../../api/session'
import { Go, here } from '../../parts/Go'
import { CopyButton } from '../../parts/Copied'
import { Rows } from '../../parts/Rows'
import { Teach } from '../../parts/Teach'
import { Grant } from './Grant'
import type { Place } from './grants'

interface NeededRow {
  environment: string
  namespace: string
  registry: string
  uses: number
  owners: string[]
  images: string[]
  command: string
}

const FILTERS = [
  { name: 'environment', title: 'Environment (whole name)' },
  { name: 'namespace', title: 'Namespace (whole name)' },
  { name: 'registry', title: 'Registry (whole name)' },
]

export function Needed() {
  const [places, grant] = useState<{ places: Place[]; clear: () => void } | null>(null)
  const may = useMay('registry-access', 'create')
  return (
    <>
      <Rows<NeededRow>
        caption="Registries that are needed and not granted"
        path="/api/v1/access-needed"
        id={(row) => [row.environment, row.namespace, row.registry].join('/')}
        filters={FILTERS}
        columns={[
          { title: 'Environment', cell: (row) => <Go to={here('environments', row.environment)}>{row.environment}</Go> },
          { title: 'Namespace', cell: (row) => row.namespace },
          { title: 'Registry', cell: (row) => <Go to={here('registries', row.registry)}>{row.registry}</Go> },
          { title: 'Images', cell: (row) => row.uses || 'by annotation' },
          {
            title: 'Used by',
            cell: (row) => (
              <>
                {row.owners.join(', ')}
                {row.images.slice(0, 2).map((image) => (
                  <div key={image} className="fresh">
                    <code>{image}</code>
                  </div>
                ))}
              </>
            ),
          },
          { title: 'Copy', actions: true, cell: (row) => <CopyButton text={row.command} what={`the command that grants ${row.registry} to ${row.namespace}`} /> },
        ]}
        {...(may.allowed
          ? {
              selected: (rows: NeededRow[], clear: () => void) => (
                <Button
                  variant="primary"
                  onClick={() => grant({ places: rows.map(({ registry, environment, namespace }) => ({ registry, environment, namespace })), clear })}
                >
                  Grant {rows.length}
                </Button>
              ),
            }
          : {})}
        empty={
          <Teach title="Nothing is missing, as far as is known" command="portreeve needed">
            A registry stands here when an image or an annotation in a namespace names it and no grant covers that. Only environments that have told what
            runs there count; the access matrix says which have not.
          </Teach>
        }
      />
      {may.allowed ? null : <p className="fresh">Granting: {may.who}.</p>}
      {places ? (
        <Grant
          places={places.places}
          onClose={() => grant(null)}
          onDone={() => {
            places.clear()
            grant(null)
          }}
        />
      ) : null}
    </>
  )
}

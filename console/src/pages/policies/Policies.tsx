/** All policies: where each is in force, how far that is proved, what it refuses now and would refuse if enforced. */
import { Button } from '@patternfly/react-core'
import { useState } from 'react'

import { ConfirmChange } from '../../parts/ConfirmChange'
import { Fresh } from '../../parts/Fresh'
import { here, useGo } from '../../parts/Go'
import { codeOfChange, InCode, type Removal } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { Rows, type Column } from '../../parts/Rows'
import { Enforcement, StageLabel, StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { MayButton } from '../../parts/Who'
import type { Coverage } from './effect'

const columns: Column<Coverage>[] = [
  { title: 'Policy', cell: (row) => row.title || row.name },
  {
    title: 'Type and engine',
    cell: (row) => (
      <>
        {row.path}
        <div className="fresh">{row.engine}</div>
      </>
    ),
  },
  { title: 'Groups', cell: (row) => row.groups.join(', ') || 'none' },
  { title: 'Stage', cell: (row) => <StageLabel stage={row.stage} /> },
  { title: 'Proved', cell: (row) => <Proved row={row} /> },
  { title: 'Violations now', cell: (row) => (row.stage === 'off' ? 'off' : <Count count={row.violations} />) },
  {
    title: 'If enforced',
    cell: (row) => (
      <>
        <Count count={row.wouldBlock} words="would block " />
        <div>
          {row.freshness.of ? <Fresh at={row.freshness.oldest} what="inventory" from={{ told: row.freshness.reported, all: row.freshness.of }} /> : null}
        </div>
      </>
    ),
  },
  { title: 'Conflicts', cell: (row) => (row.conflicts.length ? <StateLabel look="warning">{row.conflicts.join('; ')}</StateLabel> : 'none') },
]

/** A count; what nobody has told is unknown and not none. */
function Count({ count, words = '' }: { count: number | null; words?: string }) {
  if (count === null) return <StateLabel look="unknown">unknown</StateLabel>
  if (count === 0) return <>{words}0</>
  return (
    <StateLabel look="warning">
      {words}
      {count}
    </StateLabel>
  )
}

function Proved({ row }: { row: Coverage }) {
  const found = Object.entries(row.enforcement).sort(([one], [other]) => one.localeCompare(other))
  if (!found.length) return <>nowhere</>
  return (
    <>
      {found.map(([state, count]) => (
        <span key={state} className="proved">
          {count} <Enforcement state={state} />
        </span>
      ))}
    </>
  )
}

export function Policies() {
  const go = useGo()
  const [removing, remove] = useState<{ gone: Removal[]; clear: () => void } | null>(null)
  return (
    <Page
      title="Policies"
      about="Which sources are allowed where, and which registries come with that. Those that would block the most come first."
      actions={
        <MayButton kind="registry-policy" action="plan" variant="primary" onClick={() => go('/policies/new')}>
          Create policy
        </MayButton>
      }
    >
      <Rows<Coverage>
        caption="Policies"
        path="/api/v1/policycoverage"
        columns={columns}
        id={(row) => row.name}
        to={(row) => here('policies', row.name)}
        filters={[
          { name: 'q', title: 'Name or group' },
          {
            name: 'type',
            title: 'Type',
            options: [
              ['kubernetes', 'Kubernetes > Registry'],
              ['docker', 'Docker > Registry'],
            ],
          },
          { name: 'stage', title: 'Stage', options: ['off', 'audit', 'warn', 'deny'] },
        ]}
        selected={(rows, clear) => (
          <>
            <MayButton
              kind="registry-policy"
              action="delete"
              variant="danger"
              onClick={() =>
                remove({ gone: rows.map((one) => ({ kind: 'RegistryPolicy', name: one.name, etag: one.etag })), clear })
              }
            >
              Remove {rows.length}
            </MayButton>
            <InCode
              code={codeOfChange({ delete: rows.map((one) => ({ kind: 'RegistryPolicy', name: one.name })) })}
              what={`Remove ${rows.length} policies`}
            />
          </>
        )}
        empty={
          <Teach
            title="No policy yet"
            command="portreeve suggest . > policy.yaml && portreeve apply -f policy.yaml"
            action={
              <Button variant="secondary" onClick={() => go('/policies/new?type=kubernetes&template=from-inventory')}>
                Begin with what runs now
              </Button>
            }
          >
            Here stands each policy with its groups, how far it is enforced, and what it would refuse.
          </Teach>
        }
      />
      {removing ? (
        <ConfirmChange
          title={removing.gone.length === 1 ? `Remove the policy ${removing.gone[0]?.name}` : `Remove ${removing.gone.length} policies`}
          change={{ delete: removing.gone }}
          verb="Remove"
          danger
          done={`Removed ${removing.gone.map((one) => one.name).join(', ')}`}
          onDone={() => {
            removing.clear()
            remove(null)
          }}
          onClose={() => remove(null)}
        />
      ) : null}
    </Page>
  )
}

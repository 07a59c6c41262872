/** What happened to a registry, newest first: out of the audit log, so that each line can be proven. */
import { Rows } from '../../parts/Rows'
import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'

interface Event {
  sequence: number
  time: string
  actor: { principal: string }
  action: string
  outcome: string
  reason?: string
  object: { kind: string; name: string }
}

const ACTIONS: Record<string, string> = {
  'registry.create': 'added',
  'registry.update': 'changed',
  'registry.delete': 'deleted',
  'registry.validate': 'checked',
  'credential.set': 'credential set',
  'credential.rotate': 'credential rotated',
  'credential.delete': 'credential deleted',
}

export function History({ name }: { name: string }) {
  return (
    <Rows<Event>
      caption="History"
      path="/api/v1/audit"
      fixed={{ name }}
      id={(row) => String(row.sequence)}
      columns={[
        { title: 'When', cell: (row) => <When at={row.time} /> },
        { title: 'What', cell: (row) => <Go to={here('audit', String(row.sequence))}>{ACTIONS[row.action] ?? row.action}</Go> },
        { title: 'By', cell: (row) => row.actor.principal },
        {
          title: 'Outcome',
          cell: (row) => (
            <>
              <StateLabel look={row.outcome === 'done' && !row.reason ? 'good' : row.outcome === 'intended' ? 'watching' : 'bad'}>
                {row.reason ? `${row.outcome}: ${row.reason}` : row.outcome}
              </StateLabel>
            </>
          ),
        },
      ]}
      empty={<Teach title="Nothing has happened yet">Every change and every check of it will stand here, as the audit log has it.</Teach>}
    />
  )
}

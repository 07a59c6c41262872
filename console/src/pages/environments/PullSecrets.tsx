/** What the agent has said of the pull secrets, namespace by namespace: versions and ends, never a login. */
import { pathOf } from '../../api/client'
import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { Rows } from '../../parts/Rows'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'

interface Entry {
  registry: string
  credential: string
  version: number
  state: string
  expiresAt: string | null
}

interface PullSecret {
  namespace: string
  phase: string | null
  conflict: string | null
  reportedAt: string | null
  entries: Entry[]
}

const GOOD = new Set(['Delivered'])
const WAITING = new Set(['Pending', 'NothingToDeliver'])

/** "NothingToDeliver" as words. */
export function phaseWords(phase: string | null): string {
  return phase ? phase.replace(/(?<=[a-z])(?=[A-Z])/g, ' ').toLowerCase() : 'not told'
}

export function PullSecrets({ name }: { name: string }) {
  return (
    <Rows<PullSecret>
      caption="Pull secrets"
      path={`${pathOf('environments', name)}/pullsecrets`}
      id={(row) => row.namespace}
      every={30_000}
      columns={[
        { title: 'Namespace', cell: (row) => <Go to={`/access?environment=${encodeURIComponent(name)}&q=${encodeURIComponent(row.namespace)}`}>{row.namespace}</Go> },
        {
          title: 'Phase',
          cell: (row) => (
            <StateLabel look={row.conflict ? 'bad' : row.phase === null ? 'unknown' : GOOD.has(row.phase) ? 'good' : WAITING.has(row.phase) ? 'watching' : 'warning'}>
              {phaseWords(row.phase)}
            </StateLabel>
          ),
        },
        {
          title: 'Entries',
          cell: (row) =>
            row.entries.length ? (
              <ul className="plan">
                {row.entries.map((one) => (
                  <li key={`${one.credential}/${one.version}`}>
                    <Go to={here('registries', one.registry)}>{one.registry}</Go> version {one.version}, {one.state === 'hollow' ? 'hollow: its login is empty' : one.state}
                    {one.expiresAt ? (
                      <>
                        , ends <When at={one.expiresAt} />
                      </>
                    ) : (
                      ', does not end'
                    )}
                  </li>
                ))}
              </ul>
            ) : (
              'none'
            ),
        },
        { title: 'In the way', cell: (row) => row.conflict ?? '' },
        { title: 'Told', cell: (row) => <When at={row.reportedAt} /> },
      ]}
      empty={
        <Teach title="No pull secret" command={`portreeve grant REGISTRY --environment ${name} -n NAMESPACE`}>
          One Secret portreeve-pull for each namespace that is granted something stands here, with its entries, once the agent has said that it is there.
        </Teach>
      }
    />
  )
}

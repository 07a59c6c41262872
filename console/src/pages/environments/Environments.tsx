/** Environments: what each is, whether its agent is there, what counts in it. */
import { Navigate } from '@tanstack/react-router'

import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { Rows } from '../../parts/Rows'
import { Enforcement, Health, StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { MayButton } from '../../parts/Who'
import { AddEnvironment } from './AddEnvironment'
import { agentWords, healthOf, TIERS, TYPES, typeWords, type Environment } from './environment'

const HEALTH = ['Ready', 'Expiring', 'Unreachable', 'Unknown']
const ENFORCEMENT = ['Off', 'Auditing', 'Warning', 'Enforced', 'Gap', 'Unknown']

export function Environments() {
  const [url, set] = useUrl()
  // Links of other pages name an environment and one of its tabs.
  if (url.selected) return <Navigate to={here('environments', url.selected) as never} search={(url.tab ? { tab: url.tab } : {}) as never} replace />
  const add = (
    <MayButton kind="environment" action="create" variant="primary" onClick={() => set({ add: '1' }, true)}>
      Add an environment
    </MayButton>
  )
  return (
    <Page
      title="Environments"
      about="Clusters, Docker hosts and Swarms. Each is in one group, and the group's policy counts in it."
      actions={
        <>
          <InCode code={codeOfCall({ method: 'GET', path: '/api/v1/environments', argv: ['get', 'environments'] })} what="List environments" />
          {add}
        </>
      }
    >
      <Rows<Environment>
        caption="Environments"
        path="/api/v1/environments"
        id={(row) => row.metadata.name}
        to={(row) => here('environments', row.metadata.name)}
        every={30_000}
        filters={[
          { name: 'q', title: 'Name or title' },
          { name: 'group', title: 'Group (whole name)' },
          { name: 'tier', title: 'Tier', options: TIERS },
          { name: 'type', title: 'Type', options: TYPES },
          { name: 'enforcement', title: 'Enforcement', options: ENFORCEMENT },
          { name: 'health', title: 'Health', options: HEALTH },
        ]}
        columns={[
          {
            title: 'Name',
            cell: (row) => row.metadata.name,
            sort: 'name',
          },
          {
            title: 'Type',
            cell: (row) => (
              <>
                {typeWords(row.spec.type)}
                <div className="fresh">{row.spec.title ?? ''}</div>
              </>
            ),
            sort: 'type',
          },
          { title: 'Tier', cell: (row) => row.spec.tier, sort: 'tier' },
          { title: 'Group', cell: (row) => <Go to={here('groups', row.spec.group)}>{row.spec.group}</Go>, sort: 'group' },
          {
            title: 'Version',
            cell: (row) => (
              <>
                {row.status?.kubernetes ?? (row.spec.type && row.spec.type !== 'kubernetes' ? 'none' : 'not told')}
                {row.status?.cannotRestrict ? (
                  <div>
                    <StateLabel look="warning" title={row.status.cannotRestrict}>
                      cannot restrict: needs 1.30
                    </StateLabel>
                  </div>
                ) : null}
              </>
            ),
          },
          {
            title: 'Agent',
            cell: (row) => (
              <>
                {agentWords(row.status?.agent)}
                <div className="fresh">
                  seen <When at={row.status?.agent?.lastSeen} />
                </div>
              </>
            ),
          },
          { title: 'Enforcement', cell: (row) => <Enforcement state={row.status?.enforcement} /> },
          {
            title: 'Health',
            cell: (row) => (row.status?.phase === 'Leaving' ? <StateLabel look="warning">Leaving</StateLabel> : <Health state={healthOf(row.status)} />),
          },
          {
            title: 'Policy',
            cell: (row) => (row.status?.policy ? <Go to={here('policies', row.status.policy)}>{row.status.policy}</Go> : 'none'),
            sort: 'policy',
          },
        ]}
        empty={
          <Teach title="No environment yet" command="portreeve add environment prod-eu --tier production --group production" action={add}>
            A cluster, Docker host or Swarm stands here once it is added. Its agent is enrolled with one command, and tells what runs there.
          </Teach>
        }
      />
      {url.add ? <AddEnvironment onClose={() => set({ add: undefined })} /> : null}
    </Page>
  )
}

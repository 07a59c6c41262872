/** What is allowed for a while: asked for by one person, decided on by another, and over by itself. */
import { Button } from '@patternfly/react-core'

import { useNow, When } from '../../parts/Fresh'
import { here, useGo } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { Rows, type Column, type Filter } from '../../parts/Rows'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { MayButton } from '../../parts/Who'
import { gone, inForce, lookOf, STATES, type Exemption } from './model'
import './exemptions.css'

export function ExpiryBar({ exemption }: { exemption: Exemption }) {
  const now = useNow()
  const { state } = exemption.status ?? {}
  return (
    <div className="expiry">
      <When at={exemption.spec.expiresAt} />
      {inForce(state) ? (
        <progress className="expiry-bar" max={100} value={Math.round(gone(exemption, now) * 100)} aria-label={`How much of the time of ${exemption.metadata.name} has gone`} />
      ) : null}
    </div>
  )
}

export function ExemptionState({ exemption }: { exemption: Exemption }) {
  const { state, renewal } = exemption.status ?? {}
  return (
    <>
      <StateLabel look={lookOf(state)}>{state ?? 'unknown'}</StateLabel>
      {renewal ? (
        <>
          {' '}
          <StateLabel look="watching">renewal requested</StateLabel>
        </>
      ) : null}
    </>
  )
}

export const scopeOf = ({ spec: { scope } }: Exemption) =>
  [
    scope.namespaces?.length ? scope.namespaces.join(', ') : 'every namespace',
    scope.groups?.length ? `of ${scope.groups.join(', ')}` : "of the policy's groups",
  ].join(' ')

const FILTERS: Filter[] = [
  { name: 'state', title: 'State', options: STATES },
  { name: 'policy', title: 'Policy' },
  { name: 'owner', title: 'Owner' },
]

const COLUMNS: Column<Exemption>[] = [
  { title: 'Name', cell: (one) => one.metadata.name },
  { title: 'State', cell: (one) => <ExemptionState exemption={one} /> },
  { title: 'Image', cell: (one) => <code className="may-break">{one.spec.scope.image}</code> },
  { title: 'Where', cell: scopeOf },
  { title: 'Policy', cell: (one) => one.spec.policy },
  { title: 'Reason', cell: (one) => one.spec.reason },
  { title: 'Owner', cell: (one) => one.spec.owner },
  {
    title: 'Who',
    cell: (one) => (
      <>
        {one.status?.requestedBy} asked
        {one.status?.decidedBy ? <div>{one.status.decidedBy} decided</div> : null}
      </>
    ),
  },
  { title: 'Ends', cell: (one) => <ExpiryBar exemption={one} /> },
]

export function Exemptions() {
  const go = useGo()
  return (
    <Page
      title="Exemptions"
      about="What a policy does not allow and somebody may run for a while. Who asks is never who approves."
      actions={
        <>
          <MayButton kind="exemption" action="create" variant="primary" onClick={() => go('/exemptions/new')}>
            Request an exemption
          </MayButton>
          <InCode code={codeOfCall({ method: 'GET', path: '/api/v1/exemptions', argv: ['get', 'exemptions'] })} what="Exemptions" />
        </>
      }
    >
      <Rows<Exemption>
        caption="Exemptions"
        path="/api/v1/exemptions"
        columns={COLUMNS}
        id={(one) => one.metadata.name}
        to={(one) => here('exemptions', one.metadata.name)}
        filters={FILTERS}
        empty={
          <Teach
            title="No exemptions"
            command="portreeve exempt request NAME --policy POLICY --image HOST/PATH -n NAMESPACE --reason TEXT --owner TEAM --expires-at TIME"
            action={
              <Button variant="secondary" onClick={() => go('/exemptions/new')}>
                Request an exemption
              </Button>
            }
          >
            Requests and what became of them stand here: the image, where, why, who asked, who decided, and how much of its time has gone.
          </Teach>
        }
      />
    </Page>
  )
}

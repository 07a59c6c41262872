/** How a registry stands, in one look. */
import { DescriptionList, DescriptionListDescription, DescriptionListGroup, DescriptionListTerm } from '@patternfly/react-core'
import type { ReactNode } from 'react'

import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { StateLabel } from '../../parts/State'
import { counted, reasonOf, useProviders, type WholeOverview } from './model'

export function Standing({ row }: { row: WholeOverview }) {
  const { data: providers } = useProviders()
  const tab = (name: string) => `${here('registries', row.name)}?tab=${name}`
  return (
    <>
      <DescriptionList columnModifier={{ default: '1Col', lg: '2Col' }} isCompact aria-label="How it stands">
        <Fact term="State">{reasonOf(row)}</Fact>
        <Fact term="Provider">{providers?.find((one) => one.name === row.provider)?.title ?? row.provider}</Fact>
        <Fact term="Name in documents">
          <code>{row.name}</code>
        </Fact>
        <Fact term="Project">{row.project ? row.project : 'nobody’s in particular'}</Fact>
        <Fact term="Last check">
          {row.check ? (
            <>
              <Go to={tab('check')}>{row.check.outcome}</Go>, <When at={row.check.at} />, from the control plane
            </>
          ) : (
            <Go to={tab('check')}>nobody has checked it yet</Go>
          )}
        </Fact>
        <Fact term="Signed in with">
          {row.auth === 'anonymous' ? 'nothing: it is used without a credential' : row.auth}
          {row.expiresAt ? (
            <>
              , ends <When at={row.expiresAt} />
            </>
          ) : null}
        </Fact>
        <Fact term="Granted in">
          <Go to={tab('grants')}>
            {row.grants.environments
              ? `${counted(row.grants.environments, 'environment')}, ${counted(row.grants.namespaces, 'namespace')}${row.grants.selectors ? ', and later ones by selector' : ''}`
              : 'nowhere'}
          </Go>
        </Fact>
        <Fact term="Used by">
          <Go to={tab('uses')}>
            {row.uses.workloads
              ? `${counted(row.uses.workloads, 'running workload')} in ${counted(row.uses.environments, 'environment')}`
              : 'no running workload that you see'}
          </Go>
          {row.uses.workloads ? <div className="fresh">Without it, these may not be pulled again when they are scheduled anew.</div> : null}
        </Fact>
      </DescriptionList>
      <h2>Hosts to open</h2>
      <p className="fresh">What nodes and the control plane reach, for whoever keeps the firewall.</p>
      <div className="scrolled" tabIndex={0} role="region" aria-label="Hosts to open, table">
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">Host</th>
              <th scope="col">Port</th>
              <th scope="col">For</th>
              <th scope="col">Promised by the provider</th>
            </tr>
          </thead>
          <tbody>
            {row.hosts.map((one) => (
              <tr key={`${one.host}/${one.purpose}`}>
                <td>
                  <code>{one.host}</code>
                </td>
                <td>{one.port}</td>
                <td>{one.purpose}</td>
                <td>
                  {one.certain ? <StateLabel look="good">yes</StateLabel> : <StateLabel look="unknown">not promised</StateLabel>}
                  {one.note ? <div className="fresh">{one.note}</div> : null}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </>
  )
}

export function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <DescriptionListGroup>
      <DescriptionListTerm>{term}</DescriptionListTerm>
      <DescriptionListDescription>{children}</DescriptionListDescription>
    </DescriptionListGroup>
  )
}

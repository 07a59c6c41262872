/** What an environment is, what counts in it and why, and what its agent says of it. */
import {
  Alert,
  Card,
  CardBody,
  CardTitle,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Gallery,
  Title,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'

import { api } from '../../api/client'
import type { Condition } from '../../api/documents'
import type { components } from '../../api/schema'
import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { StageLabel, StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { Wrong } from '../../parts/Wrong'
import { Usable } from './Usable'
import { agentWords, isKubernetes, typeWords, type Environment } from './environment'

type Effective = components['schemas']['EffectivePolicy']
type EffectiveAccess = components['schemas']['EffectiveAccess']

const SHOWN = 20

export function Overview({ environment }: { environment: Environment }) {
  const { name } = environment.metadata
  const { status, spec } = environment
  return (
    <>
      {status?.leaving ? (
        <Alert variant="warning" isInline title={`This environment was removed${status.leaving.by ? ` by ${status.leaving.by}` : ''} and is leaving`}>
          <ul>{status.leaving.left?.map((one) => <li key={one}>{one}</li>)}</ul>
        </Alert>
      ) : null}
      {status?.cannotRestrict ? (
        <Alert variant="warning" isInline title={status.cannotRestrict}>
          Pull secrets are delivered all the same. A policy counts at deployment time only, until the cluster is upgraded.
        </Alert>
      ) : null}
      <Gallery hasGutter minWidths={{ default: '100%', lg: '24rem' }}>
        <Card component="section" aria-label="Facts">
          <CardTitle component="h2">Facts</CardTitle>
          <CardBody>
            <DescriptionList isHorizontal isCompact>
              <Fact term="Type">{typeWords(spec.type)}</Fact>
              <Fact term="Tier">{spec.tier}</Fact>
              <Fact term="Group">
                <Go to={here('groups', spec.group)}>{spec.group}</Go>
              </Fact>
              {isKubernetes(environment) ? <Fact term="Kubernetes">{status?.kubernetes ?? 'not told'}</Fact> : null}
              <Fact term="Agent">
                {agentWords(status?.agent)}, seen <When at={status?.agent?.lastSeen} />
              </Fact>
              {isKubernetes(environment) ? (
                <Fact term="Namespaces">
                  {status?.namespaces === undefined ? (
                    'not told'
                  ) : (
                    <Go to={`/access?environment=${encodeURIComponent(name)}`}>{status.namespaces}: what each is granted</Go>
                  )}
                </Fact>
              ) : (
                <Fact term="Users and teams">
                  <Go to={`/access?view=people&environment=${encodeURIComponent(name)}`}>what each is granted</Go>
                </Fact>
              )}
              <Fact term="Running images">
                {status?.images === undefined ? 'not told' : <Go to={`/images?environment=${encodeURIComponent(name)}`}>{status.images}</Go>}
              </Fact>
            </DescriptionList>
          </CardBody>
        </Card>
        {status?.leaving ? null : <EffectivePolicy name={name} />}
        {status?.leaving ? null : <Usable name={name} />}
      </Gallery>
      <Conditions conditions={status?.conditions ?? []} />
    </>
  )
}

function Fact({ term, children }: { term: string; children: ReactNode }) {
  return (
    <DescriptionListGroup>
      <DescriptionListTerm>{term}</DescriptionListTerm>
      <DescriptionListDescription>{children}</DescriptionListDescription>
    </DescriptionListGroup>
  )
}

function EffectivePolicy({ name }: { name: string }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['effective-policy', name],
    queryFn: async ({ signal }) => {
      const { data: found } = await api.GET('/api/v1/environments/{name}/policy', { params: { path: { name } }, signal })
      return found as Effective
    },
  })
  return (
    <Card component="section" aria-label="What counts here">
      <CardTitle component="h2">What counts here</CardTitle>
      <CardBody>
        {error ? <Wrong error={error} again={() => void refetch()} /> : null}
        {data ? (
          <>
            <p>
              {data.policy ? (
                <>
                  <Go to={here('policies', data.policy.name)}>{data.policy.name}</Go> at <StageLabel stage={data.policy.stage} />{' '}
                  <span className="fresh">enforced by: {data.enforcedBy}</span>
                </>
              ) : (
                <StateLabel look="unknown">No policy</StateLabel>
              )}
            </p>
            <ol className="environment-why" aria-label="Why">
              {data.why.map((one) => (
                <li key={one.step + one.text}>
                  {one.text} {one.warns ? <StateLabel look="warning">note</StateLabel> : null}
                </li>
              ))}
            </ol>
            <Accesses title="In force" rows={data.inForce} />
            <Accesses title="Masked by the policy" rows={data.masked} />
            {data.hidden ? <p className="fresh">and {data.hidden} that you may not see</p> : null}
          </>
        ) : null}
      </CardBody>
    </Card>
  )
}

function Accesses({ title, rows }: { title: string; rows: EffectiveAccess[] }) {
  if (!rows.length) return null
  return (
    <details>
      <summary>
        {title}: {rows.length}
      </summary>
      <ul>
        {rows.slice(0, SHOWN).map((one, index) => (
          <li key={index}>
            <Go to={here('registries', one.registry)}>{one.registry}</Go> for {whom(one)}, by{' '}
            {one.kind === 'RegistryPolicy' ? (
              <Go to={here('policies', one.name)}>policy {one.name}</Go>
            ) : (
              <Go to={`/access?view=grants&q=${encodeURIComponent(one.name)}`}>access {one.name}</Go>
            )}
          </li>
        ))}
        {rows.length > SHOWN ? <li>and {rows.length - SHOWN} more</li> : null}
      </ul>
    </details>
  )
}

function whom(one: EffectiveAccess): string {
  const selector = one.selector === null ? [] : [one.selector ? `namespaces with ${one.selector}` : 'every namespace']
  const parts = [...(one.namespaces ?? []), ...selector, ...one.teams.map((team) => `team ${team}`), ...one.users.map((user) => `user ${user}`)]
  return parts.slice(0, SHOWN).join(', ') + (parts.length > SHOWN ? ` and ${parts.length - SHOWN} more` : '') || 'nobody'
}

const LOOKS = { True: 'good', False: 'bad', Unknown: 'unknown' } as const
/** Conditions that are good where they do not hold. */
const REVERSED = new Set(['Drifted', 'Stalled', 'Degraded'])

function Conditions({ conditions }: { conditions: Condition[] }) {
  if (!conditions.length) {
    return (
      <Teach title="No conditions" headingLevel="h2">
        What the agent says of this environment stands here: whether it sees its cluster, whether the policy is enforced, whether pull secrets are delivered.
      </Teach>
    )
  }
  return (
    <section aria-label="Conditions">
      <Title headingLevel="h2" size="lg">
        Conditions
      </Title>
      <div className="scrolled" tabIndex={0} role="region" aria-label="Conditions, table">
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">Condition</th>
              <th scope="col">Status</th>
              <th scope="col">Reason</th>
              <th scope="col">Message</th>
              <th scope="col">Since</th>
            </tr>
          </thead>
          <tbody>
            {conditions.map((one) => (
              <tr key={one.type}>
                <th scope="row">{one.type}</th>
                <td>
                  <StateLabel look={REVERSED.has(one.type) && one.status !== 'Unknown' ? (one.status === 'True' ? 'bad' : 'good') : LOOKS[one.status]}>
                    {one.status}
                  </StateLabel>
                </td>
                <td>{one.reason}</td>
                <td>{one.message}</td>
                <td>
                  <When at={one.lastTransitionTime} none="not told" />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  )
}

/** One user: what names them, and what they hold. */
import { Button, Spinner, Title } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'

import { pathOf, send, withQuery } from '../../api/client'
import type { List } from '../../api/documents'
import { address } from '../../api/place'
import { seesAsOthers, useMe } from '../../api/session'
import { Go } from '../../parts/Go'
import { Page } from '../../parts/Page'
import { StateLabel } from '../../parts/State'
import { useAlong, withAlong } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { heldBy, Sessions, Tokens } from './Held'
import { meaning, type Binding, type Team, type User as Found } from './people'
import './settings.css'

export function User() {
  const { name = '' } = useParams({ strict: false }) as { name?: string }
  const { data: me } = useMe()
  const along = useAlong()
  const { data, error, refetch } = useQuery<Found>({
    queryKey: ['document', 'users', name],
    queryFn: ({ signal }) => send<Found>(pathOf('users', name), { signal }),
  })
  return (
    <Page
      title={data?.spec.title || name}
      above={[{ title: 'Settings', to: '/settings?tab=users' }]}
      about={name}
      actions={
        data && !data.spec.disabled && seesAsOthers(me) && me?.user !== name ? (
          <Button component="a" variant="secondary" href={address(withAlong(withQuery('/fleet', { as: name }), along))}>
            View as {name}
          </Button>
        ) : null
      }
      state={data?.spec.disabled ? <StateLabel look="off">disabled</StateLabel> : null}
    >
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      {!data && !error ? <Spinner aria-label="Loading the user" /> : null}
      {data ? (
        <div className="tab-body">
          <Rights name={name} />
          <section aria-labelledby="tokens">
            <Title headingLevel="h2" size="lg" id="tokens">API tokens</Title>
            <Tokens base={heldBy(name)} />
          </section>
          <section aria-labelledby="sessions">
            <Title headingLevel="h2" size="lg" id="sessions">Sessions</Title>
            <Sessions base={heldBy(name)} />
          </section>
          <p>
            <Go to={withQuery('/audit', { principal: name })}>What they have done, in the audit log</Go>
          </p>
        </div>
      ) : null}
    </Page>
  )
}

/** Teams that hold them, and roles that name them or one of those. */
function Rights({ name }: { name: string }) {
  const teams = useQuery<List<Team>>({
    queryKey: ['list', '/api/v1/teams', { member: name, limit: 200 }],
    queryFn: ({ signal }) => send('/api/v1/teams', { query: { member: name, limit: 200 }, signal }),
  })
  const bindings = useQuery<List<Binding>>({
    queryKey: ['list', '/api/v1/rolebindings', { limit: 500 }],
    queryFn: ({ signal }) => send('/api/v1/rolebindings', { query: { limit: 500 }, signal }),
  })
  if (teams.error || bindings.error) return <Wrong error={teams.error ?? bindings.error} />
  if (!teams.data || !bindings.data) return null
  const held = teams.data.items.map((one) => one.metadata.name)
  const mine = bindings.data.items.filter(
    ({ spec: { subjects } }) => subjects.users?.includes(name) || subjects.teams?.some((one) => held.includes(one)),
  )
  return (
    <section aria-labelledby="rights">
      <Title headingLevel="h2" size="lg" id="rights">What they may do</Title>
      {held.length ? <p>Teams: {held.join(', ')}</p> : null}
      {mine.length ? (
        <ul>
          {mine.map((one) => (
            <li key={one.metadata.name}>{meaning(one)}</li>
          ))}
        </ul>
      ) : (
        <p>No role names them or one of their teams by a member's name. A group of the identity provider may.</p>
      )}
      {bindings.data.metadata.continue ? <p>Only the first 500 role bindings were looked at.</p> : null}
    </section>
  )
}

/** What ends when, over the next 90 days, and what never ends though it should. */
import { Alert, Button, List, ListItem } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { send, withQuery } from '../../api/client'
import type { List as Listed } from '../../api/documents'
import { address } from '../../api/place'
import { Fresh, When } from '../../parts/Fresh'
import { Go } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { Rows, type Column, type Filter } from '../../parts/Rows'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { ExpiryTimeline } from '../../pictures/ExpiryTimeline'
import { impactOf, LANES, levelOf, placeOf, type Entry } from './entries'

const DAYS = 90
/** Names of credentials without an end that the band shows; the table has all. */
const NAMED = 20

const FILTERS: Filter[] = [
  { name: 'lane', title: 'What', options: [['credential', 'credentials'], ['token', 'tokens'], ['exemption', 'exemptions']] },
  {
    name: 'level',
    title: 'End',
    options: [
      ['overdue', 'has passed'],
      ['1', 'within a day'],
      ['7', 'within 7 days'],
      ['14', 'within 14 days'],
      ['30', 'within 30 days'],
      ['ok', 'later'],
      ['never', 'never'],
    ],
  },
  { name: 'registry', title: 'Registry' },
]

const COLUMNS: Column<Entry>[] = [
  { title: 'Name', cell: (one) => one.name },
  { title: 'What', cell: (one) => LANES[one.lane] },
  {
    title: 'Ends',
    cell: (one) => (
      <>
        <When at={one.expiresAt} />{' '}
        {one.expiresAt ? <span className="fresh">{one.expiresAt.slice(0, 16).replace('T', ' ')} UTC</span> : null}
      </>
    ),
  },
  {
    title: 'State',
    cell: (one) => {
      const { look, words } = levelOf(one)
      return <StateLabel look={look}>{words}</StateLabel>
    },
  },
  { title: 'What stands still then', cell: impactOf },
]

export function Credentials() {
  const [url] = useUrl()
  const asked = Object.fromEntries(['lane', 'level', 'registry'].flatMap((name) => (url[name] ? [[name, url[name]]] : []))) as Record<
    string,
    string
  >
  const argv = ['calendar', ...Object.entries(asked).flatMap(([name, value]) => [`--${name}`, value])]
  return (
    <Page
      title="Credentials"
      about="What ends when, and what stands still then. Tokens are renewed by themselves; of them only a failure needs you."
      actions={
        <>
          <Button component="a" variant="secondary" href={address(withQuery('/api/v1/calendar.ics', asked))} download="portreeve.ics">
            iCalendar
          </Button>
          <InCode code={codeOfCall({ method: 'GET', path: withQuery('/api/v1/calendar', asked), argv })} what="This calendar" />
        </>
      }
    >
      <Endless />
      <Soon />
      <Rows<Entry>
        caption="What ends when"
        path="/api/v1/calendar"
        columns={COLUMNS}
        id={(one) => `${one.lane}/${one.name}`}
        to={placeOf}
        filters={FILTERS}
        empty={
          <Teach title="Nothing ends" command="portreeve add registry registry.example.com">
            Each stored credential, each token made from one, and each exemption stands here with its end. There are none yet: add a registry with a
            credential.
          </Teach>
        }
      />
    </Page>
  )
}

/** What never ends, all of it that one question answers. */
function useEndless() {
  const query = { level: 'never', limit: 200 }
  return useQuery<Listed<Entry>>({
    queryKey: ['list', '/api/v1/calendar', query],
    queryFn: ({ signal }) => send<Listed<Entry>>('/api/v1/calendar', { query, signal }),
  })
}

/** The red band: credentials that never end, first those that could. */
function Endless() {
  const { data } = useEndless()
  if (!data?.items.length) return null
  const found = [...data.items].sort((a, b) => Number(b.canEnd) - Number(a.canEnd) || b.impact.namespaces - a.impact.namespaces)
  const total = data.metadata.total ?? found.length
  const could = found.filter((one) => one.canEnd).length
  return (
    <Alert
      variant="danger"
      isInline
      title={`${total} ${total === 1 ? 'credential never ends' : 'credentials never end'}`}
      actionLinks={<Go to="/credentials?level=never">Show them in the table</Go>}
    >
      <p>
        Whoever copies one has it for good. {could ? `${could} of them could end: set an end at the registry's provider, store the new one, and say when it ends. ` : ''}
        None of them may be granted to production where the provider knows an end.
      </p>
      <List isPlain aria-label="Credentials without an end">
        {found.slice(0, NAMED).map((one) => (
          <ListItem key={one.name}>
            <Go to={placeOf(one)}>{one.name}</Go>: {impactOf(one)}
            {one.canEnd ? '' : '; its provider knows no end'}
          </ListItem>
        ))}
      </List>
      {total > NAMED ? <p>and {total - NAMED} more</p> : null}
    </Alert>
  )
}

function Soon() {
  const query = { within: DAYS, limit: 200 }
  const endless = useEndless()
  const { data, error, dataUpdatedAt, refetch } = useQuery<Listed<Entry>>({
    queryKey: ['list', '/api/v1/calendar', query],
    queryFn: ({ signal }) => send<Listed<Entry>>('/api/v1/calendar', { query, signal }),
  })
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) return null
  const entries = [...data.items, ...(endless.data?.items ?? [])]
  const all = (data.metadata.total ?? 0) + (endless.data?.metadata.total ?? 0)
  return (
    <>
      <ExpiryTimeline entries={entries} more={Math.max(0, all - entries.length)} />
      <p>
        <Fresh at={dataUpdatedAt} what="asked" />
      </p>
    </>
  )
}

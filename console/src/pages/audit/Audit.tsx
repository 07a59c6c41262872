/** Who did what, when, and how it ended. What is shown is chosen by the address, so a search can be sent to somebody. */
import { Button, DatePicker, Label, Tooltip } from '@patternfly/react-core'
import type { ReactNode } from 'react'

import { withQuery } from '../../api/client'
import { address } from '../../api/place'
import { useMe } from '../../api/session'
import { codeOfCall, InCode } from '../../parts/InCode'
import { When } from '../../parts/Fresh'
import { here } from '../../parts/Go'
import { Page } from '../../parts/Page'
import { Rows, type Column } from '../../parts/Rows'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { FILTERS, type AuditEvent } from './model'
import './audit.css'

export function Outcome({ outcome, reason }: { outcome: string | undefined; reason?: string | undefined }) {
  const look = outcome === 'done' ? 'good' : outcome === 'failed' ? 'bad' : outcome === 'refused' ? 'warning' : 'unknown'
  return (
    <>
      <StateLabel look={look}>{outcome ?? 'unreadable'}</StateLabel> {reason ? <code>{reason}</code> : null}
    </>
  )
}

export function Who({ event }: { event: AuditEvent }) {
  const actor = event.actor
  if (!actor) return <span>unreadable</span>
  return (
    <>
      {actor.principal}
      {actor.onBehalfOf ? <span className="fresh"> for {actor.onBehalfOf}</span> : null}
    </>
  )
}

const COLUMNS: Column<AuditEvent>[] = [
  { title: 'Number', cell: (one) => one.sequence },
  { title: 'When', cell: (one) => (one.damaged ? <Label color="red">changed in the database</Label> : <When at={one.time} />) },
  { title: 'Who', cell: (one) => <Who event={one} /> },
  { title: 'Action', cell: (one) => <code>{one.action}</code> },
  {
    title: 'Object',
    cell: (one) =>
      one.object ? (
        <>
          {one.object.kind} <code className="may-break">{one.object.name}</code>
        </>
      ) : null,
  },
  {
    title: 'Where',
    cell: (one) => [one.object?.environment, one.object?.project && `project ${one.object.project}`].filter(Boolean).join(', '),
  },
  { title: 'Outcome', cell: (one) => <Outcome outcome={one.outcome} reason={one.reason} /> },
]

/** The options of `portreeve audit` for these filters. */
const OPTIONS: Record<string, string> = {
  q: '--text',
  principal: '--principal',
  action: '--action',
  kind: '--kind',
  name: '--name',
  outcome: '--outcome',
  environment: '--environment',
  project: '--project',
  request: '--request',
  since: '--since',
  until: '--until',
}

export function Audit() {
  const [url, setUrl] = useUrl()
  const { data: me } = useMe()
  const everything = me?.roles.some((one) => ['auditor', 'platform-admin'].includes(one.role) && !Object.keys(one.scope).length)
  const asked = Object.fromEntries(
    [...FILTERS.map((one) => one.name), 'since', 'until'].flatMap((name) => (url[name] ? [[name, url[name]]] : [])),
  ) as Record<string, string>
  const argv = ['audit', ...Object.entries(asked).flatMap(([name, value]) => (OPTIONS[name] ? [OPTIONS[name], value] : []))]
  return (
    <Page
      title="Audit"
      about="Who did what, when, and how it ended. The log is a signed tree: nothing in it can be changed without being found out."
      actions={
        <>
          {everything ? (
            <Button component="a" variant="secondary" href={address('/api/v1/audit/export')} download="audit.jsonl">
              Export the whole log
            </Button>
          ) : (
            <Tooltip content="the whole log is for an auditor or a platform-admin of everything; you see your part">
              <Button variant="secondary" isAriaDisabled>
                Export the whole log
              </Button>
            </Tooltip>
          )}
          <Button variant="secondary" onClick={() => window.print()}>
            Print
          </Button>
          <InCode code={codeOfCall({ method: 'GET', path: withQuery('/api/v1/audit', asked), argv })} what="This search" />
        </>
      }
    >
      <Printed asked={asked} by={me?.user ?? ''} />
      <Rows<AuditEvent>
        caption="Events"
        path="/api/v1/audit"
        columns={COLUMNS}
        id={(one) => String(one.sequence)}
        to={(one) => here('audit', String(one.sequence))}
        filters={FILTERS}
        fixed={Object.fromEntries(['since', 'until'].flatMap((name) => (url[name] ? [[name, url[name] as string]] : [])))}
        beside={<Span since={url.since} until={url.until} set={(changed) => setUrl({ ...changed, cursor: undefined })} />}
        short={(metadata) => `Nothing down to event number ${String(metadata.lookedTo)}. There are others that were not looked at yet.`}
        empty={
          <Teach title="No events" command="portreeve audit">
            Each change, each refusal and each sign-in stands here, with who it was. Whoever changes something makes the first one.
          </Teach>
        }
      />
    </Page>
  )
}

/** Days, as the reader picks them; both ends are days in UTC, as the log writes its times. */
function Span({ since = '', until = '', set }: { since?: string | undefined; until?: string | undefined; set: (changed: Record<string, string | undefined>) => void }) {
  const day = (text: string) => (/^\d{4}-\d\d-\d\d$/.test(text) ? text : '')
  const field = (name: string, title: string, value: string): ReactNode => (
    <DatePicker
      value={value}
      placeholder={title}
      inputProps={{ 'aria-label': title }}
      buttonAriaLabel={`Pick: ${title}`}
      onChange={(_, text) => {
        if (text === '' || day(text)) set({ [name]: text || undefined })
      }}
    />
  )
  return (
    <div className="day-span" role="group" aria-label="Days, in UTC">
      {field('since', 'From (UTC)', since)}
      {field('until', 'Before (UTC)', until)}
    </div>
  )
}

/** On paper alone: what was asked, when, and by whom. */
function Printed({ asked, by }: { asked: Record<string, string>; by: string }) {
  const words = Object.entries(asked).map(([name, value]) => `${name} = ${value}`)
  return (
    <p className="on-paper">
      Audit log of {window.location.origin}, asked by {by} at {new Date().toISOString()}. {words.length ? `Only: ${words.join('; ')}.` : 'Everything that they may see.'} One page of
      the list; the whole log is the export, which can be verified.
    </p>
  )
}

/** One event: every field of it, how its object stands now, and the proof that it is in the signed log. */
import {
  Alert,
  Button,
  Card,
  CardBody,
  CardTitle,
  DescriptionList,
  DescriptionListDescription,
  DescriptionListGroup,
  DescriptionListTerm,
  Spinner,
} from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import type { ReactNode } from 'react'

import { pathOf, send, withQuery } from '../../api/client'
import { asProblem } from '../../api/problem'
import { Copied } from '../../parts/Copied'
import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { StateLabel } from '../../parts/State'
import { Wrong } from '../../parts/Wrong'
import { Outcome, Who } from './Audit'
import { pageOf, type WholeEvent } from './model'
import { canHash, readCheckpoint, rootOf, type Inclusion } from './proof'
import './audit.css'

const VERIFY = [
  'portreeve audit export -o audit.jsonl --key-file audit.pub',
  'portreeve verify audit audit.jsonl --key-file audit.pub --checkpoint kept.txt',
].join('\n')

export function Event() {
  const { sequence = '' } = useParams({ strict: false }) as { sequence?: string }
  const { data, error, refetch } = useQuery<WholeEvent>({
    queryKey: ['audit', sequence],
    queryFn: ({ signal }) => send<WholeEvent>(pathOf('audit', sequence), { signal }),
  })
  return (
    <Page
      title={`Event ${sequence}`}
      above={[{ title: 'Audit', to: '/audit' }]}
      about={data?.action ? <code>{data.action}</code> : null}
      actions={
        <>
          <Button variant="secondary" onClick={() => window.print()}>
            Print
          </Button>
          <InCode code={codeOfCall({ method: 'GET', path: pathOf('audit', sequence) })} what={`Event ${sequence}`} />
        </>
      }
    >
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      {!data && !error ? <Spinner aria-label="Loading the event" /> : null}
      {data ? <Shown event={data} /> : null}
    </Page>
  )
}

function Shown({ event }: { event: WholeEvent }) {
  if (event.damaged) {
    return (
      <Alert variant="danger" isInline title="What is stored here is not what was written">
        Somebody changed this event in the database. Take an export, keep it as evidence, and verify it with a checkpoint that was kept elsewhere.
      </Alert>
    )
  }
  const { actor, object } = event
  return (
    <>
      <DescriptionList isHorizontal isCompact aria-label="The event">
        <Fact term="When">
          <When at={event.time} /> <span className="fresh">{event.time}</span>
        </Fact>
        <Fact term="Who">
          <Go to={withQuery('/audit', { principal: actor?.principal })}>
            <Who event={event} />
          </Go>
          , by {actor?.via.kind} <code>{actor?.via.id}</code>
        </Fact>
        <Fact term="Object">
          {object ? (
            <Go to={withQuery('/audit', { kind: object.kind, name: object.name })}>
              {object.kind} {object.name}
            </Go>
          ) : null}
          {object?.environment ? ` in ${object.environment}` : ''}
          {object?.project ? `, project ${object.project}` : ''}
        </Fact>
        <Fact term="Outcome">
          <Outcome outcome={event.outcome} reason={event.reason} />
        </Fact>
        <Fact term="Request">
          <Go to={withQuery('/audit', { request: event.request })}>{event.request}</Go>
        </Fact>
        {event.agent ? (
          <Fact term="Agent">
            <code>{event.agent.id}</code>, generation {event.agent.generation}
          </Fact>
        ) : null}
        {event.before ? (
          <Fact term="Before">
            <code className="may-break">{event.before}</code>
          </Fact>
        ) : null}
        {event.after ? (
          <Fact term="After">
            <code className="may-break">{event.after}</code>
          </Fact>
        ) : null}
        {event.after ? (
          <Fact term="The object now">
            <Standing event={event} />
          </Fact>
        ) : null}
      </DescriptionList>
      <Proof event={event} />
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

function Standing({ event: { standing } }: { event: WholeEvent }) {
  if (!standing) return <>It is gone, is no document, or is not for you. The digest tells a copy that was kept apart.</>
  const page = pageOf(standing.kind)
  const name = page ? <Go to={here(page, standing.name)}>{standing.name}</Go> : <code>{standing.name}</code>
  return standing.same ? (
    <>
      {name} <StateLabel look="good">as this event left it</StateLabel>
    </>
  ) : (
    <>
      {name} <StateLabel look="warning">changed since</StateLabel> The log holds the digest of what it was then, and no text.
    </>
  )
}

interface Proven {
  note: string
  /** Null while no checkpoint covers the event yet. */
  inclusion: Inclusion | null
  /** Null where the browser cannot hash. */
  right: boolean | null
}

function useProof(event: WholeEvent) {
  return useQuery<Proven>({
    queryKey: ['audit-proof', event.sequence],
    retry: false,
    queryFn: async ({ signal }) => {
      const note = await send<string>('/api/v1/audit/checkpoint', { signal })
      const checkpoint = readCheckpoint(note)
      if (!checkpoint || checkpoint.size <= event.sequence) return { note, inclusion: null, right: null }
      const query = { sequence: event.sequence, size: checkpoint.size }
      const inclusion = await send<Inclusion>('/api/v1/audit/proof/inclusion', { query, signal })
      if (!canHash()) return { note, inclusion, right: null }
      return { note, inclusion, right: (await rootOf(event.leaf, inclusion)) === checkpoint.root }
    },
    refetchInterval: (query) => (query.state.data && !query.state.data.inclusion ? 5_000 : false),
  })
}

function Proof({ event }: { event: WholeEvent }) {
  const { data, error, refetch } = useProof(event)
  return (
    <Card component="section" className="own-card">
      <CardTitle component="h2">Proof</CardTitle>
      <CardBody>
        {error && ['audit_not_all', 'forbidden'].includes(asProblem(error).code) ? (
          <p>Proofs are for those who may read the whole log: an auditor or a platform-admin.</p>
        ) : error ? (
          <Wrong error={error} again={() => void refetch()} />
        ) : !data ? (
          <Spinner size="md" aria-label="Asking for the proof" />
        ) : (
          <>
            <p role="status">
              <Proved proven={data} />
            </p>
            <p>The signed checkpoint. Keep one elsewhere, as kept.txt: then even whoever holds the key cannot write the log anew.</p>
            <Copied text={data.note} what="the checkpoint" />
            {data.inclusion ? (
              <details>
                <summary>
                  The path from the leaf to the root: {data.inclusion.hashes.length} {data.inclusion.hashes.length === 1 ? 'hash' : 'hashes'}
                </summary>
                <Copied text={JSON.stringify({ leaf: event.leaf, ...data.inclusion }, null, 2)} what="the proof" />
              </details>
            ) : null}
            <p>Verify the whole log, offline, signatures included:</p>
            <Copied text={VERIFY} what="the commands" />
          </>
        )}
      </CardBody>
    </Card>
  )
}

function Proved({ proven: { inclusion, right } }: { proven: Proven }) {
  if (!inclusion) return <StateLabel look="unknown">Not covered by a checkpoint yet: one is signed within a minute</StateLabel>
  if (right === null) return <StateLabel look="unknown">Not checked here: browsers hash on secure pages alone</StateLabel>
  if (!right) return <StateLabel look="bad">The proof does not lead to the checkpoint: this event is not what was signed</StateLabel>
  return <StateLabel look="good">This browser worked it out: the event is in the log of {inclusion.size} events that the checkpoint signs</StateLabel>
}

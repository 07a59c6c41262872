/** What `portreeve check` found last on the machine of the control plane: facts of one run, which may be out of date. */
import { Card, CardBody, CardTitle } from '@patternfly/react-core'
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'

import { send } from '../../api/client'
import type { components, operations } from '../../api/schema'
import { Copied } from '../../parts/Copied'
import { Fresh } from '../../parts/Fresh'
import { StageLabel, StateLabel, Verdict } from '../../parts/State'
import { Wrong } from '../../parts/Wrong'
import { counted } from './model'

type Answer = operations['read_last_check']['responses']['200']['content']['application/json']
type Check = components['schemas']['LastCheck']
type Row = Check['findings'][number]

const NAME = 'Your last check'
/** Of findings that many are shown; the file has at most 200. */
const SHOWN = 50

function useLastCheck() {
  return useQuery({
    queryKey: ['last-check'],
    queryFn: ({ signal }) => send<Answer>('/api/v1/last-check', { signal }),
  })
}

/** On the page of an empty installation: it stands first, and where there is none, it says how to have one. */
export function LastCheck() {
  const { data, error, refetch } = useLastCheck()
  if (error) return <Wrong error={error} again={() => void refetch()} title="The last check cannot be shown" />
  if (!data) return null
  return data.check ? (
    <Framed fresh={<Fresh at={data.check.at} what="checked" />}>
      <Told check={data.check} />
    </Framed>
  ) : (
    <Framed>
      {data.reason ? (
        <p>
          The result in <code>{data.file ?? 'the state folder'}</code> is not shown: {data.reason}.
        </p>
      ) : (
        <p>What your files use will stand here, judged by your policy if you name one. No cluster is needed, and nothing is contacted:</p>
      )}
      <Copied text="portreeve check ." what="the command" />
    </Framed>
  )
}

/** On the page of an installation that is in use: one line at its end, if there was a check at all. */
export function LastCheckBelow({ open, set }: { open: boolean; set: (open: boolean) => void }) {
  const { data } = useLastCheck()
  if (!data?.check) return null
  return (
    <details className="fleet-group" open={open} onToggle={(event) => event.currentTarget.open !== open && set(event.currentTarget.open)}>
      <summary>
        {NAME} <Fresh at={data.check.at} what="checked" />
      </summary>
      {open ? <Told check={data.check} /> : null}
    </details>
  )
}

function Framed({ fresh, children }: { fresh?: ReactNode; children: ReactNode }) {
  return (
    <Card component="section" aria-labelledby="last-check" className="fleet-check">
      <CardTitle component="h2" id="last-check">
        {NAME} {fresh}
      </CardTitle>
      <CardBody>{children}</CardBody>
    </Card>
  )
}

function Told({ check }: { check: Check }) {
  const { totals, policy } = check
  const shown = check.findings.slice(0, SHOWN)
  const left = totals.uses - shown.length
  return (
    <>
      <p>
        Of <code>{check.paths.join(' ')}</code> in <code>{check.directory}</code>
        {policy ? (
          <>
            , judged by policy <strong>{policy}</strong> at stage <StageLabel stage={check.stage} />
          </>
        ) : null}
        . Files may have changed since.
      </p>
      {policy ? null : (
        <p>
          <StateLabel look="unknown">Not judged</StateLabel> No policy was given, so nothing is said to be allowed or denied: these are facts about names.
        </p>
      )}
      <Numbers totals={totals} judged={Boolean(policy)} />
      {check.next.map((one) => (
        <div key={one.command}>
          <p>{sentence(one.does)}:</p>
          <Copied text={one.command} what={`the command: ${one.does}`} />
        </div>
      ))}
      {check.notEvaluated.length ? (
        <details>
          <summary>{totals.notEvaluated.toLocaleString('en')} not evaluated</summary>
          <ul>
            {check.notEvaluated.map((one, index) => (
              <li key={index}>
                <code>{placeOf(one)}</code>: {one.reason} ({one.code})
              </li>
            ))}
            {totals.notEvaluated > check.notEvaluated.length ? <li>and {totals.notEvaluated - check.notEvaluated.length} more</li> : null}
          </ul>
        </details>
      ) : null}
      {shown.length ? <Findings rows={shown} /> : <p>No image was found.</p>}
      {left > 0 ? (
        <p className="fresh">
          {counted(left, 'more use')} not shown here; the worst stand first. The command lists all.
        </p>
      ) : null}
      <Sources check={check} />
    </>
  )
}

function Numbers({ totals, judged }: { totals: Check['totals']; judged: boolean }) {
  const numbers: [ReactNode, number | string][] = [
    ['Images', `${totals.uses.toLocaleString('en')} in ${counted(totals.objects, 'object')}`],
    ...(judged
      ? ([
          [<Verdict key="d" verdict="DENY" />, totals.denied],
          [<Verdict key="u" verdict="UNKNOWN" />, totals.unknown],
          [<Verdict key="a" verdict="ALLOW" />, totals.allowed],
        ] as [ReactNode, number][])
      : []),
    [<StateLabel key="n" look="unknown">Not evaluated</StateLabel>, totals.notEvaluated],
    ['Without a digest', totals.unpinned],
    ['No tag or ":latest"', totals.moving],
    ['Sources', totals.sources],
  ]
  return (
    <dl className="fleet-numbers">
      {numbers.map(([term, value], index) => (
        <div key={index}>
          <dt>{term}</dt>
          <dd>{value.toLocaleString('en')}</dd>
        </div>
      ))}
    </dl>
  )
}

function Findings({ rows }: { rows: Row[] }) {
  return (
    <div className="scrolled" tabIndex={0} role="region" aria-label="Findings of the last check, table">
      <Table aria-label="Findings of the last check" variant="compact" className="fleet-check-table">
        <Thead>
          <Tr>
            <Th width={15}>Verdict</Th>
            <Th width={30}>Image</Th>
            <Th>Where</Th>
            <Th width={30}>Why, and what to do</Th>
          </Tr>
        </Thead>
        <Tbody>
          {rows.map((one, index) => (
            <Tr key={index}>
              <Td dataLabel="Verdict">{one.verdict ? <Verdict verdict={one.verdict} /> : <StateLabel look="unknown">Not judged</StateLabel>}</Td>
              <Td dataLabel="Image" className="fleet-name">
                {one.canonical ?? one.image}
                {one.canonical && one.canonical !== one.image ? <div className="fresh">written {one.image}</div> : null}
              </Td>
              <Td dataLabel="Where" className="fleet-name">
                {placeOf(one)}
                <div className="fresh">{objectOf(one)}</div>
              </Td>
              <Td dataLabel="Why, and what to do">
                {one.verdict ? one.why : null}
                {one.fix ? <div>Fix: {one.fix}</div> : null}
                {one.verdict === 'DENY' || one.verdict === 'UNKNOWN' ? null : <div>{factOf(one)}</div>}
              </Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
    </div>
  )
}

function Sources({ check }: { check: Check }) {
  if (!check.sources.length) return null
  const left = check.totals.sources - check.sources.length
  return (
    <details>
      <summary>{counted(check.totals.sources, 'source')}, the most used first</summary>
      <Table aria-label="Sources of the last check" variant="compact">
        <Thead>
          <Tr>
            <Th>Source</Th>
            <Th>Uses</Th>
            <Th>Different images</Th>
            <Th>By digest</Th>
          </Tr>
        </Thead>
        <Tbody>
          {check.sources.map((one) => (
            <Tr key={one.source}>
              <Td dataLabel="Source" className="fleet-name">
                {one.source}
              </Td>
              <Td dataLabel="Uses">{one.uses}</Td>
              <Td dataLabel="Different images">{one.distinct}</Td>
              <Td dataLabel="By digest">{one.byDigest}</Td>
            </Tr>
          ))}
        </Tbody>
      </Table>
      {left > 0 ? <p className="fresh">and {counted(left, 'more source')}</p> : null}
    </details>
  )
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}

function placeOf(one: { file: string; line: number }): string {
  return one.line ? `${one.file}:${one.line}` : one.file
}

function objectOf(one: Row): string {
  const name = one.name ? `${one.kind}/${one.name}` : one.kind
  return [name, one.container, one.namespace ? `namespace ${one.namespace}` : ''].filter(Boolean).join(', ')
}

/** What the name leaves open: a fact, and no verdict. */
function factOf(one: Row): string {
  if (!one.canonical) return 'The name cannot be read safely: write host/path:tag in full.'
  if (one.moving) return 'No tag or ":latest": what is pulled may change at any time.'
  return one.pinned ? 'Pinned by digest.' : 'A tag, which its owner may move; a digest would pin it.'
}

/**
 * Registries beside namespaces, or beside users and teams where there are none. Cells are checked to be granted or taken
 * back together, over as many pages as one likes, in one plan.
 */
import { Button, Spinner, Toolbar, ToolbarContent, ToolbarGroup, ToolbarItem } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'

import { send, withQuery } from '../../api/client'
import type { Document, List } from '../../api/documents'
import { address } from '../../api/place'
import { useMay } from '../../api/session'
import { Fresh, When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { FilterField } from '../../parts/Rows'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { CellFacts, CellState } from './CellFacts'
import { Columns } from './Columns'
import { Grant, Revoke } from './Grant'
import { GrantByLabels } from './GrantByLabels'
import { GrantPeople } from './GrantPeople'
import type { Held, Place } from './grants'
import { byEnvironment, cellId, columnsOf, MOST_COLUMNS, nameOf, rowId, stateOf, useMatrix, type Cell, type Matrix, type Row } from './matrix'
import { STATE_WORDS } from './words'

const LIMIT = 50
const MOST = '500'

interface Checked {
  row: Row
  registry: string
  cell: Cell | undefined
}

export function placeOf({ row, registry }: { row: Row; registry: string }): Place {
  const base = { registry, environment: row.environment }
  if (row.namespace !== null) return { ...base, namespace: row.namespace }
  return row.subject?.kind === 'team' ? { ...base, team: row.subject.name } : { ...base, user: row.subject?.name ?? '' }
}

/** Namespaces of the cluster itself: nothing of ours goes there (core/cluster.py). */
const SYSTEM = new Set(['kube-node-lease', 'kube-public', 'kube-system'])

/** Whether granting would do anything: where a policy replaces accesses, only the policy can grant. */
function canGrant(row: Row, cell: Cell | undefined): boolean {
  if (row.namespace !== null && SYSTEM.has(row.namespace)) return false
  return !row.policy?.masks && (!cell || cell.state === 'needed')
}

function canRevoke(cell: Cell | undefined): boolean {
  return Boolean(cell?.grants.some((one) => one.kind === 'RegistryAccess' && !one.bySelector))
}

export function MatrixView({ rows: kind }: { rows: 'namespaces' | 'people' }) {
  const [url, set] = useUrl()
  const asked = {
    rows: kind,
    limit: LIMIT,
    ...(url.q ? { q: url.q } : {}),
    ...(url.group ? { group: url.group } : {}),
    ...(url.environment ? { environment: url.environment } : {}),
    ...(url.registry ? { registry: url.registry } : {}),
    ...(stateOf(url.state) ? { state: stateOf(url.state) } : {}),
  }
  const { data, error, isPlaceholderData, isFetching, refetch } = useMatrix({ ...asked, ...(url.cursor ? { cursor: url.cursor } : {}) })
  const [checked, check] = useState<Record<string, Checked>>({})
  const [doing, act] = useState<'grant' | 'revoke' | 'labels' | 'people' | null>(null)
  const [one, single] = useState<Checked | null>(null)
  const mayGrant = useMay('registry-access', 'create')
  const mayRevoke = useMay('registry-access', 'delete')
  const narrowed = Boolean(url.q || url.group || url.environment || url.registry || url.state)
  const clear = () => set({ q: undefined, group: undefined, environment: undefined, registry: undefined, state: undefined, cursor: undefined })
  const done = () => {
    check({})
    single(null)
    act(null)
    set({ cell: undefined })
  }
  const chosen = one ? [one] : Object.values(checked)
  const grants = chosen.filter((each) => canGrant(each.row, each.cell))
  const takes: Held[] = chosen
    .filter((each) => canRevoke(each.cell))
    .map((each) => ({ ...placeOf(each), by: each.cell?.grants.filter((by) => by.inForce) ?? [] }))
  const columns = data ? columnsOf(data.registries, url.columns?.split(',') ?? []) : []
  const open = data ? found(data, url.cell) : null

  return (
    <div className="rows">
      <Toolbar>
        <ToolbarContent>
          <ToolbarItem>
            <FilterField filter={{ name: 'q', title: kind === 'people' ? 'Host, user or team' : 'Environment or namespace' }} value={url.q ?? ''} set={(q) => set({ q, cursor: undefined })} />
          </ToolbarItem>
          <Places group={url.group ?? ''} environment={url.environment ?? ''} people={kind === 'people'} set={(changed) => set({ ...changed, cursor: undefined })} />
          {narrowed ? (
            <ToolbarItem>
              <Button variant="link" onClick={clear}>
                Clear filters
              </Button>
            </ToolbarItem>
          ) : null}
          <ToolbarGroup align={{ default: 'alignEnd' }}>
            {kind === 'namespaces' && mayGrant.allowed && data?.registries.length ? (
              <ToolbarItem>
                <Button variant="secondary" onClick={() => act('labels')}>
                  Grant by label
                </Button>
              </ToolbarItem>
            ) : null}
            {kind === 'people' && mayGrant.allowed && data?.registries.length ? (
              <ToolbarItem>
                <Button variant="secondary" onClick={() => act('people')}>
                  Grant to users and teams
                </Button>
              </ToolbarItem>
            ) : null}
            {(['csv', 'json', 'yaml'] as const).map((form) => (
              <ToolbarItem key={form}>
                <a href={address(withQuery(`/api/v1/access-matrix.${form}`, { ...asked, limit: undefined }))} download>
                  {form.toUpperCase()}
                </a>
              </ToolbarItem>
            ))}
          </ToolbarGroup>
        </ToolbarContent>
      </Toolbar>
      {data ? <Counts data={data} people={kind === 'people'} chosen={url.state ?? ''} set={(state) => set({ state, cursor: undefined })} /> : null}
      {data && (data.registries.length > MOST_COLUMNS || url.columns) ? (
        <Columns all={data.registries} shown={columns.map((each) => each.name)} set={(names) => set({ columns: names.join(',') })} />
      ) : null}
      {error ? <Wrong error={error} again={() => void refetch()} {...(data ? { title: 'This may be out of date' } : {})} /> : null}
      {!data && !error ? (
        <p role="status">
          <Spinner size="md" aria-label="Loading the access matrix" /> Loading…
        </p>
      ) : null}
      {Object.keys(checked).length ? (
        <div className="selected" role="group" aria-label="Checked places">
          <span role="status">{Object.keys(checked).length} checked</span>
          <Button variant="primary" isDisabled={!grants.length} onClick={() => act('grant')}>
            Grant {grants.length}
          </Button>
          {mayRevoke.allowed ? (
            <Button variant="secondary" isDanger isDisabled={!takes.length} onClick={() => act('revoke')}>
              Take back {takes.length}
            </Button>
          ) : null}
          <Button variant="link" onClick={() => check({})}>
            Uncheck all
          </Button>
        </div>
      ) : null}
      {data && !data.items.length ? narrowed ? <NothingMatches clear={clear} /> : <NothingYet kind={kind} /> : null}
      {data?.items.length ? (
        <>
          {mayGrant.allowed && data.counts.needed ? (
            <Button
              variant="link"
              isInline
              onClick={() => check((before) => ({ ...before, ...needed(data.items, columns.map((each) => each.name)) }))}
            >
              Check what is needed on this page
            </Button>
          ) : null}
          {mayGrant.allowed ? null : <p className="fresh">Granting: {mayGrant.who}.</p>}
          <div className="scrolled" tabIndex={0} role="region" aria-label="Access matrix, table">
            <table className={`plain matrix ${isPlaceholderData ? 'stale' : ''}`} aria-label="Access matrix">
              <thead>
                <tr>
                  <th scope="col">{kind === 'people' ? 'User or team' : 'Namespace'}</th>
                  {columns.map((each) => (
                    <th key={each.name} scope="col">
                      <Go to={here('registries', each.name)}>{each.title || each.name}</Go>
                      <div className="fresh">{each.prefix}</div>
                    </th>
                  ))}
                </tr>
              </thead>
              {byEnvironment(data.items).map((group) => (
                <tbody key={group[0]?.environment}>
                  <EnvironmentHead row={group[0] as Row} span={columns.length + 1} />
                  {group.map((row) => (
                    <tr key={rowId(row)}>
                      <th scope="row" title={Object.entries(row.labels).map(([name, value]) => `${name}=${value}`).join('\n')}>
                        {row.subject ? `${row.subject.kind} ${row.subject.name}` : row.namespace}
                      </th>
                      {columns.map((each) => {
                        const cell = row.cells.find((other) => other.registry === each.name)
                        const id = cellId(row, each.name)
                        const checkable = (mayGrant.allowed && canGrant(row, cell)) || (mayRevoke.allowed && canRevoke(cell))
                        return (
                          <td key={each.name}>
                            <span className="cell">
                              {checkable ? (
                                <input
                                  type="checkbox"
                                  aria-label={`${each.name} for ${nameOf(row)} in ${row.environment}`}
                                  checked={Boolean(checked[id])}
                                  onChange={() =>
                                    check((before) => {
                                      const { [id]: was, ...rest } = before
                                      return was ? rest : { ...before, [id]: { row, registry: each.name, cell } }
                                    })
                                  }
                                />
                              ) : null}
                              {cell ? (
                                <button type="button" onClick={() => set({ cell: id }, true)} aria-label={`${STATE_WORDS[cell.state].word}: ${each.name} for ${nameOf(row)} in ${row.environment}`}>
                                  <CellState cell={cell} />
                                </button>
                              ) : (
                                <Nothing row={row} />
                              )}
                              {cell?.use === 'unused' ? <StateLabel look="off">Unused</StateLabel> : null}
                            </span>
                          </td>
                        )
                      })}
                    </tr>
                  ))}
                </tbody>
              ))}
            </table>
          </div>
          <nav className="paging" aria-label="Pages of the access matrix">
            <span role="status">
              {data.items.length} of {data.metadata.total} {kind === 'people' ? 'users and teams' : 'namespaces'}
              {isFetching ? ' · loading' : ''}
            </span>
            {url.cursor ? (
              <Button variant="link" onClick={() => set({ cursor: undefined }, true)}>
                First page
              </Button>
            ) : null}
            {data.metadata.continue ? (
              <Button variant="secondary" onClick={() => set({ cursor: data.metadata.continue }, true)}>
                Next page
              </Button>
            ) : null}
          </nav>
        </>
      ) : null}
      {open && !doing ? (
        <CellFacts
          row={open.row}
          cell={open.cell}
          onClose={() => set({ cell: undefined })}
          actions={
            <>
              {mayGrant.allowed && canGrant(open.row, open.cell) ? (
                <Button
                  variant="primary"
                  onClick={() => {
                    single({ row: open.row, registry: open.cell.registry, cell: open.cell })
                    act('grant')
                  }}
                >
                  Grant
                </Button>
              ) : null}
              {mayRevoke.allowed && canRevoke(open.cell) ? (
                <Button
                  variant="secondary"
                  isDanger
                  onClick={() => {
                    single({ row: open.row, registry: open.cell.registry, cell: open.cell })
                    act('revoke')
                  }}
                >
                  Take back
                </Button>
              ) : null}
            </>
          }
        />
      ) : null}
      {doing === 'grant' ? <Grant places={grants.map(placeOf)} onDone={done} onClose={() => (act(null), single(null))} /> : null}
      {doing === 'revoke' ? <RevokeOnce places={takes} onDone={done} onClose={() => (act(null), single(null))} /> : null}
      {doing === 'labels' && data ? (
        <GrantByLabels registries={data.registries} labels={data.selectorLabels} onDone={done} onClose={() => act(null)} />
      ) : null}
      {doing === 'people' && data ? <GrantPeople registries={data.registries} onDone={done} onClose={() => act(null)} /> : null}
    </div>
  )
}

/** The places are those of when it was opened: what is fetched meanwhile does not change what is being confirmed. */
function RevokeOnce(props: { places: Held[]; onDone: () => void; onClose: () => void }) {
  const [places] = useState(props.places)
  return <Revoke places={places} onDone={props.onDone} onClose={props.onClose} />
}

function found(data: Matrix, id: string | undefined): { row: Row; cell: Cell } | null {
  if (!id) return null
  for (const row of data.items) {
    for (const cell of row.cells) if (cellId(row, cell.registry) === id) return { row, cell }
  }
  return null
}

function needed(rows: Row[], columns: string[]): Record<string, Checked> {
  const all = rows.flatMap((row) =>
    row.cells
      .filter((cell) => cell.state === 'needed' && columns.includes(cell.registry) && canGrant(row, cell))
      .map((cell): [string, Checked] => [cellId(row, cell.registry), { row, registry: cell.registry, cell }]),
  )
  return Object.fromEntries(all)
}

function Nothing({ row }: { row: Row }) {
  if (row.complete || row.namespace === null) {
    return (
      <span title="not granted, and nothing here uses it">
        <span aria-hidden="true">–</span>
        <span className="off-screen">not needed</span>
      </span>
    )
  }
  return (
    <span title="not granted; the environment has not told all that could run there">
      <span aria-hidden="true">?</span>
      <span className="off-screen">not granted, and not known whether it is needed</span>
    </span>
  )
}

function EnvironmentHead({ row, span }: { row: Row; span: number }) {
  return (
    <tr>
      <th scope="rowgroup" colSpan={span}>
        <Go to={here('environments', row.environment)}>{row.environment}</Go>{' '}
        <span className="fresh">
          {row.tier}, group {row.group}
          {row.type === 'kubernetes' ? (
            <>
              , told {row.reportedAt ? <When at={row.reportedAt} /> : 'never'}
              {row.connected ? '' : ', agent not there'}
            </>
          ) : (
            `, ${row.type === 'docker' ? 'Docker' : 'Swarm'}: at deployment time only`
          )}
          {row.policy?.masks ? (
            <>
              , <Go to={here('policies', row.policy.name)}>policy {row.policy.name}</Go> decides: accesses of the environment do not count
            </>
          ) : null}
        </span>
      </th>
    </tr>
  )
}

/** What users and teams can be: nothing is delivered to them, and nobody tells what they use. */
const OF_PEOPLE = ['granted', 'masked']

function Counts({ data, people, chosen, set }: { data: Matrix; people: boolean; chosen: string; set: (state: string | undefined) => void }) {
  const all: [string, string][] = [
    ...Object.entries(STATE_WORDS).map(([state, { word }]): [string, string] => [state, word]),
    ['unused', 'Unused'],
  ]
  const words = people ? all.filter(([state]) => OF_PEOPLE.includes(state)) : all
  const { heard } = data
  return (
    <>
      <ul className="access-counts" aria-label="Filter by state">
        {words.map(([state, word]) => (
          <li key={state}>
            <Button
              variant={chosen === state ? 'primary' : 'secondary'}
              size="sm"
              aria-pressed={chosen === state}
              onClick={() => set(chosen === state ? undefined : state)}
            >
              {word} {data.counts[state] ?? 0}
            </Button>
          </li>
        ))}
      </ul>
      {people ? null : (
      <p>
        <Fresh at={heard.oldest} what="oldest report" from={{ told: heard.connected, all: heard.environments }} />
        {heard.silent.length ? <span className="fresh">. Nothing is heard now of {heard.silent.join(', ')}</span> : null}
      </p>
      )}
    </>
  )
}

function Places(props: { group: string; environment: string; people: boolean; set: (changed: Record<string, string | undefined>) => void }) {
  const { data } = useQuery({
    queryKey: ['list', '/api/v1/environments', 'places'],
    queryFn: () => send<List<Document<{ group: string; type?: string }>>>('/api/v1/environments', { query: { limit: MOST } }),
  })
  const all = (data?.items ?? []).filter((one) => (one.spec.type ?? 'kubernetes') === 'kubernetes' !== props.people)
  const groups = [...new Set(all.map((one) => one.spec.group))].sort()
  const names = all.filter((one) => !props.group || one.spec.group === props.group).map((one) => one.metadata.name)
  return (
    <>
      <ToolbarItem>
        <FilterField
          filter={{ name: 'group', title: 'Group', options: props.group && !groups.includes(props.group) ? [...groups, props.group] : groups }}
          value={props.group}
          set={(group) => props.set({ group, environment: undefined })}
        />
      </ToolbarItem>
      <ToolbarItem>
        <FilterField
          filter={{ name: 'environment', title: 'Environment', options: props.environment && !names.includes(props.environment) ? [...names, props.environment] : names }}
          value={props.environment}
          set={(environment) => props.set({ environment })}
        />
      </ToolbarItem>
    </>
  )
}

function NothingMatches({ clear }: { clear: () => void }) {
  return (
    <Teach
      title="Nothing matches"
      action={
        <Button variant="secondary" onClick={clear}>
          Clear filters
        </Button>
      }
    >
      No row has what the filters ask for.
    </Teach>
  )
}

function NothingYet({ kind }: { kind: 'namespaces' | 'people' }) {
  if (kind === 'people') {
    return (
      <Teach title="No Docker host and no Swarm yet" command="portreeve add environment build-host --type docker --tier development --group hosts">
        Users and teams with a role in a Docker host or Swarm stand here, with the registries that are granted to them. Somebody without a role there cannot
        be named.
      </Teach>
    )
  }
  return (
    <Teach title="No namespaces yet" command="portreeve add environment prod-eu --tier production --group production">
      Namespaces stand here once the agent of an environment has told of them, with what each is granted, has, and needs.
    </Teach>
  )
}

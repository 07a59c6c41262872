/** The first page: what to do next, how groups and environments stand, and the same as a map and by coverage. */
import './fleet.css'

import { Button, Spinner, ToggleGroup, ToggleGroupItem } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'

import { address } from '../../api/place'
import { send, withQuery } from '../../api/client'
import { useMay } from '../../api/session'
import { Fresh, When } from '../../parts/Fresh'
import { Go, useGo } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { FilterField } from '../../parts/Rows'
import { Teach } from '../../parts/Teach'
import { useUrl, type UrlState } from '../../parts/url'
import { MayButton } from '../../parts/Who'
import { Wrong } from '../../parts/Wrong'
import { CoverageHeatMap } from '../../pictures/CoverageHeatMap'
import { FleetMap } from '../../pictures/FleetMap'
import { Findings } from './Findings'
import { Groups } from './Groups'
import { LastCheck, LastCheckBelow } from './LastCheck'
import { isEmpty, type Fleet as Answer, type FleetMapAnswer, type Freshness } from './model'
import { Things } from './Things'
import { Totals } from './Totals'

const EVERY_MS = 15_000
/** Things to do that are shown where all are asked for. */
const MOST_THINGS = '50'

const VIEWS = [
  { view: 'environments', title: 'Environments' },
  { view: 'map', title: 'Map' },
  { view: 'coverage', title: 'Coverage' },
]

function filtersOf(url: UrlState): Record<string, string | undefined> {
  return { group: url.group, enforcement: url.enforcement, health: url.health, q: url.q }
}

export function Fleet() {
  const [url, set] = useUrl()
  const go = useGo()
  const filters = filtersOf(url)
  const query = { ...filters, things: url.things === 'all' ? MOST_THINGS : undefined }
  const { data, error, refetch } = useQuery({
    queryKey: ['fleet', query],
    queryFn: ({ signal }) => send<Answer>('/api/v1/fleet', { query, signal }),
    placeholderData: (before) => before,
    refetchInterval: EVERY_MS,
  })
  const view = VIEWS.find((one) => one.view === url.view)?.view ?? 'environments'
  return (
    <Page
      title="Fleet"
      about="What to do next, and how groups and environments stand."
      fresh={data && !isEmpty(data) ? <Told freshness={data.metadata.freshness} /> : null}
      actions={
        <>
          <MayButton kind="registry" action="create" variant="secondary" onClick={() => go('/registries/add')}>
            Add registry
          </MayButton>
          <MayButton kind="environment" action="create" variant="secondary" onClick={() => go('/environments?add=1')}>
            Add environment
          </MayButton>
          <InCode code={codeOfCall({ method: 'GET', path: withQuery('/api/v1/fleet', query) })} what="Read the fleet" />
        </>
      }
    >
      {error && !data ? <Wrong error={error} again={() => void refetch()} /> : null}
      {error && data ? <Wrong error={error} again={() => void refetch()} title="This may be out of date" /> : null}
      {!data && !error ? (
        <p role="status">
          <Spinner size="md" aria-label="Loading the fleet" /> Loading…
        </p>
      ) : null}
      {data && isEmpty(data) ? <Empty /> : null}
      {data && !isEmpty(data) ? (
        <>
          <Things things={data.things} total={data.thingsTotal} all={url.things === 'all'} show={(all) => set({ things: all ? 'all' : undefined })} />
          <Totals totals={data.totals} />
          <div className="fleet-choice">
            <ToggleGroup aria-label="How it is shown">
              {VIEWS.map((one) => (
                <ToggleGroupItem
                  key={one.view}
                  text={one.title}
                  isSelected={one.view === view}
                  onChange={() => set({ view: one.view === 'environments' ? undefined : one.view }, true)}
                />
              ))}
            </ToggleGroup>
            {view === 'environments' ? <Filters url={url} set={set} data={data} /> : null}
          </div>
          {view === 'environments' ? <Groups fleet={data} narrowed={Object.values(filters).some(Boolean)} clear={() => set(CLEARED)} /> : null}
          {view === 'environments' ? null : <Drawn view={view} group={url.group} />}
          <Below open={url.check === 'open'} set={(open) => set({ check: open ? 'open' : undefined })} />
        </>
      ) : null}
    </Page>
  )
}

const CLEARED = { group: undefined, enforcement: undefined, health: undefined, q: undefined }

function Filters({ url, set, data }: { url: UrlState; set: ReturnType<typeof useUrl>[1]; data: Answer }) {
  const states = ['Off', 'Auditing', 'Warning', 'Enforced', 'Gap', 'Unknown']
  const healths = ['Ready', 'Expiring', 'Unreachable', 'Unknown']
  return (
    <>
      <FilterField filter={{ name: 'q', title: 'Name, title or group' }} value={url.q ?? ''} set={(q) => set({ q })} />
      <FilterField filter={{ name: 'enforcement', title: 'Enforcement', options: states }} value={url.enforcement ?? ''} set={(enforcement) => set({ enforcement })} />
      <FilterField filter={{ name: 'health', title: 'Health', options: healths }} value={url.health ?? ''} set={(health) => set({ health })} />
      {url.group ? (
        <Button variant="link" onClick={() => set({ group: undefined })}>
          Group {url.group}: show all
        </Button>
      ) : null}
      {(['csv', 'json', 'yaml'] as const).map((form) => (
        <a key={form} href={address(withQuery(`/api/v1/fleet.${form}`, { group: url.group }))} download>
          {form.toUpperCase()}
        </a>
      ))}
      {data.metadata.left ? (
        <span className="fresh">
          {data.metadata.environments - data.metadata.left} of {data.metadata.environments}, those first that need somebody
        </span>
      ) : null}
    </>
  )
}

/** How old it is, and who is silent: partial results stay, and say so. */
function Told({ freshness }: { freshness: Freshness }) {
  const { reported, environments, silent, silentTotal } = freshness
  return (
    <>
      <Fresh at={freshness.newest} what="told" from={{ told: reported, all: environments }} />
      {freshness.oldest && freshness.oldest !== freshness.newest ? (
        <span className="fresh">
          ; the oldest is of <When at={freshness.oldest} />
        </span>
      ) : null}
      {silentTotal ? (
        <span className="fresh">
          ; silent: {silent.map((one, index) => (
            <span key={one.environment}>
              {index ? ', ' : ''}
              {one.environment} {one.lastSeen ? <>(seen <When at={one.lastSeen} />)</> : '(never seen)'}
            </span>
          ))}
          {silentTotal > silent.length ? ` and ${silentTotal - silent.length} more` : ''}
        </span>
      ) : null}
    </>
  )
}

function Drawn({ view, group }: { view: string; group: string | undefined }) {
  const { data, error, refetch } = useQuery({
    queryKey: ['fleet-map', group],
    queryFn: ({ signal }) => send<FleetMapAnswer>('/api/v1/fleet/map', { query: { group }, signal }),
    refetchInterval: EVERY_MS,
  })
  if (error) return <Wrong error={error} again={() => void refetch()} />
  if (!data) {
    return (
      <p role="status">
        <Spinner size="md" aria-label="Loading the picture" /> Drawing…
      </p>
    )
  }
  return view === 'map' ? <FleetMap squares={data.squares} rest={data.rest} /> : <CoverageHeatMap squares={data.squares} />
}

/** What was checked on this machine, for whoever may see that. */
function Below(props: { open: boolean; set: (open: boolean) => void }) {
  return useMay('settings', 'read').allowed ? <LastCheckBelow {...props} /> : null
}

/** Nothing is connected yet: what could be, for whoever may see that. */
function Empty() {
  const may = useMay('settings', 'read')
  if (may.allowed) {
    return (
      <>
        <LastCheck />
        <Findings />
      </>
    )
  }
  return (
    <Teach title="Nothing to see yet" command="portreeve get environments">
      Groups and environments will stand here, with what runs in them and whether it may. You see none: somebody with the role
      platform-admin connects one, or gives you a role where you work. <Go to="/images">What runs</Go> is listed as soon as you may see it.
    </Teach>
  )
}

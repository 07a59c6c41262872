/** What runs everywhere, with its verdict and why: the list that every number of the fleet leads to. */
import './images.css'

import { useQuery } from '@tanstack/react-query'

import { send } from '../../api/client'
import type { List } from '../../api/documents'
import { CopyButton } from '../../parts/Copied'
import { Fresh, When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { Rows } from '../../parts/Rows'
import { StageLabel, Verdict } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { detailOf, shortened, STAGES, VERDICTS, whyOf, type Image, type ImageList } from './model'

const EVERY_MS = 30_000

export function Images() {
  const [url, set] = useUrl()
  const registries = useRegistries()
  return (
    <Page
      title="Images"
      about="What runs, and whether it may. A verdict is what the policy of the place says of the image now, as if it were started again."
      actions={<InCode code={codeOfCall({ method: 'GET', path: '/api/v1/images?verdict=DENY' })} what="List what runs" />}
    >
      <Rows<Image>
        caption="Running images"
        path="/api/v1/images"
        id={(row) => `${row.environment}/${row.namespace}/${row.owner}/${row.image}`}
        reference={(row) => row.image}
        to={detailOf}
        every={EVERY_MS}
        head={(list) => <Head list={list} chosen={url.verdict} choose={(verdict) => set({ verdict, cursor: undefined })} />}
        filters={[
          { name: 'q', title: 'Image, place or owner' },
          { name: 'verdict', title: 'Verdict', options: VERDICTS },
          { name: 'stage', title: 'Stage', options: STAGES },
          { name: 'registry', title: 'Registry', options: registries },
          { name: 'environment', title: 'Environment' },
          { name: 'namespace', title: 'Namespace' },
        ]}
        columns={[
          { title: 'Image', sort: 'image', cell: (row) => <code className="image-name">{row.image}</code> },
          {
            title: 'Verdict',
            sort: 'verdict',
            cell: (row) => (
              <>
                <span className="labels">
                  <Verdict verdict={row.verdict} />
                  {row.stage ? <StageLabel stage={row.stage} /> : null}
                </span>
                <div className="image-why">{whyOf(row)}</div>
              </>
            ),
          },
          { title: 'Environment', sort: 'environment', cell: (row) => <Go to={here('environments', row.environment)}>{row.environment}</Go> },
          { title: 'Namespace', sort: 'namespace', cell: (row) => row.namespace },
          { title: 'Owner', sort: 'owner', cell: (row) => row.owner },
          {
            title: 'Registry and digest',
            sort: 'registry',
            cell: (row) => (
              <>
                {row.registry ? <Go to={here('registries', row.registry)}>{row.registry}</Go> : <span className="fresh">{row.host ?? ''}, none of ours</span>}
                <div>
                  <Digest row={row} />
                </div>
              </>
            ),
          },
        ]}
        empty={
          <Teach title="Nothing runs that anybody has told of" command="portreeve add environment NAME --tier development --group GROUP">
            Images that run in clusters will stand here, each with its verdict, as soon as an agent tells of them.
          </Teach>
        }
      />
    </Page>
  )
}

/** How many there are of each verdict, and how fresh that is. */
function Head({ list, chosen, choose }: { list: List<Image>; chosen: string | undefined; choose: (verdict: string | undefined) => void }) {
  const { verdicts, freshness } = list.metadata as unknown as ImageList['metadata']
  return (
    <div className="image-head">
      <ul className="image-verdicts" aria-label="Rows by verdict">
        {VERDICTS.map(([word]) => (
          <li key={word}>
            <button type="button" aria-pressed={chosen === word} onClick={() => choose(chosen === word ? undefined : word)}>
              <Verdict verdict={word === 'NOT_JUDGED' ? null : word} /> {(verdicts as Record<string, number>)[word]?.toLocaleString('en')}
            </button>
          </li>
        ))}
      </ul>
      <Fresh at={freshness.newest} what="told" from={{ told: freshness.reported, all: freshness.environments }} />
      {freshness.silentTotal ? (
        <span className="fresh">
          ; {freshness.silentTotal} silent
          {freshness.silent[0] ? (
            <>
              , as {freshness.silent[0].environment}
              {freshness.silent[0].lastSeen ? <> (seen <When at={freshness.silent[0].lastSeen} />)</> : ' (never seen)'}
            </>
          ) : null}
        </span>
      ) : null}
    </div>
  )
}

function Digest({ row }: { row: Image }) {
  if (!row.digest) return <span className="fresh">not known</span>
  const name = (row.canonical ?? row.image).replace(/@.*$/, '').replace(/:[^/:]*$/, '')
  return (
    <span className="image-digest" title={row.digest}>
      <code>{shortened(row.digest)}</code>
      <CopyButton text={`${name}@${row.digest}`} what={`${row.image} by digest`} />
    </span>
  )
}

/** Names of registries to choose from; who may see none has no such filter's options. */
function useRegistries(): string[] {
  const { data } = useQuery({
    queryKey: ['registry-names'],
    queryFn: ({ signal }) => send<List<{ metadata: { name: string } }>>('/api/v1/registries', { query: { limit: 200 }, signal }),
    staleTime: 60_000,
    retry: false,
  })
  return data?.items.map((one) => one.metadata.name) ?? []
}

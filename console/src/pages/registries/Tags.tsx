/** The images of a repository: a row for each digest, its tags as chips. Tags move; digests do not. */
import { Button, Label, LabelGroup, SearchInput, Spinner } from '@patternfly/react-core'
import { keepPreviousData, useQueries, useQuery } from '@tanstack/react-query'
import { useEffect, useState } from 'react'

import { pathOf, send } from '../../api/client'
import type { List } from '../../api/documents'
import { AdmittedImage } from '../../parts/Admitted'
import { CopyButton } from '../../parts/Copied'
import { Fresh, When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { useSettled } from '../../parts/PlanBeside'
import { Source } from '../../parts/Source'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { MayButton } from '../../parts/Who'
import { Wrong } from '../../parts/Wrong'
import { NotTold } from './Browse'
import { DeleteImage, Retag } from './ImageActions'
import { byDigest, size, type Image, type Row, type Tag } from '../../parts/images'

/** Tags of one page: each whose digest the registry does not tell with it is one more request. */
const PAGE = 20

export function Tags({ name, host, repository }: { name: string; host: string; repository: string }) {
  const [url, setUrl] = useUrl()
  const search = url['tag-search'] ?? ''
  const cursor = url['tag-cursor']
  const [typed, type] = useState(search)
  const [settled] = useSettled(typed, 250)
  useEffect(() => {
    if (settled !== search) setUrl({ 'tag-search': settled || undefined, 'tag-cursor': undefined })
  }, [settled])

  const base = pathOf('registries', name)
  const { data, error, isPending, dataUpdatedAt, refetch } = useQuery({
    queryKey: ['registry', name, 'tags', repository, search, cursor],
    queryFn: ({ signal }) => send<List<Tag>>(`${base}/tags`, { query: { repository, search, cursor, limit: PAGE }, signal }),
    placeholderData: keepPreviousData,
  })
  const tags = data?.items ?? []
  const looked = useQueries({
    queries: tags.map((tag) => ({
      queryKey: ['registry', name, 'image', repository, tag.digest ?? tag.name],
      queryFn: () => send<Image>(`${base}/image`, { query: { repository, reference: tag.digest ?? tag.name } }),
      staleTime: 60_000,
      retry: false,
    })),
  })
  const images = new Map<string, Image>()
  tags.forEach((tag, index) => {
    const found = looked[index]?.data
    if (found) images.set(tag.name, found)
  })
  const rows = byDigest(tags, images)
  const waiting = looked.some((one) => one.isPending)
  const [acting, act] = useState<{ what: 'retag' | 'delete'; row: Row } | null>(null)

  return (
    <>
      <h2>
        <Go to={`${here('registries', name)}?tab=browse`}>Repositories</Go> / {repository}
      </h2>
      <div className="buttons">
        <SearchInput className="search" aria-label="Part of a tag" placeholder="Part of a tag" value={typed} data-filter="" onChange={(_, text) => type(text)} onClear={() => type('')} />
        <CopyButton text={`${host}/${repository}`} what="the repository" />
      </div>
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      {isPending ? (
        <p role="status">
          <Spinner size="md" aria-label="Loading tags" /> Loading…
        </p>
      ) : null}
      {data ? <Source list={data} /> : null}
      {data && !rows.length ? (
        <Teach title={search ? 'No tag holds that' : 'No tag is there'}>Each digest will stand here with its tags, platforms and where it runs.</Teach>
      ) : null}
      {rows.length ? (
        <>
          <div className="scrolled" tabIndex={0} role="region" aria-label="Images, table" aria-busy={waiting}>
            <table className="plain" aria-label="Images">
              <thead>
                <tr>
                  <th scope="col">Digest</th>
                  <th scope="col">Tags</th>
                  <th scope="col">Platforms</th>
                  <th scope="col">Size</th>
                  <th scope="col">Pushed</th>
                  <th scope="col">Running in</th>
                  <th scope="col">Admitted in</th>
                  <th scope="col">Signature</th>
                  <th scope="col">Scan</th>
                  <th scope="col">SBOM</th>
                  <th scope="col">Actions</th>
                </tr>
              </thead>
              <tbody>
                {rows.map((row) => (
                  <ImageRow key={row.digest ?? row.tags[0]} row={row} host={host} repository={repository} act={(what) => act({ what, row })} />
                ))}
              </tbody>
            </table>
          </div>
          <nav className="paging" aria-label="Pages of tags">
            <span role="status">
              {tags.length} tags on this page{waiting ? ', asking for their digests' : ''}
            </span>
            <Fresh at={dataUpdatedAt} what="asked" />
            {cursor ? (
              <Button variant="link" onClick={() => setUrl({ 'tag-cursor': undefined }, true)}>
                First page
              </Button>
            ) : null}
            {data?.metadata.continue ? (
              <Button variant="secondary" onClick={() => setUrl({ 'tag-cursor': data.metadata.continue }, true)}>
                Next page
              </Button>
            ) : null}
          </nav>
        </>
      ) : null}
      {acting?.what === 'retag' ? <Retag name={name} repository={repository} row={acting.row} onClose={() => act(null)} /> : null}
      {acting?.what === 'delete' ? <DeleteImage name={name} repository={repository} row={acting.row} onClose={() => act(null)} /> : null}
    </>
  )
}

function ImageRow({ row, host, repository, act }: { row: Row; host: string; repository: string; act: (what: 'retag' | 'delete') => void }) {
  const { digest } = row
  const pinned = digest ? `${host}/${repository}@${digest}` : null
  const first = row.tags[0] ?? digest ?? ''
  return (
    <tr>
      <th scope="row">
        {digest ? (
          <>
            <code title={digest}>{digest.slice(0, 19)}</code>
            <CopyButton text={pinned ?? ''} what={`the pinned image of ${first}`} />
          </>
        ) : (
          <NotTold />
        )}
      </th>
      <td>
        <LabelGroup numLabels={5} aria-label={`Tags of ${digest ?? first}`}>
          {row.tags.map((tag) => (
            <Label key={tag} isCompact variant="outline">
              {tag}
            </Label>
          ))}
        </LabelGroup>
      </td>
      <td>{row.platforms.length ? row.platforms.join(', ') : <NotTold />}</td>
      <td>{row.sizeBytes === null ? <NotTold /> : size(row.sizeBytes)}</td>
      <td>{row.pushedAt ? <When at={row.pushedAt} /> : <NotTold />}</td>
      <td>{row.runningIn || <span className="fresh">nothing seen</span>}</td>
      <td>
        <AdmittedImage image={pinned ?? `${host}/${repository}:${first}`} />
      </td>
      <Attached row={row} kind="signature" />
      <td>
        <StateLabel look="unknown">unknown</StateLabel>
      </td>
      <Attached row={row} kind="sbom" />
      <td className="row-actions">
        <MayButton kind="registry" action="retag" variant="link" isInline size="sm" onClick={() => act('retag')} aria-label={`Tag ${first} anew`}>
          Tag
        </MayButton>{' '}
        <MayButton kind="registry" action="delete-image" variant="link" isDanger isInline size="sm" onClick={() => act('delete')} aria-label={`Delete ${first}`}>
          Delete
        </MayButton>
      </td>
    </tr>
  )
}

/** What is attached is seen; whether it is worth anything, nobody has verified. */
function Attached({ row, kind }: { row: Row; kind: string }) {
  const count = row.artifacts?.[kind]
  return (
    <td>
      <StateLabel look="unknown">unknown</StateLabel>
      {count ? <div className="fresh">{count} attached, not verified</div> : null}
    </td>
  )
}

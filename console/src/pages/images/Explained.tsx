/** One image in one place: the verdict step by step, what the cluster says, with which credential, and where it runs. */
import './images.css'

import { Card, CardBody, CardTitle, Spinner } from '@patternfly/react-core'
import { useQuery } from '@tanstack/react-query'
import type { ReactNode } from 'react'

import { send, withQuery } from '../../api/client'
import { Copied } from '../../parts/Copied'
import { Fresh, When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { codeOfCall, InCode } from '../../parts/InCode'
import { Page } from '../../parts/Page'
import { Rows } from '../../parts/Rows'
import { command } from '../../parts/shell'
import { StageLabel, Verdict } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { Wrong } from '../../parts/Wrong'
import { happens, repositoryOf, type Explained as Answer, type Image } from './model'

export function Explained() {
  const [url] = useUrl()
  const { image = '', environment = '', namespace = '' } = url
  const query = { image, environment, namespace }
  const { data, error, refetch, dataUpdatedAt } = useQuery({
    queryKey: ['explained', query],
    queryFn: ({ signal }) => send<Answer>('/api/v1/verdict', { query, signal }),
    enabled: Boolean(image && environment),
    refetchInterval: 30_000,
  })
  const argv = ['explain', image, '--environment', environment, '-n', namespace]
  return (
    <Page
      title={image || 'An image'}
      above={[{ title: 'Images', to: '/images' }]}
      about={environment ? `In ${environment}, namespace ${namespace || '(none)'}.` : 'Choose an image in the list.'}
      state={data ? <Verdict verdict={data.verdict} /> : null}
      fresh={data ? <Fresh at={dataUpdatedAt} what="judged" /> : null}
      actions={<InCode code={codeOfCall({ method: 'GET', path: withQuery('/api/v1/verdict', query), argv })} what="Explain this image" />}
    >
      {!image || !environment ? (
        <Teach title="No image is chosen">
          The list of <Go to="/images">what runs</Go> leads here, an image in a place at a time.
        </Teach>
      ) : null}
      {error ? <Wrong error={error} again={() => void refetch()} /> : null}
      {image && environment && !data && !error ? (
        <p role="status">
          <Spinner size="md" aria-label="Judging" /> Judging…
        </p>
      ) : null}
      {data ? <Found found={data} /> : null}
      {data ? <Running image={data.image} /> : null}
    </Page>
  )
}

function Found({ found }: { found: Answer }) {
  return (
    <div className="image-parts">
      <Part title="What happens when it is started">
        <p>{happens(found)}</p>
        {found.stage ? (
          <p>
            Stage there: <StageLabel stage={found.stage} /> {found.policy ? <Policy policy={found.policy} /> : null}
          </p>
        ) : null}
        {found.message ? (
          <>
            <p>{found.stage === 'warn' ? 'The warning' : 'The refusal'} that the API server gives, word for word:</p>
            <Copied text={found.message} what="the message of the API server" />
          </>
        ) : null}
      </Part>
      <Part title="Why">
        {found.reasons.length ? (
          <ul>
            {found.reasons.map((one, index) => (
              <li key={index}>
                {one.message} <span className="fresh">{one.code}</span>
              </li>
            ))}
          </ul>
        ) : (
          <p>No policy restricts what may run there, so there is no verdict, which is not a good one.</p>
        )}
        {found.nearest ? (
          <p>
            Nearest allowed source: <code>{found.nearest}</code>
          </p>
        ) : null}
      </Part>
      <Part title="With which credential it is pulled">
        <Pull pull={found.pull as Pulled | null} />
      </Part>
      <Part title="Decision, step by step" wide>
        <div className="scrolled" tabIndex={0} role="region" aria-label="Steps of the decision">
          <table className="plain">
            <thead>
              <tr>
                <th scope="col">Step</th>
                <th scope="col">Of</th>
                <th scope="col">Result</th>
              </tr>
            </thead>
            <tbody>
              {found.trace.map((one, index) => (
                <tr key={index}>
                  <th scope="row">{one.rule}</th>
                  <td>
                    <code>{one.input}</code>
                  </td>
                  <td>{one.result}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Part>
      <Part title="In a terminal" wide>
        <p>The same, with the cluster and the registry asked, too:</p>
        <Copied text={command('portreeve', 'explain', found.image, '-n', found.namespace)} what="the command" />
      </Part>
    </div>
  )
}

interface Pulled {
  registry: string
  grant: string
  mode: string
  key: string
  credential: { id: string; version: number; expiresAt: string | null } | null
}

function Pull({ pull }: { pull: Pulled | null }) {
  if (!pull) return <p>No registry that stands for it is granted there: it is pulled anonymously, with a secret of the workload’s own, or not at all.</p>
  return (
    <p>
      By <Go to={here('registries', pull.registry)}>{pull.registry}</Go>, granted by {pull.grant}, delivered as {pull.mode} under <code>{pull.key}</code>;{' '}
      {pull.credential ? (
        <>
          version {pull.credential.version}, ends <When at={pull.credential.expiresAt} />.
        </>
      ) : (
        'without a credential.'
      )}
    </p>
  )
}

function Policy({ policy }: { policy: { name: string; version: number } }) {
  return (
    <>
      by <Go to={here('policies', policy.name)}>{policy.name}</Go>, version {policy.version}
    </>
  )
}

function Part({ title, wide = false, children }: { title: string; wide?: boolean; children: ReactNode }) {
  return (
    <Card isCompact component="section" className={wide ? 'image-wide' : ''}>
      <CardTitle component="h2">{title}</CardTitle>
      <CardBody>{children}</CardBody>
    </Card>
  )
}

/** Everywhere where an image of the same repository runs, as far as the reader may see it. */
function Running({ image }: { image: string }) {
  const repository = repositoryOf(image)
  return (
    <section aria-labelledby="running" className="image-running">
      <h2 id="running">Where {repository} runs</h2>
      <Rows<Image>
        caption={`Where ${repository} runs`}
        path="/api/v1/images"
        prefix="runs-"
        fixed={{ prefix: repository }}
        limit={20}
        id={(row) => `${row.environment}/${row.namespace}/${row.owner}/${row.image}`}
        reference={(row) => row.image}
        columns={[
          { title: 'Image', sort: 'image', cell: (row) => <code className="image-name">{row.image}</code> },
          { title: 'Verdict', sort: 'verdict', cell: (row) => <Verdict verdict={row.verdict} /> },
          { title: 'Environment', sort: 'environment', cell: (row) => <Go to={here('environments', row.environment)}>{row.environment}</Go> },
          { title: 'Namespace', sort: 'namespace', cell: (row) => row.namespace },
          { title: 'Owner', sort: 'owner', cell: (row) => row.owner },
        ]}
        empty={<p>Nothing of it runs anywhere that you may see.</p>}
      />
    </section>
  )
}

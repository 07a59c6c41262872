/** What is in a registry: repositories, and the images of one. Searched and paged by the registry itself. */
import { pathOf } from '../../api/client'
import { AdmittedImage } from '../../parts/Admitted'
import { When } from '../../parts/Fresh'
import { Go, here } from '../../parts/Go'
import { Rows } from '../../parts/Rows'
import { Source } from '../../parts/Source'
import { StateLabel } from '../../parts/State'
import { Teach } from '../../parts/Teach'
import { useUrl } from '../../parts/url'
import { useOverview } from './model'
import { Tags } from './Tags'

interface Repository {
  name: string
  tags: number | null
  pushedAt: string | null
  pulls: number | null
  runningIn: number
}

export function Browse({ name }: { name: string }) {
  const [url] = useUrl()
  const { data } = useOverview(name)
  if (!data) return null
  const host = data.prefix.split('/')[0] ?? ''
  if (url.repository) return <Tags name={name} host={host} repository={url.repository} />
  return (
    <Rows<Repository>
      caption="Repositories"
      path={pathOf('registries', name, 'repositories')}
      id={(row) => row.name}
      reference={(row) => `${host}/${row.name}`}
      to={(row) => `${here('registries', name)}?tab=browse&repository=${encodeURIComponent(row.name)}`}
      filters={[{ name: 'search', title: 'Part of the name' }]}
      head={(list) => <Source list={list} />}
      columns={[
        { title: 'Repository', cell: (row) => row.name },
        { title: 'Tags', cell: (row) => row.tags ?? <NotTold /> },
        { title: 'Last push', cell: (row) => (row.pushedAt ? <When at={row.pushedAt} /> : <NotTold />) },
        { title: 'Running in', cell: (row) => row.runningIn || <span className="fresh">nothing seen</span> },
        { title: 'Admitted in', cell: (row) => <AdmittedImage image={`${host}/${row.name}`} /> },
        { title: 'Worst finding', cell: () => <StateLabel look="unknown">unknown</StateLabel> },
      ]}
      empty={
        <Teach title="No repository is seen" command={`portreeve browse ${name}`}>
          Repositories of this registry, or, where it lists none, those that your clusters run. See on the tab <Go to={`${here('registries', name)}?tab=check`}>Checks</Go>{' '}
          whether it may be listed.
        </Teach>
      }
    />
  )
}

export function NotTold() {
  return <span className="fresh">not told</span>
}

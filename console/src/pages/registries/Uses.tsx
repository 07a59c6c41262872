/** The workloads that run images of a registry: whom its deletion would hit. */
import { Rows } from '../../parts/Rows'
import { Teach } from '../../parts/Teach'
import { pathOf } from '../../api/client'

interface Use {
  environment: string
  namespace: string
  owner: string
  image: string
  digest: string | null
}

export function Uses({ name }: { name: string }) {
  return (
    <Rows<Use>
      caption="Running workloads"
      path={pathOf('registries', name, 'uses')}
      id={(row) => `${row.environment}/${row.namespace}/${row.owner}/${row.image}`}
      reference={(row) => row.image}
      filters={[
        { name: 'environment', title: 'Environment' },
        { name: 'namespace', title: 'Namespace' },
      ]}
      columns={[
        { title: 'Workload', cell: (row) => row.owner },
        { title: 'Environment', cell: (row) => row.environment },
        { title: 'Namespace', cell: (row) => row.namespace },
        { title: 'Image', cell: (row) => <code>{row.image}</code> },
        { title: 'Digest', cell: (row) => (row.digest ? <code title={row.digest}>{row.digest.slice(0, 19)}</code> : 'not told') },
      ]}
      empty={
        <Teach title="No running workload is seen" command="portreeve inventory ENVIRONMENT">
          Workloads that run images from here, in environments whose agents tell what runs. Nothing here is not the same as nothing
          running: see when each environment has told last.
        </Teach>
      }
    />
  )
}

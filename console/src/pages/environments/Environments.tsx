import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Environments() {
  return (
    <Page title="Environments" about="Clusters, Docker hosts and Swarms.">
      <Teach title="Environments">Clusters, Docker hosts and Swarms.</Teach>
    </Page>
  )
}

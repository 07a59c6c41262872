import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Policies() {
  return (
    <Page title="Policies" about="Which sources are allowed where.">
      <Teach title="Policies">Which sources are allowed where.</Teach>
    </Page>
  )
}

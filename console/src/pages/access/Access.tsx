import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Access() {
  return (
    <Page title="Access" about="Which namespace may pull from which registry.">
      <Teach title="Access">Which namespace may pull from which registry.</Teach>
    </Page>
  )
}

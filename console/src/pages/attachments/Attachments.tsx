import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Attachments() {
  return (
    <Page title="Attachments" about="What became of policies and accesses in each environment.">
      <Teach title="Attachments">What became of policies and accesses in each environment.</Teach>
    </Page>
  )
}

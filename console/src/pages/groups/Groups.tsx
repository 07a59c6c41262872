import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Groups() {
  return (
    <Page title="Environment groups" about="What policies are attached to.">
      <Teach title="Environment groups">What policies are attached to.</Teach>
    </Page>
  )
}

import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Images() {
  return (
    <Page title="Images" about="What runs, and whether it may.">
      <Teach title="Images">What runs, and whether it may.</Teach>
    </Page>
  )
}

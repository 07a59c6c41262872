import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Fleet() {
  return (
    <Page title="Fleet" about="Groups and environments at a glance, and what to do next.">
      <Teach title="Fleet">Groups and environments at a glance, and what to do next.</Teach>
    </Page>
  )
}

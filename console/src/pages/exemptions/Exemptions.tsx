import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Exemptions() {
  return (
    <Page title="Exemptions" about="What is allowed for a while, by whom and why.">
      <Teach title="Exemptions">What is allowed for a while, by whom and why.</Teach>
    </Page>
  )
}

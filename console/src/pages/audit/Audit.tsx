import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Audit() {
  return (
    <Page title="Audit" about="Who did what, and the proof of it.">
      <Teach title="Audit">Who did what, and the proof of it.</Teach>
    </Page>
  )
}

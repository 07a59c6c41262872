import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Credentials() {
  return (
    <Page title="Credentials" about="What expires when.">
      <Teach title="Credentials">What expires when.</Teach>
    </Page>
  )
}

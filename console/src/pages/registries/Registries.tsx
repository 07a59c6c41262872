import { Page } from '../../parts/Page'
import { Teach } from '../../parts/Teach'

export function Registries() {
  return (
    <Page title="Registries" about="Where images come from, and with which credential.">
      <Teach title="Registries">Where images come from, and with which credential.</Teach>
    </Page>
  )
}
